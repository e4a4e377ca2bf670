"""The command's end of a sending process: messages go out without waiting, and answers are read as they come.

No thread belongs to it, because a process with threads cannot fork the workers that train.
"""

import json
import os
import selectors
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import IO, Any

from zoo.trackers.find import FoundTracker

STARTING = 20.0
"""Seconds that a tracker may take at the end to import its library and open its store."""
SILENT = 5.0
"""Seconds at the end in which nothing is sent, after which a tracker counts as dead."""
ENDING = 3.0
"""Seconds for the exit hooks of a library, which remove temporary files, once everything is sent."""
LONGEST = 60.0
"""Seconds that the end may take in all while a tracker answers, before the rest is left for later."""
CLOSE = "close"
WAITING = 2_000
"""Maximum number of points that wait for the sending process; later ones are sent from the record."""


class Courier:
    """Sends messages to a tracker in a process of its own.

    Args:
        gently: whether the process only takes what other processes leave of the processor.
    """

    def __init__(self, tracker: FoundTracker, folder: Path, *, gently: bool = True) -> None:
        self.tracker, self.where = tracker, ""
        self.failed: list[str] = []
        """What the tracker did not take."""
        self.sent, self.there = 0, 0
        """Number of what was sent, and of what was there already."""
        self.trouble = ""
        """The first thing that went wrong."""
        self._asked: dict[str, None] = {}
        self._ready = self._closed = False
        self._heard = self._closing = 0.0
        self._dead = ""
        self._waiting, self._out, self._in = deque[bytes](), b"", b""
        self._temporary = mkdtemp(prefix="zoo-tracker-")
        paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "zoo.trackers.sender"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,  # Ctrl-C is for the command, which ends the process
            env={**os.environ, "PYTHONPATH": paths, "TMPDIR": self._temporary},
        )
        for pipe in (self._to, self._from):
            os.set_blocking(pipe.fileno(), False)
        self._put({"tracker": str(tracker.call), "folder": str(folder), "gently": gently})

    def send(self, kind: str, key: str | None = None, **values: Any) -> None:
        """Send a message, without waiting. With a key it counts as unsent until it is answered."""
        if key is not None:
            self._asked[key] = None
        if not self._dead and (kind != "point" or len(self._waiting) < WAITING):
            self._put({"kind": kind, "key": key, **values})

    @property
    def unsent(self) -> int:
        """Number of runs and summaries that were not sent."""
        return len(self._asked) + len(self.failed)

    @property
    def _to(self) -> IO[bytes]:
        assert self._process.stdin is not None
        return self._process.stdin

    @property
    def _from(self) -> IO[bytes]:
        assert self._process.stdout is not None
        return self._process.stdout

    def _put(self, message: dict[str, Any]) -> None:
        self._waiting.append(json.dumps(message).encode() + b"\n")
        self._pump()

    def _pump(self) -> None:
        """Write what the pipe takes, and read what has come."""
        if self._dead:
            return
        try:
            while self._waiting or self._out:
                self._out = self._out or self._waiting.popleft()
                written = os.write(self._to.fileno(), self._out)
                self._out = self._out[written:]
        except BlockingIOError:
            pass
        except OSError:
            self._die("its process has ended")
        self._read()

    def _read(self) -> None:
        with suppress(BlockingIOError):
            while not self._closed:
                data = os.read(self._from.fileno(), 1 << 16)
                self._closed = not data
                self._in += data
        *lines, self._in = self._in.split(b"\n")
        for line in lines:
            self._take(json.loads(line))
        if self._closed:
            self._die("its process has ended")

    def _take(self, answer: dict[str, Any]) -> None:
        self.trouble = self.trouble or answer["why"]
        if not answer["why"]:
            self._heard = time.monotonic()
        if "ready" in answer:
            self._ready, self.where = answer["ready"], answer.get("where", "")
            if not self._ready:
                self._die(answer["why"])
            return
        if answer["done"] not in self._asked:
            return
        del self._asked[answer["done"]]
        if answer["why"]:
            self.failed.append(answer["done"])
        elif answer["done"] != CLOSE:
            self.sent, self.there = self.sent + answer["new"], self.there + (not answer["new"])

    def _die(self, why: str) -> None:
        self._dead = self._dead or why
        self.trouble = self.trouble or why

    def _give_up(self, now: float, silent: float, longest: float) -> None:
        """Count the tracker as dead if it is silent or slow at the end."""
        patience = silent if self._ready else min(max(silent, STARTING), longest)
        if now - self._heard >= patience:
            self._die(f"no answer within {now - self._heard:.0f} s")
        elif now - self._closing >= longest:
            self._die(f"it takes longer than {longest:.0f} s")

    def _end(self) -> None:
        self._asked.pop(CLOSE, None)
        with suppress(OSError):
            self._to.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(0.0 if self._dead else ENDING)
        self._process.kill()
        self._process.wait()
        self._from.close()
        rmtree(self._temporary, ignore_errors=True)  # a library that was killed has left its files there


def close_all(couriers: Sequence[Courier], *, silent: float, longest: float) -> None:
    """Wait until everything is sent or the trackers are dead, and end their processes.

    Args:
        silent: seconds without anything sent after which a tracker counts as dead.
        longest: seconds that it may take in all.
    """
    try:
        with selectors.DefaultSelector() as selector:
            for courier in couriers:
                courier._closing = courier._heard = time.monotonic()
                courier.send("close", CLOSE)
                selector.register(courier._from, selectors.EVENT_READ, courier)
            while busy := [courier for courier in couriers if courier._asked and not courier._dead]:
                blocked = any(courier._waiting or courier._out for courier in busy)
                selector.select(0.05 if blocked else 0.5)
                for courier in busy:
                    courier._pump()
                    courier._give_up(time.monotonic(), silent, longest)
    finally:
        for courier in couriers:
            courier._end()
