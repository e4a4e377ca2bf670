"""What a user asked for, as a `StudyConfig`: a study file, flags or a call's settings, or a file with these on top."""

import difflib
import json
import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from zoo.calls import parse_assignment, short_names
from zoo.config import BUDGETS, Call, DataConfig, TrainingConfig
from zoo.errors import UsageError, describe_faults
from zoo.experiments.study.config import StudyConfig

DEFAULT_STEPS = 1000
TRAINING_FLAGS = ("steps", "seconds", "flops", "length", "batch_size", "lr", "device", "dtype", "compile", "threads")
SETTINGS = (
    *("data", "documents", "split", "split_seed", "dedupe", "context", "match", "lr_grid"),
    *TrainingConfig.model_fields,
)
"""By their names in Python; `tokens` says what a token is if it is text, is a budget if it is a number, or has both."""


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
        **{name: flags[name] for name in ("documents", "split", "split_seed", "dedupe")},
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
    splits: int | None = None,
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
        "splits": splits,
        "context": flags["context"],
        "data": data_flags(flags),
        "training": training_flags(flags),
        "match": dict([flags["match"]]) if flags["match"] else None,
        "lr_grid": flags["lr_grid"],
    }
    return make_study(load_study(Path(file), recipe) if file is not None else {}, overrides)


def study_of(
    settings: Mapping[str, Any],
    *,
    models: Sequence[str] | None,
    seeds: Sequence[int] | None,
    splits: int | None = None,
    name: str | None = None,
    file: str | None = None,
    recipe: str | None = None,
    beside: Sequence[str] = (),
) -> StudyConfig:
    """What a call in Python asks for: a study file, if there is one, with SETTINGS by name on top; None says nothing.

    `beside` are the names that the call has for other things, for the message about one that nobody has.

    Raises:
        UsageError: a name that is no setting, or all faults of the values, in one line.
    """
    check_names(settings, list(dict.fromkeys([*beside, *SETTINGS])))
    given = {key: value for key, value in settings.items() if value is not None}
    tokens = given.pop("tokens", ())
    told = list(tokens) if isinstance(tokens, list | tuple) else [tokens]
    training = {key: given[key] for key in TrainingConfig.model_fields if key in given}
    budgets = [value for value in told if not isinstance(value, str)]
    overrides = {
        "name": name,
        "models": models,
        "seeds": seeds,
        "splits": splits,
        "data": data_flags({**dict.fromkeys(SETTINGS), **given, "tokens": told}),
        "training": training | ({"tokens": budgets[-1]} if budgets else {}),
        **{key: given.get(key) for key in ("context", "match", "lr_grid")},
    }
    return make_study(load_study(Path(file), recipe) if file is not None else {}, overrides)


def check_names(given: Iterable[str], known: Sequence[str]) -> None:
    """Every setting that is given is one of those that are known.

    Raises:
        UsageError: one is not; the message lists those that are.
    """
    for name in given:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean '{close[0]}'?" if close else ""
            raise UsageError(f"Unknown setting '{name}'. Settings: {', '.join(known)}.{hint}")


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
    check_names(merged["training"], list(TrainingConfig.model_fields))
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
    return f"{'-'.join(short_names(models))}-on-{'stdin' if corpus == '-' else Path(str(corpus)).stem}"
