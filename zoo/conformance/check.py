"""A check of the contract, and its findings."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, NamedTuple

from zoo.conformance.subject import Subject


class Finding(NamedTuple):
    """A finding of a check: a failure, a remark (the check passes, with a reservation), or information."""

    kind: Literal["failure", "remark", "information"]
    text: str


def failure(text: str) -> Finding:
    """A finding that breaks the contract; the text says how, and what to do."""
    return Finding("failure", text)


def remark(text: str) -> Finding:
    """A finding that users should know although the contract holds."""
    return Finding("remark", text)


def information(text: str) -> Finding:
    """A finding that is neither good nor bad."""
    return Finding("information", text)


@dataclass(frozen=True)
class Check:
    """One part of the contract.

    Args:
        name: one word or two.
        holds: what it checks, in a sentence.
        find: yields findings; an exception is a failure too.
        needs: checks that must pass first; if one of them fails, this one would only report the same.
    """

    name: str
    holds: str
    find: Callable[[Subject], Iterator[Finding]]
    needs: tuple[str, ...] = ()


@contextmanager
def note_place(where: str) -> Iterator[None]:
    """Add a note of where it happened to an exception raised inside."""
    try:
        yield
    except Exception as error:
        error.add_note(where)
        raise
