"""A cell as a value that another process, or another machine, executes or refuses with the difference.

It is JSON and holds what the run's record will say (settings; corpus, model and harness by their digests; the
fingerprint), what it takes of the machine, and the folder of the study. Who receives it finds model and corpus by their
names, and executes the cell only if that gives the same fingerprint.
"""

from collections.abc import Iterator
from pathlib import Path

import torch
from pydantic import ValidationError

from zoo.config import Frozen, as_json
from zoo.data.corpus import Corpus, load_corpus
from zoo.errors import RunError, describe_faults
from zoo.experiments.records.run import Recorded
from zoo.experiments.runs.identity import device_name
from zoo.experiments.runs.resolve import Cell, resolve_all
from zoo.experiments.runs.trust import Trust
from zoo.surroundings import describe_arithmetic


class PortableCell(Frozen):
    """A cell without anything that only its own process has."""

    recorded: Recorded
    torch: str
    """Version."""
    device: str
    arithmetic: tuple[str, ...]
    study: str
    """The folder of the study, as a path; a relative one is below the folder of whoever executes the cell."""


def pack(cell: Cell) -> str:
    """The cell as text."""
    return _make_portable(cell).model_dump_json(indent=2)


def unpack(text: str, trust: Trust | None = None) -> tuple[Cell, Corpus]:
    """The cell of a text and its corpus, ready for `execute`.

    Args:
        trust: which files may be imported for it; by default those that are what the cell was made with.

    Raises:
        RunError: the text is no cell, or here it would be another run; the message says what differs.
        RegistryError, UsageError, DataError: its model or corpus cannot be had here.
    """
    try:
        there = PortableCell.model_validate_json(text)
    except ValidationError as error:
        raise RunError(f"This is no cell: {describe_faults(error)}.") from None
    config, trust = there.recorded.run, trust or Trust()
    trust.allow(there.recorded)
    trust.check(config.model.name, config.data.corpus.name)
    corpus = load_corpus(config.data)
    (cell,) = resolve_all([config], {config.data.rotation: corpus}, Path(there.study))
    if cell.recorded.fingerprint != there.recorded.fingerprint:
        unlike = "; ".join(_list_differences(there, _make_portable(cell)))
        raise RunError(f"'{config.label}' under seed {config.seed} would be another run here: {unlike}.")
    return cell, corpus


def _make_portable(cell: Cell) -> PortableCell:
    return PortableCell(
        recorded=cell.recorded,
        torch=torch.__version__,
        device=device_name(cell.device),
        arithmetic=tuple(describe_arithmetic()),
        study=str(cell.study),
    )


def _list_differences(there: PortableCell, here: PortableCell) -> Iterator[str]:
    theirs, ours = as_json(there), as_json(here)
    for values, others in ((theirs, ours), (theirs["recorded"], ours["recorded"])):
        for name, value in values.items():
            if value != others[name] and name not in ("recorded", "fingerprint", "study"):
                yield from _describe(name.replace("_", " "), value, others[name])


def _describe(name: str, there: object, here: object) -> Iterator[str]:
    if isinstance(there, dict) and isinstance(here, dict):
        for key in dict.fromkeys([*there, *here]):
            if there.get(key) != here.get(key):
                yield from _describe(f"{name} {key}", there.get(key), here.get(key))
    else:
        yield f"{name} is {_shorten(there)} there and {_shorten(here)} here"


def _shorten(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
