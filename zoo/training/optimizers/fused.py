"""Base of optimizers that update many parameters in one call of a fused kernel."""

from collections.abc import Sequence

from pydantic import BaseModel
from torch import Tensor

from zoo.training.optimizers.interface import Block, Optimizer, Rate


class FusedOptimizer(Optimizer):
    """An optimizer with one update for a group of parameters that are trained alike, and one for a stack."""

    def __init__(self, config: BaseModel, blocks: Sequence[Block]) -> None:
        super().__init__(config, blocks)
        alike: dict[object, list[int]] = {}
        for number, block in enumerate(blocks):
            key = number if block.replicas is not None else (block.tensor.dtype, block.decay, block.multiple)
            alike.setdefault(key, []).append(number)
        self._groups = list(alike.values())

    def step(self, gradients: Sequence[Tensor | None], lr: Rate) -> None:
        """Update every block that has a gradient."""
        for group in self._groups:
            present = {number: gradient for number in group if (gradient := gradients[number]) is not None}
            if present:
                update = self._update if self.blocks[group[0]].replicas is None else self._update_stack
                update(list(present), list(present.values()), lr)

    def _update(self, numbers: Sequence[int], gradients: list[Tensor], lr: Rate) -> None:
        """Update blocks of one model that have the same dtype, decay and multiple."""
        raise NotImplementedError

    def _update_stack(self, numbers: Sequence[int], gradients: list[Tensor], lr: Rate) -> None:
        """Update blocks of a stack, row by row independently."""
        raise NotImplementedError
