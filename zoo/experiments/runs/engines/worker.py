"""What runs on a worker: describe its software, and execute a unit."""

import os
import platform
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

import zoo
from registry import RegistryError
from zoo import interrupt
from zoo.cache import cache_directory
from zoo.config import DataConfig
from zoo.data.corpus import Corpus
from zoo.data.load import load_corpus
from zoo.errors import ZooError
from zoo.experiments.records.code import digest_harness
from zoo.experiments.records.fingerprint import fingerprint
from zoo.experiments.records.run import Recorded
from zoo.experiments.runs.engines.board import News, Reporter
from zoo.experiments.runs.engines.returned import Returned, collect_files
from zoo.experiments.runs.engines.shipment import Shipment, settle
from zoo.experiments.runs.engines.unit import execute_unit
from zoo.experiments.runs.identity import device_name
from zoo.experiments.runs.portable import unpack
from zoo.experiments.runs.resolve import Cell
from zoo.experiments.runs.trust import Trust
from zoo.experiments.runs.working_folder import lock
from zoo.surroundings import describe_arithmetic
from zoo.training.loop import Progress


def describe_software() -> dict[str, str]:
    """Describe what must be the same on all machines of a study, in the order in which it is compared."""
    return {
        "Python": platform.python_version(),
        "torch": str(torch.__version__),
        "zoo": zoo.__version__,
        "code of the harness": digest_harness()[:10],
        "device": device_name(torch.device("cpu")),
        "torch's settings": ", ".join(describe_arithmetic()),
    }


def work(shipment: Shipment, number: int, send: Callable[[News], object]) -> Returned:
    """Execute a unit where this process stands.

    Args:
        number: number of the unit, for its news.
        send: sends news of progress to the driver.
    """
    node, reporter = describe_node(), Reporter(send)
    with _interruptible(), tempfile.TemporaryDirectory() as scratch, chdir(settle(shipment)):
        sees_study = (Path(shipment.study) / shipment.mark).is_file()
        study = Path(shipment.study if sees_study else scratch)
        try:
            unit, corpus = _unload(shipment, study)
            if not sees_study:
                _continue(unit[0], shipment)

            def report(cell: Cell, progress: Progress) -> None:
                reporter.report(number, unit.index(cell), vars(progress))

            if not execute_unit(unit, corpus, report):
                return Returned("busy", node)
        except (ZooError, RegistryError) as error:
            return Returned("refused", node, str(error))
        except OSError as error:
            return Returned(
                "refused", node, f"{error.strerror or error}{f' {error.filename}' if error.filename else ''}."
            )
        if sees_study:
            return Returned("written", node)
        return Returned("sent", node, runs=tuple(collect_files(cell.directory) for cell in unit))


def describe_node() -> str:
    """Return the name of this machine, as messages show it."""
    return os.environ.get("ZOO_NODE_NAME") or socket.gethostname()


def load_once(config: DataConfig) -> Corpus:
    """Load a corpus; of the processes of a machine the first one downloads and prepares it, and the others wait."""
    key = fingerprint({"data": config.model_dump(mode="json"), "folder": os.getcwd()})
    with lock(cache_directory() / "cluster" / f"{key}.lock", wait=True):
        return load_corpus(config)


def _unload(shipment: Shipment, study: Path) -> tuple[tuple[Cell, ...], Corpus]:
    cells = []
    for text in shipment.cells:
        cell, corpus = unpack(text, Trust(everything=True), _load)
        cells.append(replace(cell, study=study))
    return tuple(cells), corpus


def _load(recorded: Recorded) -> Corpus:
    return _load_kept(recorded.run.data.model_dump_json(), os.getcwd(), recorded.data.digest)


@lru_cache(1)
def _load_kept(config: str, folder: str, digest: str) -> Corpus:
    """Load a corpus, or return the last one if it is the same: a worker executes many cells."""
    return load_once(DataConfig.model_validate_json(config))


def _continue(cell: Cell, shipment: Shipment) -> None:
    """Place the checkpoints from which a cell continues."""
    if shipment.begun:
        hidden = cell.directory.with_name(f".{cell.directory.name}.partial")
        hidden.mkdir(parents=True)
        for name, content in shipment.begun.items():
            (hidden / name).write_bytes(content)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let the loop store its state and stop when Ray cancels the task, as on a signal."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)
    handlers: dict[int, Any] = {number: signal.getsignal(number) for number in numbers}
    interrupt.listen(child=True)
    try:
        with interrupt.raising():
            yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
