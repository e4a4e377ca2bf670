"""Describe differences between recorded and recomputed values, a line each."""

import math
from collections.abc import Iterator
from typing import Any

TOLERANCE = 1e-6
"""Tolerance of a split's loss, nats a token: another machine may add in another order."""


def differences(stored: Any, again: Any, name: str = "") -> Iterator[str]:
    """Yield the differences of two JSON documents; numbers may differ by rounding."""
    if isinstance(stored, dict) and isinstance(again, dict):
        for key in dict.fromkeys([*again, *stored]):
            yield from differences(stored.get(key), again.get(key), f"{name}.{key}" if name else key)
    elif isinstance(stored, list) and isinstance(again, list) and len(stored) == len(again):
        for index, pair in enumerate(zip(stored, again, strict=True)):
            yield from differences(*pair, f"{name}[{index}]")
    elif isinstance(stored, float) and isinstance(again, float):
        if not math.isclose(stored, again, rel_tol=1e-6, abs_tol=1e-9):
            yield describe(name, stored, again)
    elif stored != again:
        yield describe(name, stored, again)


def compare_values(name: str, recorded: Any, again: Any, *, tolerance: float = 0.0) -> Iterator[str]:
    """Yield the difference of two values, if there is one; numbers may be `tolerance` apart."""
    near = tolerance and recorded is not None and again is not None and abs(recorded - again) <= tolerance
    if not near and recorded != again:
        yield describe(name, recorded, again)


def describe(name: str, recorded: object, again: object) -> str:
    """Describe one difference in a line."""
    return f"{name}: recorded {recorded}, computed again {again}"
