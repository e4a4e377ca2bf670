"""What a reader takes and gives: a file, names of columns, and scores in long form. Imports no torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Names: TypeAlias = NDArray[np.str_]
Numbers: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Columns:
    """Names of columns, as given; None: the reader guesses."""

    model: str | None = None
    seed: str | None = None
    item: str | None = None
    score: str | None = None
    weight: str | None = None
    task: str | None = None
    cluster: str | None = None

    def given(self) -> dict[str, str]:
        """What a column holds -> its name, for those that are given."""
        return {own.name: name for own in fields(self) if (name := getattr(self, own.name)) is not None}


@dataclass(frozen=True)
class Scores:
    """Scores in long form: arrays of one length M, an entry per score; None: the file does not say.

    `totals` is score times weight, as a summed loss is, so that a mean is a sum of totals over a sum of weights.
    """

    models: Names
    totals: Numbers
    weights: Numbers
    measure: str
    """Name of the score: accuracy, loss."""
    higher: bool | None = None
    """Whether higher is better."""
    seeds: Names | None = None
    items: Names | None = None
    tasks: Names | None = None
    clusters: Names | None = None
    ordered: bool = False
    """Whether items are neighbouring stretches of one stream, in its order."""
    by_task: Mapping[str, tuple[str, bool | None]] = field(default_factory=dict)
    """Task -> name of its score and whether higher is better, where tasks differ."""
    notes: tuple[str, ...] = ()
    """What was guessed, a sentence each."""


class Reader(Protocol):
    """A kind of file; a class with these two class methods, registered under a name (group `zoo.readers`)."""

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether the file or folder is of this kind, from its name or its first bytes."""

    @classmethod
    def read(cls, path: Path, columns: Columns) -> Scores:
        """Read the scores.

        Raises:
            DataError: the file is damaged, or lacks a column; one line that says what to do.
        """
