"""Measure how often verdicts err and intervals cover: judge simulated studies of known truth with the real `analyse`.

    python studies/simulate.py                      all settings, as Markdown (make simulate, about 4 minutes)
    python studies/simulate.py --studies 200 WORD   settings whose name contains the word

All models of a study have a true loss of 2 nats a token, so every verdict is wrong. Hard seeds and hard documents are
hard for all models. In addition a model's losses scatter over the seeds by 0.02 times its own scale, and over the
documents so that their part of the variance would equal the seeds' if documents were even, independent and many.
"""

import argparse
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeAlias
from zlib import crc32

import numpy as np
import scipy
from numpy.typing import NDArray

from zoo.experiments.judge.analysis import analyse
from zoo.experiments.judge.uncertainty import Units

Array: TypeAlias = NDArray[np.float64]
Rng: TypeAlias = np.random.Generator
Draw: TypeAlias = Callable[[Rng, tuple[int, int]], Array]
"""Generator and shape, (models, seeds) or (1, documents) -> numbers of that shape."""

TRUTH, SCALE = 2.0, 0.02
STUDIES = 1000
ERRORS = 2.5
"""Monte Carlo standard errors by which a share may exceed its limit."""
SLACK = 0.015
"""How far coverage may fall short of 95%, beside Monte Carlo error."""


@dataclass(frozen=True)
class Setting:
    """A kind of study. `outside`: why the method does not hold there (docs/statistics.md)."""

    name: str
    models: int
    seeds: int
    scatter: Draw
    scales: tuple[float, ...] = ()
    correlated: bool = False
    documents: float = 1.0
    effects: Draw = lambda rng, shape: rng.standard_normal(shape)
    count: int = 40
    lengths: Draw = lambda rng, shape: rng.integers(3, 11, shape).astype(float)
    alike: float = 0.0
    """Autocorrelation of neighbouring stretches."""
    units: Units = "documents"
    overlap: float = 0.0
    """Correlation of two documents that stand for splits of one text, from their common training text."""
    outside: str = ""

    @property
    def inflation(self) -> float:
        """Factor of the variance that corrects for the overlap (Nadeau and Bengio 2003)."""
        return 1 + self.count * self.overlap / (1 - self.overlap)

    def draw(self, rng: Rng) -> tuple[Array, Array]:
        """Draw a study: nats (K, n, D) and tokens (D,)."""
        models, seeds, count = self.models, self.seeds, self.count
        own = self.scatter(rng, (models, seeds))
        if self.correlated:
            own = np.sqrt(0.1) * own + np.sqrt(0.9) * rng.standard_normal(seeds)
        scales = np.array(self.scales or (1.0,) * models)
        losses = TRUTH + SCALE * scales[:, None] * own + 0.1 * rng.standard_normal(seeds)
        size = self.documents * SCALE * np.sqrt(count / seeds)
        effects = size * self._waves(rng, (models, count)) + 0.3 * self._waves(rng, (1, count))
        shared = size * rng.standard_normal((models, 1)) + 0.3 * rng.standard_normal((1, 1)) if self.overlap else 0.0
        effects = np.sqrt(1 - self.overlap) * effects + np.sqrt(self.overlap) * shared
        noise = 0.01 * rng.standard_normal((models, seeds, count))
        tokens = self.lengths(rng, (1, count))[0]
        return (losses[:, :, None] + effects[:, None] + noise) * tokens, tokens

    def _waves(self, rng: Rng, shape: tuple[int, int]) -> Array:
        """Draw effects of documents (., D), each correlated with its neighbour: AR(1)."""
        drawn = self.effects(rng, shape)
        if not self.alike:
            return drawn
        drawn[:, 1:] *= np.sqrt(1 - self.alike**2)
        waves: Array = scipy.signal.lfilter([1.0], [1.0, -self.alike], drawn, axis=1)
        return waves


