"""Measure how often a comparison that stops when it is decided errs, and how many seeds it spends.

    python studies/simulate_looks.py                      two tables in Markdown (part of make simulate, under an hour)
    python studies/simulate_looks.py --studies 200 WORD   settings whose name contains the word

First: the settings of `simulate.py`, with seeds up to 20 and looks at 3, 5, 8, 12 and 20, judged by the real `analyse`
at the level of a look. Every look is judged, whether an earlier one would have stopped the study or not: so the errors
are those of the worst rule of stopping. Second: the seeds spent by two models, against a fixed number of seeds.
"""

import argparse
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from zlib import crc32

import numpy as np
from scipy import optimize, stats

from studies.simulate import ERRORS, SCALE, Setting, settings
from zoo.experiments.judge.analysis import analyse
from zoo.experiments.judge.criterion import Criterion
from zoo.experiments.judge.estimates import Pair
from zoo.experiments.judge.sequential import look_level
from zoo.settings.values import LOOKS

STUDIES, MANY, BLOCK = 2000, 200_000, 50
"""Studies a setting, studies of two models a cell, and studies that a process simulates at once."""
MARGIN = 0.03
"""Margin of the settings, one and a half times the scatter of a model over the seeds."""
LEVEL = look_level(0.05, LOOKS)
CRITERION = Criterion(LEVEL, MARGIN)


def with_looks() -> Iterator[Setting]:
    """The settings of fixed studies once each, whatever their number of seeds, without splits: a study has one."""
    seen = set()
    for setting in settings():
        key = setting.name, setting.models
        if "splits" not in setting.name and key not in seen:
            seen.add(key)
            yield replace(setting, seeds=LOOKS[-1])


@dataclass(frozen=True)
class Outcome:
    """Shares of studies with a wrong verdict of a kind at any look."""

    studies: int
    different: float
    """All models are equal; two were called different."""
    within: float
    """The first model differs from the others by the margin; it was called equal to one, or better or worse by less."""

    def verdict(self, setting: Setting) -> str:
        """Whether both errors are at most 5%, but for chance."""
        if setting.outside:
            return f"out of range: {setting.outside}"
        limit = 0.05 + ERRORS * np.sqrt(0.05 * 0.95 / self.studies)
        return "holds" if max(self.different, self.within) <= limit else "fails"


def simulate(setting: Setting, studies: int, block: int = 0) -> Outcome:
    """Draw this number of studies, judge each at every look; the same ones for the same block."""
    rng = np.random.default_rng([block, crc32(setting.name.encode()), setting.models])
    found = np.array([_judge(setting, rng) for _ in range(studies)], dtype=float)
    return Outcome(studies, *found.mean(0).tolist())


def _judge(setting: Setting, rng: np.random.Generator) -> tuple[bool, bool]:
    """Whether equal models were called different at any look, and models that differ by the margin equal.

    Where the first model is worse by the margin, all intervals of its pairs are those of equal models, moved by it.
    One that lies inside of ± margin then excluded zero before: only such looks need simultaneous intervals.
    """
    nats, tokens = setting.draw(rng)
    names, different, within = [f"m{place}" for place in range(setting.models)], False, False
    for number in LOOKS:
        study = names, nats[:, :number], tokens
        pairs = analyse(*study, units=setting.units, criterion=Criterion(LEVEL)).pairs
        if any(pair.verdict in ("better", "worse") for pair in pairs):
            different = True
            moved = analyse(*study, units=setting.units, criterion=CRITERION).pairs
            within = within or any(map(_is_within, moved))
    return different, within


def _is_within(pair: Pair) -> bool:
    """Whether a pair would be called equal if its first model, m0, were worse by the margin: intervals move with it."""
    if pair.a != "m0" or pair.joint_low is None or pair.joint_high is None:
        return False
    return CRITERION.within(pair.joint_low + MARGIN, pair.joint_high + MARGIN)


def pool_blocks(blocks: list[Outcome]) -> Outcome:
    """The outcome of all blocks, of one size, together."""
    shares = np.array([(own.different, own.within) for own in blocks]).mean(0)
    return Outcome(sum(own.studies for own in blocks), *shares.tolist())


def share_error(power: float) -> tuple[float, ...]:
    """Levels of the looks that spend 5% in proportion to (seeds / most seeds) ** power; 0: equal parts.

    A power of 3 spends nearly as O'Brien and Fleming (1979) do (Kim and DeMets 1987, Biometrika 74).
    """
    if power == 0:
        return (0.05 / len(LOOKS),) * len(LOOKS)
    return tuple(np.diff(0.05 * (np.array([0, *LOOKS]) / LOOKS[-1]) ** power).tolist())


def spend(fixed: int, times: float, levels: tuple[float, ...], looks: tuple[int, ...] = LOOKS) -> tuple[float, float]:
    """Mean seeds of two models, as a multiple of the fixed number, and the share of studies that stay open.

    The margin is the difference that the fixed number of seeds finds in 80% of studies; the true one is `times` that.
    """
    margin = _margin_of(fixed)
    rng = np.random.default_rng([fixed, int(10 * times)])
    losses = times * margin + rng.standard_normal((MANY, looks[-1]))
    spent, open_ = np.full(MANY, looks[-1]), np.ones(MANY, dtype=bool)
    for number, level in zip(looks, levels, strict=True):
        own = losses[:, :number]
        half = stats.t.ppf(1 - level / 2, number - 1) * own.std(1, ddof=1) / np.sqrt(number)
        low, high = own.mean(1) - half, own.mean(1) + half
        decided = (low > 0) | (high < 0) | ((low >= -margin) & (high <= margin))
        spent[decided & open_] = number
        open_ &= ~decided
    return float(spent.mean() / fixed), float(open_.mean())


