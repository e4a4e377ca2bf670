"""Hold an exported file against its model, on other numbers of rows and tokens than those it was traced with."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from zoo.errors import RunError
from zoo.exporting.form import Form
from zoo.models.interface import SequenceModel
from zoo.sampling import stream
from zoo.tokens import BOUNDARY

TOLERANCE = 1e-4
"""Largest difference of logits, relative to the largest logit where that is above 1."""
SHORTEST, LONGEST = 70, 520
"""Bounds of the longest row that is checked: more than the first places of a cache; not minutes."""


class Checked(NamedTuple):
    """Largest difference found, and the shapes of the tokens that were compared."""

    difference: float
    shapes: tuple[tuple[int, int], ...]


@torch.no_grad()
def check(model: SequenceModel, exported: Callable[..., Any], form: Form) -> Checked:
    """Compare an exported function with its model on tokens of three shapes.

    Raises:
        RunError: it fails on one of them, or gives other logits.
    """
    longest = min(max(model.context + 2, SHORTEST), LONGEST)
    shapes, largest = ((1, 1), (2, 8), (4, longest)), 0.0
    for shape in shapes:
        try:
            for given, wanted in _compare(model, exported, form, draw_tokens(model, *shape)):
                largest = max(largest, measure_difference(given, wanted))
        except Exception as error:
            raise RunError(f"it fails on tokens of shape {shape}: {' '.join(str(error).split())[:200]}") from error
        if not largest <= TOLERANCE:
            raise RunError(f"its logits differ by {largest:.2g} on tokens of shape {shape}")
    return Checked(largest, shapes)


def draw_tokens(model: SequenceModel, rows: int, length: int) -> Tensor:
    """(B, T) tokens after a boundary: the first row at random, the others texts of the model's own."""
    generator = torch.Generator().manual_seed(rows)
    tokens = torch.randint(model.vocab_size, (rows, length), generator=generator)
    tokens[:, 0] = BOUNDARY
    if length > 1 and rows > 1:
        drawn = stream(model, tokens[0, :0], count=rows - 1, length=length - 1, stops=False, seed=rows)
        tokens[1:, 1:] = torch.stack(list(drawn), dim=1)
    return tokens


def measure_difference(given: Tensor, wanted: Tensor) -> float:
    """The largest difference, divided by the largest number if that is above 1; infinite for other shapes or NaN."""
    if given.shape != wanted.shape:
        return float("inf")
    apart = torch.where(given == wanted, 0.0, (given - wanted).abs()).max().item()
    scale = max(1.0, wanted[wanted.isfinite()].abs().amax().item() if wanted.isfinite().any() else 1.0)
    return apart / scale if apart == apart else float("inf")


def _compare(
    model: SequenceModel, exported: Callable[..., Any], form: Form, tokens: Tensor
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the exported logits and the model's, of all positions or of every step."""
    if form.fresh is None:
        yield exported(tokens), model(tokens)
        return
    rows = len(tokens)
    state = {name: tensor.repeat(rows, *[1] * (tensor.dim() - 1)) for name, tensor in form.fresh.items()}
    own = model.begin(rows)
    for token in tokens.unbind(1):
        given, state = exported(token, state)
        wanted, own = model.step(token, own)
        yield given, wanted
