"""The variance of means over new seeds and over new documents, and their interaction, which is part of both.

Seeds and documents cross, so the variance of a mean is v_seeds + v_documents - v_interaction. Effects of documents on
a mean are one projection of every model's scatter:

- `documents` are independent, of any length. The mean is a ratio (nats over tokens), so a document's effect is its nats
  less its tokens times the mean loss, over the root of 1 - its share of the tokens (leverage, as HC2 of MacKinnon and
  White 1985). The variance is the sum of squares, with Kish's effective number of documents, less one, degrees of
  freedom.
- A `series` is one text in neighbouring stretches, which are alike. Its effects are slow waves over the stretches in
  their order, and the variance allows for slower variation (`long_memory.py`). 12 degrees of freedom. The interaction
  uses the waves' variance alone: it is subtracted, so the smaller value is the safer one.
- A `test set` is not taken for a sample of anything: seeds alone count.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np
import scipy  # its parts are imported when they are first used
from numpy.typing import ArrayLike

from zoo.experiments.judge.blocks import split
from zoo.experiments.judge.long_memory import SLOW, slow, variance_of_sum, waves
from zoo.experiments.judge.tukey import LEVEL, Array

Units: TypeAlias = Literal["documents", "series", "test set"]


@dataclass(frozen=True)
class Uncertainty:
    """Variances of M means (or mean differences) by part, each (M,), and their degrees of freedom, 0 if not estimable.

    The seeds' degrees of freedom are (M,) where the seeds of two models are not paired.
    `effective` (M,): effective number of independent documents or stretches; `seen` (M,): the same by the slow waves
    alone, which shows whether these are slow enough.
    """

    seeds: Array
    documents: Array
    interaction: Array
    seeds_freedom: float | Array
    documents_freedom: float
    effective: Array
    seen: Array
    fixed: bool = False
    """Whether the weights are fixed, so that no seeds count."""

    @property
    def fewest_seeds(self) -> float:
        """The least number of seeds behind any of the means."""
        return float(np.min(self.seeds_freedom)) + 1

    @cached_property
    def total(self) -> Array:
        """Total variance: the interaction counts once, and no part exceeds the total."""
        crossed = self.seeds + self.documents - self.interaction
        return np.maximum(crossed, np.maximum(self.seeds, self.documents))

    @cached_property
    def seeds_share(self) -> Array:
        """The seeds' share of the total variance; 1 where nothing varies."""
        return np.divide(self.seeds, self.total, out=np.ones_like(self.seeds), where=self.total > 0)

    @cached_property
    def freedom(self) -> Array:
        """Degrees of freedom of the total."""
        return shared_freedom(self.seeds_share, self.seeds_freedom, self.documents_freedom)

    def studentised(self, differences: Array) -> Array:
        """|t| of every difference; infinite for one that never varies."""
        size = np.abs(differences)
        return np.divide(size, np.sqrt(self.total), out=np.where(size > 0, np.inf, 0.0), where=self.total > 0)

    def half_widths(self, level: float = LEVEL) -> Array:
        """Half of the width of every mean's own interval, which misses the truth with probability `level`."""
        quantiles: Array = scipy.special.stdtrit(self.freedom, 1 - level / 2)
        return quantiles * np.sqrt(self.total)

    def standard_errors(self, index: int) -> tuple[float | None, float | None]:
        """Standard errors over new seeds, and over new documents."""
        seeds = float(np.sqrt(self.seeds[index])) if np.any(self.seeds_freedom) else None
        documents = float(np.sqrt(self.documents[index])) if self.documents_freedom else None
        return seeds, documents


def shared_freedom(share: Array, seeds_freedom: ArrayLike, documents_freedom: float) -> Array:
    """Harmonic mean of both degrees of freedom, weighted by the shares of the variance (`share` is the seeds').

    Satterthwaite's formula squares the shares: where three seeds carry most of the variance its intervals cover 92%.
    """
    return 1 / (share / np.maximum(seeds_freedom, 1) + (1 - share) / max(documents_freedom, 1))


