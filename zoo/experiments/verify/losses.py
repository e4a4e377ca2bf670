"""Verify the losses of a run, in total and document by document, from its stored and its initial weights."""

import hashlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.data.splits import SPLITS
from zoo.experiments.records.detail import detail_names
from zoo.experiments.records.reading import LARGEST, read_scores
from zoo.experiments.records.run import LOSSES, WEIGHTS, Run
from zoo.experiments.runs.count import fit_to
from zoo.experiments.runs.floor import find_impossible_score
from zoo.experiments.runs.score import score_stored
from zoo.experiments.verify.diff import TOLERANCE, compare_values, describe
from zoo.experiments.verify.rebuild import Rebuild
from zoo.experiments.verify.tokens import token_differences
from zoo.models.build import count_buffers
from zoo.models.interface import SequenceModel
from zoo.regular_file import read_regular
from zoo.surroundings import isolated
from zoo.training.checkpoint import load_weights
from zoo.training.evaluation import Score, evaluate
from zoo.training.model_state import same_bits, state_of

TIES = 1e-3
"""Largest share of tokens of which another one is the likeliest when losses are recomputed."""
DOCUMENT_TOLERANCE = 1e-4
"""Tolerance of one document's loss, relative and in nats: it varies more by rounding than the mean of a split."""


def loss_differences(run: Run, rebuild: Rebuild) -> Iterator[str]:
    """Check the losses of the best weights, in total and of every document, and the loss of the untrained model.

    The scores are also reproduced where the model cannot peek, at other cuts than when the run was made.

    Raises:
        RunError: weights or losses are damaged.
    """
    result, config = run.result, run.recorded.run
    held = [split for split in SPLITS if getattr(result, f"{split}_loss") is not None]
    stored = read_scores(run.directory / LOSSES)
    kinds = ("nats", "tokens", "right") if run.recorded.data.has_answers else ("nats", "tokens")
    names = {f"{split}.{kind}" for split in held if split != "train" for kind in kinds}
    if detailed := detail_names(held):
        names |= detailed if detailed & set(stored) else set()  # older records have none
    yield from compare_values("losses.safetensors holds", sorted(stored), sorted(names))
    fresh = partial(rebuild.model(config).build, config.init_seed)

    def make_best() -> SequenceModel:
        model = fresh()
        load_weights(model, run.directory / WEIGHTS, result.weights_sha256)
        return model

    model = make_best()
    if result.buffers is not None:
        yield from compare_values("buffers", result.buffers, count_buffers(model, fresh()))
    if result.best_step is not None and result.status != "refused":  # runs with scores
        yield from _score_differences(run, held, stored, make_best, rebuild)
        initial, start = fresh(), config.start
        if result.counted is not None:
            yield from compare_values("counted", result.counted, fit_to(initial, rebuild.corpus(config.data)))
            unlike = [name for name, kept in state_of(model).items() if not same_bits(kept, state_of(initial)[name])]
            yield from compare_values("counts", unlike, [])
        if start and Path(start.weights).is_file():
            load_weights(initial, Path(start.weights), start.sha256)
        if not start or Path(start.weights).is_file():
            yield from _initial_differences(run, initial, rebuild)
    if result.losses_sha256 is not None:  # last, because a digest does not show what was changed
        digest = hashlib.sha256(read_regular(run.directory / LOSSES, LARGEST)).hexdigest()
        yield from compare_values("losses.safetensors (SHA-256)", result.losses_sha256, digest)


