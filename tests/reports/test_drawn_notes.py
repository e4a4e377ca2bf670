"""Table, page, document and JSON give notes in the same words."""

import io
import json
from html import unescape
from pathlib import Path

import pytest
from rich.console import Console

from zoo.config import Recipe
from zoo.experiments.judge.comparison import Comparison
from zoo.reports.legend import NOTED
from zoo.reports.markdown import render_markdown
from zoo.reports.page import render_page
from zoo.reports.table import print_comparison

RESULTS = Path(__file__).resolve().parents[2] / "docs/results"


def drawings(comparison: Comparison) -> tuple[str, str, str]:
    """Table at 80 columns, page and document, each joined into one line."""
    out = io.StringIO()
    print_comparison(comparison, bits=False, console=Console(file=out, width=80))
    assert max(map(len, out.getvalue().splitlines())) <= 80
    drawn = out.getvalue(), unescape(render_page(comparison)), render_markdown(comparison, {}).replace("\\", "")
    table, page, document = (" ".join(words.split()) for words in drawn)
    return table, page, document


@pytest.fixture
def noted(example, changed) -> Comparison:
    """A comparison with notes of nearly every kind; no model has all of them."""
    whole: Comparison = example("two")
    best, second = whole.models
    assert second.cost is not None
    cost = second.cost.model_copy(update={"receptive_field": 3, "unmeasured": {"state": "ValueError: no"}})
    models = (
        best.model_copy(update={"untrained": 1, "stopped": (20, 30, 1), "off_size": -0.1, "lr_at_edge": True,
                                "context": 4}),
        second.model_copy(update={"off_budget": 0.1, "buffers": 10**6, "cost": cost, "failed": 1, "reason": "Why.",
                                  "auxiliary": 0.01, "lr_from": "recipe", "recipe": Recipe(optimizer="muon"),
                                  "used": second.used.model_copy(update={"flops_fitted": True})}),
    )  # fmt: skip
    runs = (whole.runs[0].model_copy(update={"execution": "stacked, unlike runs alone: why"}), *whole.runs[1:])
    data = whole.study.data.model_copy(update={"split": "90/10/0"})
    study = whole.study.model_copy(update={"data": data, "vary": "data"})
    doubt: Comparison = changed(whole, study=study, models=models, runs=runs, caveats=("Few documents.",),
                                tuned=example("tuned").tuned)  # fmt: skip
    return doubt


def test_page_and_document_draw_every_note_and_the_table_those_of_its_kinds(noted: Comparison) -> None:
    table, page, document = drawings(noted)
    assert {note.kind for note in noted.notes} == {*NOTED, "context", "unmeasured"} - {
        "refused",
        "start",
        "ablation",
        "watch",
        "leak",
        "published",
        "counted",
        "xz",
        "excerpt",
        "hardware",
    }
    for note in noted.notes:
        assert page.count(note.text) == document.count(note.text) == 1
        assert table.count(note.text) == (note.kind in NOTED and note.kind != "flops")


def test_the_table_tells_of_flops_where_the_budget_is_in_flops(noted: Comparison, changed) -> None:
    training = noted.study.training.model_copy(update={"tokens": None, "flops": 1e9})
    in_flops = changed(noted, study=noted.study.model_copy(update={"training": training}))
    (note,) = [note for note in in_flops.notes if note.kind == "flops"]
    assert note.text in drawings(in_flops)[0]


def test_a_comparison_without_notes_has_no_empty_list(example, changed) -> None:
    whole = example("no costs")
    plain = changed(whole, caveats=())
    assert plain.notes == ()
    assert '<ul class="notes">' not in render_page(plain)
    assert "\n- \n" not in render_markdown(plain, {})


@pytest.mark.parametrize("name", ["makemore-part5", "names-150k"])
def test_a_comparison_that_was_stored_without_notes_is_drawn_with_them(name: str) -> None:
    text = (RESULTS / name / "comparison.json").read_text()
    assert "notes" not in json.loads(text)
    old = Comparison.model_validate_json(text)
    _, page, document = drawings(old)
    for note in old.notes:
        assert note.text in page
        assert note.text in document
    assert bool(old.notes) == (name == "makemore-part5")
