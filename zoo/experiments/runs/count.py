"""Fit a model of counts to the text of a run: one call instead of a training loop."""

import torch

from zoo.data.corpus import Corpus
from zoo.data.rows import Rows
from zoo.models.interface import SequenceModel
from zoo.training.device import Stopwatch
from zoo.training.evaluation import evaluate
from zoo.training.loop import Fit, Point
from zoo.training.model_state import copy_state, restore_state


def fit_to(model: SequenceModel, corpus: Corpus) -> str:
    """Fit a model of counts to the training split of a corpus; return what it says of the fit."""
    train, validation = (
        corpus.tokens[split].flat[: corpus.targets[split] + 1] for split in ("train", "validation")
    )  # of a stream without the boundary after it, which is no target
    return model.fit_counts(train, validation)


def count(
    model: SequenceModel,
    evaluated: SequenceModel,
    corpus: Corpus,
    validation: Rows,
    *,
    device: torch.device,
    dtype: str,
) -> Fit:
    """Fit `model` and evaluate it once, through its state in another model: no steps, and a curve of one point.

    Args:
        evaluated: another model of the same class, on the device.
        validation: rows on the device.

    Raises:
        RunError: as `evaluate`.
    """
    clock = Stopwatch(device)
    clock.start()
    counted = fit_to(model, corpus)
    clock.stop()
    restore_state(evaluated, copy_state(model))
    loss = evaluate(evaluated, validation, device=device, dtype=dtype).loss
    point = Point(0, corpus.targets["train"], clock.seconds, None, loss)
    return Fit(curve=[point], best=point, tokens=point.tokens, seconds=point.seconds, counted=counted)
