"""The model under check: a class with options and sizes, built as often as a check needs it."""

from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from zoo.calls import Call
from zoo.catalog import MODELS
from zoo.errors import ZooError
from zoo.models.build import build, model_config
from zoo.models.interface import ModelOptions, SequenceModel
from zoo.probes.receptive_field import perturb_weights
from zoo.surroundings import isolated
from zoo.tokens import BOUNDARY
from zoo.training.evaluation import MAX_TOKENS

CPU = torch.device("cpu")
ROUNDING = {torch.float64: 1e-6, torch.float32: 1e-4}
"""Relative change of logits that rounding alone may cause."""
LOW_PRECISION = (torch.float32, torch.complex64, torch.bfloat16, torch.float16)
DOCUMENTS = tuple((MAX_TOKENS // T, T) for T in (8, 340))
SCORED = (*DOCUMENTS, (MAX_TOKENS // 64, 64))
"""Shapes (B, T) of evaluation batches: of short documents, of long ones, and of a stream."""
MOST_LOGITS = 1 << 25
"""Most logits of a batch of a check."""
LONGEST_FIRST = 128
"""Most tokens of the rows that every model is called with once before a check."""
_calls = count(1 << 32)
"""Unused seeds, for tokens that no model of this process has seen."""


@dataclass(frozen=True)
class Subject:
    """A model under check.

    Args:
        name: as it was written.
        model: its class.
        config: its options.
        context: N.
        vocab_size: V.
    """

    name: str
    model: type[SequenceModel]
    config: ModelOptions
    context: int
    vocab_size: int

    @classmethod
    def of(cls, call: Call, *, context: int, vocab_size: int) -> "Subject":
        """The model that a call names.

        Raises:
            RegistryError, UsageError: no such model, or options that it does not take.
        """
        model = MODELS.get(call.name)
        return cls(str(call), model, model_config(model, call.options, call.name), context, vocab_size)

    def build(
        self, *, seed: int = 0, config: ModelOptions | None = None, vocab_size: int | None = None
    ) -> SequenceModel:
        """Build a model as for training, in training mode and float32."""
        size = vocab_size or self.vocab_size
        return build(self.model, config or self.config, vocab_size=size, context=self.context, seed=seed)

    def build_perturbed(self, dtype: torch.dtype | None = None, *, seed: int = 0) -> SequenceModel:
        """Build a model in evaluation mode with perturbed weights and statistics, so that zeros hide no path.

        It has `dtype`, or the most precise type that it can compute in, before its first call: what it caches is then
        of that type too. The same seed gives the same model.
        """
        model = cast_model(self.build(seed=seed), dtype or self.precise_dtype)
        with isolated(CPU, seed=seed), torch.no_grad():
            perturb_weights(model)
            model(self.tokens(4, min(2 * self.context, LONGEST_FIRST) + 1))
        return model.eval()

    def at_short_context(self) -> "Subject":
        """The model at the least context from 8 to 16 that it accepts: long enough to tell, short enough to train."""
        for context in range(8, 17):
            other = replace(self, context=context)
            with suppress(ZooError):
                other.build()
                return other
        return self

    @cached_property
    def precise_dtype(self) -> torch.dtype:
        """float64, or float32 where the model cannot be moved to float64 or computes a part in lower precision."""
        try:
            model = self.build().double().eval()
            with _PrecisionWatch() as narrow:
                compute_logits(model, self.tokens(1, 2))
        except Exception:
            return torch.float32
        return torch.float32 if narrow.found else torch.float64

    @property
    def tolerance(self) -> float:
        """Relative change of logits that rounding alone may cause at `precise_dtype`."""
        return ROUNDING[self.precise_dtype]

    def tokens(self, B: int, T: int, *, seed: int = 0) -> Tensor:
        """Random tokens (B, T), the same every time."""
        return torch.randint(self.vocab_size, (B, T), generator=torch.Generator().manual_seed(seed))

    def unseen_tokens(self, B: int, T: int) -> Tensor:
        """Random tokens (B, T), or fewer rows if the logits were too many; never the same ones twice."""
        return begin_with_boundary(
            self.tokens(self.fitting_rows(B, T), T, seed=next(_calls)), documents=(B, T) in DOCUMENTS
        )

    def fitting_rows(self, B: int, T: int) -> int:
        """B rows of T tokens, or fewer where their logits would be more than `MOST_LOGITS`; at least 2."""
        return max(2, min(B, MOST_LOGITS // (T * self.vocab_size)))

    def other_tokens(self, tokens: Tensor) -> Tensor:
        """Replace each token by a different one."""
        return (tokens + 1) % self.vocab_size


def compute_logits(model: nn.Module, tokens: Tensor, *, gradients: bool = False) -> Tensor:
    """(B, T) -> (B, T, V), with or without gradients recorded, and with the same random numbers in every call."""
    with isolated(CPU, seed=1), torch.set_grad_enabled(gradients):
        logits: Tensor = model(tokens)
    return logits.detach().clone() if isinstance(logits, Tensor) else logits  # it may return the same memory again


def begin_with_boundary(tokens: Tensor, *, documents: bool) -> Tensor:
    """Let rows begin with the boundary if they are documents."""
    return pad(tokens[:, 1:], (1, 0), value=BOUNDARY) if documents else tokens


def cast_model(model: SequenceModel, dtype: torch.dtype) -> SequenceModel:
    """Cast a model to float32 or float64; complex parameters stay complex, unlike with `to`."""
    return model.double() if dtype is torch.float64 else model.float()


class _PrecisionWatch(TorchDispatchMode):
    """A mode that notes whether something is computed in less than float64."""

    found = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.found |= any(isinstance(leaf, Tensor) and leaf.dtype in LOW_PRECISION for leaf in tree_leaves(result))
        return result


def relative_difference(one: Tensor, other: Tensor) -> float:
    """Largest difference, relative to the largest value (or to 1, if that is smaller); infinite for nan."""
    if not one.numel():
        return 0.0
    difference = (one - other).abs().max().item() / max(1.0, one.abs().max().item())
    return difference if difference == difference else float("inf")
