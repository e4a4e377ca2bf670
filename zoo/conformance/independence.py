"""In evaluation mode the rows of a batch do not see each other."""

from collections.abc import Iterator
from dataclasses import replace

import torch

from zoo.conformance.check import Check, Finding, failure, noting
from zoo.conformance.probe import Probe
from zoo.conformance.subject import DOCUMENTS, SCORED, Subject, apart, begun

FEWER = 33
"""Rows that are left of a batch of evaluation."""


def find(subject: Subject) -> Iterator[Finding]:
    """A row beside other rows, at another place, and alone; few rows, and as many as evaluation has."""
    exact, T = Probe(subject), 2 * subject.context + 1
    tokens = subject.tokens(3, T)
    logits = exact(tokens)
    beside = torch.cat([tokens[:1], subject.others(tokens[1:])])
    differences = {
        "other rows beside it": apart(logits[0], exact(beside)[0]),
        "its place in the batch": apart(logits, exact(tokens.flip(0)).flip(0)),
        "being alone": apart(logits[:1], exact(tokens[:1].clone())),
    }
    if found := _told(differences, exact):
        yield found
        return
    scored = replace(exact, dtype=torch.float32)
    for B, T in SCORED:
        tokens = subject.unseen(B, T)
        beside = begun(subject.others(tokens), documents=(B, T) in DOCUMENTS)
        B, some = len(tokens), slice(0, len(tokens), 2)
        beside[some] = tokens[some]
        with noting(f"on tokens of shape ({B}, {T}), N={subject.context}"):
            logits = scored(tokens)
            differences = {f"other ones among {B} rows": apart(logits[some], scored(beside)[some])}
            if B > FEWER:
                fewer = tokens[:FEWER].clone()
                differences[f"{B - FEWER} rows less beside it"] = apart(logits[:FEWER], scored(fewer))
        if found := _told(differences, scored):
            yield found
            return


def _told(differences: dict[str, float], probe: Probe) -> Finding | None:
    """The first difference that is none of rounding."""
    for what, difference in differences.items():
        if difference > probe.tolerance:
            return failure(
                f"A row's logits change by {difference:.2g} with {what}: something reduces over the batch in "
                "evaluation mode, or keeps to the batch's order (batch_first=True, for one, is forgotten easily)."
            )
    return None


CHECK = Check(
    "independence", "In evaluation mode rows of a batch do not see each other.", find, needs=("shape", "determinism")
)
