"""The leak alarm: losses below that of a perfect model by more than chance, in any run of a study.

For documents whose exact probabilities p are known, the ratio q/p of the probabilities that a model gives to the
answers of all documents has mean 1, whatever the model, if it has not seen them. So a run is `a` nats below the floor
with probability at most e^-a (Markov's inequality): exact, and paired, since both sides predict the same answers. All R
runs of a study share the error.
"""

from collections.abc import Sequence
from math import exp, log

from zoo.experiments.records.run import Run

CHANCE = 0.001
"""Probability that an honest study raises the alarm."""


def find_leaks(runs: Sequence[Run]) -> dict[str, str]:
    """Return label -> what is wrong, for models with a run below the floor by more than chance."""
    found: dict[str, str] = {}
    for run in runs:
        loss, data = run.result.test_loss, run.recorded.data
        floor = data.floor.get("test")
        if loss is None or floor is None:
            continue
        ahead = (floor - loss) * data.targets["test"]
        if ahead > log(len(runs) / CHANCE):
            chance = max(len(runs) * exp(-min(ahead, 700.0)), 1e-300)
            found.setdefault(
                run.label,
                f"{run.label} is below the floor under seed {run.recorded.run.seed}: its loss of {loss:.4f} is "
                f"{ahead:.1f} nats less in all than that of a perfect model, which happens by chance in at most "
                f"{chance:.1g} of studies: it has seen what it is scored on.",
            )
    return found
