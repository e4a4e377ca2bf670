"""Test whether a model can be trained, on two small batches."""

import torch

from zoo.blame import describe_error, own_lines
from zoo.models.auxiliary import AuxiliaryLossError, keep_nothing, read_auxiliary_loss
from zoo.models.interface import SequenceModel
from zoo.surroundings import isolated
from zoo.training.loss import Losses, cross_entropy


def why_not_trained(model: SequenceModel) -> str | None:
    """Return why a model cannot be trained and what to do, as the rest of a sentence; None if it can.

    The model ends in training mode, with changed running statistics.

    Raises:
        Exception: any exception of the model's own lines or of its forward pass.
    """
    if not any(parameter.requires_grad for parameter in model.parameters()):
        return "has no parameters to train."
    model.train()
    with isolated(torch.device("cpu"), seed=0), torch.enable_grad():
        for _ in range(2):  # the second pass fails if the first left a freed graph behind
            with keep_nothing(model):
                why = _why_no_step(model)
            if why:
                return why
    return None


def _why_no_step(model: SequenceModel) -> str | None:
    """Return why a forward and a backward pass give no gradients; None if they do. No gradient stays."""
    tokens = torch.randint(model.vocab_size, (2, 6))
    logits = model(tokens[:, :-1].contiguous())
    try:
        losses = Losses(cross_entropy(logits, tokens[:, 1:]), read_auxiliary_loss(model))
    except AuxiliaryLossError as error:
        return error.reason
    if not torch.is_grad_enabled():
        return None  # the model turned gradients off; zoo.surroundings reports it
    if not losses.cross_entropy.requires_grad:
        return (
            "gives logits without a gradient, so that nothing in it would be trained: compute them outside of "
            "torch.no_grad() and without detach()."
        )
    try:
        losses.total.backward()
    except RuntimeError as error:
        if own_lines(error, type(model).__module__):
            raise
        return f"has no backward pass. {describe_error(error)}"
    for name, parameter in model.named_parameters():
        if parameter.grad is not None and parameter.grad.layout != torch.strided:
            return f"has a sparse gradient of '{name}', which the optimizers do not take: use sparse=False."
        parameter.grad = None
    return None
