"""Table, page, document and figures of a task: answers, solved seeds, lines of known predictors, longer documents."""

import io
import re
from html import unescape
from itertools import pairwise

import pytest
from rich.console import Console

from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.lengths import Lengths
from zoo.reports.figures.draw import NARROW, draw
from zoo.reports.latex import render_latex
from zoo.reports.markdown import render_markdown
from zoo.reports.page import render_page
from zoo.reports.spreadsheet import render_csv
from zoo.reports.table import print_comparison

LINES = ("floor", "values seen, binding unknown", "counted", "without memory")


@pytest.fixture
def task(example) -> Comparison:
    drawn: Comparison = example("task")
    return drawn


def table_of(comparison: Comparison, width: int = 80, *, bits: bool = False) -> str:
    out = io.StringIO()
    print_comparison(comparison, bits=bits, console=Console(file=out, width=width))
    return out.getvalue()


def flat(words: str) -> str:
    return " ".join(words.split())


def test_the_table_shows_answers_solved_seeds_and_fits_80_columns(task: Comparison) -> None:
    shown = table_of(task)
    assert max(map(len, shown.splitlines())) <= 80
    assert re.search(r"transformer +0\.\d+±0\.\d+ +\w+ +>99\.9% +99\.9% +3/3", shown)
    assert "solved: seeds with answers>=0.99" in flat(shown)
    assert "transformer 3 of 3 (29.2% to 100%), gru 0 of 3 (0.0% to 70.8%)" in flat(shown)


def test_every_form_names_every_line_and_who_does_no_better(task: Comparison) -> None:
    page, document = unescape(re.sub("<[^>]+>", " ", render_page(task))), render_markdown(task, {})
    for words in (table_of(task), page, document):
        for line in LINES:
            assert line in flat(words)
    assert re.search(r"values seen, binding unknown +1\.3863 +25\.0% +gru", table_of(task))
    assert re.search(r"without memory +2\.0794 +12\.5% +<b>mlp</b>", table_of(task))


def test_the_verdict_says_who_does_no_better_and_who_leaks(task: Comparison) -> None:
    assert "gru is not shown to be better than the line 'values seen, binding unknown' (1.3863 nats)." in task.verdict
    assert "<b>mlp</b> does no better than a model without memory (2.0794 nats)." in task.verdict
    assert task.verdict.startswith("Leak: transformer did better than a perfect model can, see the notes.")
    assert "(2.0000 bits)" in flat(table_of(task, bits=True))


def test_leaks_and_averaged_losses_are_notes(task: Comparison) -> None:
    kinds = {note.kind: note.text for note in task.notes}
    assert kinds["leak"] == task.leaks["transformer"]
    assert kinds["published"].startswith("Averaged over all positions, as published figures are: transformer 0.02")
    assert flat(kinds["leak"]) in flat(table_of(task))


@pytest.mark.parametrize("width", [960.0, NARROW])
def test_every_picture_of_losses_draws_every_line_inside_of_it(task: Comparison, width: float) -> None:
    drawn = draw(task, width)
    for name in ("forest", "curves-tokens", "curves-seconds", "cost-parameters", "cost-seconds"):
        for line, loss in zip(LINES, (0.0, 1.3863, 1.9, 2.0794), strict=True):
            shown = line if width > NARROW or name == "forest" else ""  # there is no room for names
            assert f'{shown} <tspan data-nats="{loss:.9g}">{loss:.4f}</tspan>' in drawn[name], (name, line)
        for place in re.findall(r'class="note"[^>]* x="([-\d.]+)" y="([-\d.]+)"', drawn[name]):
            assert -1 <= float(place[0]) <= width
    assert "without memory" in drawn["lengths"]


def test_the_names_of_lines_in_the_forest_are_crossed_by_no_line(task: Comparison) -> None:
    drawn = draw(task)["forest"]
    tops = [float(y) for y in re.findall(r'<line x1="[\d.]+" y1="([\d.]+)"[^>]*class="floor"', drawn)]
    assert tops == sorted(tops)
    assert len(set(tops)) == len(LINES)


