"""Lines below the terminal's table: the meaning of its columns, and a selection of notes."""

import math

from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.notes import Kind
from zoo.experiments.judge.verdict import list_some
from zoo.reports.answers import explain_answers
from zoo.reports.bits import list_bits_per_byte
from zoo.reports.facts import has_intervals, level, new_sample, optimizers

NOTED: tuple[Kind, ...] = (
    "excerpt",
    "leak",
    "published",
    "split",
    "seeds",
    "start",
    "xz",
    "counted",
    "untrained",
    "solved",
    "failed",
    "refused",
    "size",
    "budget",
    "field",
    "execution",
    "hardware",
    "watch",
    "buffers",
    "auxiliary",
    "flops",
    "ablation",
    "rate",
    "recipe",
    "search",
    "caveat",
)
"""Kinds of notes that a terminal shows, in this order; a report shows all."""

NEW = {"both": "seeds", "data": "orders of the data", "weights": "initial weights"}
"""`vary` -> the source that differs between seeds."""


def describe_columns(comparison: Comparison, *, bits: bool) -> list[str]:
    """Explain the columns."""
    rows, splits, unit = comparison.models, comparison.study.splits, math.log(2) if bits else 1.0
    lines = [_losses(comparison, "bits" if bits else "nats")]
    if comparison.inflation is not None:
        lines.append(
            f"{new_sample(comparison)}: of this one text, not of others; splits share training text, so their variance "
            f"is multiplied by an assumed factor of {comparison.inflation:.2f}"
        )
    if any(row.letters for row in rows):
        lines.append("group: models that share a letter cannot be told apart")
    lines += explain_answers(comparison)
    lines += list_bits_per_byte(comparison)
    floor = next((row.floor for row in rows if row.above_floor is not None), None)
    if floor:
        where = "these splits" if splits > 1 else "this split"
        lines.append(f"floor+: test loss above {floor / unit:.4f}, the loss of a perfect model on {where}")
    if any(row.published for row in rows):
        lines.append("publ.: the published figure for the column before it")
        lines.append("s: seconds of training, without evaluation")
    else:
        speed = "; tok/s, s: training without evaluation"
        if comparison.data.has_answers:
            speed = "" if floor else "; tok/s: of training"
        lines.append(f"sees: receptive field in tokens{speed}")
    return [*lines, _rates(comparison) + _others(comparison)]


def select_notes(comparison: Comparison) -> list[str]:
    """Select the notes for a terminal, ordered by kind; those on FLOPs only if budget or size is in FLOPs."""
    study = comparison.study
    in_flops = study.training.budget == "flops" or (study.match and study.match.kind == "flops")
    kinds = [kind for kind in NOTED if kind != "flops" or in_flops]
    return [note.text for kind in kinds for note in comparison.notes if note.kind == kind]


def _losses(comparison: Comparison, unit: str) -> str:
    """Explain the means and intervals of losses."""
    seeds, splits = max(row.seeds for row in comparison.models), comparison.study.splits
    over = ("one seed" if seeds == 1 else f"mean of {seeds} seeds") + (f" on {splits} splits" if splits > 1 else "")
    new = f"new {NEW[comparison.study.vary]} and {new_sample(comparison)}"
    interval = f"; ±: {level(comparison)} interval, for {new} (differences have their own)"
    what = f"test: {unit} per scored token" if comparison.data.has_answers else f"test, valid: {unit} per token"
    return f"{what}, {over}{interval if has_intervals(comparison) else ''}"


def _others(comparison: Comparison) -> str:
    """Point to the table of the search where it chose more than learning rates."""
    return "; other settings: see the search" if any(set(own.space) - {"lr"} for own in comparison.tuned) else ""


def _rates(comparison: Comparison) -> str:
    """Name the optimizers, and say where the learning rates come from."""
    rows = [row for row in comparison.models if row.counted is None]
    if not rows:
        return "counted, not trained: no optimizer and no learning rate"
    where = {
        "setting": "one setting for all",
        "grid": "one grid for all, chosen on validation",
        "search": "one search for all, chosen on validation",
    }
    origin = where.get(rows[0].lr_from, "each model's recipe")
    if rows[0].lr_from in ("grid", "search") and rows[0].split_losses:
        origin += " of the first split"
    rates = {row.lr for row in rows}
    shown = f"{rates.pop():g}" if len(rates) == 1 else list_some([f"{row.label} {row.lr:g}" for row in rows])
    return f"optimizer {optimizers(comparison)}; learning rate from {origin}: {shown}"
