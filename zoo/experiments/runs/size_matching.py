"""Scale models to one size, each through the width that its `Config` declares, as near as it gets."""

from collections.abc import Callable
from typing import Any

from zoo.catalog import MODELS
from zoo.config import Call
from zoo.data.corpus import Corpus
from zoo.errors import UsageError
from zoo.experiments.runs.budget import flops_per_step, tokens_per_step
from zoo.experiments.runs.model import find_model
from zoo.experiments.study.config import Contestant, Matched, StudyConfig
from zoo.models.build import count_parameters

WIDEST = 2**20
SKIP = 256
"""Widths in a row that a model may refuse (heads must divide them, ...) before it counts as unable."""
TOO_LARGE = 2
"""How many times the target a model's smallest size may be."""


def match_sizes(study: StudyConfig, corpus: Corpus) -> dict[str, Matched]:
    """Label -> the model at the size that the study asks for; nothing where it asks for none.

    Raises:
        RegistryError, UsageError: no such model, or one that cannot be scaled, or not so far down.
    """
    if study.match is None:
        return {}
    kind, target = study.match.kind, study.match.target
    matched = {}
    for contestant in study.models:
        size = _size_of(kind, contestant, study, corpus)
        option = _width_option(contestant)
        width, reached = find_width(option, size, target)
        if reached > TOO_LARGE * target:
            raise UsageError(
                f"Model '{contestant.label}' cannot be as small as {target:,.0f} {kind}: "
                f"with {option}={width}, the least, it is at {reached:,.0f}."
            )
        options = {**contestant.model.options, option: width}
        matched[contestant.label] = Matched(
            model=Call(name=contestant.model.name, options=options), target=target, reached=reached
        )
    return matched


def find_width(option: str, size: Callable[[int], float], target: float) -> tuple[int, float]:
    """The width whose size is nearest to `target`, and that size; `size` grows with the width.

    Args:
        size: raises UsageError for a width that the model does not take; those are skipped.

    Raises:
        UsageError: no width that it takes.
    """
    fault: UsageError | None = None

    def first_valid(start: int, stop: int) -> tuple[int, float] | None:
        nonlocal fault
        for width in range(start, stop):
            try:
                return width, size(width)
            except UsageError as error:
                fault = error
        return None

    def from_here(start: int) -> tuple[int, float]:
        found = first_valid(start, start + SKIP)
        if found is None:
            raise UsageError(f"No {option} from {start} to {start + SKIP - 1} can be taken: {fault}")
        return found

    below = above = from_here(1)
    while above[1] < target:
        if above[0] > WIDEST:
            raise UsageError(f"{option}={above[0]:,} does not change the size of the model enough: {above[1]:,.0f}.")
        below, above = above, from_here(2 * above[0])
    start, stop = below[0] + 1, above[0]  # of the widths that may still be nearer
    while start < stop:
        middle = (start + stop) // 2
        found = first_valid(middle, stop)
        if found is not None and found[1] < target:
            below, start = found, found[0] + 1
        else:
            above, stop = found or above, middle
    return min(below, above, key=lambda found: abs(found[1] / target - 1))


def _width_option(contestant: Contestant) -> str:
    name: str = contestant.model.name
    option = MODELS.get(name).Config.scales_with
    if option is None:
        raise UsageError(
            f"Model '{name}' has no width to scale: its Config names none, as scales_with = \"hidden\" would. "
            "Leave it out of --match, or name one."
        )
    return option


def _size_of(kind: str, contestant: Contestant, study: StudyConfig, corpus: Corpus) -> Callable[[int], float]:
    """Width -> parameters, or FLOPs of training a token."""
    option = _width_option(contestant)
    run = next(run for run in study.runs() if run.label == contestant.label)

    def size(width: int) -> float:
        options: dict[str, Any] = {**contestant.model.options, option: width}
        call = Call(name=contestant.model.name, options=options)
        model = find_model(call, vocab_size=len(corpus.vocabulary), context=run.context)
        if kind == "parameters":
            return count_parameters(model.build(run.seed))
        return flops_per_step(run, model, corpus) / tokens_per_step(run, corpus)

    return size
