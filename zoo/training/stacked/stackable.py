"""Test whether seeds of a model can be trained as a stack, on small batches."""

import warnings
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from zoo.blame import describe_error
from zoo.data.rows import Batch
from zoo.models.interface import SequenceModel
from zoo.packing import Packing
from zoo.surroundings import digest_random_state, isolated
from zoo.training.loss import Losses
from zoo.training.stacked.filling import fill, stack_batches
from zoo.training.stacked.stack import Stack
from zoo.training.step import training_losses

CPU = torch.device("cpu")
TOLERANCE = 1e-4
"""Relative or absolute difference up to which a replica in a stack computes the same as alone."""
HALF = "torch computes convolutions, and adds biases, in float32 there, and in bfloat16 in a run alone"
"""Autocast under vmap (torch 2.13)."""
Layout = Literal["packed", "dense", "windows"]
LAYOUTS: tuple[Layout, ...] = ("packed", "dense", "windows")
"""Arrangements of rows in a batch: documents, streams, windows."""
DRAWS = "it draws random numbers in training, and a stack draws others"
MIXES = "its batch statistics see what documents are filled up with"
ADDS = "its auxiliary loss sees what documents are filled up with"


def why_not_stacked(
    make: Callable[[int], SequenceModel], layouts: Sequence[Layout] = LAYOUTS, dtype: str = "float32"
) -> str | None:
    """Return why seeds of a model cannot be trained as a stack, in a few words; None if they can.

    It tries two seeds in training mode. In the stack each must have the loss, gradients and buffers that it has alone
    on a batch without filling, and draw no random numbers, because a stack draws them for all replicas at once.

    Args:
        make: builds the model of a seed, on the CPU.
        layouts: layouts of the training batches.
        dtype: that of the training; under autocast to bfloat16 no stack is like its runs alone.
    """
    if dtype == "bfloat16":
        return HALF
    try:
        with isolated(CPU, seed=0), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # vmap warns of operations that it runs one by one
            return next((why for layout in layouts if (why := _try_stack(make, layout))), None)
    except Exception as error:
        return describe_error(error)


def why_not_filled(make: Callable[[int], SequenceModel]) -> str | None:
    """Return why filling up a batch of documents (see `filling`) changes the training of a model; None if it does not.

    It tries two fillings of the same length with the same random numbers.
    """
    try:
        works = []
        with isolated(CPU, seed=0):
            batch = small_batches(make(0), "packed")[0]
            M = len(batch.tokens)  # noqa: N806
            one = fill(batch, 2 * M + 1)
        for filling in (one.tokens[M:], (one.tokens[M:] + 1) % make(0).vocab_size):
            with isolated(CPU, seed=0):
                works.append(_StepResult.of(make(0).train(), one._replace(tokens=torch.cat([batch.tokens, filling]))))
        differ = _differences(works[:1], works[1:])
        only_auxiliary = "auxiliary losses" in differ and "losses" not in differ
        return None if not differ else ADDS if only_auxiliary else MIXES
    except Exception as error:
        return describe_error(error)


def layout_of(batch: Batch) -> Layout:
    """Return the layout of a batch."""
    if batch.packing is not None:
        return "packed"
    return "dense" if batch.targets.shape == batch.tokens.shape else "windows"


def _try_stack(make: Callable[[int], SequenceModel], layout: Layout) -> str | None:
    models = [make(seed).train() for seed in (0, 1)]
    batches = small_batches(models[0], layout)
    stack = Stack(models)
    losses = stack.losses(stack_batches(batches))
    gradients = stack.gradient(losses)
    each = [Losses(*own) for own in zip(*(part for part in losses if part is not None), strict=True)]
    found = [_StepResult(*parts) for parts in zip(models, each, gradients, strict=True)]
    before = digest_random_state(CPU)
    expected = [_StepResult.of(make(seed).train(), batch) for seed, batch in enumerate(batches)]
    if digest_random_state(CPU) != before:
        return DRAWS
    if not (differ := _differences(found, expected)):
        return None
    return (layout == "packed" and why_not_filled(make)) or f"vmap gives other {' and '.join(differ[:2])}"


def small_batches(model: SequenceModel, layout: Layout) -> list[Batch]:
    """Return two small batches; the second batch of documents needs filling up by about half."""

    def tokens(*shape: int) -> Tensor:
        return torch.randint(model.vocab_size, shape)

    N = model.context  # noqa: N806
    if layout == "packed":
        packings = [Packing.of(torch.tensor(lengths)) for lengths in ([2, N + 2, 1], [N // 2 + 1, 3])]
        return [Batch(tokens(len(p.row)), tokens(len(p.row)), p) for p in packings]
    if layout == "dense":
        return [Batch(tokens(2, N + 1), tokens(2, N + 1)) for _ in range(2)]
    return [Batch(tokens(3, N + 1), tokens(3, 1)) for _ in range(2)]


class _StepResult:
    """Loss and gradients of a step before the update, and buffers and logits of the model afterwards."""

    def __init__(self, model: SequenceModel, losses: Losses, gradient: Tensor) -> None:
        self.parts = {"losses": losses.cross_entropy, "gradients": gradient}
        if losses.auxiliary is not None:
            self.parts["auxiliary losses"] = losses.auxiliary
        self.parts |= {f"'{name}'": buffer.detach().clone() for name, buffer in model.named_buffers()}
        with torch.no_grad():
            tokens = torch.arange(model.context + 1, device=gradient.device).unsqueeze(0) % model.vocab_size
            self.parts["logits afterwards"] = model.eval()(tokens)

    @classmethod
    def of(cls, model: SequenceModel, batch: Batch) -> "_StepResult":
        """Compute the result of a model alone."""
        losses = training_losses(model, batch)
        trained = [p for p in model.parameters() if p.requires_grad]
        gradients = torch.autograd.grad(losses.total, trained, allow_unused=True, materialize_grads=True)
        return cls(model, losses, torch.cat([part.flatten() for part in gradients]))


def _differences(found: Sequence[_StepResult], expected: Sequence[_StepResult]) -> list[str]:
    """Name the parts in which the first two results that differ do."""
    for one, other in zip(found, expected, strict=True):
        if differ := [name for name, part in one.parts.items() if not _allclose(part, other.parts[name])]:
            return differ
    return []


def _allclose(one: Tensor, other: Tensor) -> bool:
    if one.is_complex() or other.is_complex():
        one, other = torch.view_as_real(one.resolve_conj()), torch.view_as_real(other.resolve_conj())
    return torch.allclose(one.double(), other.double(), rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)
