"""Measure the signals in a network on one batch: activations, gradients, and weights, with rules of thumb for them.

These are the plots of the lecture makemore part 3 (Karpathy 2022), as numbers: saturated and dead units, the scale of
activations and gradients by layer, and of gradients by weight.
"""

import math
from collections import Counter
from collections.abc import Sequence
from functools import partial

import torch.nn.functional as F
from torch import Tensor
from torch.utils.hooks import RemovableHandle

from zoo.errors import StrangerError
from zoo.models.auxiliary import keep_nothing, read_auxiliary_loss
from zoo.models.interface import SequenceModel
from zoo.probes.recorder import SQUASHING, Call
from zoo.probes.trace import record_pass
from zoo.probes.values import Finding, Signal, Signals, Trace, Weight
from zoo.tokens import IGNORED

SATURATED = 0.97
"""|tanh| above which a value is saturated, as in the lecture; a sigmoid s is where |2 s - 1| is."""
MOST_SATURATED = 0.1
"""Share of saturated values above which there is a warning; the lecture aims at about 0.05."""
MOST_APART = 10.0
"""Factor by which gradients may differ along the depth, and the ratio of a weight from the median one."""
FIRST_LOSS = 1.1
"""First loss of an untrained model above which there is a warning, in multiples of that of a uniform guess."""
LECTURE = "lecture makemore part 3"


def measure_signals(
    model: SequenceModel, tokens: Tensor, targets: Tensor, trace: Trace, *, trained: bool = False
) -> Signals:
    """Measure one forward and backward pass of tokens (B, T).

    Args:
        targets: next tokens, of the shape of the logits without V.
        trace: the model's trace, which says what runs, and which axes are channels.
        trained: whether the model is trained, so that its loss is no first loss.

    Raises:
        StrangerError: the loss has no gradient.
        Exception: any exception of the model.
    """
    seen, gradients, handles = dict[int, Signal](), dict[int, float](), list[RemovableHandle]()
    axes, numbers = _find_channels(trace), Counter[str]()

    def observe(call: Call) -> None:
        made = next(tensor for tensor in call.made if tensor.is_floating_point())
        seen[id(call)] = _measure(call, made.detach(), axes.get((call.name, numbers[call.name])))
        numbers[call.name] += 1
        if made.requires_grad:
            store = partial(gradients.__setitem__, id(call))
            handles.append(made.register_hook(lambda gradient: store(_std(gradient))))

    with keep_nothing(model):
        recorder, logits = record_pass(model, tokens, trace.form, observe=observe)
        loss, total = losses_of(model, logits, targets)
        total.backward()
    for handle in handles:
        handle.remove()
    layers = [seen[id(call)].model_copy(update={"gradient_std": gradients.get(id(call))}) for call in recorder.calls]
    weights = [
        _weigh(name, parameter, parameter.grad)
        for name, parameter in model.named_parameters()
        if parameter.ndim > 1 and parameter.grad is not None
    ]
    model.zero_grad(set_to_none=True)
    found = _judge_loss(loss.item(), model.vocab_size, trained)
    found += [*_judge_layers(recorder.calls, layers), *_judge_weights(weights)]
    return Signals(loss=loss.item(), layers=tuple(layers), weights=tuple(weights), findings=tuple(found))


