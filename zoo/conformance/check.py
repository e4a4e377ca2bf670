"""A check of the contract, and its findings."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, NamedTuple

from zoo.conformance.subject import Subject


class Finding(NamedTuple):
    """A finding of a check. A remark is a reservation about a check that passes."""

    kind: Literal["failure", "remark", "information"]
    text: str


def failure(text: str) -> Finding:
    """Make a finding that the contract is broken; `text` says how, and what to do."""
    return Finding("failure", text)


def remark(text: str) -> Finding:
    """Make a finding that users should know although the contract holds."""
    return Finding("remark", text)


def information(text: str) -> Finding:
    """Make a finding that is neither good nor bad."""
    return Finding("information", text)


@dataclass(frozen=True)
class Check:
    """One part of the contract.

    Args:
        name: one or two words.
        holds: the claim that it checks, as one sentence.
        find: yields findings; an exception counts as a failure.
        needs: checks that must pass first, because this one would repeat their failure.
    """

    name: str
    holds: str
    find: Callable[[Subject], Iterator[Finding]]
    needs: tuple[str, ...] = ()


@contextmanager
def note_place(where: str) -> Iterator[None]:
    """Add `where` as a note to an exception raised inside."""
    try:
        yield
    except Exception as error:
        error.add_note(where)
        raise
