"""Write judged scores as Markdown, as an HTML page, and as CSV."""

import csv
import io
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from markupsafe import Markup

from zoo.experiments.judge.judgement import Judged, Judgement
from zoo.experiments.judge.rows import Interval, PairRow
from zoo.experiments.judge.verdict import format_chance, pair_words
from zoo.reports.figures.draw import NARROW, WIDE
from zoo.reports.figures.forest import Look, Row, draw_forest
from zoo.reports.figures.palette import MODELS_LIGHT
from zoo.reports.judged import words
from zoo.reports.markup import escape, write_table
from zoo.reports.numbers import loss, write_interval
from zoo.reports.pairs import both_ways, describe_columns, pair_columns
from zoo.whole_file import write_whole


def write_judged(judged: Judged, directory: Path) -> Path:
    """Write report.html, report.md and judgement.json, each whole or not at all; returns the path of the page."""
    directory.mkdir(parents=True, exist_ok=True)
    texts = {
        "report.html": render_page(judged),
        "report.md": render_markdown(judged),
        "judgement.json": judged.model_dump_json(indent=2) + "\n",
    }
    for name, text in texts.items():
        write_whole(directory / name, text)
    return directory / "report.html"


def render_page(judged: Judged) -> str:
    """Render the page."""
    from zoo.reports.page import frame, template

    return template("judged.html.jinja").render(**describe_judged(judged, WIDE), **frame())


def describe_judged(judged: Judged, width: float) -> dict[str, Any]:
    """Variables of the sections of judged scores, with figures of this width, and narrow ones."""
    tasks = [
        {
            "j": judgement,
            "judged": words.pairs_of(judgement),
            "pairs": both_ways(judgement.pairs),
            "finished": [model.label for model in judgement.models],
            "any_permutation": any(pair.p_permutation is not None for pair in judgement.pairs),
            "forest": {"wide": Markup(_forest(judgement, width)), "narrow": Markup(_forest(judgement, NARROW))},
            "colour": partial(_colour, judgement),
            "switched": partial(_plain, words.digits_of(judgement)),
        }
        for judgement in judged.tasks
    ]
    return {
        "document": judged,
        "tasks": tasks,
        "words": words,
        "spread_of": _spread,
        "describe_pair": _describe_pair,
    }


def _spread(shown: Callable[..., str], test: Interval) -> str:
    """A mean with its interval, both ends where it is not even."""
    if test.low is None or test.high is None:
        return shown(test.mean)
    above, below = test.high - test.mean, test.mean - test.low
    even = abs(above - below) <= 1e-6 * (above + below)
    return shown(test.mean) + (f" ± {shown(above)}" if even else f" ({shown(test.low)} to {shown(test.high)})")


def _describe_pair(pair: PairRow) -> str:
    """Describe a pair in a line, for the tooltip of a cell with room for one number."""
    interval = f", interval {write_interval(pair)}" if pair.interval[0] is not None else ""
    p = f", p {format_chance(pair.p)}" if pair.p is not None else ""
    return f"{pair.a} − {pair.b}: {loss(pair.difference, signed=True)}{interval}{p}: {pair_words(pair)}"


def _plain(digits: int, value: float | None, *, signed: bool = False) -> str:
    """A number of the page; no script converts it."""
    return loss(value, signed=signed, digits=digits)


def _colour(judgement: Judgement, label: str) -> str:
    """CSS class of a model's colour, by its label's place in the alphabet, not by its result."""
    place = sorted(model.label for model in judgement.models).index(label)
    return f"m{place % len(MODELS_LIGHT)}{' again' if place >= len(MODELS_LIGHT) else ''}"


def _forest(judgement: Judgement, width: float) -> str:
    rows = [
        Row(model.label, _colour(judgement, model.label), model.test, model.dots, model.letters)
        for model in judgement.models
    ]
    label = f"{judgement.measure} of every model with its interval and its seeds"
    return draw_forest(rows, judgement.measure, label, look=Look(width, words.digits_of(judgement), units=False))


def render_markdown(judged: Judged) -> str:
    """Render the document."""
    parts = [f"# {escape(judged.title)}", *(part for own in judged.tasks for part in _task(own))]
    parts.append("\n".join(f"- {escape(source.path)}, SHA-256 {source.digest}" for source in judged.sources))
    return "\n\n".join(part for part in parts if part) + "\n"


def _task(judgement: Judgement) -> list[str]:
    digits, shown = words.digits_of(judgement), words.pairs_of(judgement)
    models = {
        "model": [escape(model.label) for model in judgement.models],
        judgement.measure: [_spread(partial(_plain, digits), model.test) for model in judgement.models],
        "group": [model.letters for model in judgement.models],
        "seeds": [str(model.seeds) for model in judgement.models],
    }
    about = f"{words.describe_means(judgement)}. ±: {words.describe_interval(judgement)}."
    parts = [
        f"## {escape(judgement.task)}" if judgement.task else "",
        f"**{escape(judgement.verdict)}**" if judgement.verdict else "",
        write_table(models, left=("model", "group")),
        escape(about),
        "\n".join(f"- {escape(note)}" for note in judgement.notes),
        write_table(pair_columns(shown), left=("pair", "verdict")) if judgement.pairs else "",
        escape(describe_columns(shown)) if shown.verdicts else "",
        escape(f"Method: {judgement.method}. {judgement.reason}"),
        escape(words.describe_plan(judgement.plan, judgement)) if judgement.plan else "",
    ]
    if judgement.solved:
        counts = judgement.solved.counts
        solved = {
            "model": [escape(own.label) for own in counts],
            "solved": [f"{own.solved} of {own.seeds}" for own in counts],
            "interval of the share": [f"{own.low:.2f} to {own.high:.2f}" for own in counts],
            "group": [own.letters for own in counts],
        }
        parts += [write_table(solved, left=("model", "group")), escape(judgement.solved.verdict)]
    return parts


def render_csv(judgements: Sequence[Judgement]) -> str:
    """A line per task and model, with all digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["task", "model", "measure", "mean", "low", "high", "group", "seeds", "items"])
    for own in judgements:
        for model in own.models:
            ends = ["" if end is None else repr(end) for end in (model.test.low, model.test.high)]
            row = [
                own.task,
                model.label,
                own.measure,
                repr(model.test.mean),
                *ends,
                model.letters,
                model.seeds,
                own.items,
            ]
            writer.writerow(row)
    return text.getvalue().removesuffix("\n")
