"""Check that packed rows, as in training on documents, have the same logits as padded rows."""

from collections.abc import Iterator

import torch

from zoo.conformance.check import Check, Finding, failure
from zoo.conformance.shape import WRITES
from zoo.conformance.subject import Subject, compute_logits, relative_difference
from zoo.packing import Packing
from zoo.tokens import BOUNDARY


@torch.no_grad()
def find(subject: Subject) -> Iterator[Finding]:
    """Compare rows shorter and longer than N, down to one token; each begins with the boundary."""
    model, N = subject.build_perturbed(), subject.context
    tokens = subject.tokens(4, N + 3)
    tokens[:, 0] = BOUNDARY
    packing = Packing.of(torch.tensor([N + 3, 1, 2, max(1, N - 1)]))
    logits = model.packed(packing.pack(tokens), packing)
    expected = packing.pack(compute_logits(model, tokens))
    if logits.shape != expected.shape:
        yield failure(f"packed gives logits {tuple(logits.shape)}, not (M, V), here {tuple(expected.shape)}.")
    elif (difference := relative_difference(expected, logits)) > subject.tolerance:
        yield failure(
            f"packed gives other logits than forward, by {difference:.2g}: something crosses from one row to the next, "
            "or positions do not count from the start of their row."
        )
    else:
        yield from _check_writes(subject)


def _check_writes(subject: Subject) -> Iterator[Finding]:
    """Check that `packed` does not write into its tokens in training mode."""
    packing = Packing.of(torch.tensor([subject.context + 3, 1, 2, 7] * (4 if subject.long else 64)))
    tokens = subject.tokens(1, len(packing.row)).squeeze(0)
    before = tokens.clone()
    subject.build().train().packed(tokens, packing)
    if not before.equal(tokens):
        yield failure(f"packed, in training mode: {WRITES}")


CHECK = Check(
    "packing",
    "Rows one after the other have the logits of padded ones.",
    find,
    needs=("shape", "determinism", "causality", "independence", "padding"),
)
