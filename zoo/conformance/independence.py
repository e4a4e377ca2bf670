"""In evaluation mode the rows of a batch do not see each other."""

from collections.abc import Iterator

import torch

from zoo.conformance.check import Check, Finding, failure
from zoo.conformance.subject import Subject, apart, logits_of


def find(subject: Subject) -> Iterator[Finding]:
    """A row beside other rows, at another place, and alone."""
    model, T = subject.stirred(), 2 * subject.context + 1
    tokens = subject.tokens(3, T)
    logits = logits_of(model, tokens)
    beside = torch.cat([tokens[:1], subject.others(tokens[1:])])
    for what, difference in {
        "other rows beside it": apart(logits[0], logits_of(model, beside)[0]),
        "its place in the batch": apart(logits, logits_of(model, tokens.flip(0)).flip(0)),
        "being alone": apart(logits[:1], logits_of(model, tokens[:1])),
    }.items():
        if difference > subject.tolerance:
            yield failure(
                f"A row's logits change by {difference:.2g} with {what}: something reduces over the batch in "
                "evaluation mode, or keeps to the batch's order."
            )
            return


CHECK = Check(
    "independence", "In evaluation mode rows of a batch do not see each other.", find, needs=("shape", "determinism")
)
