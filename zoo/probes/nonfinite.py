"""Name the first layer with a number that is not finite, forward or backward."""

import torch
import torch.nn.functional as F
from torch import Tensor

from zoo.models.auxiliary import keep_nothing, read_auxiliary_loss
from zoo.models.interface import SequenceModel
from zoo.probes.recorder import Call
from zoo.probes.trace import record_pass
from zoo.probes.values import Form
from zoo.tokens import IGNORED


def find_nonfinite(model: SequenceModel, tokens: Tensor, targets: Tensor, form: Form) -> str | None:
    """Name the first layer with a number that is not finite, and which; None if all are finite.

    Parameters come first, then outputs in the order in which layers end, the loss, and gradients in the order in which
    they are computed.

    Args:
        tokens: (B, T).
        targets: next tokens, of the shape of the logits without V.

    Raises:
        Exception: any exception of the model.
    """
    for name, parameter in model.named_parameters():
        if not _is_finite(parameter):
            return f"parameter {name} has {_describe(parameter)}"
    forward, backward, calls = list[str](), list[Tensor](), list[Call]()

    def observe(call: Call) -> None:
        calls.append(call)
        if not forward and not all(map(_is_finite, call.made)):
            where = _name(call) + ("" if all(map(_is_finite, call.given)) else ", which was given some")
            forward.append(f"forward: {where} returns {_describe(next(t for t in call.made if not _is_finite(t)))}")
        for tensor in (*call.given, *call.made):
            if tensor.requires_grad and id(tensor) not in hooked:
                hooked.add(id(tensor))
                tensor.register_hook(
                    lambda gradient, own=tensor: None if _is_finite(gradient) else backward.append(own)
                )

    hooked = set[int]()
    with keep_nothing(model):
        _, logits = record_pass(model, tokens, form, observe=observe)
        if forward:
            return forward[0]
        loss = F.cross_entropy(logits.flatten(0, -2).float(), targets.flatten(), ignore_index=IGNORED)
        extra = read_auxiliary_loss(model)
        loss = loss if extra is None else loss + extra
        if not _is_finite(loss):
            return f"forward: the loss is {loss.item()}"
        loss.backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}
    model.zero_grad(set_to_none=True)
    if backward:
        return f"backward: {_blame(backward[0], calls)}"
    for name, gradient in gradients.items():
        if not _is_finite(gradient):
            return f"backward: the gradient of parameter {name} has {_describe(gradient)}"
    return None


def _blame(first: Tensor, calls: list[Call]) -> str:
    """Name the layer whose backward pass made the first gradient that is not finite, that of this tensor."""
    takers = [call for call in calls if any(tensor is first for tensor in call.given)]
    if takers:
        return f"{_name(max(takers, key=lambda call: call.depth))} passes back a gradient that is not finite"
    makers = [call for call in calls if any(tensor is first for tensor in call.made)]
    maker = max(makers, key=lambda call: call.depth)
    around = maker.name.rpartition(".")[0]
    return f"what {around or 'the model'} computes after {_name(maker)} passes back a gradient that is not finite"


def _is_finite(tensor: Tensor) -> bool:
    return not (tensor.is_floating_point() or tensor.is_complex()) or bool(torch.isfinite(tensor.detach()).all())


def _describe(tensor: Tensor) -> str:
    values = tensor.detach()
    kinds = {"NaN": torch.isnan(values), "infinities": torch.isinf(values)}
    return " and ".join(f"{int(where.sum())} {kind}" for kind, where in kinds.items() if where.any())


def _name(call: Call) -> str:
    return f"{call.name} ({call.kind})" if call.name else "the model itself"
