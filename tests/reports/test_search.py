"""The search of a comparison, as table, notes, page, document and figures show it."""

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from tests.reports.conftest import make_tuned
from zoo.experiments.judge.comparison import Comparison
from zoo.reports.table import print_comparison


def printed(comparison: Comparison, *, bits: bool = False) -> str:
    """The tables at 80 columns."""
    out = io.StringIO()
    print_comparison(comparison, bits=bits, console=Console(file=out, width=80))
    return out.getvalue()


def notes_of(comparison: Comparison, kind: str = "search") -> list[str]:
    return [note.text for note in comparison.notes if note.kind == kind]


@pytest.fixture
def tuned(example) -> Comparison:
    """A comparison of two models, mlp tuned and wavenet best as written."""
    whole: Comparison = example("tuned")
    return whole


def test_the_table_of_the_search_has_trials_costs_best_settings_and_worth(tuned: Comparison) -> None:
    lines = printed(tuned).splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("model") and "worth" in line)
    rows = " ".join(" ".join(lines[start + 2 : start + 6]).split())
    assert "mlp 6, 1 pruned, 99G FLOPs lr=0.0967 schedule=cosine -0.0312±0.0188 1 diverged" in rows
    assert "540 steps, lr=0.003 schedule=cosine unchanged" in rows  # where FLOPs are not counted


def test_worth_is_in_bits_where_losses_are(tuned: Comparison) -> None:
    table = " ".join(printed(tuned, bits=True).split())
    assert "-0.0450±0.0271" in table
    assert "as written, bits per token" in table


@pytest.mark.parametrize("label", ["mlp", "a_model(with=long,options=1,and_more=true,so_that=it_is_wide)", "波形" * 20])
def test_the_table_of_the_search_fits_80_columns(label: str, tuned: Comparison, changed) -> None:
    chosen = {"lr": 0.0123, "weight_decay": 0.0456, "a_rather_long_option": "with_a_long_value", "warmup": 0.1}
    trials = tuple(trial.model_copy(update={"chosen": chosen}) for trial in make_tuned(label).trials)
    wide = changed(tuned, tuned=(make_tuned(label, trials=trials, edges=()),))
    table = printed(wide)
    assert max(map(cell_len, table.splitlines())) <= 80
    assert all(f"{name}=" in table for name in chosen)


def test_the_line_of_learning_rates_points_to_other_searched_settings(tuned: Comparison, changed) -> None:
    assert "other settings: see the search" in " ".join(printed(tuned).split())
    rates = tuple(own.model_copy(update={"space": {"lr": own.space["lr"]}}) for own in tuned.tuned)
    assert "see the search" not in printed(changed(tuned, tuned=rates))


def test_a_best_setting_at_the_edge_of_its_range_is_noted_and_weakens_the_verdict(tuned: Comparison) -> None:
    (note,) = notes_of(tuned)
    assert note == "mlp's best lr 0.0967 lies at the edge of log(0.001,0.1): a wider space may do better."
    assert "the best settings lie at the edge of the searched space for mlp." in tuned.verdict
    assert note in " ".join(printed(tuned).split())


def test_a_search_in_which_nothing_finished_says_so_and_claims_no_optimum(tuned: Comparison, changed) -> None:
    trials = tuple(trial.model_copy(update={"status": "diverged"}) for trial in make_tuned("mlp").trials)
    (note,) = notes_of(changed(tuned, tuned=(make_tuned("mlp", trials=trials, best=0),)))
    assert note == "No trial of mlp finished (6 diverged): the settings of the first one are reported."


def test_trials_that_were_lost_are_noted(tuned: Comparison, changed) -> None:
    first, *others = make_tuned("mlp").trials
    trials = (first.model_copy(update={"status": "failed"}), *others)
    assert notes_of(changed(tuned, tuned=(make_tuned("mlp", trials=trials, edges=()),))) == [
        "1 of 6 trials of mlp failed or were refused, so they were lost."
    ]


@pytest.mark.parametrize(
    ("verdict", "difference", "words"),
    [
        ("undecided", -0.001, "cannot be told from mlp as written"),
        ("worse", 0.02, "is not better than mlp as written"),
        ("none", 0.02, "is not better than mlp as written"),
        ("none", -0.02, None),
        ("better", -0.02, None),
    ],
)
def test_a_tuned_model_that_is_not_better_than_as_written_is_noted(
    verdict: str, difference: float, words: str | None, tuned: Comparison, changed
) -> None:
    worth = make_tuned("mlp").worth
    assert worth
    worth = worth.model_copy(update={"verdict": verdict, "difference": difference})
    notes = notes_of(changed(tuned, tuned=(make_tuned("mlp", edges=(), worth=worth),)))
    assert notes == ([] if words is None else [f"Tuned, mlp {words} under the reported seeds."])


def test_the_reason_for_unmeasured_importances_is_noted(tuned: Comparison) -> None:
    assert notes_of(tuned, "unmeasured") == [
        "wavenet: the importance of searched settings was not measured: scikit-learn is not installed."
    ]
