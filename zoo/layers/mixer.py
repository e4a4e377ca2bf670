"""The interface of mixers: layers that carry the past in a state, and read a row at once or in pieces."""

from collections.abc import Mapping

from torch import Tensor, nn

State = dict[str, Tensor]
"""State of a mixer: tensors by name, batch first."""


class Mixer(nn.Module):
    """(B, T, C) -> (B, T, C), causal. A subclass defines `begin` and `run`; one form serves training and streams."""

    def begin(self, batch_size: int) -> State:
        """A fresh state, on the device of the weights."""
        raise NotImplementedError(f"{type(self).__name__} must define begin(batch_size) -> state")

    def run(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, T, C) and a state -> (B, T, C), and the state after the last position; T >= 1."""
        raise NotImplementedError(f"{type(self).__name__} must define run(x, state) -> (y, state)")

    def parameter_groups(self) -> Mapping[str, Mapping[str, float]]:
        """As of a model, `SequenceModel.parameter_groups`, by names of the mixer's own parameters."""
        return {}

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) -> (B, T, C), from a fresh state."""
        return self.run(x, self.begin(x.shape[0]))[0]
