"""Report the progress of a study: a bar on a terminal and in a notebook, and a line per run everywhere."""

from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from zoo.experiments.records.run import Run, last_auxiliary_loss
from zoo.experiments.runs.batch import Listener
from zoo.experiments.runs.resolve import Cell
from zoo.reports.live import LiveConsole
from zoo.training.loop import Progress as Step


class ProgressBar(Listener):
    """One bar over all runs, with the live loss; finished runs scroll up as lines."""

    def __init__(self, console: Console, *, stop_at_first_failure: bool = False) -> None:
        self._console, self.stop_at_first_failure = console, stop_at_first_failure
        self._live = console.display if isinstance(console, LiveConsole) else None
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=12),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[loss]}"),
            TimeRemainingColumn(compact=True),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("preparing", loss="", total=None)
        self._done = 0
        self._spent: dict[Path, float] = {}  # directory of a run in training -> share of its budget spent
        self._validation: dict[Path, str] = {}

    def __enter__(self) -> "ProgressBar":
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def measuring(self) -> None:
        """Say in a notebook that costs are measured, which the bar does not count."""
        if self._live:
            self._live.say("measuring costs")

    def planned(self, runs: int) -> None:
        self._update(total=runs)

    def progressed(self, cell: Cell, progress: Step) -> None:
        where = cell.directory
        if progress.note:
            self._print(f"{_name(cell)}: {progress.note}")
        if progress.validation_loss is not None:
            self._validation[where] = f" valid {progress.validation_loss:.3f}"
        self._spent[where] = progress.spent
        loss = f"train {progress.train_loss:.3f}" if progress.train_loss is not None else ""
        self._update(
            description=f"{cell.config.label[:24]}{_split(cell)} seed {cell.config.seed}",
            completed=self._done + sum(self._spent.values()),
            loss=loss + self._validation.get(where, ""),
        )

    def finished(self, cell: Cell, run: Run, *, reused: bool) -> None:
        self._done += 1
        self._spent.pop(cell.directory, None)
        if self._live:
            self._live.count(cell.directory, run.result.status, reused=reused)
        self._update(completed=self._done)
        result, name = run.result, _name(cell)
        if result.status == "diverged":
            last = run.curve[-1] if run.curve else None
            good = f"; last finite evaluation {last.validation_loss:.5g} at step {last.step:,}" if last else ""
            why = f", {result.reason}" if result.reason else ""
            line = f"{name}: diverged at step {result.diverged_at:,}{why}{good}"
        elif result.status == "pruned":
            line = f"{name}: pruned at step {result.steps:,}, validation {run.curve[-1].validation_loss:.4f}"
        elif result.status in ("refused", "failed"):
            line = f"{name}: {result.status}. {result.reason}"
        else:
            losses = {"test": result.test_loss, "validation": result.validation_loss}
            line = f"{name}: " + ", ".join(f"{split} {loss:.4f}" for split, loss in losses.items() if loss is not None)
            if (auxiliary := last_auxiliary_loss(run.curve)) is not None:
                line += f", and in training an auxiliary loss of {auxiliary:.3g}"
        how = "already there" if reused else f"{result.seconds:.1f} s"
        self._print(line if result.status == "failed" else f"{line} ({how})")

    def waiting(self, cell: Cell) -> None:
        self._print(f"{_name(cell)}: another process works on it")

    def _update(self, **state: Any) -> None:
        self._bar.update(self._task, **state)
        if self._live:
            self._live.show(self._bar.tasks[self._task])

    def _print(self, line: str) -> None:
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)


def _name(cell: Cell) -> str:
    if cell.config.searched and cell.config.trial:
        chosen = {**vars(cell.settings), **dict(cell.model.options)}
        return f"{cell.config.label} trying {', '.join(f'{name}={chosen[name]}' for name in cell.config.searched)}"
    if cell.config.trial:
        return f"{cell.config.label} trying learning rate {cell.settings.lr:g}"
    return f"{cell.config.label}{_split(cell)} seed {cell.config.seed}"


def _split(cell: Cell) -> str:
    """Words for the split of a run; empty for the first."""
    number, of = cell.config.data.turn
    return f" split {number} of {of}" if number > 1 else ""
