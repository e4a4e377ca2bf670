"""The residual block around every mixer: norm -> mixer -> + -> norm -> MLP -> + (Xiong et al. 2020, pre-norm)."""

from collections.abc import Callable

from torch import Tensor, nn

from zoo.layers.activation import Activation
from zoo.layers.linear import linear
from zoo.layers.mixer import State
from zoo.layers.norm import make_norm


class ResidualBlock(nn.Module):
    """(B, T, C) -> (B, T, C): a mixer over the positions, then an MLP, each added to the residual stream.

    Args:
        channels: C.
        mixer: (B, T, C) -> (B, T, C); to be streamed, a `Mixer`.
        mlp: width of the MLP in multiples of C; 0: none.
        norm: normalisation of the input of mixer and MLP, see `make_norm`.
        activation: of the MLP.
        residual: whether what they make is added to their input, or takes its place.
        dropout: probability of dropping a channel of what mixer and MLP make.
        gain: scale of the initial weights of the MLP's first layer.
        out_gain: scale of the initial weights of the second.
    """

    def __init__(
        self,
        channels: int,
        mixer: nn.Module,
        *,
        mlp: int,
        norm: str,
        activation: Activation,
        residual: bool = True,
        dropout: float = 0.0,
        gain: float = 1.0,
        out_gain: float = 1.0,
    ) -> None:
        super().__init__()
        self.activation, self.residual, self.has_mlp = activation, residual, mlp > 0
        self.norm1 = make_norm(norm, channels)
        self.mixer = mixer
        self.drop = nn.Dropout(dropout)
        if mlp:
            self.norm2 = make_norm(norm, channels)
            self.up = linear(channels, activation.inputs * mlp * channels, gain=gain)
            self.down = linear(mlp * channels, channels, gain=out_gain)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) -> (B, T, C)."""
        return self.around(x, self.mixer)

    def around(self, x: Tensor, mix: Callable[[Tensor], Tensor]) -> Tensor:
        """(..., C) -> (..., C), with another form of the mixer in its place."""
        return self._mlp(self._add(x, mix(self.norm1(x))))

    def run(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, T, C) and the mixer's state -> (B, T, C), and the state after the last position."""
        mixed, state = self.mixer.run(self.norm1(x), state)  # type: ignore[operator]
        return self._mlp(self._add(x, mixed)), state

    def _mlp(self, x: Tensor) -> Tensor:
        """(..., C) -> (..., C)."""
        return self._add(x, self.down(self.activation(self.up(self.norm2(x))))) if self.has_mlp else x

    def _add(self, x: Tensor, made: Tensor) -> Tensor:
        """The residual stream after an addition; what was made alone, without residuals."""
        made = self.drop(made)
        return x + made if self.residual else made