@dataclass(frozen=True)
class Outcome:
    """The error and coverage of a setting, as shares."""

    studies: int
    called: float
    """Share of studies in which any pair was called different, though none is."""
    pairs_missed: float
    """Share of all pairs with an interval that misses 0; a pair without an interval does not miss."""
    means_missed: float
    pairs_covered: float | None
    """Share of the given intervals of pairs that contain 0; None where none was given."""
    means_covered: float | None
    no_verdict: float
    """Share of pairs without a verdict."""

    def verdict(self, setting: Setting) -> str:
        """Whether the method kept its error rates."""
        chance = ERRORS * np.sqrt(0.05 * 0.95 / self.studies)
        if setting.outside:
            return f"out of range: {setting.outside}"
        if self.called > 0.05 + chance or max(self.pairs_missed, self.means_missed) > 0.05 + SLACK + chance:
            return "fails"
        return "no verdict" if self.no_verdict > 0.25 else "holds"


def simulate(setting: Setting, studies: int = STUDIES, seed: int = 0) -> Outcome:
    """Draw and judge this number of studies, the same ones for the same seed."""
    rng = np.random.default_rng([seed, crc32(setting.name.encode()), setting.models, setting.seeds])
    names = [f"m{place}" for place in range(setting.models)]
    called, none, pairs, means = [], [], [], []
    for _ in range(studies):
        analysis = analyse(names, *setting.draw(rng), units=setting.units, inflation=setting.inflation)
        called.append(any(pair.verdict in ("better", "worse") for pair in analysis.pairs))
        none.append([pair.verdict == "none" for pair in analysis.pairs])
        pairs.append([_holds(pair.low, 0.0, pair.high) for pair in analysis.pairs])
        means.append([_holds(own.low, TRUTH, own.high) for own in analysis.estimates.values()])
    own_pairs, own_means = np.array(pairs), np.array(means)
    return Outcome(
        studies,
        called=float(np.mean(called)),
        pairs_missed=float((own_pairs == 0).mean()),
        means_missed=float((own_means == 0).mean()),
        pairs_covered=None if np.isnan(own_pairs).all() else float(np.nanmean(own_pairs)),
        means_covered=None if np.isnan(own_means).all() else float(np.nanmean(own_means)),
        no_verdict=float(np.mean(none)),
    )


def _holds(low: float | None, truth: float, high: float | None) -> float:
    """1 or 0; NaN where there is no interval."""
    return float("nan") if low is None or high is None else float(low <= truth <= high)


def normal(rng: Rng, shape: tuple[int, int]) -> Array:
    return rng.standard_normal(shape)


def exponential(rng: Rng, shape: tuple[int, int]) -> Array:
    """Exponential with mean 0 and standard deviation 1, skewed to worse losses."""
    return rng.exponential(size=shape) - 1


def lognormal(rng: Rng, shape: tuple[int, int]) -> Array:
    """Lognormal (sigma 1), shifted and scaled to mean 0 and standard deviation 1."""
    return (rng.lognormal(size=shape) - np.exp(0.5)) / np.sqrt((np.e - 1) * np.e)


def heavy(rng: Rng, shape: tuple[int, int]) -> Array:
    """Student's t with 3 degrees of freedom, with standard deviation 1."""
    return rng.standard_t(3, size=shape) / np.sqrt(3)


def failing(gap: float, models: int | None = None) -> Draw:
    """One seed in five is worse by `gap` standard deviations, for the first `models` models (None: for all); mean 0."""

    def draw(rng: Rng, shape: tuple[int, int]) -> Array:
        own = rng.standard_normal(shape)
        own[:models] += gap * ((rng.random(shape) < 0.2) - 0.2)[:models]
        return own

    return draw


def lengths_lognormal(sigma: float) -> Draw:
    return lambda rng, shape: np.ceil(100 * rng.lognormal(0, sigma, shape))


def lengths_pareto(shape_of: float) -> Draw:
    return lambda rng, shape: np.ceil(100 * (1 + rng.pareto(shape_of, shape)))


def even(rng: Rng, shape: tuple[int, int]) -> Array:
    return np.full(shape, 32.0)


