"""Make the variants of a model that an ablation declares, as a study against the model as a baseline."""

import difflib
import math
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any, Literal, get_args, get_origin

from pydantic import ValidationError

from zoo.calls import Call, Value, short_names
from zoo.catalog import MODELS
from zoo.errors import UsageError, describe_faults
from zoo.experiments.study.ablation import Ablation
from zoo.models.build import model_config
from zoo.models.interface import ModelOptions

Change = dict[str, Value]
"""Option -> its value in a variant."""
NONE = "none"
"""Value of a choice that stands for nothing."""
DIGITS = 12
"""Significant digits of a scaled number."""


def make_models(ablation: Ablation) -> tuple[str, list[dict[str, Any]]]:
    """Return the label of the model as written, and all models of the study, labelled by what is changed.

    Raises:
        RegistryError, UsageError: the model or an option does not exist, or a change changes nothing.
    """
    call = ablation.model
    kind = MODELS.get(call.name)
    full = model_config(kind, call.options, call.name)
    label = short_names([str(call)])[0]
    pieces: dict[str, list[Change]] = {}
    for change in _list_changes(ablation, full, call.name):
        own = pieces.setdefault(next(iter(change)), [])
        if change not in own:
            own.append(change)
    if not pieces:
        raise UsageError(
            f"Nothing is changed: give --drop, --swap or --scale. Options of '{call.name}': {_join(full)}."
        )
    singles = [change for own in pieces.values() for change in own]
    variants = [*singles, *_pair(ablation, pieces, full, call.name)]
    for change in variants:
        model_config(kind, {**call.options, **change}, call.name)
    models = [{"label": label, "model": str(call)}]
    models += [{"label": write_change(one), "model": str(Call(name=call.name, options={**call.options, **one}))}
               for one in variants]  # fmt: skip
    return label, models


def write_change(change: Mapping[str, Value]) -> str:
    """Write a change as in a call: `norm=none,gate=true`."""
    return str(Call(name="", options=dict(change)))[1:-1]


def _list_changes(ablation: Ablation, full: ModelOptions, name: str) -> Iterator[Change]:
    for option in ablation.drop:
        yield {option: _absent(full, _find(full, option, name), name)}
    for option, values in ablation.swap.items():
        for value in values:
            yield _check(full, {_find(full, option, name): value}, name)
    for option, factors in ablation.scale.items():
        for factor in factors:
            yield _check(full, {option: _scale(full, _find(full, option, name), factor, name)}, name)


def _pair(ablation: Ablation, pieces: Mapping[str, list[Change]], full: ModelOptions, name: str) -> Iterator[Change]:
    """Both changes of every two pieces: of each the first."""
    for option in ablation.paired:
        if option not in pieces:
            _find(full, option, name)
            raise UsageError(
                f"--pairs names '{option}', which is not changed alone: drop, swap or scale it. Changed: "
                f"{', '.join(pieces)}."
            )
    if ablation.pairs and len(ablation.paired) < 2:
        raise UsageError("--pairs needs two pieces: drop two, or name two that are changed (--pairs norm,residual).")
    for one, other in combinations(dict.fromkeys(ablation.paired), 2):
        yield {**pieces[one][0], **pieces[other][0]}


def _find(full: ModelOptions, option: str, name: str) -> str:
    """Return the option if the model has it.

    Raises:
        UsageError: it has not; the message lists its options.
    """
    fields = list(type(full).model_fields)
    if option not in fields:
        close = difflib.get_close_matches(option, fields, n=1)
        hint = f" Did you mean '{close[0]}'?" if close else ""
        raise UsageError(f"Model '{name}' has no option '{option}'. Its options: {', '.join(fields) or 'none'}.{hint}")
    return option


def _absent(full: ModelOptions, option: str, name: str) -> Value:
    """The value of an option that stands for nothing: false, none or 0.

    Raises:
        UsageError: the option has no such value, or has it already.
    """
    value, annotation = getattr(full, option), type(full).model_fields[option].annotation
    absent: Value | None = None
    if isinstance(value, bool):
        absent = False
    elif get_origin(annotation) is Literal:
        absent = NONE if NONE in get_args(annotation) else None
    elif isinstance(value, int | float):
        absent = type(value)(0)
    if absent is not None and absent == value:
        raise UsageError(
            f"Model '{name}' has no {option} to drop: {write_change({option: value})}. --swap {option}=VALUE adds it."
        )
    if absent is None or not _is_valid(full, {option: absent}):
        can = [own for own in type(full).model_fields if _can_drop(full, own, name)]
        raise UsageError(
            f"Option '{option}' of '{name}' cannot be dropped, only swapped or scaled. To drop: {_list(can)}."
        )
    return absent


def _can_drop(full: ModelOptions, option: str, name: str) -> bool:
    value, annotation = getattr(full, option), type(full).model_fields[option].annotation
    if get_origin(annotation) is Literal:
        return value != NONE and NONE in get_args(annotation)
    return bool(value) and not isinstance(value, str) and _is_valid(full, {option: type(value)(0)})


def _scale(full: ModelOptions, option: str, factor: float, name: str) -> Value:
    value = getattr(full, option)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"Option '{option}' of '{name}' is {value!r}, which has no size: swap it instead of scaling.")
    scaled = value * factor
    if not math.isfinite(scaled):
        raise UsageError(f"--scale {option}={factor:g}: {scaled} is no size.")
    return round(scaled) if isinstance(value, int) else float(f"{scaled:.{DIGITS}g}")


def _check(full: ModelOptions, change: Change, name: str) -> Change:
    """Return a change that changes something and that the model accepts; with numbers of the option's type.

    Raises:
        UsageError: it changes nothing, or the value is not allowed.
    """
    ((option, value),) = change.items()
    before = getattr(full, option)
    if isinstance(before, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if value == before and isinstance(value, bool) == isinstance(before, bool):
        raise UsageError(f"{write_change({option: value})} is what '{name}' has: that changes nothing.")
    try:
        type(full)(**{**dict(full), option: value})
    except ValidationError as error:
        raise UsageError(f"Model '{name}': {describe_faults(error)}.") from None
    return {option: value}


def _is_valid(full: ModelOptions, change: Change) -> bool:
    try:
        type(full)(**{**dict(full), **change})
    except ValidationError:
        return False
    return True


def _join(full: ModelOptions) -> str:
    return _list(list(type(full).model_fields))


def _list(names: list[str]) -> str:
    return ", ".join(names) or "none"
