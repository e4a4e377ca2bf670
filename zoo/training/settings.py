"""Settings of the training loop."""

import math
from dataclasses import dataclass

from zoo.training.schedule import learning_rate, stable_part


@dataclass(frozen=True)
class Settings:
    """Settings of `fit`, with every default resolved."""

    steps: int | None
    """Budget in steps; None if `seconds` is the budget."""
    batch_size: int
    optimizer: str
    schedule: str
    lr: float
    weight_decay: float
    warmup: float
    clip: float
    evaluations: int
    dtype: str
    window: int | None = None
    """Tokens of a window, a row with one target; None for whole rows."""
    seconds: float | None = None
    """Budget in seconds of training; None if `steps` is the budget."""
    compile: bool = False
    """Whether to compile the model with torch.compile; not for stacks."""

    @property
    def warmup_steps(self) -> int:
        """Warm-up in whole steps."""
        return round(self.warmup * (self.steps or 0))

    @property
    def common_steps(self) -> int | None:
        """Number of steps that a run of a larger budget has in common with this one, and from which it can continue.

        All steps of a constant rate, those before the decay of `wsd`; None if the rate depends on the fraction of the
        budget. The larger run must have the same warm-up and the same steps between evaluations.
        """
        if self.steps is None or self.schedule not in ("constant", "wsd"):
            return None
        return self.steps if self.schedule == "constant" else math.floor(stable_part(self.steps) + 0.5)

    def rate(self, steps: float, seconds: float) -> float:
        """Return the learning rate after `steps` and `seconds`.

        If larger budgets have steps in common, it is computed from steps, because fractions would differ in the last
        digits.
        """
        if self.common_steps is None:
            spent, warmup, total = self.spent(steps, seconds), self.warmup, 1.0
        else:
            spent, warmup, total = steps, float(self.warmup_steps), float(self.steps or 0)
        return learning_rate(spent, peak=self.lr, schedule=self.schedule, warmup=warmup, total=total)

    def spent(self, steps: float, seconds: float) -> float:
        """Return the spent fraction of the budget, 0 to 1."""
        return min(1.0, steps / self.steps if self.steps else seconds / (self.seconds or math.inf))
