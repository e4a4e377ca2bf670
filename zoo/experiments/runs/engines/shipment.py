"""A unit as a self-contained value: its cells, and the user's files that they name.

A worker stands in the driver's folder if it is there with the same files, as on a shared disk. Otherwise it stands in a
copy of it in its cache, so that `./mine.py:Mine` means the same.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from registry.files import is_file_reference, split_file_reference
from zoo.cache import cache_directory
from zoo.calls import parse_call
from zoo.catalog import CORPORA, MODELS, OPTIMIZERS
from zoo.errors import UsageError
from zoo.experiments.records.code import OURS, ROOT
from zoo.experiments.records.imports import find_imported_files
from zoo.experiments.runs.engines.interface import Unit
from zoo.experiments.runs.portable import pack
from zoo.experiments.runs.resolve import Cell
from zoo.experiments.runs.working_folder import CHECKPOINTS
from zoo.whole_file import write_whole

REGISTERED = "registered here"
"""Origin of a name that exists in this process alone."""


@dataclass(frozen=True)
class Shipment:
    """A unit for a worker that has the zoo, the corpus, and nothing else of it."""

    cells: tuple[str, ...]
    """Each as `pack` gives it."""
    folder: str
    """Absolute path of the driver's working folder."""
    files: Mapping[str, bytes]
    """Absolute path on the driver -> content, of the user's modules, and of weights to start from."""
    begun: Mapping[str, bytes]
    """Name -> content of the checkpoints from which the first cell continues."""
    study: str
    """Absolute path of the study's folder."""
    mark: str
    """Name of a file in that folder by which a worker knows that it sees the very folder."""


def load_shipment(unit: Unit, mark: str) -> Shipment:
    """Load what a worker needs for a unit."""
    hidden = unit[0].directory.with_name(f".{unit[0].directory.name}.partial")
    return Shipment(
        cells=tuple(map(pack, unit)),
        folder=os.getcwd(),
        files=dict(_list_files(unit[0])),
        begun={path.name: path.read_bytes() for path in sorted(hidden.glob(CHECKPOINTS))},
        study=str(unit[0].study.absolute()),
        mark=mark,
    )


def check_travels(cell: Cell) -> None:
    """Check that another process can find what a cell names.

    Raises:
        UsageError: a model, corpus or optimizer exists in this process alone.
    """
    for kind, registry, name in (
        ("Model", MODELS, cell.config.model.name),
        ("Corpus", CORPORA, cell.config.data.corpus.name),
        ("Optimizer", OPTIMIZERS, parse_call(cell.settings.optimizer).name),
    ):
        if name == "-":
            raise UsageError("Standard input is read here alone: write the text to a file that every worker sees.")
        if any(entry.origin == REGISTERED for entry in registry.entries(name)):
            raise UsageError(
                f"{kind} '{name}' is defined in this process, so no worker has it: write it to a file and name it as "
                f"'./mine.py:{name}'."
            )


def settle(shipment: Shipment) -> Path:
    """Return the folder to work in: the driver's own, or a copy in the cache; writes the files of a copy."""
    folder = Path(shipment.folder)
    if folder.is_dir() and all(_is_there(Path(path), content) for path, content in shipment.files.items()):
        return folder
    copy = cache_directory() / "cluster" / _digest(shipment)
    for name, content in shipment.files.items():
        path = copy / Path(name).relative_to("/")
        if not _is_there(path, content):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, content)
    folder = copy / folder.relative_to("/")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _list_files(cell: Cell) -> Iterator[tuple[str, bytes]]:
    names = (cell.config.model.name, cell.config.data.corpus.name, parse_call(cell.settings.optimizer).name)
    for name in filter(is_file_reference, names):
        written = Path(os.path.abspath(split_file_reference(name)[0]))
        real = written.resolve()
        for path in find_imported_files([real], [(real.parent, None), (ROOT, frozenset({"zoo"}))]):
            if path.is_relative_to(real.parent) and not any(path.is_relative_to(ROOT / part) for part in OURS):
                yield str(written.parent / path.relative_to(real.parent)), path.read_bytes()
    if cell.config.start:
        path = Path(os.path.abspath(cell.config.start.weights))
        yield str(path), path.read_bytes()


def _is_there(path: Path, content: bytes) -> bool:
    with suppress(OSError):
        return path.read_bytes() == content
    return False


def _digest(shipment: Shipment) -> str:
    digest = hashlib.sha256(shipment.folder.encode())
    for name, content in sorted(shipment.files.items()):
        digest.update(b"\0" + name.encode() + b"\0" + hashlib.sha256(content).digest())
    return digest.hexdigest()[:16]
