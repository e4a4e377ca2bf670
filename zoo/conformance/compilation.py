"""torch.compile and torch.export give what the model gives."""

from collections.abc import Callable, Iterator
from typing import Any

import torch

from zoo.blame import reason
from zoo.conformance.check import Check, Finding, failure
from zoo.conformance.subject import Subject, apart, logits_of

NEAR = 1e-4


def find(subject: Subject) -> Iterator[Finding]:
    """A row longer than N, in evaluation mode and float32."""
    model, tokens = subject.stirred(torch.float32), subject.tokens(2, 2 * subject.context + 1)
    logits = logits_of(model, tokens)
    ways: dict[str, Callable[[], Any]] = {
        "torch.compile": lambda: torch.compile(model),
        "torch.export": lambda: torch.export.export(model, (tokens,)).module(),
    }
    for what, make in ways.items():
        try:
            difference = apart(logits, logits_of(make(), tokens))
        except Exception as error:
            yield failure(f"{what} fails: {reason(error)}")
            continue
        if difference > NEAR:
            yield failure(f"{what} gives other logits, by {difference:.2g}.")


CHECK = Check(
    "compilation", "torch.compile and torch.export give the same logits.", find, needs=("shape", "determinism")
)
