"""Notes: each hidden fact becomes one complete sentence; a plain model has none."""

from pathlib import Path
from typing import Any

import pytest

from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.notes import Note, collect_notes
from zoo.experiments.judge.rows import ModelRow
from zoo.experiments.records.run import Environment

RESULTS = Path(__file__).resolve().parents[3] / "docs/results"


@pytest.fixture(scope="module")
def stored() -> Comparison:
    """A stored comparison from before notes existed."""
    text = (RESULTS / "names-150k/comparison.json").read_text()
    assert '"notes"' not in text
    return Comparison.model_validate_json(text)


def notes_on(stored: Comparison, **changes: Any) -> list[Note]:
    """The notes on its best model, renamed mine, after these changes."""
    row: ModelRow = stored.models[0]
    for inner in ("used", "cost"):
        if inner in changes:
            changes[inner] = getattr(row, inner).model_copy(update=changes[inner])
    plain = {"label": "mine", "lr_at_edge": False, "off_size": None, "off_budget": 0.0, "buffers": None, "reason": None}
    return list(collect_notes(stored.study, [row.model_copy(update=plain | changes)], (), ()))


def test_a_plain_model_needs_no_note(stored: Comparison) -> None:
    assert notes_on(stored) == []


FACTS: dict[str, tuple[str, dict[str, Any], str]] = {
    "diverged": ("diverged", {"diverged": 2, "test": None}, "mine diverged under 2 of 3 seeds; no mean is taken"),
    "all diverged": ("diverged", {"diverged": 3, "test": None}, "mine diverged under 3 of 3 seeds."),
    "diverged alone": (
        "diverged",
        {"diverged": 2, "test": None, "reason": "its auxiliary loss was no finite number"},
        "mine diverged under 2 of 3 seeds: its auxiliary loss was no finite number; no mean is taken",
    ),
    "auxiliary": (
        "auxiliary",
        {"auxiliary": 0.012345},
        "mine trains on an auxiliary loss too, 0.0123 at the end; no loss here includes it.",
    ),
    "refused": (
        "refused",
        {"refused": 1, "reason": "It peeks."},
        "refused under 1 of 3 seeds and ranked nowhere. It peeks.",
    ),
    "untrained": ("untrained", {"untrained": 3}, "mine was never better than its initial weights under 3 of 3 seeds."),
    "field": (
        "field",
        {"cost": {"declared_field": 1, "receptive_field": None, "probed_tokens": 64}},
        "mine declares that it sees 1 token; a probe of 64 found all.",
    ),
    "edge": (
        "rate",
        {"lr_at_edge": True, "lr": 0.01},
        "mine took learning rate 0.01, the edge of the grid: a wider",
    ),
    "no rate": ("rate", {"lr_trials": {"0.1": None, "1.0": None}}, "mine has no loss at any learning rate of the grid"),
    "small": (
        "size",
        {"off_size": -0.0314},
        "mine is 3.1% below the size asked for, the nearest it can reach.",
    ),
    "large": ("size", {"off_size": 0.5}, "mine is 50.0% above the size asked for"),
    "budget": (
        "budget",
        {"off_budget": 0.04},
        "mine used 4.0% more than the budget, the nearest that whole steps reach.",
    ),
    "saved": ("budget", {"off_budget": -0.04}, "mine used 4.0% less than the budget"),
    "context": ("context", {"context": 3}, "mine has a context of 3."),
    "buffers": ("buffers", {"buffers": 10**6}, "mine: training changes 1,000,000 numbers beside its parameters."),
    "flops": (
        "flops",
        {"used": {"flops_uncounted": ("a", "b", "c", "d", "e", "f")}},
        "mine: FLOPs are at least those that were counted, without a, b, c, d and 2 more; seconds say more.",
    ),
    "no flops": ("flops", {"used": {"flops": None, "flops_uncounted": ("No.",)}}, "mine: FLOPs cannot be counted: No."),
    "fitted": ("flops", {"used": {"flops_fitted": True}}, "mine: FLOPs are about those that were counted"),
    "unmeasured": ("unmeasured", {"cost": {"unmeasured": {"state": "Ow"}}}, "mine: state was not measured: Ow."),
}


@pytest.mark.parametrize("fact", FACTS)
def test_a_fact_that_the_numbers_hide_is_noted_once(stored: Comparison, fact: str) -> None:
    kind, changes, words = FACTS[fact]
    (note,) = notes_on(stored, **changes)
    assert (note.model, note.kind) == ("mine", kind)
    assert words in note.text
    assert note.text.endswith(".")


def test_what_is_nearly_as_it_was_asked_for_is_not_noted(stored: Comparison) -> None:
    assert notes_on(stored, off_size=0.019, off_budget=-0.019, buffers=stored.models[0].parameters // 11) == []


def test_models_at_one_edge_of_the_grid_share_a_note(stored: Comparison) -> None:
    rates = {"a": (0.1, True), "b": (0.01, True), "c": (0.1, True), "d": (0.03, False)}
    rows = [stored.models[0].model_copy(update={"label": label, "lr": lr, "lr_at_edge": edge})
            for label, (lr, edge) in rates.items()]  # fmt: skip
    notes = [note for note in collect_notes(stored.study, rows, (), ()) if note.kind == "rate"]
    assert [(note.model, note.text.partition(",")[0]) for note in notes] == [
        ("b", "b took learning rate 0.01"),
        (None, "a and c took learning rate 0.1"),
    ]


def test_notes_on_the_whole_comparison_name_no_model(stored: Comparison) -> None:
    data = stored.study.data.model_copy(update={"split": "90/10/0"})
    run = stored.runs[0].model_copy(update={"execution": "stack of 3, unlike runs alone: it draws"})
    study = stored.study.model_copy(update={"data": data})
    notes = collect_notes(study, (), (run, run), ("Few documents.",))
    assert [(note.kind, note.model) for note in notes] == [("split", None), ("caveat", None), ("execution", run.label)]
    assert notes[0].text.startswith("There is no test split: validation, which chose the weights, stands in for it")
    assert notes[1].text == "Few documents."
    assert notes[2].text == f"{run.label}: stack of 3, unlike runs alone: it draws."


def test_runs_on_unlike_hardware_are_noted_and_older_records_are_not(stored: Comparison) -> None:
    one, other, older = (
        Environment(zoo="0.1.0", python="3.12.3", torch="2.13.0", platform="Linux", device="cpu AVX2", threads=1,
                    commit=None, dirty=None, processor=processor)
        for processor in ("EPYC 7742", "Xeon 8480", None)
    )  # fmt: skip
    (note,) = collect_notes(stored.study, (), (), (), environments=(one, other, older))
    assert note.kind == "hardware"
    assert note.text.startswith("The runs were made on unlike hardware: EPYC 7742, Xeon 8480. Their seconds")
    assert collect_notes(stored.study, (), (), (), environments=(one, older)) == ()


def test_a_comparison_that_was_stored_without_notes_gets_them_when_it_is_read() -> None:
    old = Comparison.model_validate_json((RESULTS / "makemore-part5/comparison.json").read_text())
    (shorter,) = [note for note in old.notes if note.kind == "context"]
    assert shorter == Note(model="flat-3, 12K", kind="context", text="flat-3, 12K has a context of 3.")
    assert Comparison.model_validate_json(old.model_dump_json()) == old
