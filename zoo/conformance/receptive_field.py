"""Check that the declared receptive field equals the measured one."""

from collections.abc import Iterator

from zoo.conformance.check import Check, Finding, failure
from zoo.conformance.subject import Subject
from zoo.models.interface import is_counted
from zoo.probes.receptive_field import find_receptive_field


def find(subject: Subject) -> Iterator[Finding]:
    """Measure it with gradients and changed tokens, on rows of several times N.

    A model of counts looks as far as its counts have contexts, so it may declare more than is measured.
    """
    declared = subject.build().receptive_field
    found, length = find_receptive_field(subject.build)
    if declared is None and found is not None:
        yield failure(
            f"It declares no receptive field, but its logits depend on the last {found} of {length} tokens alone: "
            f"define the property receptive_field, here {found}."
        )
    elif declared is not None and is_counted(subject.model) and found is not None and found <= declared:
        return
    elif declared is not None and found != declared:
        seen = f"{found}" if found is not None else f"all {length} probed"
        yield failure(f"It declares a receptive field of {declared} tokens; logits depend on {seen}.")


CHECK = Check(
    "field",
    "The receptive field is the one it declares.",
    find,
    needs=("shape", "determinism", "causality", "independence"),
)
