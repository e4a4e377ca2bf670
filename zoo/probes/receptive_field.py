"""How far back a model really looks, whatever it declares: the receptive field, found by a probe.

Two probes, of which each can only miss a dependence, never make one up; the longer field counts. The gradient of the
last logits with respect to the embeddings follows influences that fade, as those of a recurrent network do, to far
below what an addition would round away. Changing tokens sees what has no gradient, or no embedding.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.models.interface import SequenceModel
from zoo.surroundings import isolated
from zoo.tokens import BOUNDARY

CPU = torch.device("cpu")
SHORTEST = 64
"""Tokens that a probe looks back over at least."""
FURTHEST = 512
"""Tokens that it looks back over beyond a long field."""
ROWS, TOKENS = 16, 4096
"""Random rows of a probe; fewer of long ones, so that they hold no more than so many tokens together."""
FADED_GRADIENT, FADED_CHANGE = 1e20, 100
"""So near to the least that can be seen (times the smallest normal number, times the tolerance), what is before an
edge has faded and was not cut off: the field has no bound that was found."""


class ReceptiveField(NamedTuple):
    """What the probe found: the receptive field in tokens, None where it is all of the `length` that was probed."""

    field: int | None
    length: int


def find_receptive_field(make: Callable[[], SequenceModel]) -> ReceptiveField:
    """The receptive field of a model on the CPU, in evaluation mode and float64 (float32 where it takes no other).

    Args:
        make: gives a model to throw away: its weights are changed, so that no path hides behind one that starts at
            zero. It is called again for float32, since what a model keeps of a call may still be float64.

    Raises:
        Exception: whatever the model raises on random tokens.
    """
    model = make()
    known = max(model.context, model.receptive_field or 0)
    length = max(SHORTEST, known + min(2 * known, FURTHEST) + 3)
    rows = max(1, min(ROWS, TOKENS // length))
    with isolated(CPU, seed=0):
        try:
            found = _measure(_perturb(model).double(), rows, length)
        except Exception:
            found = _measure(_perturb(make()).float(), rows, length)
    return ReceptiveField(None if found == length else found, length)


def _perturb(model: SequenceModel) -> SequenceModel:
    perturb_weights(model)
    return model.eval()


def _measure(model: SequenceModel, rows: int, length: int) -> int:
    changed = field_by_change(model, rows, length)
    try:
        return max(changed, field_by_gradient(model, rows, length))
    except Exception:  # tokens that are beyond the vocabulary reach more than its embeddings
        return changed


def field_by_gradient(model: SequenceModel, rows: int, length: int) -> int:
    """How many of the last tokens of random rows have a gradient from the last logits, through the embeddings."""
    strongest, middle = gradient_by_position(model, rows, length), length // 2
    later = gradient_by_position(model, rows, length, at=middle)[middle + 1 :]
    noise = later.max()  # of a causal model it is rounding, which a Fourier transform, for one, has
    seen = (strongest > 10 * noise).nonzero()
    if not len(seen):
        return 0
    earliest = int(seen[0])
    faded = strongest[earliest] < max(FADED_GRADIENT * torch.finfo(strongest.dtype).tiny, 1e4 * noise.item())
    return length if faded else length - earliest


def gradient_by_position(model: SequenceModel, rows: int, length: int, at: int = -1) -> Tensor:
    """(T,), the largest gradient of the logits at a position of random rows with respect to every token's embedding.

    Every place of every row is a token of its own, numbered beyond the vocabulary, and the embeddings are looked up
    in a table that knows them: so it does not matter how a model arranges its tokens, in windows or one by one.

    Raises:
        ValueError: a model without an embedding of tokens, or whose gradient is not finite.
        Exception: a model that does more with its tokens than to look them up.
    """
    first = max(model.vocab_size, length) + 1  # beyond what a table of positions is asked for
    tokens = first + torch.arange(rows * length).view(rows, length)
    usual = torch.randint(_lowest_token(model), model.vocab_size, (first + tokens.numel(),))
    usual[: model.vocab_size] = torch.arange(model.vocab_size)
    with torch.enable_grad(), _replace_embeddings(model, usual) as tables:
        logits = model(tokens)[:, at]
        gradients = torch.autograd.grad(logits, tables, torch.randn_like(logits), allow_unused=True)
    size = torch.zeros(rows, length, dtype=logits.dtype)
    for gradient in gradients:
        if gradient is not None:
            size = size.maximum(gradient[first:].abs().amax(dim=1).view(rows, length))
    if not size.isfinite().all():
        raise ValueError("a gradient is not finite")
    return size.amax(dim=0)


def field_by_change(model: SequenceModel, rows: int, length: int) -> int:
    """The least number of last tokens of random rows that the last logits stay the same with, whatever is before."""
    lowest = _lowest_token(model)
    kinds = model.vocab_size - lowest
    tokens = torch.randint(lowest, model.vocab_size, (rows, length))
    other = lowest + (tokens - lowest + torch.randint(min(1, kinds - 1), kinds, tokens.shape)) % kinds
    expected = _last_logits(model, tokens)
    tolerance = 100 * torch.finfo(expected.dtype).eps * max(1.0, expected.abs().max().item())

    def change(kept: int) -> float:
        """How much the last logits move when everything before the last `kept` tokens does."""
        changed = torch.cat([other[:, : length - kept], tokens[:, length - kept :]], dim=1)
        return (_last_logits(model, changed) - expected).abs().max().item()

    enough, few, edge = length, -1, 0.0  # enough tokens allow no change, few do; the least change that was seen
    while enough - few > 1:
        middle = (enough + few) // 2
        moved = change(middle)
        if moved > tolerance:
            few, edge = middle, moved
        else:
            enough = middle
    return length if 0 < edge < FADED_CHANGE * tolerance else enough


def _last_logits(model: SequenceModel, tokens: Tensor) -> Tensor:
    """(B, T) -> (B, V); a model that draws random numbers draws the same ones every time."""
    with torch.no_grad(), isolated(CPU, seed=1):
        logits: Tensor = model(tokens)[:, -1]
    if not logits.isfinite().all():
        raise ValueError("a logit is not finite")
    return logits


def _lowest_token(model: SequenceModel) -> int:
    """The first token of random rows: not the boundary, which a model may treat as the end of all before it."""
    return BOUNDARY + 1 if model.vocab_size > 2 else BOUNDARY


def perturb_weights(model: SequenceModel) -> None:
    """Move every weight by random noise, so that no path hides behind one that starts at zero."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.5 / max(parameter.shape[-1:], default=1) ** 0.5)


@contextmanager
def _replace_embeddings(model: SequenceModel, usual: Tensor) -> Iterator[Sequence[Tensor]]:
    """Tables instead of the embeddings of tokens: row i is the embedding of the token usual[i]."""
    embeddings = [
        module
        for module in model.modules()
        if isinstance(module, nn.Embedding) and module.num_embeddings >= model.vocab_size
    ]
    if not embeddings:
        raise ValueError("no embedding of tokens")
    tables = [module.weight.detach()[usual].requires_grad_() for module in embeddings]
    own = [module.__dict__.get("forward") for module in embeddings]  # of a library that has wrapped it
    for module, table in zip(embeddings, tables, strict=True):
        module.forward = partial(_look_up, table)  # type: ignore[method-assign]
    try:
        yield tables
    finally:
        for module, forward in zip(embeddings, own, strict=True):
            del module.forward
            if forward is not None:
                module.forward = forward  # type: ignore[method-assign]


def _look_up(table: Tensor, index: Tensor) -> Tensor:
    return F.embedding(index, table)
