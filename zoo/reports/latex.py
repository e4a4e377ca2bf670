"""Write the table of a comparison for a paper: LaTeX with the rules of booktabs."""

import math
import re
from collections.abc import Mapping, Sequence

from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.single import RunSummary
from zoo.reports import facts
from zoo.reports.columns import LEFT, loss_columns
from zoo.reports.figures.svg import clean
from zoo.reports.numbers import loss
from zoo.reports.run_facts import list_losses

ESCAPED = {
    **{character: f"\\{character}" for character in "#$%&_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    "'": r"\textquotesingle{}",
    "-": "{-}",
    "[": "{[}",
    "*": "{*}",
    "−": "$-$",
    "±": r"$\pm$",
    "≥": r"$\geq$",
    "≈": r"$\approx$",
}
"""Special character -> its LaTeX form; `-` because of `--`, `[` and `*` because they may follow the end of a row."""
SPECIAL = re.compile("[{}]".format(re.escape("".join(ESCAPED))))


def escape(words: str) -> str:
    """Escape text for LaTeX, on one line; letters beyond ASCII stay, because LaTeX reads UTF-8."""
    return SPECIAL.sub(lambda found: ESCAPED[found[0]], " ".join(clean(words).split()))


def render_latex(comparison: Comparison, *, bits: bool = False) -> str:
    """Render a floating table with its caption; requires the package booktabs, and LaTeX of 2020 or later."""
    label = re.sub("[^A-Za-z0-9.-]+", "-", comparison.folder).strip("-")
    return _table(loss_columns(comparison, bits=bits), _caption(comparison, "bits" if bits else "nats"), label)


def render_run_latex(run: RunSummary, *, bits: bool = False) -> str:
    """Render the losses of a run, a line per split."""
    unit = math.log(2) if bits else 1.0
    losses = list_losses(run)
    columns = {
        "split": [split for split, *_ in losses],
        "loss": [loss(value / unit) for _, value, *_ in losses],
        "targets": [f"{targets:,}" for *_, targets, _ in losses],
        "floor": ["" if floor is None else loss(floor / unit) for *_, floor in losses],
    }
    kept = {title: cells for title, cells in columns.items() if any(cells) or title == "split"}
    where = f"{run.label} on {run.recorded.data.name}, seed {run.recorded.run.seed}"
    caption = escape(f"{where}, {'bits' if bits else 'nats'} per token.")
    return _table(kept, caption, re.sub("[^A-Za-z0-9.-]+", "-", run.name).strip("-"))


def _table(columns: Mapping[str, Sequence[str]], caption: str, label: str) -> str:
    rows = [tuple(columns), *zip(*columns.values(), strict=True)]
    head, *body = (f"    {' & '.join(map(escape, row))} \\\\" for row in rows)
    lines = [
        r"% \usepackage{booktabs}",
        r"\begin{table}",
        r"  \centering",
        f"  \\caption{{{caption}}}",
        f"  \\label{{tab:{label}}}",
        f"  \\begin{{tabular}}{{{''.join('l' if title in LEFT else 'r' for title in columns)}}}",
        r"    \toprule",
        head,
        r"    \midrule",
        *body,
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines)


def _caption(comparison: Comparison, unit: str) -> str:
    data = comparison.data
    words = [f"{facts.means(comparison)} on {data.name}, {unit} per token."]
    if facts.has_intervals(comparison):
        words.append(f"±: {facts.level(comparison)} interval, for new seeds and {facts.new_sample(comparison)}.")
    if any(model.letters for model in comparison.models):
        words.append("Models that share a letter cannot be told apart.")
    return escape(" ".join(words))