def losses_of(model: SequenceModel, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The cross-entropy in nats per token, detached, and what training minimises: with the auxiliary loss.

    Raises:
        StrangerError: no gradient goes through it.
    """
    loss = F.cross_entropy(logits.flatten(0, -2).float(), targets.flatten(), ignore_index=IGNORED)
    extra = read_auxiliary_loss(model)
    total = loss if extra is None else loss + extra
    if not total.requires_grad:
        raise StrangerError(f"Model '{type(model).__name__}' returns logits without a gradient: it cannot be trained.")
    return loss.detach(), total


def _find_channels(trace: Trace) -> dict[tuple[str, int], int]:
    """The axis of the channels of what every layer returns: the last if it is named so, else the only constant one."""
    found, numbers = dict[tuple[str, int], int](), Counter[str]()
    for layer in trace.layers:
        key = layer.name, numbers[layer.name]
        numbers[layer.name] += 1
        axes = next((side.axes for side in layer.made if side.dtype.startswith(("float", "bfloat"))), ())
        constant = [place for place, axis in enumerate(axes) if axis.isdigit()]
        if axes and axes[-1][0] in "c(":
            found[key] = len(axes) - 1
        elif len(constant) == 1:
            found[key] = constant[0]
    return found


def _is_activation(call: Call) -> bool:
    """Whether a call is of a function of torch, or of torch's module of that name."""
    return call.module is None or type(call.module).__module__.startswith("torch.")


def _measure(call: Call, made: Tensor, channel: int | None) -> Signal:
    kind = call.kind.lower() if _is_activation(call) else ""
    saturated, idle = None, None
    if kind in SQUASHING:
        idle = (made if kind == "tanh" else 2 * made - 1).abs() > SATURATED
        saturated = float(idle.float().mean())
    elif kind == "relu":
        idle = made == 0
    dead = None
    if idle is not None and channel is not None:
        dead = int(idle.movedim(channel, -1).reshape(-1, made.shape[channel]).all(0).sum())
    made = made.float()
    return Signal(
        mean=float(made.mean()),
        std=_std(made),
        saturated=saturated,
        dead=dead,
        channels=made.shape[-1 if channel is None else channel] if made.ndim else 1,
        gradient_std=None,
    )


def _std(values: Tensor) -> float:
    """Standard deviation of all values; 0 for a single one."""
    return float(values.float().std(correction=0)) if values.numel() else 0.0


def _weigh(name: str, weight: Tensor, gradient: Tensor) -> Weight:
    std, own = _std(weight.detach()), _std(gradient)
    return Weight(name=name, shape=tuple(weight.shape), std=std, gradient_std=own, ratio=own / std if std else 0.0)


def _judge_loss(loss: float, vocab_size: int, trained: bool) -> list[Finding]:
    uniform = math.log(vocab_size)
    if trained or not loss > FIRST_LOSS * uniform:
        return []
    text = f"The first loss is {loss:.2f} nats per token, that of a uniform guess {uniform:.2f}: the head is too sure."
    return [Finding(rule="first loss", text=text, source=LECTURE)]


def _judge_layers(calls: Sequence[Call], layers: Sequence[Signal]) -> list[Finding]:
    """Judge saturated and dead units, and gradients along the depth of equal activation functions."""
    found, depths = list[Finding](), dict[str, list[tuple[str, float]]]()
    for call, signal in zip(calls, layers, strict=True):
        if not (_is_activation(call) and call.kind.lower() in (*SQUASHING, "relu")):
            continue
        if signal.saturated is not None and signal.saturated > MOST_SATURATED:
            text = f"{call.name}: {signal.saturated:.0%} of its values are saturated, where gradients vanish."
            found.append(Finding(rule="saturation", text=text, source=f"{LECTURE}, which aims at about 5%"))
        if signal.dead:
            text = f"{call.name}: {signal.dead} of {signal.channels} units are the same at every position of the batch."
            found.append(Finding(rule="dead units", text=text, source=LECTURE))
        if signal.gradient_std:
            depths.setdefault(call.kind.lower(), []).append((call.name, signal.gradient_std))
    for own in depths.values():
        (least, small), (most, large) = min(own, key=lambda item: item[1]), max(own, key=lambda item: item[1])
        if large > MOST_APART * small:
            text = f"The gradient at {most} is {large / small:.0f} times that at {least}: it changes along the depth."
            found.append(Finding(rule="gradients by depth", text=text, source="Glorot and Bengio 2010, section 4.2"))
    return found


def _judge_weights(weights: Sequence[Weight]) -> list[Finding]:
    """Judge weights whose ratio of gradient to weight stands out."""
    ratios = sorted(weight.ratio for weight in weights)
    middle = ratios[len(ratios) // 2] if ratios else 0.0
    return [
        Finding(
            rule="gradient to weight",
            text=f"{weight.name}: its gradient is {weight.ratio:.2g} of its weights, {weight.ratio / middle:.0f} times "
            "the median matrix.",
            source=LECTURE,
        )
        for weight in weights
        if middle and weight.ratio > MOST_APART * middle
    ]
