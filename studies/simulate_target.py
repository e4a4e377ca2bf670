"""Measure how often verdicts on the time to a loss err, and intervals of its median miss, on simulated crossings.

    python studies/simulate_target.py                      all settings, as Markdown (make simulate, about 2 minutes)
    python studies/simulate_target.py --studies 200 WORD   settings whose name contains the word

The crossings of a model are log-normal over the seeds, with a scatter of 20% times its own scale, or skewed; a part may
be common to all models under a seed. Runs end at a budget, above the loss for a given share of those of the last model.
Models are equal if each of two gets there first equally often; where they scatter unlike and runs end early that takes
other medians, which are found by bisection. `shift` makes the first model slower by that many of its scatters.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TypeAlias
from zlib import crc32

import numpy as np
import scipy
from numpy.typing import NDArray

from zoo.experiments.judge.censored import find_typical
from zoo.experiments.judge.crossings import Crossing
from zoo.experiments.judge.ratios import Ratio, judge_ratios
from zoo.experiments.judge.seeds import fewest_to_reject, sign_flips
from zoo.experiments.judge.tukey import LEVEL

Array: TypeAlias = NDArray[np.float64]
Rng: TypeAlias = np.random.Generator

SCATTER = 0.2
STUDIES = 1000
ERRORS = 2.5
"""Monte Carlo standard errors by which a share may exceed its limit."""
MANY = 200_000
TARGET = 2.0


def normal(rng: Rng, shape: tuple[int, int]) -> Array:
    return rng.standard_normal(shape)


def exponential(rng: Rng, shape: tuple[int, int]) -> Array:
    """Exponential, skewed to slow runs, with median 0."""
    return rng.exponential(size=shape) - np.log(2)


def failing(rng: Rng, shape: tuple[int, int]) -> Array:
    """Normal, and one seed in three is slower by ten deviations."""
    return rng.standard_normal(shape) + 10 * (rng.random(shape) < 1 / 3)


@dataclass(frozen=True)
class Setting:
    """A kind of study."""

    name: str
    models: int
    seeds: int
    first: Callable[[Rng, tuple[int, int]], Array] = normal
    """Scatter of the first model; that of the others is normal."""
    scale: float = 1.0
    """Scatter of the first model over that of the others."""
    common: float = 0.0
    """Correlation of two models over the seeds."""
    censored: float = 0.0
    """Share of the last model's runs that end above the loss."""
    shorter: float = 1.0
    """Budget of the first model over that of the others, as with a budget in steps and a ratio in FLOPs."""
    shift: float = 0.0
    equal: bool = True
    """Whether the first model gets there first in half of the known cases; otherwise all have one median."""

    def draw(self, rng: Rng, seeds: int, offset: float) -> tuple[Array, Array]:
        """Draw crossings and ends of runs, each (models, seeds)."""
        shared = np.sqrt(self.common) * rng.standard_normal(seeds)
        own = rng.standard_normal((self.models, seeds))
        own[:1] = self.scale * self.first(rng, (1, seeds))
        logs = SCATTER * (shared + np.sqrt(1 - self.common) * own)
        logs[0] += offset + SCATTER * self.shift
        end = np.exp(SCATTER * scipy.special.ndtri(1 - self.censored))  # infinite where none ends early
        ends = np.full(logs.shape, end)
        ends[0] *= self.shorter
        return np.exp(logs), ends

    def balance(self) -> float:
        """Find the offset of the first model's logarithms at which it gets there first in half of the known cases."""
        low, high = -2.0, 2.0
        for _ in range(30):
            middle = (low + high) / 2
            times, ends = replace(self, shift=0.0).draw(np.random.default_rng(1), MANY, middle)
            signs = known_order(times, ends)
            low, high = (middle, high) if (signs < 0).sum() > (signs > 0).sum() else (low, middle)
        return (low + high) / 2


def known_order(times: Array, ends: Array) -> Array:
    """Return, for the first two models, -1 where the first one is known to get there first, 1 the other, 0 neither."""
    (a, b), (end_a, end_b) = times[:2], ends[:2]
    return np.where(np.minimum(a, b) <= np.minimum(end_a, end_b), np.sign(a - b), 0.0)


