"""A step of a stream as a module: a token and a state in, logits and the next state out.

torch.export follows tensors alone. A model whose state holds a position that chooses memory by its number gets a state
without one: rings lie in order of time, a cache is as long as the past, and a window of tokens has places for all.
"""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.exporting.ngrams import NGrams
from zoo.exporting.recurrent import Scanning
from zoo.models.dilated_wavenet import DilatedWaveNet
from zoo.models.interface import SequenceModel, State
from zoo.models.interpolated import InterpolatedNGrams
from zoo.models.transformer import Transformer
from zoo.models.wavenet import WaveNet

TAKEN = ("tokens", "logits", "file", "allow_pickle")
"""Names that no tensor of a state may have: those of a step, and of arguments of `numpy.savez`."""


class Step(nn.Module):
    """A model's own step. A state's tensors come in the order of their names, which the outputs keep."""

    def __init__(self, model: SequenceModel) -> None:
        super().__init__()
        self.model = model
        self.names = {_rename(name): name for name in sorted(model.begin(1))}

    def begin(self, batch_size: int) -> State:
        """A fresh state of some streams."""
        fresh = self.model.begin(batch_size)
        return {name: fresh[own].clone() for name, own in self.names.items()}

    def forward(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """(B,) and a state -> (B, V) logits of the token after, and the next state."""
        with Scanning():
            own = {self.names[name]: tensor.clone() for name, tensor in state.items()}  # a step may write into them
            logits, after = self.model.step(tokens, own)
            return logits, {name: after[own].clone() for name, own in self.names.items()}


class WindowStep(Step):
    """The last tokens (B, N) of a row, and how many of it were seen (B,); the model runs on all of them again."""

    def __init__(self, model: SequenceModel, places: int, *, plain: bool) -> None:
        super().__init__(model)
        self.places = places
        self.rows = NGrams(model, plain=plain) if isinstance(model, InterpolatedNGrams) else model

    def begin(self, batch_size: int) -> State:
        """A row without tokens; what stands after the last one does not matter to a causal model."""
        return {
            "row": torch.zeros(batch_size, self.places, dtype=torch.long),
            "seen": torch.zeros(batch_size, dtype=torch.long),
        }

    def forward(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """(B,) and a state -> (B, V) logits of the token after, and the next state."""
        row, seen, N = state["row"], state["seen"], self.places  # noqa: N806
        row = torch.where((seen == N).unsqueeze(1), row.roll(-1, dims=1), row)
        place = seen.clamp(max=N - 1).unsqueeze(1)
        row = row.scatter(1, place, tokens.unsqueeze(1))
        with Scanning():
            logits: Tensor = self.rows(row)
        last = logits.gather(1, place.unsqueeze(2).expand(-1, -1, logits.shape[2])).squeeze(1)
        return last, {"row": row, "seen": (seen + 1).clamp(max=N)}


class RingStep(Step):
    """The rings of a WaveNet in order of time, so that no position is needed."""

    def __init__(self, model: WaveNet | DilatedWaveNet) -> None:
        super().__init__(model)
        self.names.pop("position")

    def forward(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """(B,) and a state -> (B, V) logits of the token after, and the next state."""
        rings = {name: ring.clone() for name, ring in state.items()}
        logits, after = self.model.step(tokens, {**rings, "position": torch.tensor([0])})  # it replaces the first
        return logits, {name: after[name].roll(-1, dims=1) for name in self.names}


class CacheStep(Step):
    """Keys and values of a transformer as long as the past, one position longer after every step."""

    model: Transformer

    def __init__(self, model: Transformer) -> None:
        super().__init__(model)
        self.names.pop("position")

    def begin(self, batch_size: int) -> State:
        """A cache without positions, (B, layers, heads, 0, C/heads)."""
        return {name: cache[..., :0, :].clone() for name, cache in super().begin(batch_size).items()}

    def forward(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """(B,) and a state -> (B, V) logits of the token after, and the next state."""
        model, place = self.model, state["keys"].shape[-2]
        keys, values = (F.pad(state[name], (0, 0, 0, 1)) for name in ("keys", "values"))
        x = model._embed(tokens.unsqueeze(1), torch.arange(place, place + 1, device=tokens.device))
        for layer, block in enumerate(model.blocks):
            cache = {"keys": keys[:, layer], "values": values[:, layer]}
            x = block.around(x, partial(block.mixer.stream, **cache, position=place))  # type: ignore
        return model.head(model.norm(x[:, -1])), {"keys": keys, "values": values}


def make_step(model: SequenceModel, *, plain: bool) -> Step:
    """Return the step that suits how a model computes its own; `plain`: of operations that ONNX has."""
    prefill, state = type(model).prefill, model.begin(1)
    if isinstance(model, WaveNet | DilatedWaveNet) and "position" in state and prefill in _WITH_RINGS:
        return RingStep(model)
    if isinstance(model, Transformer) and prefill is Transformer.prefill:
        return CacheStep(model)
    if set(state) == {"tokens"} and model.receptive_field is not None:
        return WindowStep(model, max(1, model.receptive_field), plain=plain)
    return Step(model)


_WITH_RINGS = (WaveNet.prefill, DilatedWaveNet.prefill)


def _rename(name: str) -> str:
    return f"{name}_state" if name in TAKEN else name
