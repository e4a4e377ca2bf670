"""What looks at a model in training, without changing it."""

from typing import Protocol


class Observer(Protocol):
    """Looks at one model in training; it may neither change the model nor draw its random numbers."""

    def evaluated(self, step: int) -> None:
        """Called after every evaluation, with the number of steps before it; the clock is stopped."""

    def stepped(self) -> None:
        """Called after the first step since the last evaluation; the clock is stopped."""
