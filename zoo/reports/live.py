"""Show the progress of a call in a notebook: one display, updated in place, that ends in one line.

A Jupyter kernel takes its displays from the shell, so nothing here imports IPython.
"""

import io
import os
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path
from types import TracebackType

from markupsafe import Markup
from rich.progress import Task

from zoo.output import find_kernel, printable
from zoo.reports.console import PlainConsole
from zoo.reports.figures.palette import MODELS_LIGHT
from zoo.reports.figures.svg import clean

INTERVAL = 0.25
"""Least seconds between two updates; what comes sooner waits for the next one."""
LAST = 8
"""Number of lines below the bar; the others can be opened at the end."""
MOST = 1000
"""Most lines that the end has."""
TEXT = "font:13px/1.5 system-ui,sans-serif;color:inherit;white-space:pre-wrap"
LINES = (
    "margin:.3em 0;padding:0;background:none;border:0;color:inherit;opacity:.75;white-space:pre-wrap;"
    "overflow-wrap:anywhere;font:12px/1.5 ui-monospace,Menlo,Consolas,monospace"
)
TRACK = (
    "display:inline-block;vertical-align:middle;width:12em;height:.45em;margin:0 .8em 0 0;border-radius:.3em;"
    "overflow:hidden;background:color-mix(in srgb,currentColor 16%,transparent)"
)
FILLED = f"display:block;height:100%;background:{MODELS_LIGHT[0]}"
"""CSS of the parts of the display, which has no style sheet because it is sent again and again."""


class LiveDisplay:
    """A display with the last lines, a bar, and what comes over standard error meanwhile.

    At the end it is one line, which opens to all lines; what came over standard error stays below.
    """

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._notices: list[str] = []
        self._state, self._share = "preparing", 0.0
        self._runs: dict[Path, tuple[str, bool]] = {}  # directory -> status, and whether it was there before
        self._shell, self._id = find_kernel(), uuid.uuid4().hex
        self._began, self._next, self._shown = time.monotonic(), 0.0, False
        self._errors = Lines(self._notices.append, self._update)
        self._redirected = redirect_stderr(self._errors)
        self.lines = Lines(self._lines.append, self._update)
        """Stream of a console."""

    def __enter__(self) -> "LiveDisplay":
        self._redirected.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._redirected.__exit__(kind, error, trace)
        self._errors.finish()
        if self._shown or not error:
            self._end(stopped=error is not None)

    def show(self, task: Task) -> None:
        """Show the state of a bar, soon."""
        rest = task.time_remaining
        left = "" if rest is None else f"{rest // 60:.0f}:{rest % 60:02.0f} left"
        words = [task.description, f"{task.percentage:.0f}%", str(task.fields["loss"]), left]
        self._state, self._share = "  ".join(filter(None, words)), task.percentage / 100
        self._update()

    def say(self, words: str) -> None:
        """Show other words beside the bar."""
        self._state = words
        self._next = 0.0
        self._update()

    def count(self, directory: Path, status: str, *, reused: bool) -> None:
        """Count the run in a directory, once."""
        self._runs.setdefault(directory, (status, reused))

    def _update(self) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + INTERVAL
        done = f"{FILLED};width:{100 * self._share:.1f}%"
        bar = Markup('<span style="{}"><span style="{}"></span></span>').format(TRACK, done)
        below = [*self._lines[-LAST:], *self._notices[-LAST:]]
        self._publish(Markup("<div>{}{}</div>{}").format(bar, clean(self._state), _block(below)), self._state)

    def _end(self, *, stopped: bool) -> None:
        line = self._describe_end(stopped)
        shown = self._lines[-MOST:]
        inside = Markup('<details><summary style="opacity:.75">{}</summary>{}</details>').format(line, _block(shown))
        self._publish(inside + _block(self._notices[-MOST:]), "\n".join([line, *self._notices[-MOST:]]))

    def _describe_end(self, stopped: bool) -> str:
        number, took = len(self._runs), f"{time.monotonic() - self._began:.1f} s"
        runs = f"{number:,} run{'' if number == 1 else 's'}"
        if stopped:
            return f"stopped after {f'{runs} and ' if number else ''}{took}"
        reused = sum(before for _, before in self._runs.values())
        there = "" if not reused else ", already there" if reused == number else f", {reused:,} of them already there"
        ends = Counter(status for status, _ in self._runs.values() if status not in ("finished", "pruned"))
        other = "".join(f", {count:,} {status}" for status, count in ends.items())
        return f"{runs}{there}, in {took}{other}" if reused else f"{runs} in {took}{other}"

    def _publish(self, inside: Markup, plain: str) -> None:
        data = {"text/html": Markup('<div style="{}">{}</div>').format(TEXT, inside), "text/plain": plain}
        self._shell.display_pub.publish(
            data={kind: str(text) for kind, text in data.items()},
            metadata={},
            transient={"display_id": self._id},
            update=self._shown,
        )
        self._shown = True


class LiveConsole(PlainConsole):
    """A console that prints on a display."""

    def __init__(self, display: LiveDisplay) -> None:
        super().__init__(file=display.lines, color_system=None, force_terminal=False, force_jupyter=False)
        self.display = display


class Lines(io.StringIO):
    """A text stream that hands over whole lines; a forked process writes to the standard error of its parent."""

    def __init__(self, take: Callable[[str], None], then: Callable[[], None]) -> None:
        self._take, self._then, self._rest = take, then, ""
        self._owner, self._beyond = os.getpid(), sys.stderr

    def write(self, text: str) -> int:
        if os.getpid() != self._owner:
            return self._beyond.write(text)
        *whole, self._rest = (self._rest + text).split("\n")
        for line in whole:
            self._take(printable(line.rstrip("\r").rpartition("\r")[2]))
        if whole:
            self._then()
        return len(text)

    def finish(self) -> None:
        """End a line that was begun."""
        if self._rest:
            self.write("\n")

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._beyond.fileno()


def _block(lines: list[str]) -> Markup:
    return Markup('<pre style="{}">{}</pre>').format(LINES, clean("\n".join(lines))) if lines else Markup()
