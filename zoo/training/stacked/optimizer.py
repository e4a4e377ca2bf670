"""The optimizers of `zoo.training.optimizer` for a stack: row k of a matrix (K, P) holds model k."""

from collections.abc import Sequence

import torch
from torch import Tensor

from zoo.training.clipping import row_clip_factors
from zoo.training.settings import Settings

BETAS, EPS = (0.9, 0.99), 1e-8


class StackedOptimizer:
    """Clip, then update by AdamW or SGD; rows are independent.

    Args:
        flat: (K, P), weights, updated in place.
        is_matrix: (P,), where weight decay applies.
        settings: K settings, one per row.
    """

    def __init__(self, flat: Tensor, is_matrix: Tensor, settings: Sequence[Settings]) -> None:
        def column(values: Sequence[float]) -> Tensor:
            return torch.tensor(values, dtype=flat.dtype, device=flat.device).unsqueeze(1)

        self.flat = flat
        self.decay = column([own.weight_decay for own in settings]) * is_matrix
        self.clip = column([own.clip for own in settings])
        self.adam = settings[0].optimizer == "adamw"
        self.steps = torch.zeros((), dtype=torch.float64, device=flat.device)
        self.mean, self.square = (torch.zeros_like(flat) for _ in range(2))

    def tensors(self) -> dict[str, Tensor]:
        """Return the moments and the step count by name, in the optimizer's own memory."""
        return {"mean": self.mean, "square": self.square, "steps": self.steps}

    @torch.no_grad()
    def step(self, gradient: Tensor, lr: Tensor) -> None:
        """Update the weights with gradients (K, P), which it overwrites, and learning rates (K,)."""
        lr = lr.to(self.flat).unsqueeze(1)
        gradient *= torch.where(self.clip > 0, row_clip_factors(gradient, self.clip), 1.0)
        if self.adam:
            self._adamw(gradient, lr)
        else:
            self.flat -= lr * (gradient + self.decay * self.flat)

    def _adamw(self, gradient: Tensor, lr: Tensor) -> None:
        """AdamW (Loshchilov & Hutter 2019, algorithm 2), in the form of torch."""
        self.steps += 1
        self.mean.lerp_(gradient, 1 - BETAS[0])
        self.square.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
        spread = (self.square / (1 - BETAS[1] ** self.steps)).sqrt_().add_(EPS)
        self.flat.mul_(1 - lr * self.decay)
        self.flat -= lr / (1 - BETAS[0] ** self.steps) * self.mean / spread
