"""The document in GitHub's Markdown shows every label as plain text."""

import io
import re

import pytest
from markdown_it import MarkdownIt
from rich.console import Console

from zoo.experiments.judge.comparison import Comparison
from zoo.reports.markdown import render_markdown
from zoo.reports.markup import escape
from zoo.reports.table import print_comparison

FIGURES = {"forest": "figures/forest.svg", "cost-flops": "figures/cost-flops.svg"}


def tables(document: str) -> list[list[list[str]]]:
    """The rows of every table, as rendered Markdown shows them."""
    tokens = MarkdownIt("commonmark").enable("table").parse(document)
    found: list[list[list[str]]] = []
    for place, token in enumerate(tokens):
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append([])
        elif token.type in ("td_open", "th_open"):
            children = tokens[place + 1].children or []
            assert {child.type for child in children} <= {"text", "text_special"}, "a cell is not plain text"
            found[-1][-1].append("".join(child.content for child in children))
    return found


def test_the_verdict_comes_first_then_table_pairs_method_and_how_to_run_it(example) -> None:
    document = render_markdown(example("nine"), FIGURES)
    places = [document.index(words) for words in (
        "# The lecture's five networks", "**tree, 76K and transformer", "## Losses", "(figures/forest.svg)", "## Pairs",
        "(figures/cost-flops.svg)", "## Method", "## Run it again",
        "python cli.py compare runs/a-study/study-0123456789.json --fresh",
    )]  # fmt: skip
    assert places == sorted(places)


def test_every_table_has_the_numbers_of_the_comparison(every_example: Comparison) -> None:
    found = tables(render_markdown(every_example, FIGURES))
    others = 2 * bool(every_example.tuned) + 2 * bool(every_example.targets) + len(every_example.contrasts)
    effects = 2 * bool(every_example.ablation)
    task = bool(every_example.data.task) + bool(every_example.lengths)
    assert len(found) == 2 + bool(every_example.pairs) + others + effects + task
    head, *rows = found[effects]
    for cells, model in zip(rows, every_example.models, strict=True):
        row = dict(zip(head, cells, strict=True))
        assert row["test"].startswith(f"{model.test.mean:.4f}" if model.test else f"diverged {model.diverged} of")
        assert row["parameters"].startswith(f"{model.parameters:,}")
    if every_example.pairs:
        assert len(found[1 + bool(every_example.data.task)]) == 1 + len(every_example.pairs)


def test_the_passages_on_which_two_models_differ_stand_in_tables_as_text(example) -> None:
    comparison = example("labels")
    found = tables(render_markdown(comparison, {}))[3]
    contrast = comparison.contrasts[0]
    assert found[0] == ["passage", contrast.a, contrast.b, "difference"]
    assert [row[0] for row in found[1:]] == ["ma<&⊣", "…a line⏎another⇥one…", "\ufffdé\ufffd</span>⊣"]
    assert found[1][1:] == ["6.00", "9.00", "−3.00"]


def test_labels_are_text(example) -> None:
    comparison = example("labels")
    document = render_markdown(comparison, {})
    shown = [row[0] for row in tables(document)[0][1:]]
    assert shown[0] == "<script>alert(1)</script>"
    assert shown[1] == "a|b `c` *d* _e_ [f](g) $h$"
    html = MarkdownIt("commonmark").enable("table").render(document)
    assert "<script" not in html
    assert "<b>" not in html
    assert "&lt;b&gt;bold&lt;/b&gt; &amp; `code`" in html


@pytest.mark.parametrize(
    "words",
    ["- not a list", "1. nor this", "# no heading", "a\n\nb", "![x](y)", "a\\|b", "&amp;", "&#60;", "R&D", "a && b",
     "> no quotation", "a > b", "p < 0.001", "a<b>c</b>", "<!-- x", "<?x?>", "<https://a.b>", "a<", "\\<b>", "<\\b>",
     "\\&amp;"],
)  # fmt: skip
def test_text_stays_what_it_is(words: str) -> None:
    (paragraph,) = [token for token in MarkdownIt("commonmark").parse(escape(words)) if token.type == "inline"]
    assert {child.type for child in paragraph.children or []} <= {"text", "text_special"}
    assert "".join(child.content for child in paragraph.children or []) == " ".join(words.split())


def test_the_source_can_be_read_too(example) -> None:
    document = render_markdown(example("nine"), FIGURES)
    assert "p < 0.001" in document
    assert "| < 0.001 |" in document
    assert not re.search("&[a-z]+;", document)


def test_samples_with_fences_stay_within_theirs(example) -> None:
    comparison = example("two")
    model = comparison.models[0].model_copy(update={"samples": ("```\n# not a heading", "~~~")})
    document = render_markdown(comparison.model_copy(update={"models": (model, *comparison.models[1:])}), {})
    headings = [token for token in MarkdownIt("commonmark").parse(document) if token.type == "heading_open"]
    assert len(headings) == len(re.findall(r"^#+ (?!not)", document, re.MULTILINE))


def test_runs_that_are_unlike_one_eager_run_alone_are_told_in_document_and_table(example, changed) -> None:
    comparison, told = example("two"), "stack of 3, unlike runs alone: it draws random numbers in training"
    runs = [run.model_copy(update={"execution": told}) for run in comparison.runs]
    stacks = changed(comparison, runs=tuple(runs))
    for label in {run.label for run in runs}:
        assert f"{label}: {told}" in render_markdown(stacks, {}).replace("\\", "")
        printed = io.StringIO()
        print_comparison(stacks, bits=False, console=Console(width=80, file=printed))
        assert f"{label}: {told}" in " ".join(printed.getvalue().split())
    assert "unlike" not in render_markdown(comparison, {})
