"""What a run of the loop needs to know."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """What `fit` needs to know, with nothing left open."""

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
    """Tokens of a row that is a window with one target; None where rows are whole."""
    seconds: float | None = None
    """The budget in seconds of training; None where `steps` is."""
    compile: bool = False
    """Whether torch.compile makes the model's code, for one model at a time."""

    def spent(self, steps: float, seconds: float) -> float:
        """The share of the budget that is spent, 0 to 1."""
        return min(1.0, steps / self.steps if self.steps else seconds / (self.seconds or math.inf))
