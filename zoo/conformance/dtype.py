"""Check that a model computes in the dtype it is moved to, and under autocast."""

from collections.abc import Iterator

import torch

from zoo.blame import describe_error
from zoo.conformance.check import Check, Finding, failure, remark
from zoo.conformance.subject import Subject, cast_model, compute_logits

ADVICE = (
    "A tensor made inside takes its type and device from the input (x.new_zeros(...)), or is a buffer of the module."
)


def find(subject: Subject) -> Iterator[Finding]:
    """Cast to float32 and float64, and use autocast to bfloat16 as `--dtype bfloat16` does."""
    tokens = subject.tokens(2, subject.context + 1)
    for dtype in (torch.float32, torch.float64):
        name = str(dtype).removeprefix("torch.")
        try:
            logits = compute_logits(cast_model(subject.build(), dtype).eval(), tokens)
        except Exception as error:
            yield failure(f"In {name} it raises {describe_error(error)} {ADVICE}")
            return
        if logits.dtype is not dtype:
            given = str(logits.dtype).removeprefix("torch.")
            yield remark(f"In {name} it gives {given}: other checks are as exact as that. {ADVICE}")
    model = subject.build().eval()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = compute_logits(model, tokens)
    if not logits.isfinite().all():
        yield failure("A logit is not finite with --dtype bfloat16.")


CHECK = Check("dtype", "Computes in the type it is moved to, and in bfloat16.", find, needs=("shape",))
