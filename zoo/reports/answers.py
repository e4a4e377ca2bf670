"""Show what models answer right on a task, and the lines of known predictors."""

from collections.abc import Sequence

from rich.console import Console

from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.lengths import LengthPoint
from zoo.experiments.judge.references import find_unbeaten
from zoo.experiments.judge.rows import ModelRow
from zoo.experiments.judge.verdict import percent
from zoo.reports.facts import level
from zoo.reports.folded import NARROWEST, fold, measure, print_folded, wrap
from zoo.reports.numbers import loss, share

WIDE = 4
"""Most lengths side by side in a terminal."""


def show_right(row: ModelRow) -> str:
    """Show the share of scored tokens that are right; "" for text."""
    return share(row.answers.accuracy.mean) if row.answers and row.answers.accuracy else ""


def show_whole(row: ModelRow) -> str:
    """Show the share of documents with no mistake; "" for text."""
    return share(row.answers.whole.mean) if row.answers and row.answers.whole else ""


def show_solved(row: ModelRow) -> str:
    """Show under how many seeds a model solves its task: 2/3; "" if nothing is declared."""
    own = row.answers
    return "" if own is None or own.solved is None else f"{own.solved}/{own.seeds}"


def show_solved_share(row: ModelRow) -> str:
    """Show it with the interval of the share: 2 of 3 (9.4% to 99.2%)."""
    own = row.answers
    if own is None or own.solved is None or own.low is None or own.high is None:
        return ""
    return f"{own.solved} of {own.seeds} ({share(own.low)} to {share(own.high)})"


def solved_level(comparison: Comparison) -> str:
    """The share of studies in which an interval of solved seeds holds: 95%."""
    return percent(comparison.study.alpha)


def explain_answers(comparison: Comparison) -> list[str]:
    """Explain the columns of answers, and give the exact intervals of solved seeds; nothing for text."""
    lines = []
    if any(row.answers and row.answers.accuracy for row in comparison.models):
        lines.append("right: share of scored tokens; whole: of documents with no mistake")
    if comparison.data.task:
        found = [f"{row.label} {shown}" for row in comparison.models if (shown := show_solved_share(row))]
        lines.append(
            f"solved: seeds with {comparison.data.task.goal}, with the exact {solved_level(comparison)} interval of "
            f"their share: {', '.join(found)}"
        )
    return lines


def list_reference_rows(comparison: Comparison, unit: float) -> list[list[str]]:
    """List a row for each line: name, loss, share right, and the models for which it is the highest not beaten."""
    references = comparison.references
    unbeaten = {model.label: find_unbeaten(model, references) for model in comparison.models}
    return [
        [
            own.name,
            loss(own.loss / unit),
            "" if own.accuracy is None else share(own.accuracy),
            ", ".join(label for label, found in unbeaten.items() if found == own),
        ]
        for own in references
    ]


def list_length_rows(comparison: Comparison, interval: str) -> tuple[list[str], list[list[str]]]:
    """List the head and a row per model: the share right at every length, with its interval as `interval` writes it;
    "cannot" where none is.
    """
    points = comparison.lengths[0].points
    head = ["model", *(f"{point.length:,}" + (f" ({point.factor}x)" if point.factor > 1 else "") for point in points)]
    return head, [[own.label, *(_show_point(point, interval) for point in own.points)] for own in comparison.lengths]


def _show_point(point: LengthPoint, interval: str) -> str:
    if point.accuracy is None:
        return "cannot"
    if point.low is None or point.high is None:
        return share(point.accuracy)
    return share(point.accuracy) + interval.format(f"{share(point.low)} to {share(point.high)}")


def explain_lengths(comparison: Comparison, place: str) -> str:
    """Explain the table of lengths, whose intervals stand at `place`, and say why models cannot take some."""
    trained = f"{comparison.lengths[0].points[0].length:,}"
    words = [
        f"share of scored tokens right in documents of so many tokens, trained on {trained}; 2x: with twice the option "
        "length"
    ]
    if any(point.low is not None for own in comparison.lengths for point in own.points):
        words.append(f"{place}: the {level(comparison)} interval for new seeds")
    for own in comparison.lengths:
        if why := next((point.why for point in own.points if point.why), ""):
            words.append(f"{own.label} cannot: {why.rstrip('.')}")
    return "; ".join(words)


def print_lengths(comparison: Comparison, console: Console) -> None:
    """Print how models do on longer documents, intervals below the shares, at most `WIDE` lengths side by side."""
    head, rows = list_length_rows(comparison, "\n{}")
    for first in range(1, len(head), WIDE):
        kept = slice(first, first + WIDE)
        print_folded([head[0], *head[kept]], [[row[0], *row[kept]] for row in rows], console, left=("model",))
    console.print(wrap([explain_lengths(comparison, "below")]), style="dim", highlight=False, markup=False)


HEADS: Sequence[str] = ("line", "test", "right", "not beaten by")


def print_references(comparison: Comparison, unit: float, console: Console) -> None:
    """Print the lines of known predictors, from the best, and which models are not shown to beat them."""
    rows = list_reference_rows(comparison, unit)
    room = console.width - measure(list(zip(HEADS, *rows, strict=True))[:-1])
    folded = [[*row, fold(labels, max(NARROWEST, room))] for *row, labels in rows]
    print_folded(list(HEADS), folded, console, left=("line", "not beaten by"))
