"""Convert a run's budget to steps; count the FLOPs and tokens of a step."""

from collections import Counter

import torch

from zoo.config import MOST_STEPS, RunConfig
from zoo.data.corpus import Corpus
from zoo.errors import UsageError
from zoo.experiments.runs.model import FoundModel
from zoo.models.interface import is_counted
from zoo.probes.flops import FlopCounter, Layout
from zoo.surroundings import forbid_changes

FLOP_BATCHES = 50
"""Number of batches over which FLOPs are averaged."""


def count_steps(config: RunConfig, model: FoundModel, corpus: Corpus) -> int | None:
    """Return the budget in steps; None if it is in seconds.

    Raises:
        UsageError: there is no budget, the model cannot spend it, or it has too many steps.
    """
    steps = _count_steps(config, model, corpus)
    if steps is not None and steps > MOST_STEPS:
        raise UsageError(f"The budget is {steps:,} steps, and a run has at most {MOST_STEPS:,}: give a smaller one.")
    return steps


def _count_steps(config: RunConfig, model: FoundModel, corpus: Corpus) -> int | None:
    training = config.training
    if training.tokens is not None:
        return max(1, round(training.tokens / tokens_per_step(config, corpus)))
    if training.flops is not None and is_counted(model.kind):
        return 1
    if training.flops is not None:
        try:
            per_step = flops_per_step(config, model, corpus)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            raise UsageError(f"FLOPs of model '{config.model.name}' cannot be counted: {reason}") from error
        if not per_step:
            raise UsageError(f"Model '{config.model.name}' multiplies nothing: it cannot spend a budget of FLOPs.")
        return max(1, round(training.flops / per_step))
    if training.budget is None:
        raise UsageError("No budget: give --steps, --train-tokens, --seconds or --flops.")
    return training.steps


def flops_per_step(config: RunConfig, model: FoundModel, corpus: Corpus) -> float:
    """Return FLOPs of a training step, the mean over the first batches of seed 0, the same for all seeds."""
    training, length, layout = config.training, row_length(config), row_layout(config, corpus)
    with forbid_changes(model.who, "in a training step"):
        counter = FlopCounter(model.build(config.init_seed), layout)
        if layout != "packed":
            return counter.training(length) * training.batch_size
        rows = corpus.rows("train", length=length, device=torch.device("cpu"))
        shapes = Counter(rows.batch(0, step, training.batch_size).shape for step in range(FLOP_BATCHES))
        return counter.total(shapes) / FLOP_BATCHES


def tokens_per_step(config: RunConfig, corpus: Corpus) -> float:
    """Return the mean number of target tokens of a training step."""
    per_row = 1.0 if config.training.rows == "windows" else corpus.row_targets(row_length(config))
    return per_row * config.training.batch_size


def row_length(config: RunConfig) -> int:
    """Return T, the number of tokens of a stream's row or of a window."""
    return config.training.length or config.context


def row_layout(config: RunConfig, corpus: Corpus) -> Layout:
    """Return the layout of a run's batches."""
    if config.training.rows == "windows":
        return "windows"
    return "dense" if corpus.has_equal_rows else "packed"
