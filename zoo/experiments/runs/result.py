"""Write the record of a run."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from zoo.experiments.records.environment import describe_environment
from zoo.experiments.records.run import LOSSES, CurvePoint, Result, write_curve, write_json, write_losses
from zoo.experiments.runs.identity import device_name
from zoo.experiments.runs.resolve import Cell
from zoo.experiments.runs.score import Scored
from zoo.probes.flops import Flops
from zoo.training.evaluation import Score
from zoo.training.loop import Fit

DIVERGED_ALONE = "its auxiliary loss was no finite number"
"""Reason of a divergence of which the loss alone shows nothing."""


class Trained(NamedTuple):
    """The result of training a model whose weights are stored."""

    fit: Fit
    weights_sha256: str
    buffers: int
    flops: Flops


def write_record(cell: Cell, trained: Trained, scored: Scored, place: Path) -> None:
    """Write all files of a run except the weights; the result last."""
    write_json(place / "config.json", cell.recorded)
    threads = cell.config.training.threads or 1
    write_json(place / "environment.json", describe_environment(device_name(cell.device), threads))
    write_curve(place / "curve.jsonl", [CurvePoint(**asdict(point)) for point in trained.fit.curve])
    digest = write_losses(place / LOSSES, _losses(scored.scores) | scored.detail)
    write_json(place / "result.json", _result(cell, trained, scored, digest))


def _result(cell: Cell, trained: Trained, scored: Scored, losses_sha256: str) -> Result:
    def loss(split: str) -> float | None:
        return scored.scores[split].loss if split in scored.scores else None

    fitted = trained.fit
    refusal = scored.refusal if fitted.diverged_at is None else None  # a diverged run has no scores to refuse
    ended: Literal["finished", "pruned"] = "finished" if fitted.pruned_at is None else "pruned"
    outcome: Literal["finished", "pruned", "refused"] = "refused" if refusal else ended
    return Result(
        status=outcome if fitted.diverged_at is None else "diverged",
        reason=DIVERGED_ALONE if fitted.diverged_alone else refusal,
        diverged_at=fitted.diverged_at,
        parameters=cell.model.parameters,
        buffers=trained.buffers,
        receptive_field=cell.model.receptive_field,
        steps=fitted.steps,
        tokens=fitted.tokens,
        seconds=fitted.seconds,
        flops=trained.flops.total,
        flops_uncounted=trained.flops.uncounted,
        flops_fitted=trained.flops.fitted,
        solved_at=fitted.solved_at,
        best_step=fitted.best.step if fitted.best else None,
        train_loss=loss("train"),
        validation_loss=loss("validation"),
        test_loss=loss("test"),
        tested_at=datetime.now(UTC).isoformat(timespec="seconds") if "test" in scored.scores else None,
        accuracy=scored.scores["test"].accuracy if "test" in scored.scores else None,
        answers=scored.scores["test"].answers if "test" in scored.scores else None,
        weights_sha256=trained.weights_sha256,
        losses_sha256=losses_sha256,
        reproduced=scored.reproduced,
        counted=fitted.counted,
        execution=_describe_execution(cell, fitted),
        compile_seconds=fitted.compile_seconds,
    )


def _describe_execution(cell: Cell, fitted: Fit) -> str:
    """Describe how a run was executed, for `Result.execution`."""
    config = cell.config
    how = f"stack of {len(config.stack)}" if config.stack else str(config.training.execution)
    steps = fitted.execution.removeprefix("stacked").removeprefix(", ")
    return ", ".join(part for part in (how, steps if steps != "eager" else "") if part)


def _losses(scores: dict[str, Score]) -> dict[str, np.ndarray]:
    kept = {split: score for split, score in scores.items() if split != "train"}
    return {
        f"{split}.{name}": array
        for split, score in kept.items()
        for name in ("nats", "tokens", "right")
        if (array := getattr(score, name)) is not None
    }
