"""A result in a notebook: the numbers of its page, a style of its own, escaped text, nothing that runs or is loaded."""

import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from IPython.core.formatters import DisplayFormatter
from markupsafe import escape
from test_page import Page
from test_page_of_a_run import make_run
from test_scaling import TARGETS

import zoo
from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.scaling import Scaling, collect_scaling
from zoo.experiments.records.run import Run
from zoo.experiments.study.config import Match
from zoo.reports import facts, notebook
from zoo.reports.page import render_page
from zoo.reports.run_page import render_run_page
from zoo.reports.scaling import list_differences, list_losses
from zoo.results import Checked, Compared, ComparedSizes, TrainedRun

SCORES = Path(__file__).resolve().parents[2] / "examples" / "scores.csv"
HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}
RUNS = {
    "finished": make_run(cost=True),
    "diverged": make_run(status="diverged", diverged_at=250, test_loss=None, validation_loss=None),
    "<i>label</i>": make_run("<i>label</i>"),
}


class Display(Page):
    """A parsed display; its tables are numbered, since they have no ids."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            attrs = [*attrs, ("id", f"table {len(self.tables)}")]
        super().handle_starttag(tag, attrs)

    def list_tables(self) -> list[list[list[str]]]:
        return list(self.tables.values())


@pytest.fixture
def scaling(example: Any) -> Scaling:
    """One comparison at three sizes."""
    found = []
    for target in TARGETS:
        whole = example("labels")
        study = whole.study.model_copy(update={"match": Match(parameters=target), "name": f"s-{target}"})
        found.append(whole.model_copy(update={"study": study, "folder": study.name}))
    return collect_scaling(found)


@pytest.fixture(scope="module")
def displays() -> dict[str, str]:
    """Displays that were rendered, by name."""
    return {}


@pytest.fixture
def every_display(every_name: str, every_example: Comparison, displays: dict[str, str]) -> str:
    if every_name not in displays:
        displays[every_name] = notebook.render_comparison(every_example, Path("runs/<a>/report.html"))
    return displays[every_name]


def check_that_it_is_inert(html: str) -> Display:
    """Assert what holds for every display, and return it."""
    shown = Display(html)
    tags, attributes = [tag for tag, _ in shown.elements], [name for _, own in shown.elements for name in own]
    assert not {"script", "link", "img", "iframe", "input", "button"} & set(tags)
    assert not HEADINGS & set(tags), "a notebook would list them in its table of contents"
    assert not [own for tag, own in shown.elements if own.get("id") and tag != "table"]
    assert ' id="' not in html
    assert not [name for name in attributes if name.startswith("on") or name in ("href", "src", "name", "style")]
    assert tags.count("style") == 1
    assert "url(" not in shown.blocks["style"]
    return shown


def test_every_display_of_a_comparison_is_inert_and_has_its_verdict(
    every_display: str, every_example: Comparison
) -> None:
    shown = check_that_it_is_inert(every_display)
    assert facts.verdict(every_example) in shown.text
    assert "report: runs/<a>/report.html" in shown.text


def test_its_losses_are_those_of_the_page(every_display: str, every_example: Comparison) -> None:
    page = Page(render_page(every_example))
    tables = Display(every_display).list_tables()
    for name in ("losses", "pairs", "effects-table", "interactions", "search", "searched", "reach", "lengths", "costs"):
        if name in page.tables:
            assert page.tables[name] in tables, name


def test_its_figure_has_every_model_that_has_a_loss(every_display: str, every_example: Comparison) -> None:
    drawn = "".join(re.findall(r"<svg.*?</svg>", every_display, re.DOTALL))
    for model in every_example.models:
        if model.test and len(model.label) < 20:
            assert str(escape(model.label)) in drawn or "\x00" in model.label


def test_a_label_of_a_record_is_text(example: Any) -> None:
    html = notebook.render_comparison(example("labels"))
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "\x00" not in html + unescape(html)
    assert "\u202e" not in html


def test_dollars_of_a_label_are_no_formula(example: Any) -> None:
    classes = Display(notebook.render_comparison(example("labels"))).elements[0][1]["class"]
    assert {"tex2jax_ignore", "mathjax_ignore"} <= set(str(classes).split())


def test_every_rule_of_the_style_is_about_displays() -> None:
    style, depth, start, heads = notebook.render_figure("").partition("<style>")[2].partition("</style>")[0], 0, 0, []
    for place, sign in enumerate(style):
        if sign == "{" and not depth:
            heads.append(style[start:place])
        depth += (sign == "{") - (sign == "}")
        if sign == "}" and not depth:
            start = place + 1
    assert depth == 0
    assert heads
    assert all(head.strip().startswith(".zoo-display") or head.endswith(" .zoo-display") for head in heads)
    assert "rem" not in re.findall(r"[\d]([a-z]+)", style), "a size that depends on the notebook's"


@pytest.mark.parametrize("name", RUNS)
def test_a_run_has_its_losses_and_its_end(name: str) -> None:
    run, page = RUNS[name], Page(render_run_page(RUNS[name]))
    shown = check_that_it_is_inert(notebook.render_run(run, Path("run.html")))
    assert page.tables.get("losses") in [*shown.list_tables(), None]
    assert run.label in shown.text
    assert ("Training stopped after" in shown.text) or "diverged" in shown.text


def test_sizes_have_every_loss_and_difference(scaling: Scaling) -> None:
    shown = check_that_it_is_inert(notebook.render_scaling(scaling, Path("sizes.md")))
    tables = [[[cell.replace(" ± ", "±") for cell in row] for row in table] for table in shown.list_tables()]

    def visible(rows: list[list[str]]) -> list[list[str]]:
        return [[cell.replace("\x00", "�").replace("\x1b", "�").replace("\u202e", "�") for cell in row] for row in rows]

    assert tables == [visible(list_losses(scaling)), visible(list_differences(scaling))]


def test_judged_scores_have_their_table_in_text_and_in_a_notebook() -> None:
    judged = zoo.judge([SCORES], margin=0.02)
    shown = check_that_it_is_inert(judged._repr_html_())
    rows = [[label, letters] for label, _, letters, _ in shown.list_tables()[0][1:]]
    assert rows == [[model.label, model.letters] for model in judged.tasks[0].models]
    assert repr(judged) == str(judged)
    assert all(model.label in repr(judged) for model in judged.tasks[0].models)


def test_a_check_has_a_row_a_check_and_its_findings() -> None:
    found = {"kind": "failure", "text": "row <1>\nand row 2"}
    checks = [
        {"name": "shape", "holds": "Logits (B, T, V).", "status": "failed", "waits_for": [], "findings": [found]},
        {"name": "causality", "holds": "No future.", "status": "skipped", "waits_for": ["shape"], "findings": []},
        {"name": "dtype", "holds": "bfloat16.", "status": "passed", "waits_for": [], "findings": []},
    ]
    document = {"model": "<b>", "context": 8, "vocab_size": 27, "passed": False, "checks": checks}
    shown = check_that_it_is_inert(Checked(document)._repr_html_())
    (table,) = shown.list_tables()
    assert table[1:] == [
        ["shape", "failed", f"Logits (B, T, V).{found['text']}"],
        ["causality", "waits", "for shape"],
        ["dtype", "ok", "bfloat16."],
    ]
    assert "<b> breaks the contract: shape; 1 more wait for it." in shown.text


def test_a_trace_has_a_row_a_layer_and_its_signals() -> None:
    traced = zoo.trace("mlp(hidden=8)", batch=2, stats=True, data="invented(documents=60)")
    shown = check_that_it_is_inert(traced._repr_html_())
    calls, layers, weights = shown.list_tables()
    assert [row[0] for row in calls[1:]] == ["the model", *(layer.name for layer in traced.layers[1:])]
    assert len(layers) == len(traced.layers)
    assert len(weights) > 1


def test_a_notebook_gets_table_and_text_of_every_result(example: Any, scaling: Scaling) -> None:
    compared = Compared(Path("runs/a"), example("two"), None)
    results = [compared, ComparedSizes(scaling, [compared], Path("sizes.md")), zoo.judge([SCORES]), compared.plot()]
    for result in results:
        data, _ = DisplayFormatter().format(result)
        assert data["text/html"].startswith('<div class="zoo-display'), type(result)
        assert data["text/plain"] == repr(result)


def test_a_run_that_is_gone_is_shown_as_text(tmp_path: Path) -> None:
    kept = RUNS["finished"]
    record = Run(directory=tmp_path / "gone", recorded=kept.recorded, environment=kept.environment, curve=kept.curve,
                 result=kept.result)  # fmt: skip
    data, _ = DisplayFormatter().format(TrainedRun(record))
    assert set(data) == {"text/plain"}
