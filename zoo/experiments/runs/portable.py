"""Serialise a cell, so that another process or machine executes it or refuses it and names the difference.

The JSON holds what the run's record will hold (settings; digests of corpus, model and harness; the fingerprint), the
properties of the machine that count, and the folder of the study. The receiver finds model and corpus by name, and
executes the cell only if the fingerprint is the same.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from pydantic import ValidationError

from zoo.config import Frozen, as_json
from zoo.data.corpus import Corpus
from zoo.data.load import load_corpus
from zoo.errors import RunError, describe_faults
from zoo.experiments.records.run import Recorded
from zoo.experiments.runs.identity import device_name
from zoo.experiments.runs.resolve import Cell, resolve_all
from zoo.experiments.runs.trust import Trust
from zoo.surroundings import describe_arithmetic


class PortableCell(Frozen):
    """The part of a cell that does not depend on its process."""

    recorded: Recorded
    torch: str
    """Version of torch."""
    device: str
    arithmetic: tuple[str, ...]
    study: str
    """Path of the study's folder; a relative one is resolved by the process that executes the cell."""


def pack(cell: Cell) -> str:
    """Serialise a cell as JSON text."""
    return _make_portable(cell).model_dump_json(indent=2)


def unpack(
    text: str,
    trust: Trust | None = None,
    load: Callable[[Recorded], Corpus] = lambda recorded: load_corpus(recorded.run.data),
) -> tuple[Cell, Corpus]:
    """Restore a cell from its text, with its corpus, ready for `execute`.

    Args:
        trust: files that may be imported; default: those whose source the cell was made with.
        load: loads the corpus of a cell.

    Raises:
        RunError: the text is not a cell, or it would be another run here; the message says what differs.
        RegistryError, UsageError, DataError: its model or corpus is not available here.
    """
    try:
        there = PortableCell.model_validate_json(text)
    except ValidationError as error:
        raise RunError(f"This is no cell: {describe_faults(error)}.") from None
    config, trust = there.recorded.run, trust or Trust()
    trust.allow(there.recorded)
    trust.check_run(config)
    corpus = load(there.recorded)
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