def make_crossings(times: Array, ends: Array) -> dict[tuple[str, float], list[Crossing]]:
    """Make the crossings of a study from times and ends (models, seeds)."""
    made = {}
    for place, (own, own_ends) in enumerate(zip(times.tolist(), ends.tolist(), strict=True)):
        made[f"m{place}", TARGET] = [
            Crossing(
                label=f"m{place}",
                seed=seed,
                split=None,
                target=TARGET,
                ended="reached" if time <= end else "short",
                steps=min(time, end),
                tokens=min(time, end),
                flops=None,
                seconds=min(time, end),
            )
            for seed, (time, end) in enumerate(zip(own, own_ends, strict=True))
        ]
    return made


@dataclass(frozen=True)
class Outcome:
    """Shares of studies: with any verdict, as built and by other tests of the first pair; and of missed medians."""

    studies: int
    called: float
    known: float
    """Share of seeds in which it is known which of the first two models was first."""
    missed: float
    """Share of intervals of the last model's median that miss it."""
    ranks: float
    logs: float
    t: float


def simulate(setting: Setting, studies: int = STUDIES, seed: int = 0) -> Outcome:
    """Draw and judge this number of studies, the same ones for the same seed."""
    rng = np.random.default_rng([seed, crc32(setting.name.encode()), setting.models, setting.seeds])
    alike = setting.scale == setting.shorter == 1 and setting.first is normal
    offset = setting.balance() if setting.equal and not alike else 0.0
    labels = [f"m{place}" for place in range(setting.models)]
    pairs = list(combinations(labels, 2))
    possible = setting.seeds >= fewest_to_reject(len(pairs))
    called, missed, orders, logs, bounds = [], [], [], [], []
    for _ in range(studies):
        times, ends = setting.draw(rng, setting.seeds, offset)
        crossings = make_crossings(times, ends)
        ratios = [own for own in judge_ratios([TARGET], pairs, crossings, possible=possible) if own.measure == "tokens"]
        called.append(any(_is_called(own) for own in ratios))
        last = find_typical([(own.at_least("tokens"), own.at_most("tokens")) for own in crossings[labels[-1], TARGET]])
        missed.append(not (last.low or np.inf) <= 1.0 <= (np.inf if last.high is None else last.high))
        signs = known_order(times, ends)
        cut = np.minimum(times[:2], ends[:2].min(0))
        orders.append(signs)
        logs.append(np.where(signs == 0, 0.0, np.log(cut[0] / cut[1])))
        bounds.append((times[:2] > ends[:2].min(0)).any(0) & (signs != 0))
    order, log, bound = np.array(orders), np.array(logs), np.array(bounds)
    return Outcome(
        studies,
        called=float(np.mean(called)),
        known=float((order != 0).mean()),
        missed=float(np.mean(missed)),
        ranks=_share(sign_flips(signed_ranks(order, np.abs(log), bound))),
        logs=_share(sign_flips(log)),
        t=_share(paired_t(log)),
    )


def _is_called(ratio: Ratio) -> bool:
    return ratio.verdict in ("fewer", "more")


def _share(chances: Array | None) -> float:
    return float((chances < LEVEL).mean()) if chances is not None else 0.0


def signed_ranks(order: Array, size: Array, bound: NDArray[np.bool_]) -> Array:
    """Signed ranks of differences of which some are only known to be larger than their size, by Gehan's scores."""
    active = order != 0
    both = active[:, :, None] & active[:, None, :]
    smaller = (size[:, None, :] <= size[:, :, None]) & ~bound[:, None, :] & both
    larger = (size[:, :, None] < size[:, None, :]) & ~bound[:, :, None] & both
    scores: Array = smaller.sum(2) - larger.sum(2) + active.sum(1, keepdims=True) + 1.0
    return scores * order


def paired_t(logs: Array) -> Array:
    spread = logs.std(1, ddof=1)
    size = np.abs(logs.mean(1)) * np.sqrt(logs.shape[1])
    t = np.divide(size, spread, out=np.zeros_like(size), where=spread > 0)
    chances: Array = 2 * scipy.special.stdtr(logs.shape[1] - 1, -t)
    return chances


