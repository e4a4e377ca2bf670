"""Correct models with unusual code, which no check may accuse."""

import random
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from mutants import AddsALoss, Sound
from pydantic import Field
from torch import nn
from torch.utils.checkpoint import checkpoint

from zoo.config import Recipe


class ConvolvesByFourierTransform(Sound):
    """A long convolution by FFT, in which rounding spreads over all positions."""

    receptive_field = None

    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.decay = nn.Parameter(torch.linspace(-3, 3, config.width))

    def features(self, tokens):
        x = super().features(tokens)
        if not x.numel():
            return x
        T = x.shape[1]
        kernel = torch.sigmoid(self.decay) ** torch.arange(T, device=x.device).unsqueeze(1)
        spectrum = torch.fft.rfft(x, 2 * T, dim=1) * torch.fft.rfft(kernel, 2 * T, dim=0)
        return torch.fft.irfft(spectrum, 2 * T, dim=1)[:, :T]


class HasAnOptionThatMattersBesideTheLastChoice(Sound):
    """The size of a table that one of three kinds of positions has."""

    class Config(Sound.Config):
        positions: Literal["none", "decay", "learned"] = Field("none", description="how positions enter")
        places: int = Field(9, ge=1, description="entries of the learned table")

    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.table = nn.Embedding(config.places, config.width) if config.positions == "learned" else None

    def features(self, tokens):
        x = super().features(tokens)
        if self.config.positions == "decay":
            return x / 2
        return x if self.table is None else x + self.table.weight.mean(0)


class AttendsInFloat32AndKeepsTheWeights(Sound):
    """Attention with a float32 softmax, as in large models, whose weights are kept for inspection."""

    receptive_field = None

    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.asks = nn.Linear(config.width, 2 * config.width)

    def features(self, tokens):
        x = super().features(tokens)
        q, k = self.asks(x).chunk(2, dim=-1)
        future = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool, device=x.device).triu(1)
        scores = (q @ k.transpose(1, 2)).masked_fill(future, float("-inf"))
        self.weights = scores.float().softmax(dim=-1).to(x.dtype)
        return x + self.weights @ x


class RoutesToExperts(Sound):
    """Routes each token to one of eight experts, some of which see few tokens."""

    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.router = nn.Linear(config.width, 8)
        self.experts = nn.Parameter(torch.randn(8, config.width, config.width) * config.width**-0.5)

    def features(self, tokens):
        x = super().features(tokens)
        share, chosen = self.router(x).softmax(dim=-1).max(dim=-1, keepdim=True)
        every = torch.einsum("btc,ecd->bted", x, self.experts)
        one = every.gather(2, chosen.unsqueeze(-1).expand(-1, -1, -1, x.shape[-1])).squeeze(2)
        return x + share * one


class IsOrthogonal(Sound):
    """A weight parametrised as orthogonal."""

    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.turn = nn.utils.parametrizations.orthogonal(nn.Linear(config.width, config.width, bias=False))

    def features(self, tokens):
        return self.turn(super().features(tokens))


class LearnsSlowlyWithMuchDropout(Sound):
    recipe = Recipe(lr=1e-4)

    def features(self, tokens):
        return F.dropout(super().features(tokens), 0.5, self.training)


class Attends(Sound):
    """Causal attention over the window's features; subclasses say how."""

    receptive_field = None

    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.qkv = nn.Linear(config.width, 3 * config.width)

    def features(self, tokens):
        x = super().features(tokens)
        return x + self.attend(*self.qkv(x).chunk(3, dim=-1))

    def attend(self, q, k, v):
        """(B, T, C) each -> (B, T, C)."""
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)


