"""Detect forbidden dependences of logits: on random numbers, earlier calls, later tokens or other rows."""

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
    """Describe a forbidden dependence of logits in evaluation mode, as the rest of a sentence; None if there is none.

    If the same tokens give other logits before and after the probe, it reports random numbers or kept state, because
    those would also look like a dependence on later tokens.

    Args:
        tokens: (B, T), at least two rows of two tokens.
    """

    def logits(given: Tensor) -> Tensor:
        result: Tensor = model(given.clone())
        return result.clone()  # a later call may reuse its memory

    def repeats() -> bool:
        return _close(logits(tokens), expected)

    def agrees(cuts: Tensor) -> bool:
        """Return whether logits up to the cuts (B,) stay the same when all later tokens change."""
        return _close(mask_future(logits(replace_future(tokens, others, cuts)), cuts), mask_future(expected, cuts))

    rows, length = tokens.shape
    before, others, expected = random_state(), (tokens + 1) % model.vocab_size, logits(tokens)
    if repeats():
        if agrees(torch.arange(rows) % (length - 1)):  # fails for rows that see each other: cuts differ
            return None
        ahead = not all(agrees(torch.full((rows,), t)) for t in range(length - 1))
        if repeats():
            return AHEAD if ahead else MIXES
    return f"{REPEATS} {DRAWS if random_state() != before else KEEPS}"


def random_state() -> tuple[object, ...]:
    """Return the states of the random generators of torch (CPU), Python and numpy."""
    return torch.get_rng_state().numpy().tobytes(), random.getstate(), str(np.random.get_state())


def _close(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one, other, rtol=1e-4, atol=1e-5, equal_nan=True)
