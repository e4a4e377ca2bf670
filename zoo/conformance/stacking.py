"""Whether models of several seeds can be stacked and trained as one, by torch.func.vmap."""

from collections.abc import Iterator

from zoo.conformance.check import Check, Finding, information
from zoo.conformance.subject import Subject
from zoo.training.stackable import Layout, why_not_stacked

ROWS: dict[Layout, str] = {"packed": "documents", "dense": "streams", "windows": "windows"}


def find(subject: Subject) -> Iterator[Finding]:
    """Two seeds on documents, streams and windows; says where they can be stacked and why not, and never fails."""
    whys = {ROWS[layout]: why_not_stacked(lambda seed: subject.fresh(seed=seed), [layout]) for layout in ROWS}
    can = [rows for rows, why in whys.items() if not why]
    cannot = {why: [rows for rows in whys if whys[rows] == why] for why in whys.values() if why}
    yield information(
        "Seeds can be stacked with vmap."
        if not cannot
        else f"Seeds cannot be stacked with vmap: {'; '.join(cannot)}."
        if not can
        else f"Seeds can be stacked with vmap on {' and '.join(can)}; "
        + "; ".join(f"not on {' and '.join(rows)}: {why}" for why, rows in cannot.items())
        + "."
    )


CHECK = Check("stacking", "For information: whether vmap can stack seeds.", find, needs=("shape",))
