"""Settings of the training loop."""

import math
from dataclasses import dataclass


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

    def spent(self, steps: float, seconds: float) -> float:
        """Share of the budget that is spent, 0 to 1."""
        return min(1.0, steps / self.steps if self.steps else seconds / (self.seconds or math.inf))
