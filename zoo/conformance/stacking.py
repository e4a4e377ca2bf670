"""Report whether torch.func.vmap can train models of several seeds as one stack."""

from collections.abc import Iterator

from zoo.conformance.check import Check, Finding, information
from zoo.conformance.subject import Subject
from zoo.models.interface import is_counted
from zoo.training.stacked.stackable import Layout, why_not_stacked

ROWS: dict[Layout, str] = {"packed": "documents", "dense": "streams", "windows": "windows"}


def find(subject: Subject) -> Iterator[Finding]:
    """Stack two seeds on documents, streams and windows; report where that works, and why not. Never fails."""
    if is_counted(subject.model):
        yield information("It is counted, not trained: seeds give the same model.")
        return
    subject = subject.at_short_context()
    can: list[str] = []
    cannot: dict[str, list[str]] = {}
    for layout, rows in ROWS.items():
        why = why_not_stacked(lambda seed: subject.build(seed=seed), [layout])
        (cannot.setdefault(why.rstrip("."), []) if why else can).append(rows)
    if not cannot:
        yield information("Seeds can be stacked with vmap.")
    elif not can:
        yield information(f"Seeds cannot be stacked with vmap: {'; '.join(cannot)}.")
    else:
        excepted = "; ".join(f"not on {' and '.join(rows)}: {why}" for why, rows in cannot.items())
        yield information(f"Seeds can be stacked with vmap on {' and '.join(can)}; {excepted}.")


CHECK = Check("stacking", "For information: whether vmap can stack seeds.", find, needs=("shape",))
