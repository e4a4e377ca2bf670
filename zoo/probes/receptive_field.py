"""Measure the receptive field of a model: how many of the last tokens its last logits depend on.

Each of two probes may miss a dependence but never invents one, so the longer result counts. Gradients of the last
logits with respect to embeddings show influences too small to survive rounding, as in a recurrent network. Changing
tokens shows dependences without a gradient or an embedding.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.functional import pad

from zoo.models.interface import SequenceModel, is_counted
from zoo.surroundings import isolated
from zoo.tokens import BOUNDARY

CPU = torch.device("cpu")
SHORTEST = 64
"""Minimum number of tokens that a probe covers."""
FURTHEST = 512
"""Maximum number of tokens that a probe covers beyond a known receptive field."""
ROWS, TOKENS = 16, 2048
"""Maximum number of random rows of a probe, and of tokens of all its rows."""
FEW = 4
"""Kinds of tokens, with the boundary, in half of the random text that a model of counts counts."""
FADED_GRADIENT, FADED_CHANGE = 1e20, 100
"""An influence at the edge of the field has faded rather than ended, so there is no bound, if it is below this factor
times the smallest normal number (gradient) or times the tolerance (change)."""


class ReceptiveField(NamedTuple):
    """A measured receptive field in tokens. `field` is None if it covers all `length` probed tokens."""

    field: int | None
    length: int


def find_receptive_field(make: Callable[[], SequenceModel]) -> ReceptiveField:
    """Measure the receptive field on the CPU, in evaluation mode and float64 (float32 if float64 fails).

    Args:
        make: builds a model whose weights may be perturbed, because weights initialised to zero hide dependences. It is
            called again for float32, since a model may cache tensors in float64.

    Raises:
        Exception: any exception of the model on random tokens.
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
    changed = measure_by_change(model, rows, length)
    try:
        return max(changed, measure_by_gradient(model, rows, length))
    except Exception:  # a model may compute with tokens, and those of the probe exceed the vocabulary
        return changed


def measure_by_gradient(model: SequenceModel, rows: int, length: int) -> int:
    """Return how many of the last tokens of random rows the last logits have a gradient to, through the embeddings."""
    strongest, middle = gradient_by_position(model, rows, length), length // 2
    later = gradient_by_position(model, rows, length, at=middle)[middle + 1 :]
    noise = later.max()  # rounding, if the model is causal; a Fourier transform has some
    seen = (strongest > 10 * noise).nonzero()
    if not len(seen):
        return 0
    earliest = int(seen[0])
    faded = strongest[earliest] < max(FADED_GRADIENT * torch.finfo(strongest.dtype).tiny, 1e4 * noise.item())
    return length if faded else length - earliest


def gradient_by_position(model: SequenceModel, rows: int, length: int, at: int = -1) -> Tensor:
    """Return (T,), the largest gradient of the logits at position `at` of random rows to each token's embedding.

    Every position of every row gets a unique token beyond the vocabulary, and each embedding is replaced by a table
    with a row for it. So it does not matter whether a model arranges tokens in windows or one by one.

    Raises:
        ValueError: the model has no embedding of tokens, or a gradient is not finite.
        Exception: the model uses its tokens for more than an embedding.
    """
    first = max(model.vocab_size, length) + 1  # beyond the indices of a position embedding
    tokens = first + torch.arange(rows * length).view(rows, length)
    usual = torch.randint(_lowest_token(model), model.vocab_size, (first + tokens.numel(),))
    usual[: model.vocab_size] = torch.arange(model.vocab_size)
    with torch.enable_grad(), _replace_embeddings(model, usual) as tables:
        logits = model(tokens)[:, at]
        mixed = (logits * torch.randn_like(logits)).sum()  # `grad` of the logits themselves would load sympy
        gradients = torch.autograd.grad(mixed, tables, allow_unused=True)
    size = torch.zeros(rows, length, dtype=logits.dtype)
    for gradient in gradients:
        if gradient is not None:
            size = size.maximum(gradient[first:].abs().amax(dim=1).view(rows, length))
    if not size.isfinite().all():
        raise ValueError("a gradient is not finite")
    return size.amax(dim=0)


def measure_by_change(model: SequenceModel, rows: int, length: int) -> int:
    """Return how many of the last tokens of random rows determine the last logits, whatever precedes them."""
    lowest = _lowest_token(model)
    kinds = model.vocab_size - lowest
    tokens = torch.randint(lowest, model.vocab_size, (rows, length))
    other = lowest + (tokens - lowest + torch.randint(min(1, kinds - 1), kinds, tokens.shape)) % kinds
    expected = _last_logits(model, tokens)
    tolerance = 100 * torch.finfo(expected.dtype).eps * max(1.0, expected.abs().max().item())

    def change(kept: int) -> float:
        """Return the change of the last logits when everything before the last `kept` tokens changes."""
        changed = torch.cat([other[:, : length - kept], tokens[:, length - kept :]], dim=1)
        return (_last_logits(model, changed) - expected).abs().max().item()

    enough, few, edge = length, -1, 0.0  # `enough` tokens allow no change, `few` do, by `edge`
    likely = model.receptive_field or length - 1
    while enough - few > 1:
        middle = next((kept for kept in (likely, likely - 1) if few < kept < enough), (enough + few) // 2)
        moved = change(middle)
        if moved > tolerance:
            few, edge = middle, moved
        else:
            enough = middle
    return length if 0 < edge < FADED_CHANGE * tolerance else enough


def _last_logits(model: SequenceModel, tokens: Tensor) -> Tensor:
    """(B, T) -> (B, V), with the same random numbers in every call."""
    with torch.no_grad(), isolated(CPU, seed=1):
        logits: Tensor = model(tokens)[:, -1]
    if not logits.isfinite().all():
        raise ValueError("a logit is not finite")
    return logits


def _lowest_token(model: SequenceModel) -> int:
    """Return the lowest token for random rows, without the boundary: a model may forget the past there."""
    return BOUNDARY + 1 if model.vocab_size > 2 else BOUNDARY


def perturb_weights(model: SequenceModel) -> None:
    """Add random noise to every weight, because weights initialised to zero hide dependences.

    A model of counts counts a random text. Half of it has few kinds of tokens, so that long contexts recur.
    """
    if is_counted(type(model)):
        kinds = torch.tensor([[model.vocab_size], [min(FEW, model.vocab_size)]])
        text = _draw_text(kinds).numpy()
        model.fit_counts(text, text)  # so that the longest contexts are the best
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.5 / max(parameter.shape[-1:], default=1) ** 0.5)


def _draw_text(kinds: Tensor) -> Tensor:
    """(n, 1) numbers of kinds of tokens -> random documents, `0 d₁ 0 d₂ 0`, the same number of tokens for each."""
    tokens = torch.randint(2**31, (len(kinds), TOKENS)) % kinds
    return pad(tokens.flatten(), (1, 1), value=BOUNDARY)


@contextmanager
def _replace_embeddings(model: SequenceModel, usual: Tensor) -> Iterator[Sequence[Tensor]]:
    """Replace token embeddings by tables whose row i is the embedding of token usual[i]; yield the tables."""
    embeddings = [
        module
        for module in model.modules()
        if isinstance(module, nn.Embedding) and module.num_embeddings >= model.vocab_size
    ]
    if not embeddings:
        raise ValueError("no embedding of tokens")
    tables = [module.weight.detach()[usual].requires_grad_() for module in embeddings]
    own = [module.__dict__.get("forward") for module in embeddings]  # set by a library that wraps it
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
