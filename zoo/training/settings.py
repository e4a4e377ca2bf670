"""Settings of the training loop."""

import math
from dataclasses import dataclass

from zoo.training.optimizer import learning_rate, stable_part


@dataclass(frozen=True)
class Settings:
    """Settings of `fit`, with every default resolved."""

    steps: int | None
    """The budget; None where `seconds` is."""
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
    """Tokens of a window, a row with one target; None where rows are whole."""
    seconds: float | None = None
    """The budget in seconds of training; None where `steps` is."""
    compile: bool = False
    """Whether to compile the model with torch.compile; not for stacks."""

    @property
    def warmup_steps(self) -> int:
        """The warm-up in whole steps."""
        return round(self.warmup * (self.steps or 0))

    @property
    def common_steps(self) -> int | None:
        """How many steps a run of a larger budget has in common with this one, which then goes on from there.

        All of a constant rate, those before the decay of `wsd`; None where the rate follows the share of the budget
        that is spent. Warm-up and the steps between two evaluations are then to be as many as here.
        """
        if self.steps is None or self.schedule not in ("constant", "wsd"):
            return None
        return self.steps if self.schedule == "constant" else math.floor(stable_part(self.steps) + 0.5)

    def rate(self, steps: float, seconds: float) -> float:
        """The learning rate when so much is spent.

        Where larger budgets have steps in common it is computed of whole steps, or its last digits would differ.
        """
        if self.common_steps is None:
            spent, warmup, total = self.spent(steps, seconds), self.warmup, 1.0
        else:
            spent, warmup, total = steps, float(self.warmup_steps), float(self.steps or 0)
        return learning_rate(spent, peak=self.lr, schedule=self.schedule, warmup=warmup, total=total)

    def spent(self, steps: float, seconds: float) -> float:
        """Share of the budget that is spent, 0 to 1."""
        return min(1.0, steps / self.steps if self.steps else seconds / (self.seconds or math.inf))
