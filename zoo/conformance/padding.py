"""What stands after the end of a row changes nothing before it, and neither does that nothing stands there."""

from collections.abc import Iterator

import torch
from torch.nn.functional import pad

from zoo.conformance.check import Check, Finding, failure
from zoo.conformance.subject import Subject, apart, logits_of
from zoo.packing import Packing
from zoo.tokens import BOUNDARY


def find(subject: Subject) -> Iterator[Finding]:
    """Rows shorter and longer than N, padded a little and a lot."""
    model, N = subject.stirred(), subject.context
    for T in sorted({1, max(1, N - 1), N, 2 * N + 1}):
        tokens = subject.tokens(2, T)
        logits = logits_of(model, tokens)
        for count in (1, N, 4 * N):
            padded = logits_of(model, pad(tokens, (0, count), value=BOUNDARY))
            difference = apart(logits, padded[:, :T])
            if difference > subject.tolerance:
                yield failure(
                    f"A row of {T} tokens has other logits, by {difference:.2g}, when {count} boundary tokens stand "
                    "after it: they depend on the length of the row. Batches are padded on the right."
                )
                return
    tokens = subject.tokens(4, N + 3)
    tokens[:, 0] = BOUNDARY
    packing = Packing.of(torch.tensor([N + 3, 1, 2, max(1, N - 1)]))
    with torch.no_grad():
        difference = apart(packing.pack(logits_of(model, tokens)), model.packed(packing.pack(tokens), packing))
    if difference > subject.tolerance:
        yield failure(
            f"packed gives other logits than forward, by {difference:.2g}, for rows of different lengths one after the "
            "other: something crosses from one row to the next, or positions do not count from the start of their row."
        )


CHECK = Check(
    "padding",
    "What stands after a row's end changes nothing in it.",
    find,
    needs=("shape", "determinism", "causality"),
)
