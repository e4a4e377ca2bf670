"""What a check is: a name, a sentence of what it holds, and findings about a subject."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, NamedTuple

from zoo.conformance.subject import Subject


class Finding(NamedTuple):
    """What a check has to say: a failure, a remark (it passes, and should be known), or information."""

    kind: Literal["failure", "remark", "information"]
    text: str


def failure(text: str) -> Finding:
    """The contract is broken; the text says how, and what to do."""
    return Finding("failure", text)


def remark(text: str) -> Finding:
    """The contract holds, and this should be known."""
    return Finding("remark", text)


def information(text: str) -> Finding:
    """Neither good nor bad."""
    return Finding("information", text)


@dataclass(frozen=True)
class Check:
    """One part of the contract.

    Args:
        name: one word or two.
        holds: a sentence of what it holds.
        find: yields findings; whatever it raises is a failure too.
        needs: checks without which this one would only say the same again.
    """

    name: str
    holds: str
    find: Callable[[Subject], Iterator[Finding]]
    needs: tuple[str, ...] = ()


@contextmanager
def note_place(where: str) -> Iterator[None]:
    """Whatever is raised inside is told with where it happened."""
    try:
        yield
    except Exception as error:
        error.add_note(where)
        raise
