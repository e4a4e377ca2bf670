"""How many inputs are generated, values that nobody expects, and changes of valid input."""

import os
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

TARGETS = 5
INPUTS = int(os.environ.get("ZOO_FUZZ", "2000"))
"""Inputs in all; each of the five tests takes as many."""

TEXT = st.text(max_size=30) | st.sampled_from(
    ["", "\x1b[2J", "\0", "\ud800", "a" * 3000, "..", "/etc/passwd", "-", "names", "1e999", "nan", "0x" + "f" * 5000]
)
NUMBERS = (
    st.integers()
    | st.floats()
    | st.sampled_from([-1, 0, 1, 2**31, 2**63, -(2**63), 10**18, 10**400, 10**4000, 5e-324, 1e308, 1e-46])
)
PLAIN = st.none() | st.booleans() | NUMBERS | TEXT


def nest(value: Any, depth: int) -> Any:
    """A value inside of so many lists."""
    for _ in range(depth):
        value = [value]
    return value


VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=6
) | st.builds(nest, PLAIN, st.sampled_from([1, 50, 400]))
"""What JSON can hold, and more."""


def generate(*strategies: Any) -> Callable[[Any], Any]:
    """A decorator: a test of its share of the inputs; in the slow tier they are the same each time."""

    def decorate(test: Any) -> Any:
        limited = settings(
            max_examples=INPUTS // TARGETS,
            deadline=None,
            database=None,
            derandomize=INPUTS <= 2000,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        )
        return pytest.mark.timeout(0)(pytest.mark.slow(limited(given(*strategies)(test))))

    return decorate


def list_places(document: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value of a JSON document."""
    yield place
    items = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in items:
        yield from list_places(value, (*place, key))


def replace(document: Any, place: tuple[Any, ...], change: Callable[[Any, Any], object]) -> Any:
    """The document, `change` applied to the container and the key that `place` ends with."""
    if not place:
        return document
    table = document
    for key in place[:-1]:
        table = table[key]
    change(table, place[-1])
    return document


def damage_bytes(data: bytes, seed: int) -> bytes:
    """Cut, flip, repeat or leave out a stretch."""
    draw = random.Random(seed)
    start = draw.randrange(len(data) + 1)
    end = min(len(data), start + draw.choice([1, 2, 10, 1000]))
    middle = draw.choice([b"", bytes(draw.randrange(256) for _ in range(end - start)), data[start:end] * 3])
    return data[:start] + middle + (b"" if draw.random() < 0.2 else data[end:])
