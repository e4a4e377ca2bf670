"""The interface of all optimizers: what one is given, what it remembers, and one step.

    class Lion(Optimizer):
        class Config(OptimizerOptions):
            beta: float = 0.99

        def __init__(self, config, blocks):
            super().__init__(config, blocks)
            self.means = [self.remember("mean", block) for block in blocks]

        def step(self, gradients, lr):
            for block, mean, gradient in zip(self.blocks, self.means, gradients, strict=True):
                if gradient is not None:
                    mean.lerp_(gradient, 1 - self.config.beta)
                    block.value.sub_(block.rate(lr) * (mean.sign() + block.decay * block.value))

The same lines train one model and a stack of K: blocks, gradients and rates of a stack have K as their first axis.
Gradients are clipped before the step, and cleared after it. In a step nothing may wait for the device (no `.item()`, no
`if tensor`), or steps cannot be recorded on CUDA.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from zoo.training.clipping import as_real

Rate = float | Tensor
"""A learning rate: a number, or a tensor () on the device; of a stack (K,)."""


class OptimizerOptions(BaseModel):
    """Base of every optimizer's `Config`: frozen; refuses unknown keys and values of another type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


@dataclass(frozen=True)
class Block:
    """Trained numbers that are updated alike.

    Of one model it is a parameter. Of a stack it is a flat matrix (K, P) of all parameters; if the optimizer
    `takes_matrices`, of all but hidden matrices, each of which is a block (K, rows, columns, ...).

    Args:
        name: name of the parameter, or "others".
        tensor: the weights.
        decay: weight decay, a number; of a stack a tensor that broadcasts to `value`.
        multiple: multiple of the learning rate, a number, or of a stack such a tensor.
        hidden: whether it is a hidden matrix (`zoo.training.optimizers.hidden`).
        replicas: K; None for one model.
    """

    name: str
    tensor: Tensor
    decay: Any
    multiple: Any = 1.0
    hidden: bool = False
    replicas: int | None = None

    @property
    def value(self) -> Tensor:
        """The weights, complex ones as pairs of real numbers, to update in place."""
        return as_real(self.tensor)

    def rate(self, lr: Rate) -> Any:
        """Return the learning rate of the block, a number or a tensor that broadcasts to `value`."""
        if self.replicas is not None:
            assert isinstance(lr, Tensor)
            lr = lr.view(-1, *[1] * (self.tensor.dim() - 1))
        return lr if isinstance(self.multiple, float) and self.multiple == 1 else lr * self.multiple


class Optimizer:
    """Base class of every optimizer.

    Args:
        config: options, an instance of the class's own `Config`.
        blocks: all that is trained; at least one.
    """

    class Config(OptimizerOptions):
        """No options."""

    paper: ClassVar[str] = ""
    """Source of the method."""

    fits_recipes: ClassVar[bool] = False
    """Whether the learning rates of recipes for AdamW suit it; otherwise a user must give one."""

    takes_matrices: ClassVar[bool] = False
    """Whether hidden matrices of a stack must be blocks of their own."""

    config: Any

    def __init__(self, config: BaseModel, blocks: Sequence[Block]) -> None:
        self.config, self.blocks = config, blocks
        self.state: dict[str, Tensor] = {}
        """All that a step remembers, by name; checkpoints store it and write into its memory."""

    def remember(self, kind: str, block: Block) -> Tensor:
        """Return zeros like `block.value` that belong to the state, as `kind.name`."""
        return self.state.setdefault(f"{kind}.{block.name}", torch.zeros_like(block.value))

    def step(self, gradients: Sequence[Tensor | None], lr: Rate) -> None:
        """Update the weights in place; runs without gradient tracking.

        Args:
            gradients: one per block, shaped like its `value`; None where a parameter has none, which then stays.
            lr: the learning rate of the step; `block.rate(lr)` is that of a block.
        """
        raise NotImplementedError(f"{type(self).__name__} must define step(gradients, lr)")
