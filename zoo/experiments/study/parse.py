"""Build a `StudyConfig` from a study file, from settings (flags, or keywords in Python), or from both."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from glob import has_magic
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
from zoo.settings.values import parse_looks, parse_tokens

LARGEST = 16 << 20
"""Maximum bytes of a study file."""


def load_study(path: Path, recipe: str | None = None) -> dict[str, Any]:
    """Load a study file as plain values for `make_study`; `recipe` selects one of its [recipes] (None: the first).

    Raises:
        UsageError: the file is missing, not regular, too large or not TOML or JSON, or lacks the recipe.
    """
    try:
        text = read_regular(path, LARGEST).decode()
        raw = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        hint = "A study is a TOML or JSON file; models are named as --models a,b."
        raise UsageError(f"Cannot read study '{path}': {error.strerror}. {hint}") from None
    except RecursionError:
        raise UsageError(f"Study '{path}' cannot be read: it is nested too deep.") from None
    except ValueError as error:  # from either parser, or not UTF-8
        raise UsageError(f"Study '{path}' cannot be read as {path.suffix or 'TOML'}: {error}.") from None
    if not isinstance(raw, dict):
        raise UsageError(f"Study '{path}' is a table of settings, not a list or a number.")
    recipes = read_table(raw, "recipes")
    raw.pop("recipes", None)
    if recipe is not None and recipe not in recipes:
        raise UsageError(f"Study '{path}' has no recipe '{recipe}'. Its recipes: {', '.join(recipes) or 'none'}.")
    if isinstance(raw.get("study"), dict):
        raw = raw["study"]  # `path` is the record of a comparison
    raw.setdefault("name", path.stem)
    if recipes:
        chosen = recipe or next(iter(recipes))
        raw["training"] = {**read_table(raw, "training"), **read_table(recipes, chosen)}
        raw["name"] = f"{raw['name']}-{chosen}"
    return raw


def read_table(raw: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return a table of a study file; empty if it is missing.

    Raises:
        UsageError: the value is not a table.
    """
    value = raw.get(key, {})
    if not isinstance(value, dict):
        raise UsageError(f"A study's '{key}' is a table of settings, not {shorten(value)}.")
    return value


def read_flags(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings among a command's flags by name; they override those of `--set`.

    Raises:
        UsageError: an argument of `--set` is not key=value, or the flag would refuse its value.
    """
    assigned = {name: _parse_value(name, value) for name, value in map(parse_assignment, flags.get("assignments", ()))}
    given = {name: flags[name] for name in NAMES if flags.get(name) is not None}
    tokens = [*([assigned[TOKENS]] if TOKENS in assigned else []), *flags.get(TOKENS, ())]
    return {**assigned, **given, TOKENS: tokens}


def _parse_value(name: str, value: Any) -> Any:
    """Parse a value of `--set` as the setting's flag does."""
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
    target: float | Sequence[float] | None = None,
    name: str | None = None,
    file: str | None = None,
    recipe: str | None = None,
    base: Mapping[str, Any] | None = None,
) -> StudyConfig:
    """Build a study from settings by name, over a file or a base if there is one; None leaves a setting unset.

    Raises:
        UsageError: a name is not a setting, or values are faulty (all faults in one line).
    """
    check_names(given)
    check_utf_8(name or "")
    own = {"name": name, "models": models, "seeds": seeds, "splits": splits, "target": target}
    base = load_study(Path(file), recipe) if file is not None else base or {}
    return make_study(base, {**own, **nest_settings(given)})


def limit_looks(given: Mapping[str, Any], least: int, most: int) -> dict[str, Any]:
    """Settings by name, with the looks of `until` between these numbers of seeds; both are looks.

    Raises:
        UsageError: there are no looks.
    """
    looks = given.get("until")
    if not looks:
        raise UsageError(f"--seeds {least}..{most} is a range: give --until decided, or one number of seeds.")
    looks = parse_looks(looks) if isinstance(looks, str) else looks
    return {**given, "until": sorted({least, most, *(number for number in looks if least < number < most)})}


def make_study(base: Mapping[str, Any], overrides: Mapping[str, Any]) -> StudyConfig:
    """Build a study from `base` overridden by `overrides` (nested mappings are merged, None overrides nothing).

    A budget in `overrides` replaces the one in `base`; without any it is `DEFAULT_STEPS`.

    Raises:
        UsageError: values are faulty; all faults in one line.
    """
    if "ablation" in base:
        raise UsageError("This study declares an ablation: run it with `ablate FILE`.")
    read_table(base, "data")
    base_training, given = read_table(base, "training"), overrides.get("training", {})
    if set(BUDGETS) & set(given):
        base_training = {key: value for key, value in base_training.items() if key not in BUDGETS}
    if overrides.get("lr_grid"):
        base_training = {key: value for key, value in base_training.items() if key != "lr"}
    if overrides.get("lr_grid") or "lr" in given:
        base = {key: value for key, value in base.items() if key not in ("lr_grid", "lr_grid_extends")}
    base = {**base, "search": _drop_search(read_table(base, "search"), overrides.get("search", {}))}
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


def _drop_search(base: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a search without what `given` replaces as a whole: its budget, and its space."""
    budget = {"trials", "flops"} if {"trials", "flops"} & set(given) else set()
    return {key: value for key, value in base.items() if key not in budget and not (key == "space" and key in given)}


def _merge(base: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in overrides.items():
        if isinstance(value, Mapping):
            merged[key] = _merge(merged.get(key, {}), value)
        elif value is not None:
            merged[key] = value
    return merged


def derive_name(models: Sequence[str | Mapping[str, Any]], corpus: Call | str) -> str:
    """Name a comparison after its models and corpus."""
    names = [model if isinstance(model, str) else str(model["model"]) for model in models]
    return f"{'-'.join(short_names(names))}-on-{_shorten_corpus(str(corpus))}"


def _shorten_corpus(corpus: str) -> str:
    path = Path(corpus)
    if has_magic(path.name):
        path = path.parent  # a pattern is named after its directory
    return "stdin" if corpus == "-" else path.stem or "files"
