"""Listen to a study and send its runs to trackers, beside whatever else listens."""

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

from zoo.experiments.records.run import Run
from zoo.experiments.runs.batch import Listener
from zoo.experiments.runs.resolve import Cell
from zoo.trackers.courier import LONGEST, SILENT, Courier, close_all
from zoo.trackers.find import FoundTracker
from zoo.training.loop import Progress


class Tracking(Listener):
    """Passes everything on to another listener, and sends runs to trackers without waiting for them.

    Args:
        inner: the other listener.
        trackers: where to send.
        folder: folder of the study.
        tell: shows a line to the user.
    """

    def __init__(
        self, inner: Listener, trackers: Sequence[FoundTracker], folder: Path, tell: Callable[[str], None]
    ) -> None:
        self._inner, self._shown, self._folder, self._tell = inner, folder, folder.absolute(), tell
        self.stop_at_first_failure = inner.stop_at_first_failure
        self._couriers = [Courier(tracker, folder) for tracker in trackers]
        self._begun, self._ended = set[Path](), set[Path]()
        self._told = set[int]()

    def __enter__(self) -> "Tracking":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            close_all(self._couriers, silent=SILENT, longest=LONGEST)
        else:
            close_all(self._couriers, silent=1.0, longest=2.0)
        self._tell_troubles()
        for courier in self._couriers:
            if courier.unsent:
                of = courier.unsent + courier.sent + courier.there
                later = f"python cli.py track {shlex.quote(str(self._shown))} --to {shlex.quote(str(courier.tracker))}"
                self._tell(f"tracker {courier.tracker}: {courier.unsent} of {of} not sent; to send them: {later}")
            elif courier.sent:
                self._tell(f"tracker {courier.tracker}: {courier.sent} sent; {courier.where}")

    def planned(self, runs: int) -> None:
        self._inner.planned(runs)

    def waiting(self, cell: Cell) -> None:
        self._inner.waiting(cell)

    def progressed(self, cell: Cell, progress: Progress) -> None:
        self._inner.progressed(cell, progress)
        steps = cell.settings.steps
        counted = progress.spent > 0 and progress.train_loss is None
        if progress.validation_loss is None or steps is None or counted or cell.directory in self._ended:
            return  # a run with a budget in seconds does not say its step: it is sent when it has ended
        values = {"loss/validation": progress.validation_loss}
        if progress.train_loss is not None:
            values["loss/train"] = progress.train_loss
        if cell.directory not in self._begun:
            self._begun.add(cell.directory)
            self._begin(cell)
        self._send("point", name=self._name(cell), step=round(progress.spent * steps), values=values)

    def finished(self, cell: Cell, run: Run, *, reused: bool) -> None:
        self._inner.finished(cell, run, reused=reused)
        if cell.directory not in self._ended:
            self._ended.add(cell.directory)
            self._send("run", str(cell.directory.absolute()))

    def send_study(self, path: Path) -> None:
        """Send the summary of the study whose record is a file."""
        self._send("study", str(path.absolute()))

    def _begin(self, cell: Cell) -> None:
        working = cell.directory.absolute().with_name(f".{cell.directory.name}.partial")
        self._send(
            "begin",
            recorded=cell.recorded.model_dump_json(),
            group=self._folder.name,
            name=self._name(cell),
            working=str(working),
        )

    def _name(self, cell: Cell) -> str:
        return cell.directory.absolute().relative_to(self._folder).as_posix()

    def _send(self, kind: str, key: str | None = None, **values: object) -> None:
        for courier in self._couriers:
            courier.send(kind, key, **values)
        self._tell_troubles()

    def _tell_troubles(self) -> None:
        """Show what went wrong first with a tracker, once."""
        for number, courier in enumerate(self._couriers):
            if courier.trouble and number not in self._told:
                self._told.add(number)
                self._tell(f"tracker {courier.tracker}: {courier.trouble}; the runs go on without it")