def long_memory(d: float) -> Draw:
    """Exact fractional noise by circulant embedding (Davies and Harte 1987), standard deviation 1."""

    def draw(rng: Rng, shape: tuple[int, int]) -> Array:
        rows, count = shape
        lags = np.arange(1, count + 1)
        near = np.cumprod(np.concatenate([[1.0], (lags - 1 + d) / (lags - d)]))
        power = np.fft.rfft(np.concatenate([near, near[-2:0:-1]])).real
        noise = np.fft.rfft(rng.standard_normal((rows, 2 * count)))
        return np.fft.irfft(np.sqrt(power) * noise, 2 * count)[:, :count]

    return draw


def slow_part(alike: float, share: float) -> Draw:
    """White noise plus an AR(1) that has this share of the variance of the mean."""

    def draw(rng: Rng, shape: tuple[int, int]) -> Array:
        count = shape[1]
        lags = np.arange(1, count)
        of_mean = (1 + 2 * ((1 - lags / count) * alike**lags).sum()) / count
        size = np.sqrt(share / (1 - share) / count / of_mean)
        drawn = rng.standard_normal(shape) * np.array([1.0, *[np.sqrt(1 - alike**2)] * (count - 1)])
        slow: Array = scipy.signal.lfilter([1.0], [1.0, -alike], drawn, axis=1)
        return rng.standard_normal(shape) + size * slow

    return draw


SKEWED = "seeds both skewed and of unequal scatter"
LASTING = "memory as long as the text"
RARE = "a rare failure that the seeds may not show"


def settings() -> Iterator[Setting]:
    """Every kind of study of docs/statistics.md."""
    for models in (2, 3, 6, 12):
        scales = {
            "equal scatter": (1.0,) * models,
            "one model 4 times as wild": (*(1.0,) * (models - 1), 4.0),
            "scatter 1, 2, 4, ...": tuple(2.0**place for place in range(models)),
        }
        for seeds in (3, 5, 10) if models < 12 else (3, 5):
            for name, scale in scales.items():
                plain = Setting(f"normal, {name}", models, seeds, normal, scale, documents=0.0)
                yield plain
                yield replace(plain, name=f"{plain.name}, correlated, documents", correlated=True, documents=1.0)
    for models, seeds in ((2, 3), (2, 5), (2, 10), (6, 5)):
        yield Setting("heavy tails (t, 3 degrees)", models, seeds, heavy)
        yield Setting("heavy tails, one model 10 times as wild", models, seeds, heavy, (*(1.0,) * (models - 1), 10.0))
        yield Setting("exponential seeds, equal scatter", models, seeds, exponential)
        wild = Setting("", models, seeds, normal, documents=0.0, outside=SKEWED)
        ones = (1.0,) * (models - 1)
        yield replace(wild, name="exponential seeds, 1 : 4", scatter=exponential, scales=(*ones, 4.0))
        yield replace(wild, name="lognormal seeds, 1 : 10", scatter=lognormal, scales=(*ones, 10.0))
    for models in (2, 3, 6):
        for seeds in (3, 5, 10):
            for gap in (10, 50):
                name = f"bimodal: a seed in five {gap} deviations worse"
                one = Setting(f"{name}, one model", models, seeds, failing(gap, 1), documents=0.0, outside=RARE)
                yield one
                yield replace(one, name=f"{name}, all models", scatter=failing(gap), outside=f"means: {RARE}")
    for models, seeds in ((2, 3), (2, 10), (6, 5)):
        for alike in (0.0, 0.5, 0.9, 0.98):
            for count in (400, 3484):
                name = f"stream, {count} stretches, AR(1) {alike:g}"
                yield Setting(name, models, seeds, normal, count=count, alike=alike, lengths=even, units="series")
    far = {f"long memory d = {d:g}": long_memory(d) for d in (0.1, 0.2, 0.3, 0.4)}
    far |= {
        f"white and AR(1) 0.995, {share:.0%} of the mean's variance": slow_part(0.995, share) for share in (0.5, 0.8)
    }
    for models, seeds in ((2, 3), (6, 5)):
        for name, effects in far.items():
            name = f"stream, 3484 stretches, {name}"
            slow = Setting(name, models, seeds, normal, documents=5.0, count=3484, effects=effects, lengths=even)
            yield replace(slow, units="series", outside=LASTING if "d = 0.4" in name else "")
    for models, seeds, splits in ((2, 3, 3), (2, 3, 5), (2, 5, 10), (3, 3, 3), (6, 5, 5), (12, 5, 5)):
        for overlap in (0.0, 1 / 9):
            for documents in (1.0, 5.0):
                vary = "as much as seeds" if documents == 1 else "5 times as much as seeds"
                name = f"{splits} splits, {'overlapping' if overlap else 'independent'}, vary {vary}"
                yield Setting(
                    name, models, seeds, normal, documents=documents, count=splits, lengths=even, overlap=overlap
                )
    uneven = {f"lognormal {sigma:g}": lengths_lognormal(sigma) for sigma in (1.0, 1.5, 2.0)}
    uneven |= {f"Pareto {shape:g}": lengths_pareto(shape) for shape in (1.5, 1.1)}
    for models, seeds in ((2, 5), (6, 3)):
        for count in (20, 200):
            name = f"{count} documents, some far harder (lognormal)"
            yield Setting(name, models, seeds, normal, documents=5.0, count=count, effects=lognormal)
        for name, lengths in uneven.items():
            for count in (20, 200):
                yield Setting(f"{count} documents, lengths {name}", models, seeds, normal, count=count, lengths=lengths)


