"""Capture a model as a program of torch.export, write it, and read it back."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.fx import GraphModule

from zoo.exporting.form import Form

FILE, ABOUT = "model.pt2", "zoo.json"
"""The file of a program, and the file in it with what is known of the run."""


def capture(form: Form) -> ExportedProgram:
    """Trace a module with its example; the program names no file of the machine on which it was traced."""
    with torch.no_grad():
        program = torch.export.export(form.module, form.example, dynamic_shapes=form.dimensions())
    for module in program.graph_module.modules():
        for node in module.graph.nodes if isinstance(module, GraphModule) else ():
            node.meta.pop("stack_trace", None)
    return program


def write(program: ExportedProgram, form: Form, path: Path, about: Mapping[str, str]) -> None:
    """Write a program with what is known of its run."""
    torch.export.save(program, path, extra_files=dict(about))


def load(path: Path, form: Form) -> Callable[..., Any]:
    """Read a program as a function with the arguments of its module."""
    return torch.export.load(path).module()
