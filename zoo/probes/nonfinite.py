"""Name the first layer with a number that is not finite, forward or backward."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from zoo.models.auxiliary import keep_nothing
from zoo.models.interface import SequenceModel
from zoo.probes.flow import walk
from zoo.probes.recorder import Call, Recorder
from zoo.probes.signals import losses_of
from zoo.probes.trace import record_pass
from zoo.probes.values import Form


def find_nonfinite(model: SequenceModel, tokens: Tensor, targets: Tensor, form: Form) -> str | None:
    """Name the first layer with a number that is not finite, and which; None if all are finite.

    Parameters come first, then outputs in the order in which layers end, the loss, and gradients in the order in which
    they are computed. Minus infinity counts only if something after it is no finite number either: it may be a mask.

    Args:
        tokens: (B, T).
        targets: next tokens, of the shape of the logits without V.

    Raises:
        StrangerError: the loss has no gradient.
        Exception: any exception of the model.
    """
    for name, parameter in model.named_parameters():
        if not _is_finite(parameter):
            return f"parameter {name} has {_describe(parameter)}"
    masks, faults = list[str](), list[str]()

    def observe(call: Call) -> None:
        odd = next((tensor for tensor in call.made if not _is_finite(tensor)), None)
        if odd is not None and not faults:
            given = "" if all(map(_is_finite, call.given)) else ", which was given some"
            found = f"forward: {_name(call)}{given} returns {_describe(odd)}"
            (masks if _is_mask(odd) else faults).append(found)

    with keep_nothing(model):
        recorder, logits = record_pass(model, tokens, form, observe=observe)
        loss, total = losses_of(model, logits, targets)
        if faults or not _is_finite(total):
            first = faults[0] if faults else f"forward: the loss is {loss.item()}"
            return masks[0] if masks and (not faults or "was given some" in first) else first
        found = _go_back(total, recorder)
    gradients = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}
    model.zero_grad(set_to_none=True)
    if found:
        return found
    for name, gradient in gradients.items():
        if not _is_finite(gradient):
            return f"backward: the gradient of parameter {name} has {_describe(gradient)}"
    return None


def _go_back(total: Tensor, recorder: Recorder) -> str | None:
    """Run the backward pass; name the first operation that returns a gradient that is not finite, and its layer."""
    events = list[tuple[Any, Tensor]]()

    def watch(node: Any) -> Callable[..., None]:
        def hook(returned: Iterable[Tensor | None], given: Iterable[Tensor | None]) -> None:
            odd = [gradient for gradient in returned if gradient is not None and not _is_finite(gradient)]
            if odd and not events and all(gradient is None or _is_finite(gradient) for gradient in given):
                events.append((node, odd[0]))

        return hook

    for node in walk([total.grad_fn], stop=()):
        node.register_hook(watch(node))
    total.backward()
    if not events:
        return None
    node, gradient = events[0]
    around = [call for call in recorder.calls if node in set(walk(call.returned, stop=call.taken))]
    where = _name(max(around, key=lambda call: call.depth)) if around else "the loss"
    return f"backward: {where} passes back {_describe(gradient)}, in {type(node).__name__}"


def _is_finite(tensor: Tensor) -> bool:
    return not (tensor.is_floating_point() or tensor.is_complex()) or bool(torch.isfinite(tensor.detach()).all())


def _is_mask(tensor: Tensor) -> bool:
    """Whether minus infinity is all that is not finite."""
    values = tensor.detach()
    return not values.is_complex() and bool((torch.isfinite(values) | (values == -torch.inf)).all())


def _describe(tensor: Tensor) -> str:
    values = tensor.detach()
    kinds = {"NaN": torch.isnan(values), "infinities": torch.isinf(values)}
    return " and ".join(f"{int(where.sum())} {kind}" for kind, where in kinds.items() if where.any())


def _name(call: Call) -> str:
    return f"{call.name} ({call.kind})" if call.name else "the model itself, between its layers,"
