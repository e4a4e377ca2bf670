"""Measure how often verdicts of `judge` err where seeds alone, items alone, or unpaired seeds count, and with a margin.

    python studies/simulate_designs.py [STUDIES]      a table in Markdown (part of make simulate, about 2 minutes)

All models are equal, except that with a margin the first differs from the others by exactly the margin, where calling
it equal to any of them, or better or worse by less, is wrong.
"""

import sys
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from zoo.experiments.judge.analysis import Analysis, analyse
from zoo.experiments.judge.criterion import Criterion
from zoo.experiments.judge.exact import analyse_binary
from zoo.experiments.judge.unpaired import analyse_unpaired

Array = NDArray[np.float64]
Rng = np.random.Generator
Study = Callable[[Rng, float, Criterion], Analysis]
"""Random numbers, difference of the first model, criterion -> a judged study."""
STUDIES = 2000
SCALE = 0.02


def seeds_alone(models: int, seeds: int, wild: float) -> Study:
    """One score a seed, shared seeds, one model `wild` times as wild."""
    scales = SCALE * np.array([*[1.0] * (models - 1), wild])[:, None]

    def study(rng: Rng, shift: float, criterion: Criterion) -> Analysis:
        losses = 2 + scales * rng.standard_normal((models, seeds)) + 0.1 * rng.standard_normal(seeds)
        losses[0] += shift
        return analyse(_names(models), losses[:, :, None], [1.0], units="test set", criterion=criterion)

    return study


def unpaired(models: int, fewest: int, wild: float) -> Study:
    """Seeds of a model's own, `fewest` of the first model and two or four more of others."""
    scales = SCALE * np.array([*[1.0] * (models - 1), wild])

    def study(rng: Rng, shift: float, criterion: Criterion) -> Analysis:
        nats = [2 + s * rng.standard_normal((fewest + 2 * (k % 3), 1)) for k, s in enumerate(scales)]
        nats[0] += shift
        return analyse_unpaired(_names(models), nats, [1.0], units="test set", criterion=criterion)

    return study


def items_alone(models: int, items: int, wild: float) -> Study:
    """Fixed weights: shared hard items, and effects of a model's own, of the last `wild` times as large."""
    scales = 0.1 * np.array([*[1.0] * (models - 1), wild])[:, None, None]

    def study(rng: Rng, shift: float, criterion: Criterion) -> Analysis:
        losses = 2 + 0.5 * rng.standard_normal(items) + scales * rng.standard_normal((models, 1, items))
        losses[0] += shift
        return analyse(_names(models), losses, np.ones(items), fixed=True, criterion=criterion)

    return study


def right_or_wrong(models: int, items: int, easy: float) -> Study:
    """Items of which every model gets the share `easy` right; the first fewer, by the shift."""

    def study(rng: Rng, shift: float, criterion: Criterion) -> Analysis:
        wrong = rng.random((models, items)) > easy
        wrong[0] = rng.random(items) > easy - shift
        return analyse_binary(_names(models), wrong.astype(float), criterion=criterion)

    return study


def _names(models: int) -> list[str]:
    return [f"m{place}" for place in range(models)]


def settings() -> Iterator[tuple[str, int, Study, float]]:
    """Name, number of models, study, and margin."""
    for models in (2, 5):
        for seeds in (3, 5, 10):
            for wild in (1.0, 6.0):
                kind = "equal scatter" if wild == 1 else "one 6 times as wild"
                yield f"seeds alone, {seeds}, {kind}", models, seeds_alone(models, seeds, wild), 2 * SCALE
                several = f"{seeds} to {seeds + 4}" if models > 2 else f"{seeds} and {seeds + 2}"
                yield f"unpaired seeds, {several}, {kind}", models, unpaired(models, seeds, wild), 2 * SCALE
        for items in (20, 400):
            for wild in (1.0, 6.0):
                kind = "equal effects" if wild == 1 else "one model's 6 times as large"
                yield f"items alone, {items}, {kind}", models, items_alone(models, items, wild), 0.8 / np.sqrt(items)
            for easy in (0.6, 0.95):
                name = f"right or wrong, {items} items, {easy:.0%} right"
                yield name, models, right_or_wrong(models, items, easy), 0.1


def measure(study: Study, margin: float, studies: int, seed: int) -> tuple[float, float]:
    """Shares of studies in which equal models are called different, and in which models a margin apart are equal."""
    rng = np.random.default_rng(seed)
    different = equal = 0
    for _ in range(studies):
        different += any(pair.verdict in ("better", "worse") for pair in study(rng, 0.0, Criterion()).pairs)
        apart = study(rng, margin, Criterion(margin=margin)).pairs
        equal += any(pair.a == "m0" and pair.less for pair in apart)
    return different / studies, equal / studies


HEAD = """# How often verdicts of `judge` err

`make simulate` writes this page. {studies:,} simulated studies a setting (`studies/simulate_designs.py`), in percent
(Monte Carlo error {error:.1f}):

- **different**: studies in which any two equal models were called different;
- **within**: studies in which a model was called equal within a margin, or better or worse by less than it, though it
  differs from all others by exactly the margin.

Both are promised to be at most 5.

| setting | models | different | within |
|---|--:|--:|--:|"""


def main() -> None:
    studies = int(sys.argv[1]) if len(sys.argv) > 1 else STUDIES
    print(HEAD.format(studies=studies, error=100 * np.sqrt(0.05 * 0.95 / studies)))
    for place, (name, models, study, margin) in enumerate(settings()):
        different, equal = measure(study, margin, studies, place)
        print(f"| {name} | {models} | {100 * different:.1f} | {100 * equal:.1f} |", flush=True)


if __name__ == "__main__":
    main()
