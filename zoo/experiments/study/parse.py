"""A `StudyConfig` of a study file, of settings (flags, or keywords in Python), or of a file with settings on top."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from zoo.calls import check_utf_8, parse_assignment, short_names
from zoo.config import BUDGETS, DEFAULT_STEPS, Call, DataConfig, TrainingConfig
from zoo.errors import UsageError, describe_faults, shorten
from zoo.experiments.study.config import StudyConfig
from zoo.experiments.study.settings import NAMES, SETTINGS, TOKENS, check_names, nest_settings
from zoo.regular_file import read_regular
from zoo.settings.setting import index_by_name
from zoo.settings.values import parse_tokens

LARGEST = 16 << 20
"""Most bytes of a study file."""


def load_study(path: Path, recipe: str | None = None) -> dict[str, Any]:
    """A study file as plain values for `make_study`; `recipe` picks one of its [recipes] (the first, if None).

    Raises:
        UsageError: no such file, no regular one, too large, not TOML, or a recipe that it does not have.
    """
    try:
        text = read_regular(path, LARGEST).decode()
        raw = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        hint = "A study is a TOML or JSON file; models are named as --models a,b."
        raise UsageError(f"Cannot read study '{path}': {error.strerror}. {hint}") from None
    except RecursionError:
        raise UsageError(f"Study '{path}' cannot be read: it is nested too deep.") from None
    except ValueError as error:  # of either parser, or not UTF-8
        raise UsageError(f"Study '{path}' cannot be read as {path.suffix or 'TOML'}: {error}.") from None
    if not isinstance(raw, dict):
        raise UsageError(f"Study '{path}' is a table of settings, not a list or a number.")
    recipes = _read_table(raw, "recipes")
    raw.pop("recipes", None)
    if recipe is not None and recipe not in recipes:
        raise UsageError(f"Study '{path}' has no recipe '{recipe}'. Its recipes: {', '.join(recipes) or 'none'}.")
    if isinstance(raw.get("study"), dict):
        raw = raw["study"]  # the record of a comparison holds it
    raw.setdefault("name", path.stem)
    if recipes:
        chosen = recipe or next(iter(recipes))
        raw["training"] = {**_read_table(raw, "training"), **_read_table(recipes, chosen)}
        raw["name"] = f"{raw['name']}-{chosen}"
    return raw


def _read_table(raw: Mapping[str, Any], key: str) -> dict[str, Any]:
    """A part of a study file that has to be a table, if it is there.

    Raises:
        UsageError: it is something else.
    """
    value = raw.get(key, {})
    if not isinstance(value, dict):
        raise UsageError(f"A study's '{key}' is a table of settings, not {shorten(value)}.")
    return value


def read_flags(flags: Mapping[str, Any]) -> dict[str, Any]:
    """The settings among a command's flags by their names, laid over those of `--set`.

    Raises:
        UsageError: one of `--set` is not written as key=value, or its value not as a flag takes it.
    """
    assigned = {name: _parse_value(name, value) for name, value in map(parse_assignment, flags.get("assignments", ()))}
    given = {name: flags[name] for name in NAMES if flags.get(name) is not None}
    tokens = [*([assigned[TOKENS]] if TOKENS in assigned else []), *flags.get(TOKENS, ())]
    return {**assigned, **given, TOKENS: tokens}


def _parse_value(name: str, value: Any) -> Any:
    """What `--set` gives, as the setting's flag would take it."""
    setting = index_by_name(SETTINGS).get(name)
    parse = parse_tokens if name == TOKENS else setting and setting.flag and setting.flag.parse
    if not (isinstance(value, str) and parse):
        return value
    try:
        return parse(value)
    except ValueError as error:
        raise UsageError(f"--set {name}: {error}") from None


def build_study(
    given: Mapping[str, Any],
    *,
    models: Sequence[str] | None,
    seeds: Sequence[int] | None,
    splits: int | None = None,
    name: str | None = None,
    file: str | None = None,
    recipe: str | None = None,
    base: Mapping[str, Any] | None = None,
) -> StudyConfig:
    """A study of a file or a base, if there is one, with the settings that are given by name on top; None says nothing.

    Raises:
        UsageError: a name that is no setting, or all faults of the values, in one line.
    """
    check_names(given)
    check_utf_8(name or "")
    own = {"name": name, "models": models, "seeds": seeds, "splits": splits}
    base = load_study(Path(file), recipe) if file is not None else base or {}
    return make_study(base, {**own, **nest_settings(given)})


def make_study(base: Mapping[str, Any], overrides: Mapping[str, Any]) -> StudyConfig:
    """`base`, with `overrides` on top (nested mappings are merged, None overrides nothing), checked as a whole.

    A budget in `overrides` takes the place of the one in `base`. Without any, `DEFAULT_STEPS` is the budget.

    Raises:
        UsageError: all faults in one line.
    """
    _read_table(base, "data")
    base_training, given = _read_table(base, "training"), overrides.get("training", {})
    if set(BUDGETS) & set(given):
        base_training = {key: value for key, value in base_training.items() if key not in BUDGETS}
    if overrides.get("lr_grid"):
        base_training = {key: value for key, value in base_training.items() if key != "lr"}
    if overrides.get("lr_grid") or "lr" in given:
        base = {key: value for key, value in base.items() if key not in ("lr_grid", "lr_grid_extends")}
    if overrides.get("match"):
        base = {key: value for key, value in base.items() if key != "match"}
    merged = _merge({**base, "training": base_training}, overrides)
    check_names(merged["training"], list(TrainingConfig.model_fields))
    if not set(BUDGETS) & set(merged["training"]):
        merged["training"]["steps"] = DEFAULT_STEPS
    if "name" not in merged:
        merged["name"] = derive_name(merged.get("models", []), merged["data"].get("corpus", DataConfig().corpus))
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


def derive_name(models: Sequence[str | Mapping[str, Any]], corpus: Call | str) -> str:
    """A comparison by flags is named after its models and corpus."""
    names = [model if isinstance(model, str) else str(model["model"]) for model in models]
    return f"{'-'.join(short_names(names))}-on-{'stdin' if corpus == '-' else Path(str(corpus)).stem}"
