"""Generate from any model through its streaming state: `stream` yields tokens one by one, `generate` collects them.

boundary and prompt -> prefill -> choose -> step -> choose -> step ...
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from zoo.errors import RunError
from zoo.models.interface import SequenceModel
from zoo.surroundings import torch_seed
from zoo.tokens import BOUNDARY

LEAST = torch.finfo(torch.float32).tiny
"""Lowest temperature above 0; a lower one would be 0 in float32."""


def choose(
    logits: Tensor,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """(B, V) -> (B,): tokens drawn from softmax(logits / temperature); the likeliest ones at temperature 0.

    Args:
        top_k: draw from the k likeliest tokens (Fan et al. 2018, section 5.4).
        top_p: of these, draw from the smallest set of likeliest tokens that holds this share of the probability, at
            least one (nucleus sampling, Holtzman et al. 2020, section 3.1).

    Raises:
        RunError: the largest logit of a row is not finite.
    """
    largest = logits.amax(-1, keepdim=True)
    if not largest.isfinite().all():
        raise RunError("No token can be drawn: the largest logit of the model is not a finite number.")
    if temperature == 0:
        return logits.argmax(dim=-1)
    logits = (logits - largest).float() / max(temperature, LEAST)
    if top_k is not None or top_p is not None:
        likeliest = logits.sort(dim=-1, descending=True, stable=True)
        share = torch.softmax(likeliest.values[:, :top_k], dim=-1)  # (B, k)
        before = share.cumsum(dim=-1) - share  # the sum over likelier tokens
        dropped = torch.ones_like(logits, dtype=torch.bool)
        dropped[:, : share.shape[1]] = before >= (top_p or 2.0)
        dropped[:, 0] = False
        logits = logits.masked_fill(dropped.gather(-1, likeliest.indices.argsort(dim=-1)), float("-inf"))
    return torch.multinomial(torch.softmax(logits, dim=-1), 1, generator=generator).squeeze(1)


@torch.no_grad()
def stream(
    model: SequenceModel,
    prompt: Tensor,
    *,
    count: int,
    length: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    opens: bool = True,
    stops: bool = True,
    seed: int = 0,
) -> Iterator[Tensor]:
    """Sample `count` continuations of one prompt in evaluation mode; yields their next tokens, (count,), at each step.

    Args:
        prompt: (T,) tokens that every sample starts with, T >= 0, on the model's device.
        count: number of samples.
        length: maximum number of tokens after the prompt.
        temperature, top_k, top_p: as in `choose`.
        opens: prepend a boundary token to the prompt; without it T >= 1.
        stops: for documents: a boundary token ends a sample, and fills the rest of it. If False, for streams, boundary
            tokens are never drawn.
        seed: the same seed gives the same samples.

    Raises:
        RunError: as `choose`.
    """
    device = prompt.device
    generator = torch.Generator(device).manual_seed(torch_seed(seed))
    start = torch.cat([torch.full((int(opens),), BOUNDARY, device=device), prompt]).repeat(count, 1)
    was_training = model.training
    model.eval()
    try:
        logits, state = model.prefill(start, model.begin(count))
        ended = torch.zeros(count, dtype=torch.bool, device=device)
        for remaining in range(length - 1, -1, -1):
            if not stops:
                logits = logits.index_fill(1, torch.tensor([BOUNDARY], device=device), float("-inf"))
            token = choose(logits, temperature=temperature, top_k=top_k, top_p=top_p, generator=generator)
            token = token.masked_fill(ended, BOUNDARY)
            yield token
            ended |= token == BOUNDARY
            if not remaining or ended.all():
                return
            logits, state = model.step(token, state)
    finally:
        model.train(was_training)


def generate(model: SequenceModel, prompt: Tensor, *, count: int, **options: Any) -> list[list[int]]:
    """Collect the tokens of `stream`, with the same options, into one list per sample, without boundary tokens."""
    columns = list(stream(model, prompt, count=count, **options))
    rows = torch.stack(columns, dim=1).tolist() if columns else [[] for _ in range(count)]
    return [[token for token in row if token != BOUNDARY] for row in rows]
