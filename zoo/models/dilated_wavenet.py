"""WaveNet with dilated causal convolutions, gates, residual and skip connections (van den Oord et al. 2016).

Dilations grow by the kernel size: 1, 2, 4, ... for kernel 2. Every layer adds to the residual stream, which the next
layer refines, and to the skip sum, through which the head sees all depths.

    (B, T) -> embed (B, T, C) -> layers: tanh(conv) · sigmoid(conv) -> + residual (B, T, C), + skip (B, T, S)
           -> relu, Linear, relu, Linear -> (B, T, V)
"""

from collections.abc import Iterator
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import BaseModel, Field
from torch import Tensor, nn

from zoo.config import Recipe
from zoo.layers import Activation, ActivationName, CausalConv, RowNorm, linear, make_norm, output_head
from zoo.layers.linear import HEAD_GAIN
from zoo.models.interface import ModelOptions, SequenceModel, State
from zoo.packing import Packing


class GatedLayer(nn.Module):
    """A gated convolution with a residual and a skip output (section 2.3, equation 2, and figure 4).

    Args:
        channels: C.
        skip: S; 0: no skip output.
        dilation: d, distance between the inputs of the convolution.
        stream: whether another layer follows, which reads the residual stream.
        residual: whether the output is added to the stream, or replaces it.
    """

    def __init__(
        self,
        channels: int,
        skip: int,
        *,
        kernel: int,
        dilation: int,
        norm: str,
        activation: Activation,
        stream: bool,
        residual: bool,
        gain: float,
    ) -> None:
        super().__init__()
        self.activation, self.adds = activation, residual
        self.norm = make_norm(norm, channels)
        self.conv = CausalConv(channels, activation.inputs * channels, kernel=kernel, dilation=dilation, gain=gain)
        self.skip = linear(channels, skip, gain=gain) if skip else None
        self.residual = linear(channels, channels, gain=gain) if stream else None

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | float]:
        """(B, T, C) -> stream (B, T, C), skip output (B, T, S) or 0."""
        return self._both(x, self.conv(self.norm(x)))

    def packed(self, x: Tensor, packing: Packing) -> tuple[Tensor, Tensor | float]:
        """(M, C) -> (M, C), (M, S)."""
        return self._both(x, self.conv.packed(self.norm(x), packing))

    def stream(self, x: Tensor, ring: Tensor, position: int) -> tuple[Tensor, Tensor | float]:
        """(B, T, C) -> (B, T, C), (B, T, S), after `position` earlier inputs, see `CausalConv.stream`."""
        return self._both(x, self.conv.stream(self.norm(x), ring, position))

    def _both(self, x: Tensor, convolved: Tensor) -> tuple[Tensor, Tensor | float]:
        """(B, T, C), (B, T, C or 2·C) -> (B, T, C), (B, T, S)."""
        z = self.activation(convolved)
        skip = 0.0 if self.skip is None else self.skip(z)
        if self.residual is None:
            return x, skip
        return x + self.residual(z) if self.adds else self.residual(z), skip


