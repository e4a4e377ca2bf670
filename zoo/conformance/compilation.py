"""Check that torch.compile and torch.export give the same logits as the model."""

from collections.abc import Callable, Iterator
from typing import Any

import torch

from zoo.blame import describe_error
from zoo.conformance.check import Check, Finding, failure
from zoo.conformance.subject import Subject, compute_logits, relative_difference

TOLERANCE = 1e-4
"""Largest relative difference of logits that compilation may cause."""


def find(subject: Subject) -> Iterator[Finding]:
    """Compare logits of rows longer than N, in evaluation mode and float32."""
    model, tokens = subject.build_perturbed(torch.float32), subject.tokens(2, 2 * subject.context + 1)
    logits = compute_logits(model, tokens)
    ways: dict[str, Callable[[], Any]] = {
        "torch.compile": lambda: torch.compile(model),
        "torch.export": lambda: torch.export.export(model, (tokens,)).module(),
    }
    for what, make in ways.items():
        try:
            difference = relative_difference(logits, compute_logits(make(), tokens))
        except Exception as error:
            yield failure(f"{what} fails: {describe_error(error)}")
            continue
        if difference > TOLERANCE:
            yield failure(f"{what} gives other logits, by {difference:.2g}.")


CHECK = Check(
    "compilation", "torch.compile and torch.export give the same logits.", find, needs=("shape", "determinism")
)
