"""Write the table of a comparison for a paper: LaTeX with the rules of booktabs."""

import re

from zoo.experiments.judge.comparison import Comparison
from zoo.reports import facts
from zoo.reports.columns import LEFT, loss_columns
from zoo.reports.figures.svg import clean

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
"""What LaTeX would read as its own: also `--`, and `[` and `*`, which belong to the end of the row before."""
SPECIAL = re.compile("[{}]".format(re.escape("".join(ESCAPED))))


def escape(words: str) -> str:
    """Escape text for LaTeX, and put it in one line; letters that are not ASCII stay, which LaTeX reads as UTF-8."""
    return SPECIAL.sub(lambda found: ESCAPED[found[0]], " ".join(clean(words).split()))


def render_latex(comparison: Comparison, *, bits: bool = False) -> str:
    """A floating table with its caption; it needs the package booktabs, and LaTeX of 2020 or later."""
    columns, unit = loss_columns(comparison, bits=bits), "bits" if bits else "nats"
    rows = [tuple(columns), *zip(*columns.values(), strict=True)]
    head, *body = (f"    {' & '.join(map(escape, row))} \\\\" for row in rows)
    lines = [
        r"% \usepackage{booktabs}",
        r"\begin{table}",
        r"  \centering",
        f"  \\caption{{{_caption(comparison, unit)}}}",
        f"  \\label{{tab:{re.sub('[^A-Za-z0-9.-]+', '-', comparison.folder).strip('-')}}}",
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
        words.append(f"±: 95% interval, for new seeds and {facts.new_sample(comparison)}.")
    if any(model.letters for model in comparison.models):
        words.append("Models that share a letter cannot be told apart.")
    return escape(" ".join(words))
