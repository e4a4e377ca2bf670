"""Whether models of several seeds can be stacked and trained as one, by torch.func.vmap."""

from collections.abc import Iterator

from zoo.conformance.check import Check, Finding, information
from zoo.conformance.subject import Subject
from zoo.training.stackable import why_not_stacked


def find(subject: Subject) -> Iterator[Finding]:
    """Two seeds; says yes or why not, and never fails."""
    why = why_not_stacked(lambda seed: subject.fresh(seed=seed))
    yield information(f"Seeds cannot be stacked with vmap: {why}." if why else "Seeds can be stacked with vmap.")


CHECK = Check("stacking", "For information: whether vmap can stack seeds.", find, needs=("shape",))
