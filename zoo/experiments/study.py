"""A comparison as one frozen value, from a TOML file or from flags, and the runs that it asks for."""

import difflib
import json
import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator

from zoo.calls import parse_assignment
from zoo.config import BUDGETS, Call, DataConfig, Frozen, Positive, RunConfig, Seed, TrainingConfig
from zoo.errors import UsageError, describe_faults

DEFAULT_STEPS = 1000
DEFAULT_LENGTH = 64
LAST_SEED = 2**63 - 1
TRAINING_FLAGS = ("steps", "seconds", "flops", "length", "batch_size", "lr", "device", "dtype", "threads")


class Published(Frozen):
    """Losses that somebody published for a model, nats a token."""

    train: float | None = None
    validation: float | None = None


class Contestant(Frozen):
    """One row of the table, labelled as it was written unless it has a label."""

    label: str = Field(min_length=1)
    model: Call
    context: int | None = Field(None, ge=1, description="instead of the study's")
    published: Published | None = None

    @model_validator(mode="before")
    @classmethod
    def _labelled(cls, value: Any) -> Any:
        given = {"model": value} if isinstance(value, str) else value
        if isinstance(given, dict) and isinstance(given.get("model"), str):
            return {"label": given["model"], **given}
        return given


class Match(Frozen):
    """The size that every model is scaled to: one of the two."""

    parameters: Positive | None = None
    flops: float | None = Field(None, gt=0, description="FLOPs of training a token")

    @model_validator(mode="after")
    def _one(self) -> "Match":
        if (self.parameters is None) == (self.flops is None):
            raise ValueError("match takes parameters or flops, and one of them")
        return self

    @property
    def kind(self) -> str:
        """What is matched."""
        return "flops" if self.parameters is None else "parameters"

    @property
    def target(self) -> float:
        """How large."""
        return float(self.parameters or self.flops or 0)


class Matched(Frozen):
    """A model scaled: what was asked for, and what it reached."""

    model: Call
    target: float
    reached: float

    @property
    def deviation(self) -> float:
        """Relative: 0.02 is 2% too large."""
        return self.reached / self.target - 1


class StudyConfig(Frozen):
    """Models, data, budget and seeds: the same for all models but what a contestant says of itself."""

    name: str
    title: str = ""
    source: str = Field("", description="where the published figures stand")
    models: tuple[Contestant, ...]
    data: DataConfig = DataConfig()
    training: TrainingConfig = TrainingConfig()
    context: int = Field(8, ge=1)
    seeds: tuple[Seed, ...] = Field((1, 2, 3), min_length=1)
    match: Match | None = Field(None, description="scale every model to one size")
    lr_grid: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        (), description="train every model at each under one extra seed; the best on validation is taken"
    )

    @model_validator(mode="after")
    def _labels_are_distinct(self) -> "StudyConfig":
        labels = [contestant.label for contestant in self.models]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice:
            raise ValueError(f"two models are called '{twice[0]}': the table could not tell them apart")
        if not labels:
            raise ValueError("no models to compare")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"a seed stands twice in {list(self.seeds)}: it would count as two runs")
        if (self.lr_grid and sorted(set(self.lr_grid)) != list(self.lr_grid)) or len(self.lr_grid) == 1:
            raise ValueError(f"lr_grid={list(self.lr_grid)} is no grid: give at least two rates, from the lowest")
        if self.lr_grid and self.training.lr is not None:
            raise ValueError(f"lr={self.training.lr:g} and a grid of learning rates: give one")
        return self

    def scaled(self, matched: Mapping[str, Matched]) -> "StudyConfig":
        """The same study with its models at their matched sizes."""
        models = tuple(
            contestant.model_copy(update={"model": matched[contestant.label].model})
            if contestant.label in matched
            else contestant
            for contestant in self.models
        )
        return self.model_copy(update={"models": models})

    def trials(self) -> list[RunConfig]:
        """The runs that choose a learning rate: every model at every rate of the grid, under one more seed."""
        extra = next(seed for seed in (max(self.seeds) + 1, *range(len(self.seeds) + 1)) if self._is_free(seed))
        one = self.model_copy(update={"seeds": (extra,)})
        return [
            run.model_copy(update={"training": run.training.model_copy(update={"lr": lr}), "trial": True})
            for run in one.runs()
            for lr in self.lr_grid
        ]

    def _is_free(self, seed: int) -> bool:
        return seed <= LAST_SEED and seed not in self.seeds

    def chosen(self, rates: Mapping[str, float]) -> list[RunConfig]:
        """The runs that are reported, at the learning rates (label -> rate) that were chosen from the grid, if any."""
        return [
            run.model_copy(
                update={
                    "training": run.training.model_copy(update={"lr": rates[run.label]}),
                    "chosen_from": self.lr_grid,
                }
            )
            if run.label in rates
            else run
            for run in self.runs()
        ]

    def runs(self) -> list[RunConfig]:
        """Every run, seed by seed, so that the first seeds of all models are done first.

        The length of a stream's rows is fixed here, for rows must not depend on the model: at least the longest
        context.
        """
        longest = max(contestant.context or self.context for contestant in self.models)
        length = self.training.length or max(DEFAULT_LENGTH, longest)
        training = self.training.model_copy(update={"length": length})
        return [
            RunConfig(
                model=contestant.model,
                label=contestant.label,
                data=self.data,
                training=training,
                context=contestant.context or self.context,
                seed=seed,
            )
            for seed in self.seeds
            for contestant in self.models
        ]


