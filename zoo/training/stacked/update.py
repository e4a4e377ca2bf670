"""Update the weights of a stack by an optimizer, each replica with its own rate, decay and clipping."""

from collections.abc import Collection, Mapping, Sequence

import torch
from torch import Tensor

from zoo.training.clipping import row_clip_factors
from zoo.training.optimizers.find import find_optimizer
from zoo.training.optimizers.groups import Rule
from zoo.training.optimizers.interface import Block
from zoo.training.settings import Settings


class StackedUpdate:
    """Clip the gradients of every row and update the weights; rows are independent.

    Args:
        flat: (K, P), weights, updated in place.
        shapes: name of a parameter -> its shape in one model, in the order of the P columns.
        rules: name -> how it is trained.
        apart: names of the last columns, hidden matrices that are blocks of their own.
        settings: K settings, one per row.
    """

    def __init__(
        self,
        flat: Tensor,
        shapes: Mapping[str, torch.Size],
        rules: Mapping[str, Rule],
        apart: Collection[str],
        settings: Sequence[Settings],
    ) -> None:
        def column(values: Sequence[float]) -> Tensor:
            return torch.tensor(values, dtype=flat.dtype, device=flat.device).unsqueeze(1)

        def per_column(values: Mapping[str, float]) -> Tensor:
            return torch.cat([flat.new_full((shapes[name].numel(),), value) for name, value in values.items()])

        self.flat, self.clip = flat, column([own.clip for own in settings])
        decay = column([own.weight_decay for own in settings])
        others = [name for name in shapes if name not in apart]
        blocks, self._sizes = list[Block](), list[int]()
        if others:
            rates = {name: rules[name].rate for name in others}
            multiple = 1.0 if set(rates.values()) == {1.0} else per_column(rates)
            self._sizes.append(sum(shapes[name].numel() for name in others))
            decays = decay * per_column({name: rules[name].decay for name in others})
            own = flat[:, : self._sizes[0]]
            blocks.append(Block("others", own, decays, multiple, replicas=len(flat)))
        for name in (name for name in shapes if name in apart):
            start, shape = sum(self._sizes), shapes[name]
            self._sizes.append(shape.numel())
            own = flat[:, start : start + shape.numel()].unflatten(1, shape)
            decays = (decay * rules[name].decay).view(-1, *[1] * len(shape))
            blocks.append(Block(name, own, decays, rules[name].rate, hidden=True, replicas=len(flat)))
        self.found = find_optimizer(settings[0].optimizer)
        self.optimizer = self.found.make(blocks)

    def tensors(self) -> dict[str, Tensor]:
        """Return all that the optimizer remembers by name, in its own memory."""
        return self.optimizer.state

    @torch.no_grad()
    def step(self, gradient: Tensor, lr: Tensor) -> None:
        """Update the weights with gradients (K, P), which it overwrites, and learning rates (K,)."""
        gradient *= torch.where(self.clip > 0, row_clip_factors(gradient, self.clip), 1.0)
        parts = gradient.split(self._sizes, dim=1)
        gradients = [
            part.unflatten(1, b.tensor.shape[1:]) for part, b in zip(parts, self.optimizer.blocks, strict=True)
        ]
        with self.found.blamed("in a step"):
            self.optimizer.step(gradients, lr.to(self.flat))
