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
from zoo.experiments.study.config import StudyConfig
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
    for change in _list_changes(ablation, full, call):
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
    changed = {write_change(one): Call(name=call.name, options={**call.options, **one}) for one in variants}
    return label, [{"label": own, "model": made.model_dump()} for own, made in {label: call, **changed}.items()]


def check_width(study: StudyConfig) -> None:
    """Check that no change of an ablation is of the option by which its models are scaled to one size.

    Raises:
        UsageError: one is; the match would undo it.
    """
    width = MODELS.get(study.models[0].model.name).Config.scales_with
    changed = [
        own.label for own in study.models if own.label != study.baseline and width in study.changes_of(own.label)
    ]
    if study.match and changed:
        raise UsageError(
            f"--match sets {width} of every variant, which would undo {changed[0]}: leave out one of them."
        )


def write_change(change: Mapping[str, Value]) -> str:
    """Write a change as in a call: `norm=none,gate=true`."""
    return str(Call(name="", options=dict(change)))[1:-1]


def _list_changes(ablation: Ablation, full: ModelOptions, call: Call) -> Iterator[Change]:
    name = call.name
    for option in ablation.drop:
        yield {option: _absent(full, _find(full, option, name), call)}
    for option, values in ablation.swap.items():
        for value in values:
            yield _check(full, {_find(full, option, name): value}, call)
    for option, factors in ablation.scale.items():
        for factor in factors:
            yield _check(full, {option: _scale(full, _find(full, option, name), factor, name)}, call)


def _pair(ablation: Ablation, pieces: Mapping[str, list[Change]], full: ModelOptions, name: str) -> Iterator[Change]:
    """Both changes of every two pieces: of each the first."""
    for option in ablation.paired:
        if option not in pieces:
            _find(full, option, name)
            raise UsageError(
                f"--pairs names '{option}', which is not changed alone: drop, swap or scale it. Changed: "
                f"{', '.join(pieces)}."
            )
    if ablation.pairs and len(set(ablation.paired)) < 2:
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


def _absent(full: ModelOptions, option: str, call: Call) -> Value:
    """The value of an option that stands for nothing: false, none or 0.

    Raises:
        UsageError: the option has no such value, or has it already.
    """
    absent = _find_absent(full, option)
    if absent is not None and absent == getattr(full, option):
        raise UsageError(
            f"Model '{call.name}' has no {option} to drop: {write_change({option: absent})}. "
            f"--swap {option}=VALUE adds it."
        )
    if absent is None or not _is_valid(full, option, absent, call):
        can = [own for own in type(full).model_fields if _can_drop(full, own, call)]
        raise UsageError(
            f"Option '{option}' of '{call.name}' cannot be dropped, only swapped or scaled. To drop: {_list(can)}."
        )
    return absent


def _find_absent(full: ModelOptions, option: str) -> Value | None:
    """The value that stands for nothing, by the type of the option; None if no value does."""
    value = getattr(full, option)
    if isinstance(value, bool):
        return False
    if isinstance(value, int | float):
        return type(value)(0)
    return NONE if NONE in _choices(type(full).model_fields[option].annotation) else None


def _choices(annotation: Any) -> tuple[Any, ...]:
    """The values of a choice, also of one that may be left out."""
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    return tuple(value for own in get_args(annotation) if get_origin(own) is Literal for value in get_args(own))


def _can_drop(full: ModelOptions, option: str, call: Call) -> bool:
    absent = _find_absent(full, option)
    return absent is not None and absent != getattr(full, option) and _is_valid(full, option, absent, call)


def _scale(full: ModelOptions, option: str, factor: float, name: str) -> Value:
    value = getattr(full, option)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"Option '{option}' of '{name}' is {value!r}, which has no size: swap it instead of scaling.")
    scaled = value * factor
    if not math.isfinite(scaled):
        raise UsageError(f"--scale {option}={factor:g}: {scaled} is no size.")
    return round(scaled) if isinstance(value, int) else float(f"{scaled:.{DIGITS}g}")


def _check(full: ModelOptions, change: Change, call: Call) -> Change:
    """Return a change that changes something and that the model accepts; with numbers of the option's type.

    Raises:
        UsageError: it changes nothing, or the value is not allowed.
    """
    ((option, value),) = change.items()
    before = getattr(full, option)
    if isinstance(before, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if value == before and isinstance(value, bool) == isinstance(before, bool):
        raise UsageError(f"{write_change({option: value})} is what '{call.name}' has: that changes nothing.")
    try:
        type(full)(**{**call.options, option: value})
    except ValidationError as error:
        raise UsageError(f"Model '{call.name}': {describe_faults(error)}.") from None
    return {option: value}


def _is_valid(full: ModelOptions, option: str, value: Value, call: Call) -> bool:
    try:
        type(full)(**{**call.options, option: value})
    except ValidationError:
        return False
    return True


def _join(full: ModelOptions) -> str:
    return _list(list(type(full).model_fields))


def _list(names: list[str]) -> str:
    return ", ".join(names) or "none"