def load_study(path: Path, recipe: str | None = None) -> dict[str, Any]:
    """A study file as plain values for `make_study`; `recipe` picks one of its [recipes] (the first, if None).

    Raises:
        UsageError: no such file, not TOML, or a recipe that it does not have.
    """
    try:
        text = path.read_text()
        raw = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        hint = "A study is a TOML or JSON file; models are named as --models a,b."
        raise UsageError(f"Cannot read study '{path}': {error.strerror}. {hint}") from None
    except ValueError as error:  # of either parser, or not UTF-8
        raise UsageError(f"Study '{path}' cannot be read as {path.suffix or 'TOML'}: {error}.") from None
    if not isinstance(raw, dict):
        raise UsageError(f"Study '{path}' is a table of settings, not a list or a number.")
    recipes = _table(raw, "recipes")
    raw.pop("recipes", None)
    if recipe is not None and recipe not in recipes:
        raise UsageError(f"Study '{path}' has no recipe '{recipe}'. Its recipes: {', '.join(recipes) or 'none'}.")
    if isinstance(raw.get("study"), dict):
        raw = raw["study"]  # the record of a comparison says what was asked
    raw.setdefault("name", path.stem)
    if recipes:
        chosen = recipe or next(iter(recipes))
        raw["training"] = {**_table(raw, "training"), **_table(recipes, chosen)}
        raw["name"] = f"{raw['name']}-{chosen}"
    return raw


def _table(raw: Mapping[str, Any], key: str) -> dict[str, Any]:
    """A part of a study file that has to be a table, if it is there.

    Raises:
        UsageError: it is something else.
    """
    value = raw.get(key, {})
    if not isinstance(value, dict):
        raise UsageError(f"A study's '{key}' is a table of settings, not {value!r}.")
    return value


def data_flags(flags: Mapping[str, Any]) -> dict[str, Any]:
    """The flags about the corpus as `DataConfig` has them; None where nothing was said."""
    corpus = flags["data"]
    if corpus is not None and os.path.exists(corpus):
        corpus = Call(name=corpus)  # a file may have parentheses in its name
    kinds = [value for value in flags.get("tokens", ()) if isinstance(value, str)]
    return {
        "corpus": corpus,
        "tokens": kinds[-1] if kinds else None,
        **{name: flags[name] for name in ("documents", "split_seed", "dedupe")},
    }


def training_flags(flags: Mapping[str, Any]) -> dict[str, Any]:
    """The flags about training, `--set` first, as `TrainingConfig` has them; None where nothing was said."""
    budgets = [value for value in flags["tokens"] if isinstance(value, int)]
    named = {name: flags[name] for name in TRAINING_FLAGS}
    named["tokens"] = budgets[-1] if budgets else None
    settings = dict(parse_assignment(setting) for setting in flags["settings"])
    return settings | {name: value for name, value in named.items() if value is not None}


def study_from(
    flags: Mapping[str, Any],
    *,
    models: Sequence[str] | None,
    seeds: Sequence[int] | None,
    file: str | None = None,
    recipe: str | None = None,
) -> StudyConfig:
    """What `train` and `compare` ask for: a study file, if there is one, with the flags on top.

    Raises:
        UsageError: all faults in one line.
    """
    overrides = {
        "models": models,
        "seeds": seeds,
        "context": flags["context"],
        "data": data_flags(flags),
        "training": training_flags(flags),
        "match": dict([flags["match"]]) if flags["match"] else None,
        "lr_grid": flags["lr_grid"],
    }
    return make_study(load_study(Path(file), recipe) if file is not None else {}, overrides)


def make_study(base: Mapping[str, Any], overrides: Mapping[str, Any]) -> StudyConfig:
    """`base`, with `overrides` on top (nested mappings are merged, None overrides nothing), checked as a whole.

    A budget in `overrides` takes the place of the one in `base`. Without any, `DEFAULT_STEPS` is the budget.

    Raises:
        UsageError: all faults in one line.
    """
    _table(base, "data")
    base_training, given = _table(base, "training"), overrides.get("training", {})
    if set(BUDGETS) & set(given):
        base_training = {key: value for key, value in base_training.items() if key not in BUDGETS}
    if overrides.get("lr_grid"):
        base_training = {key: value for key, value in base_training.items() if key != "lr"}
    elif "lr" in given:
        base = {key: value for key, value in base.items() if key != "lr_grid"}
    if overrides.get("match"):
        base = {key: value for key, value in base.items() if key != "match"}
    merged = _merge({**base, "training": base_training}, overrides)
    for key in merged["training"]:
        if key not in TrainingConfig.model_fields:
            close = difflib.get_close_matches(key, TrainingConfig.model_fields, n=1)
            hint = f" Did you mean '{close[0]}'?" if close else ""
            raise UsageError(f"Unknown setting '{key}'. Settings: {', '.join(TrainingConfig.model_fields)}.{hint}")
    if not set(BUDGETS) & set(merged["training"]):
        merged["training"]["steps"] = DEFAULT_STEPS
    if "name" not in merged:
        merged["name"] = _name(merged.get("models", []), merged["data"].get("corpus", DataConfig().corpus))
    try:
        return StudyConfig.model_validate(merged)
    except ValidationError as error:
        raise UsageError(f"{describe_faults(error)}.") from None


def _merge(base: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in overrides.items():
        if isinstance(value, Mapping):
            merged[key] = _merge(merged.get(key, {}), value)
        elif value is not None:
            merged[key] = value
    return merged


def _name(models: Sequence[str], corpus: Call | str) -> str:
    """A comparison by flags is named after its models and corpus."""
    return f"{'-'.join(models)}-on-{'stdin' if corpus == '-' else Path(str(corpus)).stem}"
