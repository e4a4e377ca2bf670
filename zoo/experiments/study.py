"""A comparison as one frozen value, from a TOML file or from flags, and the runs that it asks for."""

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, model_validator

from zoo.calls import parse_call
from zoo.config import Call, DataConfig, Frozen, RunConfig, TrainingConfig
from zoo.errors import UsageError, describe_faults

DEFAULT_STEPS = 1000
DEFAULT_LENGTH = 64


class Published(Frozen):
    """Losses that somebody published for a model, nats a token."""

    train: float | None = None
    validation: float | None = None


class Contestant(Frozen):
    """One row of the table."""

    label: str
    model: Call
    context: int | None = Field(None, ge=1, description="instead of the study's")
    published: Published | None = None


class StudyConfig(Frozen):
    """Models, data, budget and seeds: the same for all models but what a contestant says of itself."""

    name: str
    title: str = ""
    source: str = Field("", description="where the published figures stand")
    models: tuple[Contestant, ...]
    data: DataConfig = DataConfig()
    training: TrainingConfig = TrainingConfig()
    context: int = Field(8, ge=1)
    seeds: tuple[int, ...] = (1, 2, 3)

    @model_validator(mode="after")
    def _labels_are_distinct(self) -> "StudyConfig":
        labels = [contestant.label for contestant in self.models]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice:
            raise ValueError(f"two models are called '{twice[0]}': the table could not tell them apart")
        if not labels:
            raise ValueError("no models to compare")
        return self

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
        raw = tomllib.loads(path.read_text())
    except OSError as error:
        raise UsageError(f"Cannot read study '{path}': {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"Study '{path}' is not TOML: {error}.") from None
    recipes = raw.pop("recipes", {})
    if recipe is not None and recipe not in recipes:
        raise UsageError(f"Study '{path}' has no recipe '{recipe}'. Its recipes: {', '.join(recipes) or 'none'}.")
    if recipes:
        chosen = recipe or next(iter(recipes))
        raw["training"] = {**raw.get("training", {}), **recipes[chosen]}
        raw["name"] = f"{raw.get('name', path.stem)}-{chosen}"
    raw.setdefault("name", path.stem)
    for model in raw.get("models", []):
        if isinstance(model, dict) and isinstance(model.get("model"), str):
            model.setdefault("label", model["model"])
            model["model"] = parse_call(model["model"])
    if isinstance(raw.get("data", {}).get("corpus"), str):
        raw["data"]["corpus"] = parse_call(raw["data"]["corpus"])
    return raw


def contestants(calls: Sequence[Call]) -> list[dict[str, Any]]:
    """A contestant a call, labelled as it was written."""
    return [{"label": str(call), "model": call} for call in calls]


def make_study(base: Mapping[str, Any], overrides: Mapping[str, Any]) -> StudyConfig:
    """`base`, with `overrides` on top (nested mappings are merged, None overrides nothing), checked as a whole.

    A budget in `overrides` takes the place of the one in `base`. Without any, `DEFAULT_STEPS` is the budget.

    Raises:
        UsageError: all faults in one line.
    """
    merged = _merge(base, overrides)
    training = dict(merged.get("training", {}))
    for key in training:
        if key not in TrainingConfig.model_fields:
            close = difflib.get_close_matches(key, TrainingConfig.model_fields, n=1)
            hint = f" Did you mean '{close[0]}'?" if close else ""
            raise UsageError(f"Unknown setting '{key}'. Settings: {', '.join(TrainingConfig.model_fields)}.{hint}")
    given = overrides.get("training", {})
    for budget, other in (("steps", "tokens"), ("tokens", "steps")):
        if given.get(budget) is not None and given.get(other) is None:
            training.pop(other, None)
    if training.get("steps") is None and training.get("tokens") is None:
        training["steps"] = DEFAULT_STEPS
    merged["training"] = training
    merged.setdefault("name", _name(merged))
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


def _name(study: Mapping[str, Any]) -> str:
    """A comparison by flags is named after its models and corpus."""
    corpus = study.get("data", {}).get("corpus", DataConfig().corpus)
    labels = [model["label"] for model in study.get("models", [])]
    return f"{'-'.join(labels)}-on-{Path(str(corpus)).stem if corpus.name != '-' else 'stdin'}"
