"""Write the table of a comparison as CSV for a spreadsheet: all digits, ends of intervals in columns of their own."""

import csv
import io
import math
from collections.abc import Callable
from typing import Any

from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.rows import ModelRow
from zoo.experiments.judge.single import RunSummary
from zoo.experiments.records.run import SOMETIMES, CurvePoint
from zoo.reports.figures.svg import clean

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""First characters of text that a spreadsheet would execute as a formula; such text gets an apostrophe in front."""


def render_csv(comparison: Comparison, *, bits: bool = False) -> str:
    """Render a line of titles and a line per model, best first (RFC 4180); missing values are empty.

    Losses are nats or bits a token, named in the column `unit`; a receptive field without bound is `inf`.
    """
    unit = math.log(2) if bits else 1.0
    rows = []
    for model in comparison.models:
        bytewise = {"bits per byte": comparison.bits_per_byte(model.test.mean) if model.test else None}
        known = bytewise if comparison.bytes_per_token else {}
        rows.append(_row(model, unit) | known | {"unit": _name(bits)})
    return _write(rows)


def render_run_csv(run: RunSummary, *, bits: bool = False) -> str:
    """Render the learning curve of a run: a line of titles and a line per evaluation.

    What no point has, an auxiliary loss or a score, has no column.
    """
    unit = math.log(2) if bits else 1.0
    absent = {name for name in SOMETIMES if all(getattr(point, name) is None for point in run.curve)}
    titles = [name for name in CurvePoint.model_fields if name not in absent]
    rows: list[dict[str, Any]] = [dict.fromkeys(titles)] if not run.curve else []
    for point in run.curve:
        own = {title: getattr(point, title) for title in titles}
        losses = {title: loss / unit for title, loss in own.items() if title.endswith("_loss") and loss is not None}
        rows.append({**own, **losses, "unit": _name(bits)})
    return _write(rows)


def _name(bits: bool) -> str:
    return f"{'bits' if bits else 'nats'} per token"


def _write(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({title: _cell(value) for title, value in row.items()} for row in rows)
    return text.getvalue().removesuffix("\r\n")


def _row(model: ModelRow, unit: float) -> dict[str, Any]:
    def loss(value: float | None) -> float | None:
        return None if value is None else value / unit

    test, validation, train, used = model.test, model.validation, model.train, model.used
    return {
        "model": model.label,
        "call": model.model,
        "status": model.without_mean or "finished",
        "test": loss(test.mean if test else None),
        "test low": loss(test.low if test else None),
        "test high": loss(test.high if test else None),
        "test sd of seeds": loss(test.sd if test else None),
        "group": model.letters,
        "floor": loss(model.floor),
        "above floor": loss(model.above_floor),
        **_answers(model, loss),
        "validation": loss(validation.mean if validation else None),
        "validation sd of seeds": loss(validation.sd if validation else None),
        "published validation": loss(model.published.validation if model.published else None),
        "train": loss(train.mean if train else None),
        "seeds": model.seeds,
        "splits": len(model.split_losses or (1,)),
        "parameters": model.parameters,
        "off size": model.off_size,
        "receptive field": math.inf if model.receptive_field is None else model.receptive_field,
        "learning rate": model.lr if model.counted is None else None,
        "steps": used.steps,
        "tokens": used.tokens,
        "seconds": used.seconds,
        "FLOPs": used.flops,
        "FLOPs are": None
        if used.flops is None and model.counted is not None
        else "at least"
        if used.flops_uncounted
        else "about"
        if used.flops_fitted
        else "counted",
        "tokens per second": model.tokens_per_second,
    }


def _answers(model: ModelRow, loss: Callable[[float | None], float | None]) -> dict[str, Any]:
    """The columns of a task; none for text."""
    own = model.answers
    if own is None:
        return {}
    return {
        "right": own.accuracy.mean if own.accuracy else None,
        "whole": own.whole.mean if own.whole else None,
        "goal": own.goal,
        "solved seeds": own.solved,
        "solved share low": own.low,
        "solved share high": own.high,
        "averaged over all positions": loss(own.averaged),
    }


def _cell(value: Any) -> str:
    """Write a cell; `repr` of a number is the shortest text that reads back as the same number."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return repr(value)
    text = clean(value)
    return f"'{text}" if text.startswith(FORMULA) else text
