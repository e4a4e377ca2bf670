"""Find what logits must not depend on: random numbers, earlier calls, later tokens, other rows."""

import random

import numpy as np
import torch
from torch import Tensor

from zoo.models.interface import SequenceModel
from zoo.probes.future import mask_future, replace_future

DRAWS = "it draws random numbers: look at self.training (F.dropout takes training=self.training)."
KEEPS = (
    "it keeps something from one call to the next (a hidden state, a cache that is not reset): begin every call anew."
)
REPEATS = "is not deterministic in evaluation mode: the same tokens give other logits the second time, because"
AHEAD = "looks ahead: its logits change when a later token does. It must be causal."
MIXES = (
    "mixes the rows of a batch: the logits of a row change when other rows do. Rows must not see each other in "
    "evaluation mode (torch's recurrent and attention layers need batch_first=True, for one)."
)


def describe_dependence(model: SequenceModel, tokens: Tensor) -> str | None:
    """Describe what logits in evaluation mode wrongly depend on, as the rest of a sentence; None if on nothing.

    Looking ahead is reported only if the same tokens give the same logits before and after the probe: otherwise the
    model draws random numbers or keeps something from one call to the next, and that is reported.

    Args:
        tokens: (B, T), at least two rows of two tokens.
    """

    def logits(given: Tensor) -> Tensor:
        result: Tensor = model(given.clone())
        return result.clone()  # a model may return the same memory again

    def repeats() -> bool:
        return _close(logits(tokens), expected)

    def agrees(cuts: Tensor) -> bool:
        """Whether logits up to the cuts (B,) stay the same when all later tokens change."""
        return _close(mask_future(logits(replace_future(tokens, others, cuts)), cuts), mask_future(expected, cuts))

    rows, length = tokens.shape
    before, others, expected = random_state(), (tokens + 1) % model.vocab_size, logits(tokens)
    if repeats():
        if agrees(torch.arange(rows) % (length - 1)):  # rows that see each other do not, since each changes elsewhere
            return None
        ahead = not all(agrees(torch.full((rows,), t)) for t in range(length - 1))
        if repeats():
            return AHEAD if ahead else MIXES
    return f"{REPEATS} {DRAWS if random_state() != before else KEEPS}"


def random_state() -> tuple[object, ...]:
    """The states of the random generators: torch's on the CPU, Python's, numpy's."""
    return torch.get_rng_state().numpy().tobytes(), random.getstate(), str(np.random.get_state())


def _close(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one, other, rtol=1e-4, atol=1e-5, equal_nan=True)