def settings() -> Iterator[Setting]:
    """Every kind of study of docs/results/time-to-a-loss.md."""
    ends = {"": 0.0, ", 30% end early": 0.3, ", 60% end early": 0.6}
    for seeds in (6, 8, 12):
        for words, censored in ends.items():
            plain = Setting("", 2, seeds, censored=censored)
            yield replace(plain, name=f"equal{words}")
            yield replace(plain, name=f"equal, correlated{words}", common=0.9)
            yield replace(plain, name=f"equal, budgets 4 : 5{words}", shorter=0.8)
            yield replace(plain, name=f"scatter 4 : 1{words}", scale=4.0, common=0.5)
            yield replace(plain, name=f"scatter 1 : 4{words}", scale=0.25, common=0.5)
            yield replace(plain, name=f"one model skewed, 4 : 1{words}", scale=4.0, first=exponential)
            yield replace(plain, name=f"one model slow under a seed in three{words}", first=failing)
    for seeds in (6, 8, 12):
        wild = Setting("one median, scatter 1 : 4, 60% end early", 2, seeds, censored=0.6, equal=False)
        yield replace(wild, scale=0.25)
    for models, seeds in ((3, 7), (3, 10), (6, 12)):
        for words, censored in ends.items():
            yield Setting(f"equal{words}", models, seeds, common=0.5, censored=censored)
    for seeds in (6, 8, 12):
        for shift in (1.0, 2.0):
            for words, censored in ends.items():
                name = f"power: slower by {shift:g} scatter{'s' * (shift > 1)}{words}"
                yield Setting(name, 2, seeds, common=0.5, censored=censored, shift=shift)


HEAD = """# How often verdicts on the time to a loss err

`make simulate` writes this page (`studies/simulate_target.py`): {studies:,} simulated studies per setting, judged with
the code of every comparison. In percent, Monte Carlo error {error:.1f}. Models are equal in that each of two gets there
first equally often, except in the rows on power, where the first is slower by that many times its scatter over the
seeds, and in those of one median, where the wilder one gets there first more often.

- **known**: seeds under which it is known which of the first two models got there first.
- **called**: studies in which any pair was called different, by the sign test as built; in other words the error, which
  should be 5 at most; where the models are not equal the power.
- **missed**: intervals of the last model's median that do not contain it; 5 at most.
- The other columns are called by tests that were tried and not taken, for the first pair alone: **ranks**, signed ranks
  of the log ratios with Gehan's scores for those known by a bound, by flipping signs; **logs**, the log ratios cut off
  at the earlier end of the two runs, by flipping signs; **t**, the same by a paired t test.

| setting | models | seeds | known | called | missed | ranks | logs | t | |
|---|---|---|---|---|---|---|---|---|---|"""


def page(rows: Sequence[tuple[Setting, Outcome]]) -> str:
    """The page in Markdown, in percent."""
    studies = rows[0][1].studies
    limit = LEVEL + ERRORS * np.sqrt(LEVEL * (1 - LEVEL) / studies)
    lines = [HEAD.format(studies=studies, error=100 * np.sqrt(LEVEL * (1 - LEVEL) / studies))]
    for setting, found in rows:
        shares = found.known, found.called, found.missed, found.ranks, found.logs, found.t
        holds = max(found.missed, found.called if setting.equal and not setting.shift else 0.0) <= limit
        cells = [setting.name, setting.models, setting.seeds, *(f"{100 * share:.1f}" for share in shares)]
        lines.append(f"| {' | '.join(map(str, cells))} | {'holds' if holds else 'fails'} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="How often verdicts on the time to a loss err.")
    parser.add_argument("word", nargs="?", default="", help="only settings whose name contains it")
    parser.add_argument("--studies", type=int, default=STUDIES)
    arguments = parser.parse_args()
    chosen = [setting for setting in settings() if arguments.word in setting.name]
    print(page([(setting, simulate(setting, arguments.studies)) for setting in chosen]))


if __name__ == "__main__":
    main()
