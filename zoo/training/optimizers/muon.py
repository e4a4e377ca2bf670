"""Muon (Jordan et al. 2024): momentum, orthogonalised by Newton-Schulz iterations, for hidden matrices.

https://kellerjordan.github.io/posts/muon/; the arithmetic is that of torch.optim.Muon, which is not used, because
making an optimizer of torch.optim imports torch's compiler.
"""

import math
from collections.abc import Sequence
from typing import Literal

from pydantic import Field
from torch import Tensor

from zoo.training.optimizers.adamw import AdamW
from zoo.training.optimizers.interface import Block, Optimizer, OptimizerOptions, Rate
from zoo.training.optimizers.orthogonal import JORDAN, orthogonalize, polar_express


class Muon(Optimizer):
    """Orthogonalised momentum for hidden matrices (`zoo.training.optimizers.hidden`), AdamW for all others.

    Matrices of equal sizes, of all replicas, are orthogonalised as one batch.
    """

    class Config(OptimizerOptions):
        rate: float = Field(2.0, gt=0, description="learning rate of hidden matrices as a multiple of AdamW's")
        momentum: float = Field(0.95, ge=0, lt=1, description="decay of the mean of gradients")
        nesterov: bool = Field(True, description="mix the gradient into the momentum once more")
        iterations: int = Field(5, ge=1, lt=100, description="Newton-Schulz iterations")
        polynomials: Literal["jordan", "polar-express"] = Field(
            "jordan",
            description="of the iterations; polar-express: the best ones (Amsel et al. 2025), of which 3 suffice",
        )
        scaling: Literal["original", "match_rms_adamw"] = Field(
            "original",
            description="factor of the rate; original: sqrt(max(1, rows/columns)); "
            "match_rms_adamw: 0.2 sqrt(max(rows, columns)) (Liu et al. 2025, section 2.2)",
        )
        precision: Literal["bfloat16", "full"] = Field(
            "bfloat16", description="dtype of the iterations; full: that of the weights"
        )

    paper = "Jordan et al. 2024, Muon: An optimizer for hidden layers in neural networks"
    fits_recipes = takes_matrices = True

    def __init__(self, config: OptimizerOptions, blocks: Sequence[Block]) -> None:
        super().__init__(config, blocks)
        self._matrices = [number for number, block in enumerate(blocks) if block.hidden]
        self._others = [number for number, block in enumerate(blocks) if not block.hidden]
        self.momenta = {number: self.remember("momentum", blocks[number]) for number in self._matrices}
        self.adamw = AdamW(AdamW.Config(), [blocks[number] for number in self._others])
        self.state |= self.adamw.state
        fixed = self.config.polynomials == "jordan"
        self._polynomials = (JORDAN,) * self.config.iterations if fixed else polar_express(self.config.iterations)
        self._schatten = 2 if fixed else 4

    def step(self, gradients: Sequence[Tensor | None], lr: Rate) -> None:
        """Update hidden matrices by Muon and the others by AdamW, where they have a gradient."""
        self.adamw.step([gradients[number] for number in self._others], lr)
        directions = {
            number: self._direction(number, gradient)
            for number in self._matrices
            if (gradient := gradients[number]) is not None
        }
        matrices = [_as_matrices(self.blocks[number], direction) for number, direction in directions.items()]
        if self.config.precision == "bfloat16":
            matrices = [matrix.bfloat16() for matrix in matrices]
        updates = orthogonalize(matrices, self._polynomials, schatten=self._schatten)
        for number, matrix in zip(directions, updates, strict=True):
            block, value = self.blocks[number], self.blocks[number].value
            rate = block.rate(lr) * self.config.rate
            value.mul_(1 - rate * block.decay)
            value.sub_(rate * self._scale(*matrix.shape[-2:]) * matrix.to(value.dtype).view(value.shape))

    def _direction(self, number: int, gradient: Tensor) -> Tensor:
        momentum = self.momenta[number].lerp_(gradient, 1 - self.config.momentum)
        return gradient.lerp(momentum, self.config.momentum) if self.config.nesterov else momentum

    def _scale(self, rows: int, columns: int) -> float:
        if self.config.scaling == "original":
            return math.sqrt(max(1, rows / columns))
        return 0.2 * math.sqrt(max(rows, columns))


def _as_matrices(block: Block, tensor: Tensor) -> Tensor:
    """Return (K, rows, columns), K = 1 for one model; kernels of a convolution are rows of in · k columns."""
    return tensor.flatten(2) if block.replicas is not None else tensor.flatten(1).unsqueeze(0)
