"""TensorBoard: event files below the study's folder, a folder for each run.

TensorBoard keeps scalars as float32, so results stand in a text with all their digits too. It shows no SVG and no page:
these are files beside the events.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from zoo.trackers.interface import Ending, Point, TrackedRun, Tracker, TrackerOptions
from zoo.whole_file import write_whole

if TYPE_CHECKING:
    from zoo.trackers.events import EventFile

EVENTS = "events.out.tfevents.*"
SENT = "sent.json"
"""Beside the events of a run that has ended: its status and digest."""


class TensorBoard(Tracker):
    """Writes event files, which `tensorboard --logdir` shows."""

    class Config(TrackerOptions):
        dir: str = Field("", description="log folder, with a folder for each study [tensorboard in the study's folder]")

    needs: ClassVar[Sequence[str]] = ("tensorboard",)
    extra: ClassVar[str] = "tensorboard"
    config: Config

    def __init__(self, config: TrackerOptions, folder: Path) -> None:
        super().__init__(config, folder)
        self._root = Path(self.config.dir) / folder.absolute().name if self.config.dir else folder / "tensorboard"
        self._files: dict[str, EventFile] = {}
        self.where = f"tensorboard --logdir {self.config.dir or self._root}"

    def has(self, run: TrackedRun, digest: str) -> bool:
        try:
            sent = json.loads((self._root / run.name / SENT).read_text("utf-8"))
        except (OSError, ValueError):
            return False
        return isinstance(sent, dict) and sent.get("digest") == digest

    def begin(self, run: TrackedRun) -> None:
        from zoo.trackers.events import EventFile

        place = self._root / run.name
        if before := self._files.pop(run.name, None):
            before.close()
        for old in [*place.glob(EVENTS), place / SENT]:
            old.unlink(missing_ok=True)
        file = self._files[run.name] = EventFile(place)
        file.write_settings(run.settings, f"{run.group}/{run.name}")
        file.write_text("settings", _tabulate(run.settings), 0)
        file.flush()

    def log(self, run: TrackedRun, points: Sequence[Point]) -> None:
        for point in points:
            self._files[run.name].write_numbers(point.values, point.step)
        self._files[run.name].flush()

    def end(self, run: TrackedRun, ending: Ending) -> None:
        file, place = self._files.pop(run.name), self._root / run.name
        step = int(ending.numbers.get("steps", 0))
        if ending.numbers:
            file.write_numbers({f"result/{name}": value for name, value in ending.numbers.items()}, step)
        for name, text in {**ending.texts, "about": _tabulate({"status": ending.status, **ending.tags})}.items():
            file.write_text(name, text, step)
        file.close()
        for name, content in ending.files.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            write_whole(place / name, content)
        if ending.digest:
            write_whole(place / SENT, json.dumps({"status": ending.status, "digest": ending.digest}) + "\n")


def _tabulate(values: Mapping[str, object]) -> str:
    """A table of names and values in Markdown."""
    rows = [f"| {name} | {str(value).replace('|', '&#124;')} |" for name, value in values.items()]
    return "\n".join(["| what | value |", "|---|---|", *rows])
