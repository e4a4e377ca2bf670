"""Stochastic gradient descent with momentum (Polyak 1964; Nesterov's form: Sutskever et al. 2013), as torch has it."""

from collections.abc import Sequence

import torch
from pydantic import Field
from torch import Tensor

from zoo.training.optimizers.fused import FusedOptimizer
from zoo.training.optimizers.interface import Block, OptimizerOptions, Rate


class SGD(FusedOptimizer):
    """SGD; weight decay is added to the gradient. For one model it calls the kernel of torch.optim.SGD(fused=True)."""

    class Config(OptimizerOptions):
        momentum: float = Field(0.0, ge=0, lt=1, description="share of the last update that is kept; 0: plain SGD")
        nesterov: bool = Field(False, description="look ahead along the momentum")

    paper = "Robbins & Monro 1951; Sutskever et al. 2013, On the Importance of Initialization and Momentum"

    def __init__(self, config: OptimizerOptions, blocks: Sequence[Block]) -> None:
        super().__init__(config, blocks)
        self.momenta = [self.remember("momentum", block) for block in blocks] if self.config.momentum else []

    def _update(self, numbers: Sequence[int], gradients: list[Tensor], lr: Rate) -> None:
        """Update blocks of one dtype, decay and multiple."""
        blocks = [self.blocks[number] for number in numbers]
        torch._fused_sgd_(
            [block.value for block in blocks],
            gradients,
            [self.momenta[number] for number in numbers] if self.momenta else [],
            weight_decay=blocks[0].decay,
            momentum=self.config.momentum,
            lr=blocks[0].rate(lr),
            dampening=0.0,
            nesterov=self.config.nesterov,
            maximize=False,
            is_first_step=False,
        )

    def _update_stack(self, numbers: Sequence[int], gradients: list[Tensor], lr: Rate) -> None:
        """Update blocks of a stack, row by row independently."""
        for number, gradient in zip(numbers, gradients, strict=True):
            block, momentum = self.blocks[number], self.config.momentum
            direction = gradient + block.decay * block.value
            if momentum:
                kept = self.momenta[number].mul_(momentum).add_(direction)
                direction = direction + momentum * kept if self.config.nesterov else kept
            block.value.sub_(block.rate(lr) * direction)
