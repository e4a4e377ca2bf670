"""Where what was recorded and what was computed again differ, each told in one line."""

import math
from collections.abc import Iterator
from typing import Any

TOLERANCE = 1e-6
"""Nats a token: another machine may add in another order, nothing more."""


def differences(stored: Any, again: Any, name: str = "") -> Iterator[str]:
    """Where two JSON documents differ, numbers by more than a rounding."""
    if isinstance(stored, dict) and isinstance(again, dict):
        for key in dict.fromkeys([*again, *stored]):
            yield from differences(stored.get(key), again.get(key), f"{name}.{key}" if name else key)
    elif isinstance(stored, list) and isinstance(again, list) and len(stored) == len(again):
        for index, pair in enumerate(zip(stored, again, strict=True)):
            yield from differences(*pair, f"{name}[{index}]")
    elif isinstance(stored, float) and isinstance(again, float):
        if not math.isclose(stored, again, rel_tol=1e-6, abs_tol=1e-9):
            yield told(name, stored, again)
    elif stored != again:
        yield told(name, stored, again)


def compare(name: str, recorded: Any, again: Any, *, tolerance: float = 0.0) -> Iterator[str]:
    """One value: numbers may be `tolerance` apart."""
    near = tolerance and recorded is not None and again is not None and abs(recorded - again) <= tolerance
    if not near and recorded != again:
        yield told(name, recorded, again)


def told(name: str, recorded: object, again: object) -> str:
    """The line: what, as it was recorded, as it was computed again."""
    return f"{name}: recorded {recorded}, computed again {again}"