def _score_differences(
    run: Run, held: list[str], stored: dict[str, NDArray[Any]], make_best: Callable[[], SequenceModel], rebuild: Rebuild
) -> Iterator[str]:
    """Check the losses of the best weights on the splits with a recorded loss (`held`), and of their documents."""
    config, where = run.recorded.run, rebuild.device
    rows = {split: rebuild.rows(config, split, where) for split in held or ["validation"]}
    seed = int(run.recorded.fingerprint, 16) + 1
    with isolated(where, threads=config.training.threads):
        fresh = make_best().to(where).eval()
        found = [  # first, while this process has shown the model no whole row
            difference
            for split, part in rows.items()
            if (nats := stored.get(f"{split}.nats")) is not None and nats.shape == (part.count,)
            for difference in token_differences(fresh, part, nats, config.training.dtype, split=split, seed=seed)
        ]
        again = score_stored(make_best, rows, device=where, dtype=config.training.dtype, seed=seed)
    if again.refusal:
        yield again.refusal
        return
    if impossible := find_impossible_score(again.scores, run.recorded.data.floor):
        yield impossible
    for split in held:
        recorded, score = getattr(run.result, f"{split}_loss"), again.scores[split]
        yield from compare_values(f"{split} loss", recorded, score.loss, tolerance=TOLERANCE)
        if split != "train":
            yield from _document_differences(split, recorded, stored[f"{split}.nats"], stored[f"{split}.tokens"], score)
        if score.right is not None and split == "test":
            yield from _answer_differences(run, stored["test.right"], score)
    for name in sorted(again.detail.keys() & stored.keys()):
        yield from _array_differences(name, stored[name], again.detail[name])
    yield from found
    if not held:
        lowest, loss = min(point.validation_loss for point in run.curve), again.scores["validation"].loss
        yield from compare_values("best validation loss of the curve", lowest, loss, tolerance=TOLERANCE)


def _initial_differences(run: Run, untrained: SequenceModel, rebuild: Rebuild) -> Iterator[str]:
    """Check the loss of the initial weights."""
    config, where = run.recorded.run, rebuild.device
    rows = rebuild.rows(config, "validation", where)
    with isolated(where, threads=config.training.threads):
        first = evaluate(untrained.to(where), rows, device=where, dtype=config.training.dtype)
    name, recorded = "validation loss of the curve at step 0", run.curve[0].validation_loss
    yield from compare_values(name, recorded, first.loss, tolerance=TOLERANCE)


def _document_differences(
    split: str, recorded: float, nats: NDArray[np.float64], tokens: NDArray[np.int64], again: Score
) -> Iterator[str]:
    """Check the two arrays of a split, document by document."""
    if nats.shape != again.nats.shape or tokens.shape != again.tokens.shape:
        yield describe(f"documents of {split}", (nats.shape, tokens.shape), again.nats.shape)
    for index in np.flatnonzero(tokens != again.tokens):
        yield describe(f"tokens of document {index} of {split}", tokens[index], again.tokens[index])
    yield from compare_values(
        f"{split} loss (of its documents)", recorded, float(nats.sum() / tokens.sum()), tolerance=TOLERANCE
    )
    for index in np.flatnonzero(~np.isclose(nats, again.nats, rtol=DOCUMENT_TOLERANCE, atol=DOCUMENT_TOLERANCE)):
        yield describe(f"nats of document {index} of {split}", nats[index], again.nats[index])


def _answer_differences(run: Run, right: NDArray[np.int64], again: Score) -> Iterator[str]:
    """Check what was right of the documents of test; two tokens of equal probability may change places."""
    assert again.right is not None
    total = int(again.tokens.sum())
    if right.shape != again.right.shape or np.abs(right - again.right).sum() > TIES * total:
        yield describe("right tokens of test", int(right.sum()), int(again.right.sum()))
    share, whole = float(right.sum() / total), float((right == again.tokens).mean())
    yield from compare_values("accuracy (of its documents)", run.result.accuracy, share, tolerance=TOLERANCE)
    yield from compare_values("answers (of its documents)", run.result.answers, whole, tolerance=TOLERANCE)


def _array_differences(name: str, stored: NDArray[Any], again: NDArray[Any]) -> Iterator[str]:
    """Check an array of losses by position or token; counts and tokens must be equal."""
    if stored.shape != again.shape or stored.dtype != again.dtype:
        yield describe(name, (stored.shape, str(stored.dtype)), (again.shape, str(again.dtype)))
        return
    if again.dtype.kind == "f":
        same = np.isclose(stored, again, rtol=DOCUMENT_TOLERANCE, atol=DOCUMENT_TOLERANCE)
    else:
        same = stored == again
    for index in np.flatnonzero(~same):
        yield describe(f"{name}[{index}]", stored[index], again[index])
