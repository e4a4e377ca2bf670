"""Models of one size: each is scaled through the width that its `Config` declares until it is as near as it gets."""

from collections.abc import Callable
from typing import Any

from zoo.catalog import MODELS
from zoo.config import Call
from zoo.data.corpus import Corpus
from zoo.errors import UsageError
from zoo.experiments.cell import make_model, step_flops, tokens_a_step
from zoo.experiments.study import Contestant, Matched, StudyConfig
from zoo.models.build import count_parameters

WIDEST = 2**20
SKIP = 64
"""Widths in a row that a model may refuse (heads must divide them, ...) before it counts as unable."""


def match(study: StudyConfig, corpus: Corpus) -> dict[str, Matched]:
    """Label -> the model at the size that the study asks for; nothing where it asks for none.

    Raises:
        RegistryError, UsageError: no such model, or one that cannot be scaled.
    """
    if study.match is None:
        return {}
    kind, target = study.match.kind, study.match.target
    matched = {}
    for contestant in study.models:
        size = _size_of(kind, contestant, study, corpus)
        width, reached = nearest_width(_width_option(contestant), size, target)
        options = {**contestant.model.options, _width_option(contestant): width}
        matched[contestant.label] = Matched(
            model=Call(name=contestant.model.name, options=options), target=target, reached=reached
        )
    return matched


def nearest_width(option: str, size: Callable[[int], float], target: float) -> tuple[int, float]:
    """The width whose size is nearest to `target`, and that size; `size` grows with the width.

    Args:
        size: raises UsageError for a width that the model does not take; those are skipped.

    Raises:
        UsageError: no width that it takes.
    """

    def next_valid(width: int) -> tuple[int, float]:
        for candidate in range(width, width + SKIP):
            try:
                return candidate, size(candidate)
            except UsageError as error:
                fault = error
        raise UsageError(f"No {option} from {width} to {width + SKIP - 1} can be taken: {fault}")

    below = above = next_valid(1)
    while above[1] < target:
        if above[0] > WIDEST:
            raise UsageError(f"{option}={above[0]:,} does not change the size of the model enough: {above[1]:,.0f}.")
        below, above = above, next_valid(2 * above[0])
    while above[0] - below[0] > 1:
        middle = next_valid((below[0] + above[0]) // 2)
        if middle[0] >= above[0]:  # nothing between the middle and what is above
            middle = next_valid(below[0] + 1)
            if middle[0] >= above[0]:
                break
        below, above = (middle, above) if middle[1] < target else (below, middle)
    return min(below, above, key=lambda found: abs(found[1] / target - 1))


def _width_option(contestant: Contestant) -> str:
    name: str = contestant.model.name
    option = MODELS.get(name).Config.scales_with
    if option is None:
        raise UsageError(f"Model '{name}' has no width to scale (its Config names none): leave it out of --match.")
    return option


def _size_of(kind: str, contestant: Contestant, study: StudyConfig, corpus: Corpus) -> Callable[[int], float]:
    """Width -> parameters, or FLOPs of training a token."""
    option = _width_option(contestant)
    run = next(run for run in study.runs() if run.label == contestant.label)

    def size(width: int) -> float:
        options: dict[str, Any] = {**contestant.model.options, option: width}
        config = run.model_copy(update={"model": Call(name=contestant.model.name, options=options)})
        model = make_model(config, len(corpus.vocabulary))
        if kind == "parameters":
            return count_parameters(model)
        return step_flops(config, model, corpus) / tokens_a_step(config, corpus)

    return size
