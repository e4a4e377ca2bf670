"""Write a captured program as ONNX, and run the file in ONNX Runtime."""

from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram

from zoo.errors import UsageError
from zoo.exporting.form import Form
from zoo.models.interface import State

FILE, ABOUT = "model.onnx", "zoo.json"
"""The file of a model, and the name of its property with what is known of the run."""
NEEDED = ("onnx", "onnxscript", "onnxruntime")
ONLY_ERRORS = 3
MOST_SHARED = 1 << 40
"""Largest tensor that is stored once instead of once for each use."""


def require_packages() -> None:
    """Check that the packages for ONNX are installed.

    Raises:
        UsageError: one is not; the message says how to install it.
    """
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise UsageError(f"ONNX needs {', '.join(missing)}, not installed here: pip install 'sequence-zoo[onnx]'.")


def write(program: ExportedProgram, form: Form, path: Path, about: Mapping[str, str]) -> None:
    """Translate a program and write it with what is known of its run."""
    from onnxscript import ir

    translated = torch.onnx.export(
        program, input_names=form.inputs, output_names=form.outputs, dynamo=True, verbose=False
    )
    assert translated is not None
    model = translated.model
    translated.rename_axes(_name_sizes(model.graph.inputs, form))
    ir.passes.common.DeduplicateInitializersPass(size_limit=MOST_SHARED)(model)
    ir.passes.common.ClearMetadataAndDocStringPass()(model)
    model.metadata_props.update(about)
    translated.save(path)


def _name_sizes(inputs: Sequence[Any], form: Form) -> dict[Any, str]:
    """Symbols of the sizes that vary -> their names."""
    named = {
        value.shape[axis]: name for value, axes in zip(inputs, form.axes, strict=True) for axis, name in axes.items()
    }
    return {symbol: name for symbol, name in named.items() if not isinstance(symbol, int)}


def load(path: Path, form: Form) -> Callable[..., Any]:
    """Read a model as a function with the arguments of its module, run by ONNX Runtime."""
    from onnxruntime import InferenceSession, SessionOptions  # type: ignore[import-untyped]

    options = SessionOptions()
    options.log_severity_level = ONLY_ERRORS
    session = InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(tokens: Tensor, state: State | None = None) -> Any:
        given = {"tokens": tokens, **(state or {})}
        logits, *after = map(torch.from_numpy, session.run(None, {name: given[name].numpy() for name in given}))
        return logits if state is None else (logits, dict(zip(state, after, strict=True)))

    return run
