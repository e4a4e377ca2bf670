"""Print what each model takes to the target losses as tables of at most 80 columns, for names of ordinary length."""

from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console

from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.ratios import Ratio
from zoo.experiments.judge.target import Targets
from zoo.experiments.judge.verdict import format_chance
from zoo.reports.folded import fold, print_folded, wrap
from zoo.reports.target_facts import (
    NAMES,
    describe_ratios,
    describe_reach,
    flops_sign,
    format_interval,
    format_loss,
    format_median,
    format_ratio,
    format_reached,
    has_verdicts,
    judged_ratios,
)

FEW_RATIOS = 9
"""Most ratios that are all shown; of more, only those in tokens with the best model, at the lowest loss."""
WIDTH, NARROW = 80, 14


def print_targets(comparison: Comparison, unit: float, console: Console) -> None:
    """Print a table of every target loss, one of ratios, and the legend; `unit` divides losses in nats."""
    targets = comparison.targets
    assert targets
    for place, loss in enumerate(targets.losses):
        if place:
            console.print()
        per = "nats" if unit == 1.0 else "bits"
        console.print(f"to a validation loss of {format_loss(loss, unit)} {per} per token", highlight=False)
        _print_reach(comparison, targets, loss, console)
    console.print(wrap(describe_reach(comparison)), style="dim", highlight=False, markup=False)
    if judged_ratios(targets):
        console.print()
        _print_ratios(targets, unit, console)
        legend = describe_ratios(comparison)
        if len(_shown(targets)) < len(judged_ratios(targets)):
            legend.append("The report shows all pairs, losses and measures.")
        console.print(wrap(legend), style="dim", highlight=False, markup=False)


def _print_reach(comparison: Comparison, targets: Targets, loss: float, console: Console) -> None:
    rows = []
    for reach in targets.reach:
        if reach.target != loss:
            continue
        cells = [reach.label, format_reached(reach)]
        for measure in NAMES:
            found = getattr(reach, measure)
            sign = flops_sign(comparison, reach.label) if measure == "flops" else ""
            cells.append(f"{format_median(found, sign)}\n{format_interval(found)}".rstrip("\n"))
        rows.append(cells)
    header = ["model", "reached", *NAMES.values()]
    kept = [column for column in range(len(header)) if any(row[column] for row in rows)]
    print_folded(
        [header[column] for column in kept], [[row[column] for column in kept] for row in rows], console,
        left=("model", "reached"),
    )  # fmt: skip


def _shown(targets: Targets) -> list[Ratio]:
    ratios = judged_ratios(targets)
    if len(ratios) <= FEW_RATIOS:
        return ratios
    lowest, best = min(ratio.target for ratio in ratios), ratios[0].a
    return [ratio for ratio in ratios if (ratio.target, ratio.a, ratio.measure) == (lowest, best, "tokens")]


def _print_ratios(targets: Targets, unit: float, console: Console) -> None:
    shown, verdicts, several = _shown(targets), has_verdicts(targets), len(targets.losses) > 1
    rows = [
        [
            f"{ratio.a} / {ratio.b}",
            *([format_loss(ratio.target, unit)] if several else []),
            NAMES[ratio.measure],
            _ratio(ratio),
            f"{ratio.first}/{ratio.known}",
            *([format_chance(ratio.p), ratio.verdict] if verdicts else []),
        ]
        for ratio in shown
    ]
    header = ["pair", *(["loss"] if several else []), "of", "ratio", "first", *(["p", "verdict"] if verdicts else [])]
    others = sum(_width([header, *rows], column) + 2 for column in range(1, len(header)))
    for before, row in zip([None, *[list(row) for row in rows]], rows, strict=False):
        row[0] = "" if before and before[0] == row[0] and (not several or before[1] == row[1]) else row[0]
    for row in rows:
        row[0] = fold(row[0], max(NARROW, WIDTH - others))
    print_folded(header, rows, console, left=("pair", "of", "verdict"))


def _ratio(ratio: Ratio) -> str:
    interval = format_interval(ratio.ratio, ratio=True)
    return format_ratio(ratio) + (f" ({interval})" if interval else "")


def _width(rows: Sequence[Sequence[str]], column: int) -> int:
    return max(cell_len(row[column]) for row in rows)
