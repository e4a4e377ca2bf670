"""Deliberate breakages of the product, which show that a campaign can fail: name -> function that breaks it."""

import contextlib
import multiprocessing.connection
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from zoo.experiments.runs import checkpoints, workers, working_folder
from zoo.experiments.verify import curve, losses, run, study
from zoo.training import loop
from zoo.training.tensor_file import from_file


def restore_no_random_state() -> None:
    """Continue with the weights, moments and curve, but with other random numbers."""
    loop.put_random_state = lambda *_: None


def write_in_place() -> None:
    """Write a file in place, first one half and then the other, records as slowly as a slow disk."""

    def write(path: Path, data: bytes | str) -> None:
        content = data.encode() if isinstance(data, str) else data
        with path.open("wb", buffering=0) as file:
            file.write(content[: len(content) // 2])
            time.sleep(1.0 if path.suffix == ".json" else 0)
            file.write(content[len(content) // 2 :])

    for module in list(sys.modules.values()):
        if module.__name__.startswith("zoo.") and hasattr(module, "write_whole"):
            module.write_whole = write


def check_no_digest() -> None:
    """Read a checkpoint without checking its digest."""
    checkpoints._read = lambda path: from_file(path.read_bytes())


def hold_no_lock() -> None:
    """Let two processes do the same work in the same folder."""
    working_folder.fcntl = None


def outlive_parents() -> None:
    """Let a child continue when its parent is dead, and when nobody reads its pipe."""
    send = multiprocessing.connection.Connection.send

    def send_anyhow(self: Any, value: Any) -> None:
        with contextlib.suppress(OSError):
            send(self, value)

    workers._end_with_parent = lambda _: None
    multiprocessing.connection.Connection.send = send_anyhow


def compare_nothing() -> None:
    """Recompute everything, but compare nothing with the record."""

    def nothing(*_: Any, **__: Any) -> Iterator[str]:
        yield from ()

    for module in (curve, losses, run, study):
        module.compare_values = nothing
        if hasattr(module, "differences"):
            module.differences = nothing


BROKEN: dict[str, Callable[[], None]] = {
    "no-random-state": restore_no_random_state,
    "in-place": write_in_place,
    "no-digest": check_no_digest,
    "no-lock": hold_no_lock,
    "orphans": outlive_parents,
    "no-comparison": compare_nothing,
}
