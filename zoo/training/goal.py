"""The end of a run that has solved its task before its budget is spent."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from zoo.data.task import Goal
from zoo.training.evaluation import Score

IN_A_ROW = 2
"""Evaluations that meet the goal before a run ends: one could be luck, and test is held to the same goal."""


def is_solved(scores: Sequence[float], is_met: Callable[[float], bool]) -> bool:
    """Return whether the last evaluations, `IN_A_ROW` of them, all meet the goal."""
    last = scores[-IN_A_ROW:]
    return len(last) == IN_A_ROW and all(map(is_met, last))


@dataclass(frozen=True)
class Finish:
    """What ends a run early.

    Args:
        goal: what solved means.
        floor: loss of a perfect model on validation, in nats per token.
    """

    goal: Goal
    floor: float

    def measure(self, score: Score) -> float:
        """Return what the goal is about: a share, or nats above the floor."""
        shares = {"answers": score.answers, "accuracy": score.accuracy}
        found = shares.get(self.goal.measure, score.loss - self.floor)
        assert found is not None, "rows of a task have answers"
        return found

    def ends(self, scores: Sequence[float]) -> bool:
        """Return whether a run ends after evaluations with these scores."""
        return is_solved(scores, self.goal.is_met)
