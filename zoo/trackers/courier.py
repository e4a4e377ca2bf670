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
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from zoo.trackers.find import FoundTracker

STARTING = 20.0
"""Seconds that a tracker may take at the end to import its library and open its store."""
SILENT = 5.0
"""Seconds without an answer, at the end, after which a tracker counts as dead."""
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
        self._dead = ""
        self._waiting, self._out, self._in = deque[bytes](), b"", b""
        paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "zoo.trackers.sender"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,  # Ctrl-C is for the command, which ends the process
            env={**os.environ, "PYTHONPATH": paths},
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

    def close(self, *, silent: float = SILENT, longest: float = LONGEST) -> None:
        """Wait until all is sent or the tracker is dead, and end the process.

        Args:
            silent: seconds without an answer after which the tracker counts as dead.
            longest: seconds that it may take in all.
        """
        try:
            self.send("close", CLOSE)
            self._wait(silent, longest)
        finally:
            self._asked.pop(CLOSE, None)
            self._end()

    def _wait(self, silent: float, longest: float) -> None:
        """Wait until everything is answered, or the tracker is dead."""
        started = heard = time.monotonic()
        with selectors.DefaultSelector() as selector:
            selector.register(self._from, selectors.EVENT_READ)
            while self._asked and not self._dead:
                now = time.monotonic()
                patience = silent if self._ready else min(max(silent, STARTING), longest)
                if now - heard >= patience:
                    return self._die(f"no answer within {now - heard:.0f} s")
                if now - started >= longest:
                    return self._die(f"it takes longer than {longest:.0f} s")
                selector.select(0.05 if self._waiting or self._out else 0.5)
                if self._pump():
                    heard = time.monotonic()
        return None

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

    def _pump(self) -> bool:
        """Write what the pipe takes, and read what has come; return whether something has."""
        if self._dead:
            return False
        try:
            while self._waiting or self._out:
                self._out = self._out or self._waiting.popleft()
                written = os.write(self._to.fileno(), self._out)
                self._out = self._out[written:]
        except BlockingIOError:
            pass
        except OSError:
            self._die("its process has ended")
        return self._read()

    def _read(self) -> bool:
        came = False
        with suppress(BlockingIOError):
            while not self._closed:
                data = os.read(self._from.fileno(), 1 << 16)
                self._closed = not data
                self._in += data
                came = came or bool(data)
        *lines, self._in = self._in.split(b"\n")
        for line in lines:
            self._take(json.loads(line))
        if self._closed:
            self._die("its process has ended")
        return came

    def _take(self, answer: dict[str, Any]) -> None:
        self.trouble = self.trouble or answer.get("why", "")
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

    def _end(self) -> None:
        with suppress(OSError):
            self._to.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(0.0 if self._dead else 1.0)
        self._process.kill()
        self._process.wait()
        self._from.close()
