"""Write the columns of a comparison's table as text, for Markdown and LaTeX."""

import math

from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.rows import ModelRow, Spread
from zoo.reports.answers import show_right, show_solved_share, show_whole
from zoo.reports.bits import show_bits_per_byte
from zoo.reports.numbers import field, half_width, loss, percent

LEFT = ("model", "group", "split")
"""Left-aligned columns."""


def loss_columns(comparison: Comparison, *, bits: bool = False) -> dict[str, list[str]]:
    """Title -> one cell per model, in the order of the ranking, without empty columns."""
    models, unit = comparison.models, math.log(2) if bits else 1.0

    def written(value: float | None, *, signed: bool = False) -> str:
        return loss(None if value is None else value / unit, signed=signed)

    def mean(value: Spread | None) -> str:
        return written(value.mean if value else None)

    def test(row: ModelRow) -> str:
        reach = half_width(row.test)
        return mean(row.test) + (f" ± {written(reach)}" if reach is not None else "") or row.without_mean

    columns = {
        "model": [row.label for row in models],
        "test": [test(row) for row in models],
        "group": [row.letters for row in models],
        "above floor": [written(row.above_floor if row.floor else None, signed=True) for row in models],
        "right": list(map(show_right, models)),
        "whole": list(map(show_whole, models)),
        "solved": list(map(show_solved_share, models)),
        "bits a byte": [show_bits_per_byte(comparison, row) for row in models],
        "validation": [mean(row.validation) for row in models],
        "published": [written(row.published.validation if row.published else None) for row in models],
        "train": [mean(row.train) for row in models],
        "parameters": [
            f"{row.parameters:,}" + ("" if row.off_size is None else f" ({percent(row.off_size)})") for row in models
        ],
        "sees": [field(row.receptive_field) for row in models],
        "learning rate": [
            "" if row.counted is not None else f"{row.lr:g}{' (edge of the grid)' if row.lr_at_edge else ''}"
            for row in models
        ],
    }
    return {title: cells for title, cells in columns.items() if any(cells)}
