"""Turn a run's budget into steps, and say what a step takes."""

from collections import Counter

import torch

from zoo.config import MOST_STEPS, RunConfig
from zoo.data.corpus import Corpus
from zoo.errors import UsageError
from zoo.experiments.runs.model import FoundModel
from zoo.probes.flops import FlopCounter, Layout
from zoo.surroundings import forbid_changes

FLOP_BATCHES = 50
"""Batches whose FLOPs stand for all."""


def count_steps(config: RunConfig, model: FoundModel, corpus: Corpus) -> int | None:
    """The budget in steps, whichever of the four it is; None where it is in seconds.

    Raises:
        UsageError: no budget, one that the model cannot spend, or one of too many steps.
    """
    steps = _count_steps(config, model, corpus)
    if steps is not None and steps > MOST_STEPS:
        raise UsageError(f"The budget is {steps:,} steps, and a run has at most {MOST_STEPS:,}: give a smaller one.")
    return steps


def _count_steps(config: RunConfig, model: FoundModel, corpus: Corpus) -> int | None:
    training = config.training
    if training.tokens is not None:
        return max(1, round(training.tokens / tokens_per_step(config, corpus)))
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
    """FLOPs of a training step: the mean over the batches of the first steps of seed 0, the same for all seeds."""
    training, length, layout = config.training, row_length(config), row_layout(config, corpus)
    with forbid_changes(model.who, "in a training step"):
        counter = FlopCounter(model.build(config.init_seed), layout)
        if layout != "packed":
            return counter.training(length) * training.batch_size
        rows = corpus.rows("train", length=length, device=torch.device("cpu"))
        shapes = Counter(rows.batch(0, step, training.batch_size).shape for step in range(FLOP_BATCHES))
        return counter.total(shapes) / FLOP_BATCHES


def tokens_per_step(config: RunConfig, corpus: Corpus) -> float:
    """Target tokens of a training step, in the mean."""
    per_row = 1.0 if config.training.rows == "windows" else corpus.row_targets(row_length(config))
    return per_row * config.training.batch_size


def row_length(config: RunConfig) -> int:
    """T, how many tokens a row of a stream has, and a window."""
    return config.training.length or config.context


def row_layout(config: RunConfig, corpus: Corpus) -> Layout:
    """How the rows of a run's batches lie."""
    if config.training.rows == "windows":
        return "windows"
    return "dense" if corpus.is_stream else "packed"
