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
        self._low = (bits + 1) // 2
        self._masks = [(1 << (bits // 2)) - 1, (1 << ((bits + 1) // 2)) - 1]
        keys = np.random.SeedSequence(key).generate_state(ROUNDS, np.uint64)
        self._rounds = [(turn % 2, self._tabulate(turn % 2, key)) for turn, key in enumerate(keys)]

    def __call__(self, places: Places) -> Places:
        """(n,) int64 places -> (n,) int64 items at these places."""
        return self._walk(places, self._rounds)

    def inverse(self, items: Places) -> Places:
        """(n,) int64 items -> (n,) int64 places of these items."""
        return self._walk(items, self._rounds[::-1])

    def _tabulate(self, changed: int, key: np.uint64) -> Places:
        """What a round mixes into the changed half, for every value of the other one: at most 2^16 for 2^32 items."""
        values = np.arange(self._masks[1 - changed] + 1, dtype=np.uint64)
        return (_scramble(values, key) & np.uint64(self._masks[changed])).astype(np.int64)

    def _walk(self, places: Places, rounds: list[tuple[int, Places]]) -> Places:
        result = places.copy()
        for start in range(0, len(result), BLOCK):
            block = result[start : start + BLOCK]
            block[:] = self._mix(block, rounds)
            while len(outside := np.flatnonzero(block >= self.count)):
                block[outside] = self._mix(block[outside], rounds)
        return result

    def _mix(self, numbers: Places, rounds: list[tuple[int, Places]]) -> Places:
        halves = [numbers >> self._low, numbers & self._masks[1]]
        for changed, table in rounds:
            halves[changed] ^= table.take(halves[1 - changed], mode="clip")
        return (halves[0] << self._low) | halves[1]


def _scramble(numbers: NDArray[np.uint64], key: np.uint64) -> NDArray[np.uint64]:
    """High 32 bits of a shortened finalizer of SplitMix64 (Steele, Lea and Flood 2014)."""
    numbers = (numbers ^ key) * np.uint64(0xBF58476D1CE4E5B9)
    numbers ^= numbers >> np.uint64(27)
    return (numbers * np.uint64(0x94D049BB133111EB)) >> np.uint64(32)
