"""Measure how often a comparison that stops when it is decided errs, and how many seeds it spends.

    python studies/simulate_looks.py [STUDIES]     two tables in Markdown (part of make simulate)

First: the settings of `simulate.py`, with seeds up to 20 and looks at 3, 5, 8, 12 and 20, judged by the real `analyse`
at the level of a look. All models are equal; with a margin, the first differs from all others by exactly the margin.
Second: the seeds spent by two models, against a fixed number of seeds with 80% power at the margin.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from zlib import crc32

import numpy as np
from scipy import stats

from studies.simulate import SCALE, Setting, settings
from zoo.experiments.judge.analysis import analyse
from zoo.experiments.judge.criterion import Criterion
from zoo.experiments.judge.sequential import decide_over_looks, find_reason, look_level
from zoo.settings.values import LOOKS

STUDIES, MANY = 2000, 200_000
LEVEL = look_level(0.05, LOOKS, ())
MARGIN = 0.03
"""Margin of the settings, one and a half times the scatter of a model over the seeds."""


def with_looks() -> Iterator[Setting]:
    """The settings of fixed studies once each, whatever their number of seeds, without those out of range or splits."""
    seen = set()
    for setting in settings():
        key = setting.name, setting.models
        if not setting.outside and not setting.overlap and "splits" not in setting.name and key not in seen:
            seen.add(key)
            yield replace(setting, seeds=LOOKS[-1])


def judge(setting: Setting, rng: np.random.Generator, margin: float | None) -> tuple[bool, int]:
    """Whether a study made a wrong statement, and the seeds that it spent."""
    nats, tokens = setting.draw(rng)
    if margin is not None:
        nats[0] += margin * tokens
    names, looks = [f"m{place}" for place in range(setting.models)], {}
    for number in LOOKS:
        criterion = Criterion(LEVEL, margin)
        looks[number] = analyse(names, nats[:, :number], tokens, units=setting.units, criterion=criterion).pairs
        pairs, _ = decide_over_looks(looks)
        if find_reason(pairs) != "spent":
            break
    wrong = (
        pair.less if margin is not None and pair.a == "m0" else pair.verdict in ("better", "worse") for pair in pairs
    )
    return any(wrong), max(looks)


def measure(setting: Setting, studies: int) -> tuple[float, float, float]:
    """Error where models are equal, error where one differs by the margin, and mean seeds where they are equal."""
    rng = np.random.default_rng([1, crc32(setting.name.encode()), setting.models])
    equal = [judge(setting, rng, None) for _ in range(studies)]
    apart = [judge(setting, rng, MARGIN) for _ in range(studies)]
    return np.mean([w for w, _ in equal]), np.mean([w for w, _ in apart]), np.mean([n for _, n in apart])


def spend(fixed: int, times: float) -> float:
    """Mean seeds of two models whose true difference is `times` the margin, as a multiple of the fixed number.

    The margin is the difference that the fixed number of seeds finds in 80% of studies.
    """
    margin = _margin_of(fixed)
    rng = np.random.default_rng([fixed, int(10 * times)])
    losses = times * margin + rng.standard_normal((MANY, LOOKS[-1]))
    spent = np.full(MANY, LOOKS[-1])
    for number in reversed(LOOKS):
        own = losses[:, :number]
        half = stats.t.ppf(1 - LEVEL / 2, number - 1) * own.std(1, ddof=1) / np.sqrt(number)
        low, high = own.mean(1) - half, own.mean(1) + half
        spent[(low > 0) | (high < 0) | ((low >= -margin) & (high <= margin))] = number
    return float(spent.mean() / fixed)


def _margin_of(fixed: int) -> float:
    """The difference, in standard deviations, that a t test of this many seeds finds in 80% of studies."""
    low, high = 0.01, 10.0
    for _ in range(60):
        middle = (low + high) / 2
        beyond = stats.t.ppf(0.975, fixed - 1)
        found = stats.nct.sf(beyond, fixed - 1, middle * np.sqrt(fixed)) >= 0.8
        low, high = (low, middle) if found else (middle, high)
    return high


HEAD = """# How often a comparison errs that stops when it is decided

`make simulate` writes this page (`studies/simulate_looks.py`). Looks at {looks} seeds, each at a level of {level:.2g}%.

## Error

{studies:,} simulated studies a setting, in percent (Monte Carlo error {error:.1f}); both errors are promised to be at
most 5.

- **different**: all models are equal, and any two were called different at any look;
- **within**: the first model differs from all others by exactly the margin, {margin:g} nats ({times:g} times the
  scatter over seeds), and was called equal to any of them, or better or worse by less.
- **seeds**: mean number of seeds spent in the latter studies.

| setting | models | different | within | seeds |
|---|--:|--:|--:|--:|"""
COST = """
## Seeds

Two models, normal seeds, {many:,} studies a cell: mean seeds, as a multiple of the fixed number of seeds that finds a
difference of the margin in 80% of studies at 5%. A fixed study leaves more pairs open: one that has no difference is
called equal in few of them.

| fixed seeds | no difference | half the margin | the margin | 1.5 | twice |
|--:|--:|--:|--:|--:|--:|"""


def main() -> None:
    studies = int(sys.argv[1]) if len(sys.argv) > 1 else STUDIES
    error, looks = 100 * np.sqrt(0.05 * 0.95 / studies), ", ".join(map(str, LOOKS))
    print(
        HEAD.format(looks=looks, level=100 * LEVEL, studies=studies, error=error, margin=MARGIN, times=MARGIN / SCALE)
    )
    for setting in with_looks():
        different, within, seeds = measure(setting, studies)
        print(
            f"| {setting.name} | {setting.models} | {100 * different:.1f} | {100 * within:.1f} | {seeds:.1f} |",
            flush=True,
        )
    print(COST.format(many=MANY))
    for fixed in (5, 8, 10, 12, 16, 20):
        print(
            f"| {fixed} | " + " | ".join(f"{spend(fixed, times):.2f}" for times in (0, 0.5, 1, 1.5, 2)) + " |",
            flush=True,
        )


if __name__ == "__main__":
    main()
