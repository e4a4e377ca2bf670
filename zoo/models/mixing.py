"""Models of one mixer after the other in residual blocks, the same around every mixer.

    (B, T) -> embed (B, T, C) -> layers: norm -> mixer -> + -> norm -> MLP -> + -> norm -> (B, T, V)

A mixer is a file with its idea; what stands around it is here, so that two mixers differ by themselves alone.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field, model_validator
from torch import Tensor, nn

from zoo.config import Multiples
from zoo.layers import Activation, ActivationName, ResidualBlock, RowNorm, make_norm, output_head
from zoo.layers.linear import HEAD_GAIN
from zoo.layers.mixer import Mixer
from zoo.models.interface import ModelOptions, SequenceModel, State
from zoo.packing import Packing


class MixerOptions(ModelOptions):
    """Options of what stands around a mixer."""

    scales_with: ClassVar[str] = "channels"

    channels: int = Field(32, ge=1, description="channels of the residual stream")
    layers: int = Field(2, ge=1, description="number of blocks")
    block: Literal["mlp", "none"] = Field("mlp", description="what follows a mixer: a norm and an MLP, or nothing")
    mlp: int = Field(4, ge=1, description="width of a block's MLP, in multiples of channels")
    dropout: float = Field(0.0, ge=0, lt=1, description="probability of dropping a channel that a layer adds")
    norm: RowNorm = Field("layer", description="normalisation of the input of mixer, MLP and head")
    activation: ActivationName = Field("gelu", description="activation of the MLP")
    gate: bool = Field(False, description="multiply the activation with another projection (with silu: SwiGLU)")
    head_gain: float = Field(HEAD_GAIN, gt=0, description="scale of the head's initial weights")

    @model_validator(mode="after")
    def _block_uses(self) -> "MixerOptions":
        if self.block == "none":
            self.require("block=mlp", of=("mlp", "activation", "gate"))
        return self

    @property
    def out_gain(self) -> float:
        """Gain of the layers that write to the residual stream, so that depth does not grow it."""
        return float((self.layers * (2 if self.block == "mlp" else 1)) ** -0.5)


class MatrixOptions(MixerOptions):
    """Options of a mixer with a matrix for each head."""

    heads: int = Field(4, ge=1, description="number of matrices; divides channels")

    @model_validator(mode="after")
    def _heads_divide(self) -> "MatrixOptions":
        if self.channels % self.heads:
            raise ValueError(f"channels (={self.channels}) must be divisible by heads (={self.heads})")
        return self


class MixerModel(SequenceModel):
    """Base of these models; a subclass defines `make_mixer`."""

    class Config(MixerOptions):
        """Options of what stands around a mixer."""

    config: Any

    def __init__(self, config: BaseModel, *, vocab_size: int, context: int) -> None:
        super().__init__(config, vocab_size=vocab_size, context=context)
        options = self.config
        self.embedding = nn.Embedding(vocab_size, options.channels)
        self.drop = nn.Dropout(options.dropout)
        mixers = [self.make_mixer(options, layer) for layer in range(options.layers)]
        self.blocks: Any = nn.ModuleList(self._surround(mixer) for mixer in mixers)
        self.norm = make_norm(options.norm, options.channels)
        self.head = output_head(options.channels, vocab_size, gain=options.head_gain)

    @classmethod
    def make_mixer(cls, options: Any, layer: int) -> Mixer:
        """The mixer of a layer, the first is 0. Its output layer has the gain `options.out_gain`."""
        raise NotImplementedError(f"{cls.__name__} must define make_mixer(options, layer) -> Mixer")

    def _surround(self, mixer: Mixer) -> ResidualBlock:
        options = self.config
        return ResidualBlock(
            options.channels,
            mixer,
            mlp=options.mlp if options.block == "mlp" else 0,
            norm=options.norm,
            activation=Activation(options.activation, "none" if options.gate else None),
            dropout=options.dropout,
            out_gain=options.out_gain,
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T) -> (B, T, V)."""
        x = self.drop(self.embedding(tokens))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))

    def packed(self, tokens: Tensor, packing: Packing) -> Tensor:
        """(M,) -> (M, V); the mixers alone run on padded rows."""
        x = self.drop(self.embedding(tokens))
        for block in self.blocks:
            x = block.around(x, partial(_mix_padded, block.mixer, packing))
        return self.head(self.norm(x))

    def parameter_groups(self) -> Mapping[str, Multiples | Mapping[str, float]]:
        """Those of the mixers."""
        groups: dict[str, Multiples | Mapping[str, float]] = {}
        for layer, block in enumerate(self.blocks):
            groups |= {f"blocks.{layer}.mixer.{name}": own for name, own in block.mixer.parameter_groups().items()}
        return groups

    @property
    def bounded_state(self) -> bool:
        return True

    def begin(self, batch_size: int) -> State:
        """The fresh states of all mixers, by layer and name: "0.matrix"."""
        states = [block.mixer.begin(batch_size) for block in self.blocks]
        return {f"{layer}.{name}": tensor for layer, state in enumerate(states) for name, tensor in state.items()}

    def prefill(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, T) and a state -> (B, V) logits after the last token, and the next state."""
        x = self.embedding(tokens)
        after: State = {}
        for layer, block in enumerate(self.blocks):
            before = {name.partition(".")[2]: part for name, part in state.items() if name.startswith(f"{layer}.")}
            x, own = block.run(x, before)
            after |= {f"{layer}.{name}": tensor for name, tensor in own.items()}
        return self.head(self.norm(x[:, -1])), after


def _mix_padded(mixer: Mixer, packing: Packing, x: Tensor) -> Tensor:
    """(M, C) -> (M, C)."""
    return packing.pack(mixer(packing.pad(x)))
