"""The losses of a run computed again: in all and document by document, from its weights and from those of its seed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from zoo.data.splits import SPLITS
from zoo.errors import RunError
from zoo.experiments.cell import make_model
from zoo.experiments.differences import TOLERANCE, compare, told
from zoo.experiments.record import Run
from zoo.experiments.remade import Remade
from zoo.models.build import count_buffers
from zoo.models.interface import SequenceModel
from zoo.training.checkpoint import load_weights
from zoo.training.device import isolated
from zoo.training.evaluation import Score, evaluate

A_DOCUMENT = 1e-4
"""Relative, and in nats: of one document's loss. Orders of addition differ more there than in the mean of a split."""


def loss_differences(run: Run, remade: Remade) -> Iterator[str]:
    """The losses of the best weights, those of every document, and the first one of the curve, of the untrained model.

    Raises:
        RunError: weights or losses are damaged.
    """
    result, config, where = run.result, run.recorded.run, remade.device
    scored = [split for split in SPLITS if getattr(result, f"{split}_loss") is not None]
    stored = _read_losses(run.directory)
    held = {f"{split}.{kind}" for split in scored if split != "train" for kind in ("nats", "tokens")}
    yield from compare("losses.safetensors holds", sorted(stored), sorted(held))
    vocab_size = len(remade.corpus(config.data).vocabulary)
    model = make_model(config, vocab_size)
    load_weights(model, run.directory / "weights.safetensors", result.weights_sha256)
    if result.best_step is None:
        return  # it diverged at its first evaluation, and has no loss
    if result.buffers is not None:
        yield from compare("buffers", result.buffers, count_buffers(model, make_model(config, vocab_size)))

    def score(model: SequenceModel, split: str) -> Score:
        rows = remade.rows(config, split, where)
        with isolated(where, threads=config.training.threads):
            return evaluate(model.to(where), rows, device=where, dtype=config.training.dtype)

    for split in scored:
        recorded, again = getattr(result, f"{split}_loss"), score(model, split)
        yield from compare(f"{split} loss", recorded, again.loss, tolerance=TOLERANCE)
        if split != "train":
            yield from _documents(split, recorded, stored[f"{split}.nats"], stored[f"{split}.tokens"], again)
    if not scored:
        best = min(point.validation_loss for point in run.curve)
        again = score(model, "validation")
        yield from compare("best validation loss of the curve", best, again.loss, tolerance=TOLERANCE)
    if result.best_step > 0:
        first = score(make_model(config, vocab_size), "validation").loss
        yield from compare(
            "validation loss of the curve at step 0", run.curve[0].validation_loss, first, tolerance=TOLERANCE
        )


def _documents(
    split: str, recorded: float, nats: NDArray[np.float64], tokens: NDArray[np.int64], again: Score
) -> Iterator[str]:
    """Both arrays of a split, document by document."""
    if nats.shape != again.nats.shape or tokens.shape != again.tokens.shape:
        yield told(f"documents of {split}", (nats.shape, tokens.shape), again.nats.shape)
    for index in np.flatnonzero(tokens != again.tokens):
        yield told(f"tokens of document {index} of {split}", tokens[index], again.tokens[index])
    yield from compare(
        f"{split} loss (of its documents)", recorded, float(nats.sum() / tokens.sum()), tolerance=TOLERANCE
    )
    for index in np.flatnonzero(~np.isclose(nats, again.nats, rtol=A_DOCUMENT, atol=A_DOCUMENT)):
        yield told(f"nats of document {index} of {split}", nats[index], again.nats[index])


def _read_losses(directory: Path) -> dict[str, NDArray[Any]]:
    try:
        return load_file(directory / "losses.safetensors")
    except (OSError, SafetensorError) as error:
        raise RunError(f"The losses of the documents of '{directory}' cannot be read: {error}") from None
