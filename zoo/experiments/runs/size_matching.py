"""Scale models as near as possible to one size, each by the width that its `Config` declares."""

import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch

from zoo.catalog import MODELS
from zoo.config import Call
from zoo.data.corpus import Corpus
from zoo.errors import UsageError
from zoo.experiments.runs.budget import flops_per_step, tokens_per_step
from zoo.experiments.runs.model import find_model
from zoo.experiments.study.config import Contestant, Matched, StudyConfig
from zoo.models.build import count_parameters, describe_refusal
from zoo.surroundings import isolated

CPU = torch.device("cpu")
WIDEST = 2**20
SKIP = 256
"""Number of consecutive widths that a model may refuse (heads must divide them, ...) before the search fails."""
TOO_LARGE = 2
"""Maximum ratio of a model's smallest size to the target."""


def match_sizes(study: StudyConfig, corpus: Corpus) -> dict[str, Matched]:
    """Return label -> model at the target size of the study; empty if it has none.

    Raises:
        RegistryError, UsageError: a model is unknown, cannot be scaled, or is too large at its smallest width.
    """
    if study.match is None:
        return {}
    kind, target = study.match.kind, study.match.target
    matched = {}
    for contestant in study.models:
        size = _size_of(kind, contestant, study, corpus)
        option = _width_option(contestant)
        try:
            found = find_width(option, size, target)
        except UsageError as error:
            raise UsageError(f"Model '{contestant.label}' cannot be matched. {error}") from None
        if found.size > TOO_LARGE * target:
            less = f" ({found.refused})" if found.refused else ""
            raise UsageError(
                f"Model '{contestant.label}' cannot be as small as {target:,.0f} {kind}: "
                f"with {option}={found.width}, the smallest possible, it has {found.size:,.0f}{less}."
            )
        options = {**contestant.model.options, option: found.width}
        model = Call(name=contestant.model.name, options=options)
        matched[contestant.label] = Matched(model=model, target=target, reached=found.size, refused=found.refused)
    return matched


def describe_size(label: str, matched: Matched) -> str:
    """Describe in one line the matched size of a model, and why it is not nearer."""
    option = MODELS.get(matched.model.name).Config.scales_with
    nearest = f"{option}={matched.model.options[str(option)]} is the nearest that does"
    off = f"{abs(matched.deviation):.1%} {'above' if matched.deviation > 0 else 'below'} {matched.target:,.0f}"
    return f"{label}: {f'{matched.refused}. ' if matched.refused else ''}{nearest}, {off}"


class Found(NamedTuple):
    """The width whose size is nearest to a target."""

    width: int
    size: float
    refused: str
    """Widths that might be nearer but the model refuses, and why; "" if there are none."""


def find_width(option: str, size: Callable[[int], float], target: float) -> Found:
    """Find the accepted width whose size is nearest to `target`, by bisection.

    Args:
        option: name of the width in messages.
        size: size at a width, increasing; raises UsageError for a refused width, which is skipped.

    Raises:
        UsageError: `SKIP` consecutive widths are refused, or the size does not grow with the width.
    """
    faults: dict[int, str] = {}

    def first_valid(start: int, stop: int) -> tuple[int, float] | None:
        for width in range(start, stop):
            if width in faults:
                continue
            try:
                return width, size(width)
            except UsageError as error:
                faults[width] = str(error)
        return None

    def from_here(start: int) -> tuple[int, float]:
        found = first_valid(start, start + SKIP)
        if found is None:
            raise UsageError(f"{_describe_refused(option, faults, start, start + SKIP - 1)}.")
        return found

    below = above = from_here(1)
    while above[1] < target:
        if above[0] > WIDEST:
            raise UsageError(f"{option}={above[0]:,} does not change the size of the model enough: {above[1]:,.0f}.")
        below, above = above, from_here(2 * above[0])
    start, stop = below[0] + 1, above[0]  # range of widths that may be nearer
    while start < stop:
        middle = (start + stop) // 2
        found = first_valid(middle, stop)
        if found is not None and found[1] < target:
            below, start = found, found[0] + 1
        else:
            above, stop = found or above, middle
    width, reached = min(below, above, key=lambda found: abs(found[1] / target - 1))
    first = below[0] + 1 if below[1] < target else 1
    return Found(width, reached, _describe_refused(option, faults, first, above[0] - 1) if reached != target else "")


def _describe_refused(option: str, faults: Mapping[int, str], first: int, last: int) -> str:
    """Say that the widths from `first` to `last` do not work, and why; "" if there are none."""
    if first > last:
        return ""
    if first == last:
        return f"{option}={first} does not work: {faults[first]}"
    return f"{option}={first} to {last} do not work; {first}: {faults[first]}"


def _width_option(contestant: Contestant) -> str:
    name: str = contestant.model.name
    option = MODELS.get(name).Config.scales_with
    if option is None:
        raise UsageError(
            f"Model '{name}' has no width to scale. Leave it out, compare without --match, or name an option in its "
            'Config, as scales_with = "hidden" does.'
        )
    return option


def _size_of(kind: str, contestant: Contestant, study: StudyConfig, corpus: Corpus) -> Callable[[int], float]:
    """Return the function width -> parameters or training FLOPs per token; it raises UsageError for a refused width."""
    option = _width_option(contestant)
    run = next(run for run in study.runs() if run.label == contestant.label)

    def size(width: int) -> float:
        options: dict[str, Any] = {**contestant.model.options, option: width}
        call = Call(name=contestant.model.name, options=options)
        with warnings.catch_warnings(action="ignore"):  # warnings about widths that the user did not choose
            try:
                found = find_model(call, vocab_size=len(corpus.vocabulary), context=run.context)
                model = found.build(run.init_seed)
                if kind == "flops":
                    return flops_per_step(run, found, corpus) / tokens_per_step(run, corpus)
                with isolated(CPU, seed=0), torch.no_grad():
                    model.eval()(torch.zeros(1, 2, dtype=torch.long))  # some sizes build but do not run
            except Exception as error:  # libraries raise any type for a size they refuse
                raise UsageError(describe_refusal(error)) from error
        return count_parameters(model)

    return size