def uncertainties(
    nats: Array,
    tokens: Array,
    *,
    means: Array | None = None,
    units: Units,
    inflation: float = 1.0,
    exact: float = 0.0,
    weights: Array | None = None,
) -> tuple[Uncertainty, Uncertainty]:
    """Estimate the uncertainties of every model's mean and of every contrast of means, in nats a token.

    Takes memory for a part of the seeds and a part of the contrasts at a time, so `nats` may be a file that is mapped.

    Args:
        nats: (K, n, D) nats of every document.
        tokens: (D,) number of targets of every document.
        means: (K,) mean loss of every model, of which the tokens' share is subtracted; None: that was done.
        units: documents, or the stretches of a series.
        inflation: factor of the documents' and the interaction's variance, where documents are not independent.
        exact: standard errors up to this are rounding, and set to 0.
        weights: (M, K) of the contrasts; None: the differences of all pairs.
    """
    models, seeds, documents = nats.shape
    weights = pair_weights(models) if weights is None else weights
    total, series, sampled = tokens.sum(), units == "series", units != "test set"
    number = total**2 / (tokens**2).sum()
    by_seed, by_document, independent, squares = _find_effects(nats, tokens, means, series=series)
    freedom = seeds - 1, float(min(SLOW, documents - 1)) if series else max(number - 1, 0.0) if sampled else 0.0
    crossed = seeds * max(freedom[0], 1)

    def uncertainty(of_seeds: Array, of_documents: Array, single: Array, of_both: Array) -> Uncertainty:
        seed, document, one, waved, both = (
            np.where((variance > exact**2) & counted, variance, 0.0)
            for variance, counted in (
                ((of_seeds**2).sum(1) / crossed, True),
                (
                    (variance_of_sum(of_documents, documents) if series else (of_documents**2).sum(1)) * inflation,
                    sampled,
                ),
                ((single**2).sum(1) * inflation, sampled),
                (((slow(of_documents) if series else of_documents) ** 2).sum(1) * inflation, sampled),
                (np.maximum(of_both, 0) * inflation / crossed, sampled),
            )
        )
        effective, seen = (
            number * np.minimum(np.divide(one, own, out=np.ones_like(one), where=own > 0), 1)
            for own in (document, waved)
        )
        if not sampled:
            effective = seen = np.full_like(seed, number)
        return Uncertainty(seed, document, both, *freedom, effective, seen)

    def contrast(own: Array) -> Uncertainty:
        between = np.einsum("mk,kl,ml->m", own, squares, own)
        return uncertainty(own @ by_seed, own @ by_document, own @ independent, between)

    contrasts = [contrast(weights[part]) for part in split(len(weights), documents + seeds + models)]
    return uncertainty(by_seed, by_document, independent, squares.diagonal()), join(contrasts)


def _find_effects(
    nats: Array, tokens: Array, means: Array | None, *, series: bool
) -> tuple[Array, Array, Array, Array]:
    """Find the effects of seeds (K, n), of documents or waves (K, J), of independent documents (K, D), and of both.

    The last are (K, K) sums of products. Arguments as for `uncertainties`.
    """
    (models, seeds, documents), total, leverage = nats.shape, tokens.sum(), _leverage(tokens)

    def project(own: Array) -> Array:
        return waves(own) / total if series else own * leverage

    def scatter() -> Iterator[tuple[slice, Array]]:
        for part in split(seeds, models * documents):
            own = np.asarray(nats[:, part])
            yield part, own if means is None else own - means[:, None, None] * tokens

    by_seed, projected, summed = np.empty((models, seeds)), 0.0, 0.0
    for part, own in scatter():
        by_seed[:, part] = own.sum(2) / total
        projected, summed = projected + project(own).sum(1), summed + own.sum(1)
    by_document, squares = projected / seeds, np.zeros((models, models))
    for part, own in scatter():
        rest = project(own) - by_document[:, None] - by_seed[:, part, None] * project(tokens)
        rest = (slow(rest) if series else rest).reshape(models, -1)
        squares += rest @ rest.T
    return by_seed, by_document, summed / seeds * leverage, squares


def join(parts: Sequence[Uncertainty]) -> Uncertainty:
    """Put the uncertainties of parts of the means, or contrasts, together."""

    def whole(name: str) -> Array:
        return np.concatenate([getattr(own, name) for own in parts])

    return replace(
        parts[0],
        seeds=whole("seeds"),
        documents=whole("documents"),
        interaction=whole("interaction"),
        effective=whole("effective"),
        seen=whole("seen"),
    )


def pair_weights(models: int, baseline: int | None = None) -> Array:
    """(P, K) weights of the differences of all pairs, first less second; or of all others less the baseline."""
    first, second = np.triu_indices(models, 1)
    if baseline is not None:
        first = np.array([k for k in range(models) if k != baseline], dtype=int)
        second = np.full_like(first, baseline)
    weights, rows = np.zeros((len(first), models)), np.arange(len(first))
    weights[rows, first], weights[rows, second] = 1.0, -1.0
    return weights


def _leverage(tokens: Array) -> Array:
    """(D,) factors with which the squared effects of documents add up to the variance of the mean."""
    share = tokens / tokens.sum()
    return 1 / (tokens.sum() * np.sqrt(1 - share)) if len(tokens) > 1 else np.zeros(1)
