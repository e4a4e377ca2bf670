"""Check that the auxiliary loss of a model is a finite scalar with a gradient, in every layout of a batch."""

from collections.abc import Iterator

import torch

from zoo.conformance.check import Finding, failure, note_place, remark
from zoo.conformance.subject import CPU, Subject
from zoo.models.adapt import Adapted
from zoo.models.auxiliary import AuxiliaryLossError, adds_loss
from zoo.surroundings import isolated
from zoo.training.stacked.stackable import LAYOUTS, small_batches
from zoo.training.step import training_losses

METHODS = {"packed": "packed", "dense": "forward", "windows": "last"}
"""Layout of a batch -> the method that computes its logits in training."""
UNUSED = (
    "The output of its module has an aux_loss that training does not use. To add it: "
    "adapt(..., auxiliary_loss=lambda output: 0.01 * output.aux_loss)."
)


def check_auxiliary_loss(subject: Subject) -> Iterator[Finding]:
    """Read the auxiliary loss of a fresh model after each of its methods; yield at most one finding."""
    model = subject.build()
    if not adds_loss(model):
        if isinstance(model, Adapted) and getattr(model.module(subject.tokens(2, 3)), "aux_loss", None) is not None:
            yield remark(UNUSED)
        return
    given = set[bool]()
    for layout in LAYOUTS:
        model, after = subject.build_perturbed(torch.float32).train(), f"after {METHODS[layout]}(...)"
        with isolated(CPU, seed=0), torch.enable_grad(), note_place(f"in auxiliary_loss() {after}, or before"):
            try:
                loss = training_losses(model, small_batches(model, layout)[0]).auxiliary
            except AuxiliaryLossError as error:
                yield failure(f"It {error.reason}")
                return
        given.add(loss is not None)
        if loss is None:
            continue
        if not loss.isfinite():
            yield failure(f"Its auxiliary loss is {loss.item():g} {after}: it must be finite.")
            return
        if not loss.requires_grad:
            yield failure(
                f"Its auxiliary loss has no gradient {after}, so that it would change nothing: compute it outside of "
                "torch.no_grad() and without detach(), or return None."
            )
            return
    if len(given) > 1:
        yield failure(
            "It gives an auxiliary loss after some of forward, packed and last, and None after others: training on "
            "streams, documents and windows calls one of them each, and all must add the same loss."
        )