def _margin_of(fixed: int) -> float:
    """The difference, in standard deviations, that a t test of this many seeds finds in 80% of studies."""
    beyond = stats.t.ppf(0.975, fixed - 1)
    return float(
        optimize.brentq(
            lambda margin: stats.nct.sf(beyond, fixed - 1, margin * np.sqrt(fixed)) - 0.8, 0.01, 10.0, xtol=1e-9
        )
    )


HEAD = """# How often a comparison errs that stops when it is decided

`make simulate` writes this page (`studies/simulate_looks.py`). Looks at {looks} seeds, each at a level of {level:.2g}%.

## Error

{studies:,} simulated studies a setting, judged by the code of every comparison, with a margin of {margin:g} nats
({times:g} times the scatter over seeds). Every study is judged at every look, also where an earlier one would have
stopped it: these are the errors of the worst rule of stopping. In percent (Monte Carlo ±{error:.1f}):

- **different**: all models are equal, and any two were called different at any look; at most 5 is promised;
- **within**: the first model differs from all others by exactly the margin, and was called equal to any of them, or
  better or worse by less, at any look; at most 5 is promised.

The last column says *holds* where both are at most 5 plus {errors} Monte Carlo errors; *out of range* where the method
is known not to hold, as [statistics.md](../statistics.md) says. Several splits are left out: `--until` refuses them.

| setting | models | different | within | |
|---|--:|--:|--:|---|"""
COST = """
## Seeds

Two models, normal seeds, {many:,} studies a cell: mean seeds, as a multiple of the fixed number of seeds that finds a
difference of the margin in 80% of studies at 5%.

| fixed seeds | no difference | half the margin | the margin | 1.5 | twice |
|--:|--:|--:|--:|--:|--:|"""
SHARES = """
## Other ways to share the error

Equal parts for all looks, as built, against parts that grow with the seeds, so that most of the error is left for the
last look: in proportion to the seeds, or to their third power, nearly as O'Brien and Fleming (1979) do. Levels add up
to 5% in each, so each holds for any number of models. Seeds as above; *open*: studies without a difference in which the
pair is still undecided after the last look, in percent.

| fixed seeds | parts | no difference | the margin | twice | open |
|--:|---|--:|--:|--:|--:|"""
PARTS = {"equal": 0.0, "as the seeds": 1.0, "third power": 3.0}


def main() -> None:
    parser = argparse.ArgumentParser(description="How often studies that stop when they are decided err.")
    parser.add_argument("word", nargs="?", default="", help="only settings whose name contains it")
    parser.add_argument("--studies", type=int, default=STUDIES)
    arguments = parser.parse_args()
    blocks = max(1, arguments.studies // BLOCK)
    studies = arguments.studies // blocks
    error, looks = 100 * np.sqrt(0.05 * 0.95 / (blocks * studies)), ", ".join(map(str, LOOKS))
    level, times = 100 * LEVEL, MARGIN / SCALE
    print(
        HEAD.format(
            looks=looks, level=level, studies=blocks * studies, error=error, margin=MARGIN, times=times, errors=ERRORS
        )
    )
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        chosen = {place: own for place, own in enumerate(with_looks()) if arguments.word in own.name}
        parts = {place: [pool.submit(_simulate, place, studies, b) for b in range(blocks)] for place in chosen}
        for place, setting in chosen.items():
            found = pool_blocks([part.result() for part in parts[place]])
            different, within = 100 * found.different, 100 * found.within
            cells = f"{setting.models} | {different:.1f} | {within:.1f} | {found.verdict(setting)}"
            print(f"| {setting.name} | {cells} |", flush=True)
    print(COST.format(many=MANY))
    for fixed in (5, 8, 10, 12, 16, 17, 20):
        spent = [spend(fixed, times, share_error(0))[0] for times in (0, 0.5, 1, 1.5, 2)]
        print(f"| {fixed} | {' | '.join(f'{own:.2f}' for own in spent)} |", flush=True)
    print(SHARES)
    for fixed in (5, 8, 12, 16):
        for name, power in PARTS.items():
            own = [spend(fixed, times, share_error(power)) for times in (0, 1, 2)]
            seeds = " | ".join(f"{mean:.2f}" for mean, _ in own)
            print(f"| {fixed} | {name} | {seeds} | {100 * own[0][1]:.0f} |", flush=True)
        _, open_ = spend(fixed, 0, (0.05,), (fixed,))
        print(f"| {fixed} | fixed number | 1 | 1 | 1 | {100 * open_:.0f} |", flush=True)


def _simulate(place: int, studies: int, block: int) -> Outcome:
    """Simulate a block of a setting by its index, in a worker process: lambdas of a setting cannot be pickled."""
    return simulate(list(with_looks())[place], studies, block)


if __name__ == "__main__":
    main()
