"""Check that rows of a batch do not influence each other in evaluation mode."""

from collections.abc import Iterator
from dataclasses import replace

import torch

from zoo.conformance.check import Check, Finding, failure, note_place
from zoo.conformance.fresh_model import FreshModel
from zoo.conformance.subject import DOCUMENTS, Subject, begin_with_boundary, relative_difference

FEWER = 33
"""Rows of the smaller batch that is compared with an evaluation batch."""


def find(subject: Subject) -> Iterator[Finding]:
    """Change, reorder and remove the other rows, in a small batch and in evaluation batches."""
    exact, T = FreshModel(subject), subject.beyond(2) + 1
    tokens = subject.tokens(3, T)
    logits = exact(tokens)
    beside = torch.cat([tokens[:1], subject.other_tokens(tokens[1:])])
    differences = {
        "other rows beside it": relative_difference(logits[0], exact(beside)[0]),
        "its place in the batch": relative_difference(logits, exact(tokens.flip(0)).flip(0)),
        "being alone": relative_difference(logits[:1], exact(tokens[:1].clone())),
    }
    if found := _first_failure(differences, exact):
        yield found
        return
    scored = replace(exact, dtype=torch.float32)
    for B, T in subject.scored:
        tokens = subject.unseen_tokens(B, T)
        beside = begin_with_boundary(subject.other_tokens(tokens), documents=(B, T) in DOCUMENTS)
        B, some = len(tokens), slice(0, len(tokens), 2)
        beside[some] = tokens[some]
        with note_place(f"on tokens of shape ({B}, {T}), N={subject.context}"):
            logits = scored(tokens)
            differences = {f"other ones among {B} rows": relative_difference(logits[some], scored(beside)[some])}
            if B > FEWER:
                fewer = tokens[:FEWER].clone()
                differences[f"{B - FEWER} fewer rows beside it"] = relative_difference(logits[:FEWER], scored(fewer))
        if found := _first_failure(differences, scored):
            yield found
            return


def _first_failure(differences: dict[str, float], fresh: FreshModel) -> Finding | None:
    """Return a failure for the first difference larger than rounding, or None."""
    for what, difference in differences.items():
        if difference > fresh.tolerance:
            return failure(
                f"A row's logits change by {difference:.2g} with {what}: something reduces over the batch in "
                "evaluation mode, or keeps to the batch's order (batch_first=True, for one, is forgotten easily)."
            )
    return None


CHECK = Check(
    "independence", "In evaluation mode rows of a batch do not see each other.", find, needs=("shape", "determinism")
)
