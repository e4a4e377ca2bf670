"""Measure the signals in a network on one batch: activations, gradients, and weights, with rules of thumb for them.

These are the plots of the lecture makemore part 3 (Karpathy 2022), as numbers: saturated and dead units, the scale of
activations and gradients by layer, and of gradients by weight.
"""

import math
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from zoo.models.auxiliary import keep_nothing, read_auxiliary_loss
from zoo.models.interface import SequenceModel
from zoo.probes.recorder import SQUASHING, Call
from zoo.probes.trace import record_pass
from zoo.probes.values import Finding, Form, Signal, Signals, Weight
from zoo.tokens import IGNORED

SATURATED = 0.97
"""|tanh| above which a value is saturated, as in the lecture; of a sigmoid, the value of the same input."""
MOST_SATURATED = 0.1
"""Share of saturated values above which there is a warning; the lecture aims at about 0.05."""
MOST_APART = 10.0
"""Factor by which gradients may differ along the depth, and the ratio of a weight from the median one."""
FIRST_LOSS = 1.1
"""First loss of an untrained model above which there is a warning, in multiples of that of a uniform guess."""
LECTURE = "lecture makemore part 3"


def measure_signals(
    model: SequenceModel, tokens: Tensor, targets: Tensor, form: Form, *, trained: bool = False
) -> Signals:
    """Measure one forward and backward pass of tokens (B, T).

    Args:
        targets: next tokens, of the shape of the logits without V.
        trained: whether the model is trained, so that its loss is no first loss.

    Raises:
        Exception: any exception of the model.
    """
    seen, gradients = dict[int, Signal](), dict[int, float]()

    def observe(call: Call) -> None:
        made = next((tensor for tensor in call.made if tensor.is_floating_point()), None)
        if made is None:
            return
        seen[id(call)] = _measure(call.kind.lower(), made.detach())
        if made.requires_grad:
            made.register_hook(lambda gradient: gradients.__setitem__(id(call), _std(gradient)))

    with keep_nothing(model):
        recorder, logits = record_pass(model, tokens, form, observe=observe)
        loss = F.cross_entropy(logits.flatten(0, -2).float(), targets.flatten(), ignore_index=IGNORED)
        extra = read_auxiliary_loss(model)
        loss = loss if extra is None else loss + extra
        loss.backward()
        found = _judge_loss(loss.item(), model.vocab_size, trained)
    layers = [
        seen[id(call)].model_copy(update={"gradient_std": gradients.get(id(call))}) if id(call) in seen else None
        for call in recorder.calls
    ]
    weights = [
        _weigh(name, parameter, parameter.grad)
        for name, parameter in model.named_parameters()
        if parameter.ndim > 1 and parameter.grad is not None
    ]
    model.zero_grad(set_to_none=True)
    found += [*_judge_layers(recorder.calls, layers), *_judge_weights(weights)]
    return Signals(loss=loss.item(), layers=tuple(layers), weights=tuple(weights), findings=tuple(found))


def _measure(kind: str, made: Tensor) -> Signal:
    saturated = dead = None
    channels = made.shape[-1] if made.ndim else 1
    if kind in SQUASHING:
        far = (made if kind == "tanh" else 2 * made - 1).abs() > SATURATED
        saturated, dead = float(far.float().mean()), int(far.reshape(-1, channels).all(0).sum())
    elif kind == "relu":
        dead = int((made == 0).reshape(-1, channels).all(0).sum())
    made = made.float()
    return Signal(
        mean=float(made.mean()), std=_std(made), saturated=saturated, dead=dead, channels=channels, gradient_std=None
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


def _judge_layers(calls: Sequence[Call], layers: Sequence[Signal | None]) -> list[Finding]:
    """Judge saturated and dead units, and gradients along the depth of equal activation functions."""
    found, depths = list[Finding](), dict[str, list[tuple[str, float]]]()
    for call, signal in zip(calls, layers, strict=True):
        if signal is None or signal.dead is None:
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
