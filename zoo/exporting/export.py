"""Export the model of a run: capture it, write it, check the written file, and describe it on a card."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch.export import ExportedProgram

from zoo.blame import blame, describe_error
from zoo.errors import RunError, ZooError
from zoo.experiments.judge.single import summarise_run
from zoo.experiments.records.run import TOKENIZER, Run, read_run
from zoo.experiments.records.tokenizer import read_tokenizer
from zoo.experiments.runs.load import load_model
from zoo.experiments.runs.trust import Trust
from zoo.experiments.runs.vocabulary import read_vocabulary
from zoo.experiments.runs.working_folder import LOCK
from zoo.exporting import onnx, torch_export
from zoo.exporting.about import describe
from zoo.exporting.card import write_card
from zoo.exporting.check import Checked, check
from zoo.exporting.folder import new_folder, require_new
from zoo.exporting.form import Form, rows_of, step_of
from zoo.exporting.quiet import quiet
from zoo.exporting.snippet import write_snippet
from zoo.models.interface import SequenceModel, State
from zoo.surroundings import isolated

Format = Literal["torch-export", "onnx"]
CARD, FRESH = "README.md", "state.npz"
WAYS: dict[str, Any] = {"torch-export": torch_export, "onnx": onnx}
"""Format -> the module that writes and reads it."""


class Export(NamedTuple):
    """A written export: its folder, the names of the files in it, and what its check found."""

    directory: Path
    files: tuple[str, ...]
    checked: Checked

    @property
    def card(self) -> Path:
        """The model card."""
        return self.directory / CARD

    @property
    def document(self) -> dict[str, Any]:
        """What `export --json` prints."""
        return {"directory": str(self.directory), "files": self.files, **self.checked._asdict()}


def export_run(
    place: Path,
    *,
    to: Format,
    streaming: bool = False,
    out: Path | None = None,
    trust: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Export:
    """Export the model of the run in a directory.

    Args:
        to: "torch-export" or "onnx".
        streaming: export one step of a stream with its state, instead of the forward pass.
        out: folder to write, which must not exist; None: beside the run.
        trust: import a file that the record names even if it has changed.
        say: called with a line on what is done, and with notices.

    Raises:
        UsageError: packages are missing, or the folder exists.
        RunError: no such run, its model cannot be exported, or the exported file gives other logits.
    """
    if to == "onnx":
        onnx.require_packages()
    out = out or place.with_name(f"{place.absolute().name}-{to}{'-step' if streaming else ''}")
    require_new(out)
    run = read_run(place)
    model, notice = load_model(run, Trust(everything=trust))
    if notice:
        say(notice)
    say(f"exporting {run.label} on {run.recorded.data.name} to {to}{', one step' if streaming else ''}")
    copy, _ = load_model(run, Trust(everything=trust))
    form, program = _capture(copy, run, to=to, streaming=streaming)
    with new_folder(out) as folder:
        checked = _write(folder, run, model, form, program, to=to, streaming=streaming)
        files = tuple(path.name for path in list_files(folder))
    return Export(out, files, checked)


def _capture(model: SequenceModel, run: Run, *, to: Format, streaming: bool) -> tuple[Form, ExportedProgram]:
    describe_form = step_of if streaming else rows_of
    what = f"when exported to {to}{', one step' * streaming}"
    try:
        with isolated(torch.device("cpu")), quiet(), blame(_name(run), what, module=type(model).__module__):
            form = describe_form(model.requires_grad_(False), plain=to == "onnx")
            return form, torch_export.capture(form)
    except ZooError:
        raise
    except Exception as error:
        raise _refuse(run, to, error) from error


def _write(
    folder: Path, run: Run, model: SequenceModel, form: Form, program: ExportedProgram, *, to: Format, streaming: bool
) -> Checked:
    """Write all files of an export into a folder, and check the model in it against the run's."""
    way, vocabulary = WAYS[to], read_vocabulary(run.directory, run.recorded.data)
    about, file = describe(run, vocabulary, streaming=streaming), folder / WAYS[to].FILE
    try:
        with isolated(torch.device("cpu")), quiet():
            way.write(program, form, file, {way.ABOUT: about})
            checked = check(model, way.load(file, form), form)
    except OSError:
        raise
    except Exception as error:
        raise _refuse(run, to, error) from error
    if form.fresh is not None:
        (folder / FRESH).write_bytes(_pack(form.fresh))
    if tokenizer := read_tokenizer(run.directory, run.recorded.data):
        (folder / TOKENIZER).write_text(tokenizer, encoding="utf-8")
    files = list_files(folder)
    snippet = write_snippet(to, vocabulary, streaming=streaming)
    summary = summarise_run(run.directory)
    card = write_card(
        summary, run.directory, vocabulary, to=to, streaming=streaming, snippet=snippet, checked=checked, files=files
    )
    (folder / CARD).write_text(card, encoding="utf-8")
    return checked


def list_files(folder: Path) -> list[Path]:
    """List the files of an export."""
    return sorted(path for path in folder.iterdir() if path.name != LOCK)


def _name(run: Run) -> str:
    return f"Model '{run.recorded.run.model.name}'"


def _refuse(run: Run, to: str, error: Exception) -> RunError:
    """The error for the user: what the check found, or what torch said first; it wraps that in general advice."""
    first: BaseException = error
    while first.__cause__ is not None and not isinstance(first, ZooError):
        first = first.__cause__
    why = str(error) if isinstance(error, ZooError) else _describe(first)
    return RunError(f"{_name(run)} cannot be exported to {to}: {why.rstrip('.')}.")


def _describe(error: BaseException) -> str:
    """Type and message in one line; of a list of faults, as torch.export gives for fixed sizes, the first."""
    faults = [line.strip() for line in str(error).splitlines() if line.strip().startswith("- ")]
    if not faults:
        return describe_error(error)
    return f"{type(error).__name__}: {faults[0].removeprefix('- ').partition('. ')[0]}"


def _pack(state: State) -> bytes:
    """Tensors as an archive that numpy reads."""
    data = io.BytesIO()
    arrays: dict[str, Any] = {name: tensor.numpy() for name, tensor in state.items()}
    np.savez(data, **arrays)
    return data.getvalue()
