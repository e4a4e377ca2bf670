"""Check that padding a row on the right does not change its logits."""

from collections.abc import Iterator

from torch.nn.functional import pad

from zoo.conformance.check import Check, Finding, failure
from zoo.conformance.subject import BEYOND, Subject, compute_logits, relative_difference
from zoo.tokens import BOUNDARY


def find(subject: Subject) -> Iterator[Finding]:
    """Pad rows shorter and longer than N, with 1 to 4N tokens."""
    model, N = subject.build_perturbed(), subject.context
    for T in sorted({1, max(1, N - 1), N, subject.beyond(2) + 1}):
        tokens = subject.tokens(2, T)
        logits = compute_logits(model, tokens)
        for count in (1, BEYOND) if subject.long else (1, N, 4 * N):
            padded = compute_logits(model, pad(tokens, (0, count), value=BOUNDARY))
            difference = relative_difference(logits, padded[:, :T])
            if difference > subject.tolerance:
                yield failure(
                    f"A row of {T} tokens has other logits, by {difference:.2g}, when {count} boundary tokens stand "
                    "after it: they depend on the length of the row. Batches are padded on the right."
                )
                return


CHECK = Check(
    "padding",
    "What stands after a row's end changes nothing in it.",
    find,
    needs=("shape", "determinism", "causality"),
)
