"""Generation for any model, through its streaming state."""

import torch
from torch import Tensor

from zoo.models.interface import SequenceModel
from zoo.tokens import BOUNDARY


def choose(logits: Tensor, *, temperature: float, top_k: int | None, generator: torch.Generator) -> Tensor:
    """(B, V) -> (B,) drawn from softmax(logits / temperature) over the `top_k` likeliest; at 0 the likeliest itself."""
    if temperature == 0:
        return logits.argmax(dim=-1)
    if top_k is not None and top_k < logits.shape[-1]:
        kept = logits.topk(top_k, dim=-1)
        logits = torch.full_like(logits, float("-inf")).scatter(-1, kept.indices, kept.values)
    return torch.multinomial(
        torch.softmax((logits - logits.max(-1, keepdim=True).values).float() / temperature, dim=-1),
        1,
        generator=generator,
    ).squeeze(1)


@torch.no_grad()
def generate(
    model: SequenceModel,
    prompt: Tensor,
    *,
    count: int,
    length: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    stops: bool = True,
    seed: int = 0,
) -> list[list[int]]:
    """`count` continuations of one prompt in evaluation mode.

    Args:
        prompt: (T,) tokens that every sample starts with, T >= 0, on the model's device; the boundary token before
            them is added here.
        length: tokens after the prompt, at most.
        stops: a boundary token ends a sample (documents); otherwise it is never drawn (streams).
        seed: samples with the same seed are the same.

    Returns:
        The tokens after the prompt, without boundaries.
    """
    device = prompt.device
    generator = torch.Generator(device).manual_seed(seed)
    start = torch.cat([torch.full((1,), BOUNDARY, device=device), prompt]).expand(count, -1)
    was_training = model.training
    model.eval()
    logits, state = model.prefill(start, model.begin(count))
    columns: list[Tensor] = []
    ended = torch.zeros(count, dtype=torch.bool, device=device)
    for _ in range(length):
        if not stops:
            logits[:, BOUNDARY] = float("-inf")
        token = choose(logits, temperature=temperature, top_k=top_k, generator=generator)
        token = token.masked_fill(ended, BOUNDARY)
        columns.append(token)
        ended |= token == BOUNDARY
        if ended.all():
            break
        logits, state = model.step(token, state)
    model.train(was_training)
    rows = torch.stack(columns, dim=1).tolist() if columns else [[] for _ in range(count)]
    return [[token for token in row if token != BOUNDARY] for row in rows]