class DilatedWaveNet(SequenceModel):
    """Gated, dilated causal convolutions with residual and skip connections."""

    class Config(ModelOptions):
        scales_with = "channels"

        channels: int = Field(32, ge=1, description="channels of the residual stream and of a gate")
        skip: int = Field(64, ge=1, description="channels of the skip sum and of the hidden layer after it")
        kernel: int = Field(2, ge=2, description="positions that a convolution sees")
        stacks: int = Field(1, ge=1, description="number of stacks, each with the dilations 1, k, k², ...")
        dropout: float = Field(0.0, ge=0, lt=1, description="probability of dropping a channel before the output layer")
        norm: Literal[RowNorm, "batch"] = Field("none", description="normalisation of a layer's input")
        activation: ActivationName = Field("tanh", description="activation of a layer")
        gate: bool = Field(True, description="multiply a layer's activation with a sigmoid gate")
        residual: bool = Field(True, description="add a layer's output to the stream, instead of replacing it")
        skips: bool = Field(True, description="the head sees the skip sum of all layers, not the last layer alone")
        gain: float = Field(1.0, gt=0, description="scale of the layers' initial weights")
        head_gain: float = Field(HEAD_GAIN, gt=0, description="scale of the head's initial weights")

    recipe = Recipe(lr=2.1e-2, weight_decay=0.055, warmup=0.13, targets=1_000_000)
    other_recipes = (
        Recipe(optimizer="muon", lr=8.3e-3, weight_decay=0.074, warmup=0.27, targets=1_000_000),
        Recipe(optimizer="muon", lr=1e-2, weight_decay=0.1, warmup=0.05, targets=2_400_000),
        Recipe(lr=1.2e-2, weight_decay=0.12, warmup=0.05, targets=2_400_000),
    )
    paper = "van den Oord et al. 2016, WaveNet: A Generative Model for Raw Audio"
    config: Config

    def __init__(self, config: BaseModel, *, vocab_size: int, context: int) -> None:
        super().__init__(config, vocab_size=vocab_size, context=context)
        options = self.config
        C, S, k = options.channels, options.skip, options.kernel
        self.dilations = dilations_for(context, k, options.stacks)
        last = len(self.dilations) - 1
        self.embedding = nn.Embedding(vocab_size, C)
        self.layers = nn.ModuleList(
            GatedLayer(
                C,
                S if options.skips or index == last else 0,
                kernel=k,
                dilation=dilation,
                norm=options.norm,
                activation=Activation(options.activation, "sigmoid" if options.gate else None),
                stream=index < last,
                residual=options.residual,
                gain=options.gain,
            )
            for index, dilation in enumerate(self.dilations)
        )
        self.hidden = linear(S, S, gain=options.gain)
        self.drop = nn.Dropout(options.dropout)
        self.head = output_head(S, vocab_size, gain=options.head_gain)

    @property
    def receptive_field(self) -> int:
        return 1 + (self.config.kernel - 1) * sum(self.dilations)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T) -> (B, T, V)."""
        x = self.embedding(tokens)
        total = x.new_zeros(())
        for layer in self.layers:
            x, skip = layer(x)
            total = total + skip
        return self._read(total)

    def packed(self, tokens: Tensor, packing: Packing) -> Tensor:
        """(M,) -> (M, V)."""
        x = self.embedding(tokens)
        total = x.new_zeros(())
        for _, layer in self._named_layers():
            x, skip = layer.packed(x, packing)
            total = total + skip
        return self._read(total)

    def _read(self, total: Tensor) -> Tensor:
        """(..., S) -> (..., V)."""
        return self.head(self.drop(F.relu(self.hidden(F.relu(total)))))

    def _named_layers(self) -> Iterator[tuple[str, GatedLayer]]:
        """Yield the name of a layer's ring in a state, and the layer, lowest first."""
        for index, layer in enumerate(self.layers):
            yield f"layer{index}", layer  # type: ignore[misc]  # a ModuleList has no element type

    def begin(self, batch_size: int) -> State:
        """A fresh state: a ring of each layer's last inputs, at first zeros, and their number."""
        C, weight = self.config.channels, self.embedding.weight
        rings = {
            name: weight.new_zeros(batch_size, layer.conv.flatten.reach, C) for name, layer in self._named_layers()
        }
        return {"position": torch.zeros(batch_size, dtype=torch.long), **rings}

    def prefill(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, T) and a state -> (B, V) logits after the last token, and the next state."""
        x, position = self.embedding(tokens), int(state["position"][0])
        total = x.new_zeros(())
        for name, layer in self._named_layers():
            x, skip = layer.stream(x, state[name], position)
            total = total + skip
        return self._read(total[:, -1]), {**state, "position": state["position"] + tokens.shape[1]}


def dilations_for(context: int, kernel: int, stacks: int) -> list[int]:
    """The fewest dilations, in `stacks` runs 1, k, k², ..., whose receptive field covers `context` tokens.

    Runs are as long as fits; a smaller dilation at the end of a run covers the rest. With kernel 2 the receptive field
    equals the context; with kernel k it is at most k - 2 longer.

    Raises:
        ValueError: the context is 1, so there is nothing to convolve.
    """
    if context < 2:
        raise ValueError(f"dilated-wavenet convolves over at least 2 tokens: context (={context}) must be 2 or more")
    missing = -(-(context - 1) // (kernel - 1))  # sum of dilations that is still needed
    run: list[int] = []
    while stacks * (sum(run) + kernel ** len(run)) <= missing:
        run.append(kernel ** len(run))
    missing -= stacks * sum(run)
    dilations: list[int] = []
    for _ in range(stacks):
        extra = min(missing, kernel ** len(run))
        missing -= extra
        dilations += [*run, extra] if extra else run
    return dilations
