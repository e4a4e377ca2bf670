"""The model under check: its class, options and sizes, and helpers that build and call it."""

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
"""Largest relative change of logits that rounding may cause."""
LOW_PRECISION = (torch.float32, torch.complex64, torch.bfloat16, torch.float16)
DOCUMENTS = tuple((MAX_TOKENS // T, T) for T in (8, 340))
SCORED = (*DOCUMENTS, (MAX_TOKENS // 64, 64))
"""Shapes (B, T) of evaluation batches: short documents, long documents, a stream."""
FEWER_SCORED = ((MAX_TOKENS // 64, 16),)
"""Shapes (B, T) of evaluation batches at a long context, where only causality tries those of `SCORED`."""
LONG_CONTEXT, BEYOND = 128, 32
"""Context from which checks take fewer rows, and how many tokens they then go beyond it. Most mistakes break a model at
short contexts too; what is checked at a long one is that the model of that size is right."""
MOST_LOGITS = 1 << 25
"""Maximum number of logits in a batch of a check."""
LONGEST_FIRST = 32
"""Maximum length, less 1, of the rows in a model's first call."""
_calls = count(1 << 32)
"""Unused seeds, for tokens that no model in this process has seen."""


@dataclass(frozen=True)
class Subject:
    """A model under check.

    Args:
        name: the call as the user wrote it.
        model: class of the model.
        config: options of the model.
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
        """Look up the model that a call names.

        Raises:
            RegistryError, UsageError: the model is unknown, or does not accept the options.
        """
        model = MODELS.get(call.name)
        return cls(str(call), model, model_config(model, call.options, call.name), context, vocab_size)

    def build(
        self, *, seed: int = 0, config: ModelOptions | None = None, vocab_size: int | None = None
    ) -> SequenceModel:
        """Build the model as training does: in training mode and float32."""
        size = vocab_size or self.vocab_size
        return build(self.model, config or self.config, vocab_size=size, context=self.context, seed=seed)

    def build_perturbed(self, dtype: torch.dtype | None = None, *, seed: int = 0) -> SequenceModel:
        """Build a model in evaluation mode with perturbed weights and statistics, because zeros would hide dependences.

        It is cast to `dtype` (default: `precise_dtype`) before its first call, so that its caches have that dtype too.
        The same seed gives the same model.
        """
        model = cast_model(self.build(seed=seed), dtype or self.precise_dtype)
        with isolated(CPU, seed=seed), torch.no_grad():
            perturb_weights(model)
            model(self.tokens(2 if self.long else 4, min(2 * self.context, LONGEST_FIRST) + 1))
        return model.eval()

    def at_short_context(self) -> "Subject":
        """Return the model at the smallest context from 8 to 16 that it accepts, for quick training; else unchanged."""
        for context in range(8, 17):
            other = replace(self, context=context)
            with suppress(ZooError):
                other.build()
                return other
        return self

    @cached_property
    def precise_dtype(self) -> torch.dtype:
        """float64, or float32 if the model cannot compute in float64 or computes a part in lower precision."""
        try:
            model = self.build().double().eval()
            with _PrecisionWatch() as narrow:
                compute_logits(model, self.tokens(1, 2))
        except Exception:
            return torch.float32
        return torch.float32 if narrow.found else torch.float64

    @property
    def tolerance(self) -> float:
        """Largest relative change of logits that rounding may cause in `precise_dtype`."""
        return ROUNDING[self.precise_dtype]

    @property
    def long(self) -> bool:
        """Whether the context is at least `LONG_CONTEXT`."""
        return self.context >= LONG_CONTEXT

    @property
    def scored(self) -> tuple[tuple[int, int], ...]:
        """Shapes (B, T) of evaluation batches."""
        return FEWER_SCORED if self.long else SCORED

    @property
    def further_dtype(self) -> torch.dtype | None:
        """Type of calls that vary one made in `precise_dtype`: float32 at a long context, None for the same type."""
        return torch.float32 if self.long else None

    def beyond(self, factor: int) -> int:
        """Return `factor` times N, or N + `BEYOND` at a long context: the length of a row that goes beyond N."""
        return self.context + BEYOND if self.long else factor * self.context

    def tokens(self, B: int, T: int, *, seed: int = 0) -> Tensor:
        """Return random tokens (B, T), the same for the same seed."""
        return torch.randint(self.vocab_size, (B, T), generator=torch.Generator().manual_seed(seed))

    def unseen_tokens(self, B: int, T: int) -> Tensor:
        """Return random tokens (B, T), different in every call; fewer rows as in `fitting_rows`."""
        return begin_with_boundary(
            self.tokens(self.fitting_rows(B, T), T, seed=next(_calls)), documents=(B, T) in DOCUMENTS
        )

    def fitting_rows(self, B: int, T: int) -> int:
        """Return the number of rows of T tokens, at most B, whose logits are at most `MOST_LOGITS`; at least 2."""
        return max(2, min(B, MOST_LOGITS // (T * self.vocab_size)))

    def other_tokens(self, tokens: Tensor) -> Tensor:
        """Replace each token by a different one."""
        return (tokens + 1) % self.vocab_size


def compute_logits(model: nn.Module, tokens: Tensor, *, gradients: bool = False) -> Tensor:
    """Compute logits, (B, T) -> (B, T, V), with the same random numbers in every call; `gradients` records them."""
    with isolated(CPU, seed=1), torch.set_grad_enabled(gradients):
        logits: Tensor = model(tokens)
    return logits.detach().clone() if isinstance(logits, Tensor) else logits  # a later call may reuse its memory


def begin_with_boundary(tokens: Tensor, *, documents: bool) -> Tensor:
    """Replace the first token of every row by the boundary if the rows are documents."""
    return pad(tokens[:, 1:], (1, 0), value=BOUNDARY) if documents else tokens


def cast_model(model: SequenceModel, dtype: torch.dtype) -> SequenceModel:
    """Cast a model to float32 or float64. Complex parameters stay complex, unlike with `to`."""
    return model.double() if dtype is torch.float64 else model.float()


class _PrecisionWatch(TorchDispatchMode):
    """Dispatch mode that records whether an operation gives less than float64 precision."""

    found = False

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Return False: with True the first call loads torch's compiler."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.found |= any(isinstance(leaf, Tensor) and leaf.dtype in LOW_PRECISION for leaf in tree_leaves(result))
        return result


def relative_difference(one: Tensor, other: Tensor) -> float:
    """Return the largest absolute difference, divided by max(1, largest absolute value of `one`); infinite for nan."""
    if not one.numel():
        return 0.0
    difference = (one - other).abs().max().item() / max(1.0, one.abs().max().item())
    return difference if difference == difference else float("inf")