def test_longer_documents_are_a_table_and_a_figure_in_which_a_model_cannot(task: Comparison) -> None:
    shown = flat(table_of(task))
    assert "transformer 99.0% 70.0% 98.0% to 100% 50.0% to 90.0%" in shown
    assert "gru 99.0% cannot 98.0% to 100%" in shown
    assert "gru cannot: ValueError: 64 tokens are too many" in shown
    assert "gru, cannot" in draw(task)["lengths"]


def test_the_axis_of_lengths_names_those_that_were_scored(task: Comparison) -> None:
    drawn, known = draw(task)["lengths"], {point.length for own in task.lengths for point in own.points}
    named = {int(number.replace(",", "")) for number in re.findall(r">([\d,]+)</text>", drawn)}
    assert named == known
    assert "## Longer documents" in render_markdown(task, {})
    assert "Longer documents" in render_page(task)


def test_the_files_for_other_programs_have_the_answers(task: Comparison) -> None:
    head, first, *_ = render_csv(task).splitlines()
    row = dict(zip(head.split(","), first.split(","), strict=True))
    assert {row["right"], row["whole"], row["solved seeds"]} == {"0.9999", "0.999", "3"}
    assert "3 of 3" in render_latex(task)


def test_text_has_none_of_it(example) -> None:
    shown, page = table_of(example("two")), render_page(example("two"))
    assert "solved" not in shown
    assert 'id="lines"' not in page
    assert "right,whole" not in render_csv(example("two"))


def test_many_lengths_of_models_with_options_fit_80_columns(task: Comparison) -> None:
    point = task.lengths[0].points[1]
    points = [point.model_copy(update={"factor": factor, "length": 32 * factor}) for factor in (1, 2, 4, 8, 16, 32)]
    names = ("dilated-wavenet(channels=64)", "transformer(channels=64,layers=4)")
    lengths = tuple(Lengths(label=name, points=tuple(points)) for name in names)
    shown = table_of(task.model_copy(update={"lengths": lengths}))
    assert max(map(len, shown.splitlines())) <= 80
    assert flat(shown).count("50.0% to 90.0%") == len(points) * len(names)
    assert all(f"{32 * factor:,} ({factor}x)" in shown for factor in (2, 4, 8, 16, 32))


def test_many_models_that_do_not_beat_a_line_fit_80_columns(task: Comparison) -> None:
    gru = next(row for row in task.models if row.label == "gru")
    names = [f"dilated-wavenet(channels={width})" for width in (16, 32, 64, 128)]
    models = (*task.models, *(gru.model_copy(update={"label": name}) for name in names))
    shown = table_of(task.model_copy(update={"models": models}))
    assert max(map(len, shown.splitlines())) <= 80
    assert re.search(r"values seen, binding unknown +1\.3863", shown)
    assert flat(shown).count("not beaten by") == 1
    below = shown[shown.index("not beaten by") :]
    assert all(below.split("pair ")[0].count(name) == 1 for name in names)


@pytest.mark.parametrize("width", [960.0, NARROW])
def test_names_of_lines_at_one_height_share_a_row_in_the_figure_of_lengths(
    task: Comparison, changed, width: float
) -> None:
    assert task.data.task
    lines = {name: own.model_copy(update={"accuracy": 0.14}) for name, own in task.data.task.lines.items()}
    data = task.data.model_copy(update={"task": task.data.task.model_copy(update={"lines": lines})})
    drawn = draw(changed(task, data=data), width)["lengths"]
    rows = [float(y) for y in re.findall(r'<text x="[^"]*" y="([-\d.]+)" class="note"', drawn)]
    assert len(rows) == 2
    assert all(abs(one - other) > 11 for one, other in pairwise(sorted(rows)))
    assert "values seen, binding unknown, without memory" in drawn
    assert drawn.index("values seen, binding unknown") > drawn.rindex("<path"), "no curve may cross a name"


def test_an_interval_of_lengths_is_explained_where_there_is_one(task: Comparison) -> None:
    none = {"low": None, "high": None}
    lengths = tuple(
        own.model_copy(update={"points": tuple(point.model_copy(update=none) for point in own.points)})
        for own in task.lengths
    )
    words = "below: the 95% interval for new seeds"
    assert words in flat(table_of(task))
    assert words not in flat(table_of(task.model_copy(update={"lengths": lengths})))