class RotatesByAGrowingTable(Attends):
    """A buffer of rotary angles, extended for longer rows; its filled length is a plain attribute."""

    class Config(Sound.Config):
        width: int = Field(24, ge=2, multiple_of=2, description="channels of everything")

    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.register_buffer("angles", torch.zeros(4096, config.width // 2), persistent=False)
        self.filled = 0

    def attend(self, q, k, v):
        T = q.shape[1]
        if self.filled < T:
            half = self.angles.shape[1]
            pace = 100.0 ** -(torch.arange(half, dtype=self.angles.dtype, device=q.device) / half)
            self.angles[:T] = torch.arange(T, dtype=self.angles.dtype, device=q.device).unsqueeze(1) * pace
            self.filled = T
        return super().attend(self.turn(q), self.turn(k), v)

    def turn(self, x):
        (a, b), angle = x.chunk(2, dim=-1), self.angles[: x.shape[1]]
        return torch.cat([a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()], dim=-1)


class KeepsItsMaskForTheNextCall(Attends):
    """A mask as a plain attribute, rebuilt for a longer row or another device."""

    mask = None

    def attend(self, q, k, v):
        T = q.shape[1]
        if self.mask is None or len(self.mask) < T or self.mask.device != q.device:
            self.mask = torch.ones(T, T, dtype=torch.bool, device=q.device).tril()
        return F.scaled_dot_product_attention(q, k, v, attn_mask=self.mask[:T, :T])


class Cache(nn.Module):
    """Keys and values of the tokens so far."""

    def reset(self):
        self.keys = self.values = None

    def extend(self, k, v):
        self.keys = k if self.keys is None else torch.cat([self.keys, k], dim=1)
        self.values = v if self.values is None else torch.cat([self.values, v], dim=1)
        return self.keys, self.values


class ResetsItsCache(Attends):
    """Runs rows in two halves through a key-value cache, emptied at the beginning and the end of a call."""

    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.cache = Cache()

    def attend(self, q, k, v):
        self.cache.reset()
        T, parts = q.shape[1], []
        for some in (slice(0, T // 2), slice(T // 2, T)):
            keys, values = self.cache.extend(k[:, some], v[:, some])
            place = torch.arange(some.start, some.stop, device=q.device).unsqueeze(1)
            mask = torch.arange(keys.shape[1], device=q.device) <= place
            parts.append(F.scaled_dot_product_attention(q[:, some], keys, values, attn_mask=mask))
        self.cache.reset()
        return torch.cat(parts, dim=1)


class TakesContiguousTokens(Sound):
    def forward(self, tokens):
        flat = tokens.view(-1)
        return super().forward(flat.view(tokens.shape))


class ComputesInFloat32(Sound):
    """The last layer stays in float32, whatever type the model is moved to."""

    def forward(self, tokens):
        return F.linear(self.features(tokens).float(), self.head.weight.float(), self.head.bias.float())


class HasTimeFirst(Sound):
    """A recurrence over (T, B, C), with transposes before and after."""

    receptive_field = None

    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.recurrence = nn.GRU(config.width, config.width)

    def features(self, tokens):
        x = super().features(tokens)
        return self.recurrence(x.transpose(0, 1))[0].transpose(0, 1) if x.numel() else x


class ComputesTwiceToSaveMemory(Sound):
    """Recomputes activations in the backward pass (checkpointing), dropout included."""

    def features(self, tokens):
        return checkpoint(self.between, super().features(tokens), use_reentrant=False)

    def between(self, x):
        return x + F.dropout(torch.tanh(x), 0.1, self.training)


class AddsNoiseInTraining(RoutesToExperts):
    """Chooses experts with noise, in training only."""

    def features(self, tokens):
        x = super().features(tokens)
        return x + 0.1 * torch.randn_like(x) if self.training else x


class CompilesAnInnerFunction(Sound):
    def features(self, tokens):
        return squashed(super().features(tokens))


@torch.compile(backend="eager", dynamic=True)
def squashed(x):
    return x * torch.sigmoid(x)


class DrawsFromPythonAndNumpy(Sound):
    """Draws initial weights and layer drop from Python's and numpy's random numbers."""

    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        with torch.no_grad():
            self.head.bias.fill_(random.gauss(0, 0.01))
            self.head.bias += 0.01 * torch.from_numpy(np.random.randn(vocab_size)).float()

    def features(self, tokens):
        x = super().features(tokens)
        return x * (1 + 0.01 * random.random() * np.random.rand()) if self.training else x


UNUSUAL = [
    HasAnOptionThatMattersBesideTheLastChoice,
    ConvolvesByFourierTransform,
    AttendsInFloat32AndKeepsTheWeights,
    RoutesToExperts,
    IsOrthogonal,
    LearnsSlowlyWithMuchDropout,
    DrawsFromPythonAndNumpy,
    RotatesByAGrowingTable,
    KeepsItsMaskForTheNextCall,
    ResetsItsCache,
    TakesContiguousTokens,
    ComputesInFloat32,
    HasTimeFirst,
    ComputesTwiceToSaveMemory,
    AddsNoiseInTraining,
    CompilesAnInnerFunction,
    AddsALoss,
]
