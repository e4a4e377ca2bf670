"""Performance profiles: in which share of problems a model is within a factor of the best (Dolan and More 2002).

A problem is one target loss under one seed (and split). One that no model solves counts for all of them.
"""

import math
from collections.abc import Mapping, Sequence

from zoo.config import Frozen
from zoo.experiments.judge.crossings import Crossing, Measure


class Profile(Frozen):
    """Performance profiles of all models in one measure."""

    measure: Measure
    problems: int
    """Number of target losses times that of seeds (and splits)."""
    ratios: Mapping[str, tuple[float, ...]]
    """Label -> what the model took over what the best took, ascending, of the problems that it solved."""

    def share(self, label: str, factor: float) -> float:
        """Return the share of problems that the model solves within this factor of the best."""
        return sum(ratio <= factor for ratio in self.ratios[label]) / self.problems


def collect_profile(labels: Sequence[str], crossings: Sequence[Crossing], measure: Measure) -> Profile:
    """Collect the profile of these models from their crossings of all target losses."""
    solved: dict[tuple[float, int, int | None], dict[str, float]] = {}
    for crossing in crossings:
        problem = solved.setdefault((crossing.target, crossing.seed, crossing.split), {})
        if crossing.ended == "reached":
            problem[crossing.label] = crossing.at_most(measure)
    ratios: dict[str, list[float]] = {label: [] for label in labels}
    for problem in solved.values():
        best = min(problem.values(), default=math.inf)
        for label, amount in problem.items():
            if amount == best:
                ratios[label].append(1.0)
            elif best > 0:
                ratios[label].append(amount / best)
    return Profile(
        measure=measure, problems=len(solved), ratios={label: tuple(sorted(own)) for label, own in ratios.items()}
    )
