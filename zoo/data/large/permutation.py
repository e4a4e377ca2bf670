"""A pseudo-random permutation computed item by item, for sets too large to store their order."""

import numpy as np
from numpy.typing import NDArray

STORED = 10_000_000
"""Maximum items whose order is drawn and stored; larger sets use a `Permutation`."""

ROUNDS = 6
BLOCK = 1 << 13
"""Numbers mixed at a time, few enough for a CPU cache."""

Places = NDArray[np.int64]


class Permutation:
    """Bijection of 0, ..., count - 1 that is a pure function of the key.

    A Feistel network over the next power of two (Luby and Rackoff 1988) mixes the two halves of a number's bits in
    turn. Results that are too large go through it again (cycle walking: Black and Rogaway 2002), on average fewer than
    two times.
    """

    def __init__(self, count: int, *key: int) -> None:
        self.count = count
        bits = max(2, (count - 1).bit_length())
        self._low = np.uint64((bits + 1) // 2)
        self._masks = [np.uint64((1 << (bits // 2)) - 1), np.uint64((1 << ((bits + 1) // 2)) - 1)]
        self._keys = list(enumerate(np.random.SeedSequence(key).generate_state(ROUNDS, np.uint64)))

    def __call__(self, places: Places) -> Places:
        """(n,) int64 places -> (n,) int64 items at these places."""
        return self._walk(places, self._keys)

    def inverse(self, items: Places) -> Places:
        """(n,) int64 items -> (n,) int64 places of these items."""
        return self._walk(items, self._keys[::-1])

    def _walk(self, places: Places, keys: list[tuple[int, np.uint64]]) -> Places:
        result = places.astype(np.uint64)
        for start in range(0, len(result), BLOCK):
            block = result[start : start + BLOCK]
            block[:] = self._mix(block, keys)
            while len(outside := np.flatnonzero(block >= self.count)):
                block[outside] = self._mix(block[outside], keys)
        return result.astype(np.int64)

    def _mix(self, numbers: NDArray[np.uint64], keys: list[tuple[int, np.uint64]]) -> NDArray[np.uint64]:
        halves = [numbers >> self._low, numbers & self._masks[1]]
        for turn, key in keys:
            changed = turn % 2
            halves[changed] ^= _scramble(halves[1 - changed], key) & self._masks[changed]
        return (halves[0] << self._low) | halves[1]


def _scramble(numbers: NDArray[np.uint64], key: np.uint64) -> NDArray[np.uint64]:
    """High 32 bits of a shortened finalizer of SplitMix64 (Steele, Lea and Flood 2014)."""
    numbers = (numbers ^ key) * np.uint64(0xBF58476D1CE4E5B9)
    numbers ^= numbers >> np.uint64(27)
    return (numbers * np.uint64(0x94D049BB133111EB)) >> np.uint64(32)
