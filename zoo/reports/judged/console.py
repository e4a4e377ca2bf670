"""Print judged scores as tables of at most 80 columns."""

import textwrap
from collections.abc import Sequence
from itertools import pairwise

from rich.console import Console

from zoo.experiments.judge.judgement import Judgement
from zoo.experiments.judge.solved import Solved
from zoo.reports.folded import print_folded, wrap
from zoo.reports.judged import words
from zoo.reports.numbers import write_reach
from zoo.reports.pairs import list_pairs

FEW_PAIRS = 10
"""Most pairs that are all shown; of more, only those of neighbours in the ranking and with the best model."""


def print_judgements(judgements: Sequence[Judgement], console: Console) -> None:
    """Print every task: models, legend, notes, pairs, and the verdict last."""
    for place, judgement in enumerate(judgements):
        if place:
            console.print()
        if judgement.task:
            console.print(judgement.task, style="bold", highlight=False, markup=False)
        _print_models(judgement, console)
        if judgement.has_verdicts:
            console.print()
            _print_pairs(judgement, console)
        if judgement.solved:
            console.print()
            _print_solved(judgement.solved, console)
        said = [judgement.verdict, judgement.solved.verdict if judgement.solved else ""]
        for sentence in filter(None, said):
            console.print()
            console.print(textwrap.fill(sentence, 80), style="bold", highlight=False, markup=False)


def _print_models(judgement: Judgement, console: Console) -> None:
    digits, header = words.digits_of(judgement), ["model", judgement.measure, "group", "seeds"]
    rows = []
    for model in judgement.models:
        test = model.test
        reach = write_reach(test.mean, test.low, test.high, digits)
        rows.append([model.label, f"{test.mean:.{digits}f}{reach}", model.letters, str(model.seeds)])
    kept = [place for place in range(4) if place != 2 or any(model.letters for model in judgement.models)]
    print_folded([header[k] for k in kept], [[row[k] for k in kept] for row in rows], console, left=("model", "group"))
    lines = [words.describe_means(judgement)]
    if any(model.test.low is not None for model in judgement.models):
        sign = "±" if "±" in rows[0][1] else "in parentheses"
        lines.append(f"{sign}: {words.describe_interval(judgement)} (differences have their own)")
    if 2 in kept:
        lines.append("group: models that share a letter cannot be told apart")
    lines += judgement.notes
    if judgement.plan:
        lines.append(words.describe_plan(judgement.plan, judgement))
    console.print(wrap(lines), style="dim", highlight=False, markup=False)


def _print_pairs(judgement: Judgement, console: Console) -> None:
    pairs, best = judgement.pairs, judgement.models[0].label
    ranked = [model.label for model in judgement.models]
    near = set(pairwise(ranked))
    shown = [pair for pair in pairs if len(pairs) <= FEW_PAIRS or pair.a == best or (pair.a, pair.b) in near]
    header, *rows = list_pairs(shown, digits=words.digits_of(judgement))
    print_folded(header, rows, console, left=("pair", "verdict"))
    lines = (
        [f"{len(shown)} of {len(pairs)} pairs: those with the best, and of neighbours"]
        if len(shown) < len(pairs)
        else []
    )
    kind = words.pairs_of(judgement)
    if judgement.margin is None:
        lines.append(f"difference: ± the pair's own {kind.level} interval; p and verdict: {judgement.method}")
    else:
        joint = " that is simultaneous for all pairs" if len(pairs) > 1 else ""
        lines.append(
            f"difference: with a {kind.level} interval{joint} ({judgement.method}); equal: inside "
            f"±{judgement.margin:g}, the margin"
        )
    if len(header) > 4:
        lines.append("seeds: about how many would decide the pair, if its true difference is the measured one")
    console.print(wrap(lines), style="dim", highlight=False, markup=False)


def _print_solved(solved: Solved, console: Console) -> None:
    header = ["model", "solved", "share, with interval", "group"]
    rows = [
        [own.label, f"{own.solved} of {own.seeds}", f"{own.solved / own.seeds:.2f} ({own.low:.2f} to {own.high:.2f})",
         own.letters] for own in solved.counts
    ]  # fmt: skip
    kept = 4 if any(own.letters for own in solved.counts) else 3
    print_folded(header[:kept], [row[:kept] for row in rows], console, left=("model", "group"))
    lines = [
        f"solved: {solved.goal}, declared; intervals of Clopper and Pearson; p: {solved.method}, Holm for all pairs"
    ]
    console.print(wrap(lines), style="dim", highlight=False, markup=False)
