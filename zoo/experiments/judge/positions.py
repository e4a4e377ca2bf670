"""Loss by position in context: how much a model gains from preceding tokens."""

from collections.abc import Sequence

import numpy as np
import scipy  # its parts are imported when they are first used
from numpy.typing import NDArray

from zoo.config import Frozen
from zoo.errors import RunError
from zoo.experiments.judge.family import FEWEST_SEEDS
from zoo.experiments.records.detail import ByPosition, read_by_position
from zoo.experiments.records.run import Run

WIDER = 1.15
"""Least ratio of the first positions of neighbouring ranges: single positions up to the sixth, then wider ranges."""
FEWEST = 200
"""Least tokens of a range, or a hundredth of all if that is less: few documents reach late positions."""

Array = NDArray[np.float64]


class Place(Frozen):
    """Mean loss of the tokens that follow `first` to `last` tokens of their row, nats a token.

    The boundary at the start of a document counts as one of the preceding tokens.
    """

    first: int
    last: int
    tokens: int
    mean: float
    low: float | None
    """Lower end of the 95% interval; None where there is no interval."""
    high: float | None

    @property
    def middle(self) -> float:
        """The position at which a figure draws the range: its geometric middle."""
        return float((self.first * self.last) ** 0.5)


def loss_by_position(seeds: Sequence[Sequence[Run]]) -> tuple[Place, ...]:
    """Mean over the seeds of a model, with t intervals over new seeds; () if any run has no record by position.

    Args:
        seeds: for each seed its runs, one per split.

    Raises:
        RunError: a record is damaged, or the runs scored different tokens.
    """
    by_seed = [_add(own) for own in seeds]
    known = [own for own in by_seed if own is not None]
    if not known or len(known) < len(seeds):
        return ()
    tokens = known[0].tokens
    if any(not np.array_equal(own.tokens, tokens) for own in known):
        raise RunError("The runs of the comparison have not scored the same tokens at every position.")
    starts = _ranges(tokens)
    means = np.stack([np.add.reduceat(own.nats, starts) / np.add.reduceat(tokens, starts) for own in known])  # (n, R)
    reach = None
    if len(known) >= FEWEST_SEEDS:
        t = scipy.special.stdtrit(len(known) - 1, 0.975)
        reach = t * means.std(axis=0, ddof=1) / len(known) ** 0.5
    return _places(starts, tokens, means.mean(axis=0), reach)


def loss_by_position_of_run(run: Run) -> tuple[Place, ...]:
    """The losses of one run, with normal intervals over new text that assume independent tokens; () without a record.

    Raises:
        RunError: the record is damaged.
    """
    found = _add([run])
    if found is None:
        return ()
    starts = _ranges(found.tokens)
    nats, squares, tokens = (np.add.reduceat(part, starts) for part in found)
    mean = nats / tokens
    variance = np.maximum(squares / tokens - mean**2, 0) * tokens / np.maximum(tokens - 1, 1)
    reach = np.where(tokens > 1, 1.96 * np.sqrt(variance / tokens), np.nan)
    return _places(starts, found.tokens, mean, reach)


def _add(runs: Sequence[Run]) -> ByPosition | None:
    """Add the sums of runs on several splits; None if any run has no record by position."""
    found = [read_by_position(run.directory) for run in runs]
    known = [own for own in found if own is not None]
    if not known or len(known) < len(found):
        return None
    length = max(len(own.tokens) for own in known)
    nats, squares, tokens = (
        np.sum([np.pad(part, (0, length - len(part))) for part in parts], axis=0) for parts in zip(*known, strict=True)
    )
    return ByPosition(nats, squares, tokens)


def _ranges(tokens: NDArray[np.int64]) -> NDArray[np.int64]:
    """(P,) number of tokens at every position -> (R,) first position of each range, from 0."""
    enough = min(FEWEST, tokens.sum() / 100)
    starts, held = [0], 0
    for place, count in enumerate(tokens):
        if held >= enough and place + 1 >= WIDER * (starts[-1] + 1) and tokens[place:].sum() >= enough:
            starts.append(place)
            held = 0
        held += int(count)
    return np.array(starts)


def _places(
    starts: NDArray[np.int64], tokens: NDArray[np.int64], mean: Array, reach: Array | None
) -> tuple[Place, ...]:
    ends = [*starts[1:].tolist(), len(tokens)]
    counts = np.add.reduceat(tokens, starts)
    reaches = [None] * len(starts) if reach is None else [float(r) if np.isfinite(r) else None for r in reach]
    return tuple(
        Place(first=start + 1, last=end, tokens=int(count), mean=float(value),
              low=None if r is None else float(value) - r, high=None if r is None else float(value) + r)
        for start, end, count, value, r in zip(starts.tolist(), ends, counts, mean, reaches, strict=True)
    )  # fmt: skip
