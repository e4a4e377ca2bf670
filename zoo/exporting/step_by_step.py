"""A row as a scan of steps, for models whose forward pass cuts rows into chunks.

The number of chunks is a number of Python, which torch.export 2.13 fixes. A step is one program for every length.
"""

from torch import Tensor, nn
from torch._higher_order_ops.scan import scan

from zoo.models.interface import SequenceModel
from zoo.models.mixing import MixerModel


class StepByStep(nn.Module):
    """(B, T) -> (B, T, V), by the model's own steps from a fresh state."""

    def __init__(self, model: SequenceModel) -> None:
        super().__init__()
        self.model, self.names = model, list(model.begin(1))

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T) -> (B, T, V)."""

        def step(before: tuple[Tensor, ...], token: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
            logits, after = self.model.step(token, dict(zip(self.names, before, strict=True)))
            return tuple(after[name].clone() for name in self.names), logits.clone()  # a scan refuses shared memory

        fresh = self.model.begin(tokens.shape[0])
        _, logits = scan(step, tuple(fresh[name].clone() for name in self.names), tokens.movedim(1, 0))
        return logits.movedim(0, 1)


def goes_step_by_step(model: SequenceModel) -> bool:
    """Whether a row must be exported as steps: it is cut into chunks, and the state has one size."""
    return isinstance(model, MixerModel) and model.bounded_state
