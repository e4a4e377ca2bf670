"""AdamW (Loshchilov & Hutter 2019, algorithm 2), in the form of torch."""

from collections.abc import Sequence

import torch
from pydantic import Field
from torch import Tensor

from zoo.training.optimizers.fused import FusedOptimizer
from zoo.training.optimizers.interface import Block, OptimizerOptions, Rate


class AdamW(FusedOptimizer):
    """Adam with decoupled weight decay.

    For one model it calls the kernel of torch.optim.AdamW(fused=True): making an optimizer of torch.optim imports
    torch's compiler, which takes as long as torch itself.
    """

    class Config(OptimizerOptions):
        beta1: float = Field(0.9, ge=0, lt=1, description="decay of the mean of gradients")
        beta2: float = Field(0.99, ge=0, lt=1, description="decay of the mean of squared gradients")
        eps: float = Field(1e-8, gt=0, description="added to the root of the mean square")

    paper = "Loshchilov & Hutter 2019, Decoupled Weight Decay Regularization"
    fits_recipes = True

    def __init__(self, config: OptimizerOptions, blocks: Sequence[Block]) -> None:
        super().__init__(config, blocks)
        self.means, self.squares = ([self.remember(kind, b) for b in blocks] for kind in ("mean", "square"))
        self.steps = _zeros(blocks)
        self.state |= {f"steps.{block.name}": steps for block, steps in zip(blocks, self.steps, strict=True)}

    def _update(self, numbers: Sequence[int], gradients: list[Tensor], lr: Rate) -> None:
        """Update blocks of one dtype, decay and multiple."""
        blocks, steps = [self.blocks[number] for number in numbers], [self.steps[number] for number in numbers]
        torch._foreach_add_(steps, 1)
        torch._fused_adamw_(
            [block.value for block in blocks],
            gradients,
            [self.means[number] for number in numbers],
            [self.squares[number] for number in numbers],
            [],
            steps,
            lr=blocks[0].rate(lr),
            beta1=self.config.beta1,
            beta2=self.config.beta2,
            weight_decay=blocks[0].decay,
            eps=self.config.eps,
            amsgrad=False,
            maximize=False,
        )

    def _update_stack(self, numbers: Sequence[int], gradients: list[Tensor], lr: Rate) -> None:
        """Update blocks of a stack, row by row independently."""
        beta1, beta2 = self.config.beta1, self.config.beta2
        for number, gradient in zip(numbers, gradients, strict=True):
            block, steps = self.blocks[number], self.steps[number]
            mean, square = self.means[number], self.squares[number]
            steps += 1
            mean.lerp_(gradient, 1 - beta1)
            square.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
            spread = (square / (1 - beta2**steps)).sqrt_().add_(self.config.eps)
            rate, value = block.rate(lr), block.value
            value.mul_(1 - rate * block.decay)
            value -= rate / (1 - beta1**steps) * mean / spread


def _zeros(blocks: Sequence[Block]) -> list[Tensor]:
    """Return step counts: float32, as the kernel needs them, or float64 for a stack, whose powers are computed here."""
    if not blocks:
        return []
    dtype = torch.float32 if blocks[0].replicas is None else torch.float64
    return list(torch.zeros(len(blocks), dtype=dtype, device=blocks[0].tensor.device).unbind())