HEAD = """# How often verdicts err

`make simulate` writes this page. It judges {studies:,} simulated studies per setting with the code of every
comparison (`studies/simulate.py`). All models have the same true loss, so every verdict is wrong. In percent:

- **error**: studies in which any pair was called different; the method promises at most 5 (Monte Carlo ±{error:.1f}).
- **misses**: the share of all pairs, and of all means, whose interval does not contain the truth; at most 5. A pair or
  mean without an interval is no miss.
- **coverage**: the share of the given intervals that contain the truth. Where the data cause many intervals to be
  withheld, the others cover less.
- **no verdict**: pairs without a verdict.

The last column says *holds* where the error is at most 5 and the misses at most 6.5, plus {errors} Monte Carlo errors;
*no verdict* where that holds and more than a quarter of pairs have none; *out of range* where the method is known not
to hold, as [statistics.md](../statistics.md) says.
"""


def page(rows: Sequence[tuple[Setting, Outcome]]) -> str:
    """The page in Markdown, in percent."""
    studies = rows[0][1].studies
    lines = [
        HEAD.format(studies=studies, error=100 * np.sqrt(0.05 * 0.95 / studies), errors=ERRORS),
        "| setting | models | seeds | error | misses, pairs | misses, means | coverage, pairs | coverage, means "
        "| no verdict | |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for setting, found in rows:
        shares = found.called, found.pairs_missed, found.means_missed, found.pairs_covered, found.means_covered
        cells = [setting.name, setting.models, setting.seeds, *map(_percent, shares), _percent(found.no_verdict)]
        lines.append(f"| {' | '.join(map(str, cells))} | {found.verdict(setting)} |")
    return "\n".join(lines)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description="How often verdicts err, on simulated studies.")
    parser.add_argument("word", nargs="?", default="", help="only settings whose name contains it")
    parser.add_argument("--studies", type=int, default=STUDIES)
    arguments = parser.parse_args()
    every = list(settings())
    chosen = [place for place, setting in enumerate(every) if arguments.word in setting.name]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        outcomes = list(pool.map(_simulate, chosen, [arguments.studies] * len(chosen)))
    print(page([(every[place], found) for place, found in zip(chosen, outcomes, strict=True)]))


def _simulate(place: int, studies: int) -> Outcome:
    """Simulate a setting by its index, in a worker process: lambdas of a setting cannot be pickled."""
    return simulate(list(settings())[place], studies)


if __name__ == "__main__":
    main()
