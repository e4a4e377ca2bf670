"""The interface of an engine: it executes units, each one cell or all cells of a stack."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from zoo.data.corpus import Corpus
from zoo.experiments.runs.resolve import Cell
from zoo.training.loop import Progress

Unit: TypeAlias = tuple[Cell, ...]
"""Cells that are executed together: a single one, or all of a stack."""
Report: TypeAlias = Callable[[Cell, Progress], None]
Finish: TypeAlias = Callable[[Unit], None]


class Engine(Protocol):
    """Where cells are executed. Nothing about it is in a fingerprint: a cell is the same run on every engine."""

    def check(self) -> None:
        """Check, before anything is planned, that the engine can be reached.

        Raises:
            ZooError: it cannot; one line says what to do.
        """

    def execute(self, units: Sequence[Unit], corpus: Corpus, report: Report, finish: Finish) -> None:
        """Execute units whose runs are missing, and those that failed again.

        Args:
            report: called with a cell and its progress.
            finish: called with each unit whose runs, or records of failure, are written. Units for which it is not
                called are executed by another process.

        Raises:
            RunError: as `zoo.experiments.runs.train.execute`.
        """

    def close(self) -> None:
        """Give back what the engine holds; it may be used again."""
