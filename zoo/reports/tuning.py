"""Print the search of a comparison as a table of at most 80 columns, for names of ordinary length."""

from rich.cells import cell_len
from rich.console import Console

from zoo.experiments.judge.comparison import Comparison
from zoo.reports.facts import level
from zoo.reports.folded import fold, print_folded, wrap
from zoo.reports.search_facts import count_trials, describe_budget, format_settings, format_spent, format_worth

WIDTH = 80
NARROW, LEAST = 12, 20
"""Width of the trials and of what they spent, and least width of the settings."""


def print_search(comparison: Comparison, unit: float, console: Console) -> None:
    """Print a row per model, in the order of the ranking, and the legend; `unit` divides losses in nats."""
    header = ["model", "trials", "spent", "best settings", "worth"]
    rows = [
        [
            tuned.label,
            fold(count_trials(tuned), NARROW),
            fold(format_spent(tuned), NARROW),
            format_settings(tuned.chosen),
            format_worth(tuned, unit).replace("−", "-").replace(" ", "" if tuned.worth else " "),
        ]
        for tuned in comparison.tuned
    ]
    others = sum(
        max(cell_len(line) for row in [header, *rows] for line in row[column].splitlines()) + 2 for column in (1, 2, 4)
    )
    names = min(max(cell_len(row[0]) for row in rows), max(NARROW, WIDTH - others - 2 - LEAST))
    for row in rows:
        row[3] = fold(row[3], max(LEAST, WIDTH - others - 2 - names))
    print_folded(header, rows, console, left=("model", "trials", "best settings"))
    console.print(wrap(_legend(comparison, "nats" if unit == 1.0 else "bits")), style="dim", highlight=False,
                  markup=False)  # fmt: skip


def _legend(comparison: Comparison, unit: str) -> list[str]:
    where = " of the first split" if comparison.study.splits > 1 else ""
    pruned = ", pruned ones counted" if any(tuned.count("pruned") for tuned in comparison.tuned) else ""
    lines = [
        f"best settings: lowest validation loss{where} under one more seed, over {describe_budget(comparison)}{pruned}"
    ]
    if any(tuned.worth for tuned in comparison.tuned):
        reach = (
            f"; ±: {level(comparison)} interval"
            if any(t.worth and t.worth.high is not None for t in comparison.tuned)
            else ""
        )
        lines.append(
            f"worth: test loss minus that of the model as written, {unit} per token, under the reported seeds{reach}"
        )
    if any(tuned.unchanged for tuned in comparison.tuned):
        lines.append("unchanged: no trial was better than the settings as written, which are reported")
    return lines
