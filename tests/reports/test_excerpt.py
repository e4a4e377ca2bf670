"""A report of a large comparison shows its best models and some of its runs, and says so."""

import pytest

from tests.reports.conftest import make_comparison
from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.notes import Note
from zoo.experiments.judge.verdict import join, list_some
from zoo.reports.console import PlainConsole
from zoo.reports.excerpt import MOST_MODELS, MOST_RUNS, excerpt
from zoo.reports.figures.draw import draw
from zoo.reports.figures.forest import MOST_DOTS
from zoo.reports.markdown import render_markdown
from zoo.reports.page import render_page
from zoo.reports.spreadsheet import render_csv
from zoo.reports.table import print_comparison


@pytest.fixture(scope="module")
def large() -> Comparison:
    """40 models under 10 seeds."""
    return make_comparison({f"m{place:02}": (2 + place / 50, 1000) for place in range(40)}, range(1, 11))


def shown_in_table(comparison: Comparison) -> str:
    console = PlainConsole(width=80, record=True, quiet=False)
    with console.capture() as capture:
        print_comparison(comparison, bits=False, console=console)
    return capture.get()


def test_a_comparison_of_ordinary_size_is_shown_whole() -> None:
    comparison = make_comparison({f"m{place:02}": (2 + place / 50, 1000) for place in range(MOST_MODELS)})
    assert excerpt(comparison) is comparison


def test_the_best_models_are_shown_with_the_pairs_among_them(large: Comparison) -> None:
    shown = excerpt(large)
    labels = [model.label for model in shown.models]
    assert labels == [model.label for model in large.models][:MOST_MODELS]
    assert len(shown.pairs) == MOST_MODELS * (MOST_MODELS - 1) // 2
    assert {label for pair in shown.pairs for label in (pair.a, pair.b)} == set(labels)
    assert shown.verdict == large.verdict


def test_runs_that_did_not_finish_are_shown_first(large: Comparison) -> None:
    runs = [run.model_copy(update={"status": "diverged"} if run.seed == 10 else {}) for run in large.runs]
    shown = excerpt(large.model_copy(update={"runs": tuple(runs)})).runs
    assert len(shown) == MOST_RUNS
    assert sum(run.status == "diverged" for run in shown) == len(large.models)
    assert [*shown] == [run for run in runs if run in shown]


def test_models_that_failed_are_told_of_though_they_rank_last(large: Comparison) -> None:
    *others, last = large.models
    failed = last.model_copy(update={"test": None, "failed": 1, "reason": "ValueError: too wide"})
    runs = [run.model_copy(update={"status": "failed"} if run.label == last.label else {}) for run in large.runs]
    note = Note(model=last.label, kind="failed", text=f"{last.label} failed under 1 of 8 seeds and is ranked nowhere.")
    whole = large.model_copy(update={"models": (*others, failed), "runs": tuple(runs), "notes": (*large.notes, note)})
    table = " ".join(shown_in_table(whole).split())
    for text in (render_page(whole), render_markdown(whole, {}), table):
        assert "; 1 of the others diverged, failed or were refused; 200 of 400 runs" in text
        assert note.text in text
    assert [run.label for run in excerpt(whole).runs].count(last.label) == 10


def test_every_report_says_what_it_leaves_out(large: Comparison) -> None:
    words = "the best 30 of 40 models, with the pairs among them; 200 of 400 runs"
    page, _, study = render_page(large).partition('<pre class="json">')
    assert "m39" in study
    for text in (page, render_markdown(large, {}), " ".join(shown_in_table(large).split())):
        assert words in text
        assert "m29" in text
        assert "m30" not in text
    assert "40 models compared" in render_page(large)


def test_the_verdict_is_of_all_models(large: Comparison) -> None:
    assert large.verdict in " ".join(shown_in_table(large).split())


def test_a_spreadsheet_has_all_models(large: Comparison) -> None:
    assert len(render_csv(large).splitlines()) == 41


def test_many_seeds_are_drawn_by_their_percentiles() -> None:
    few = draw(make_comparison({"a": (2.0, 10), "b": (2.1, 10)}, range(1, MOST_DOTS + 1)))["forest"]
    many = draw(make_comparison({"a": (2.0, 10), "b": (2.1, 10)}, range(1, 501)))["forest"]
    assert few.count('class="seed"') == 2 * MOST_DOTS
    assert many.count('class="seed"') == 2 * 101


def test_a_list_of_many_names_is_cut_and_counts_the_others() -> None:
    names = [f"n{place}" for place in range(25)]
    assert list_some(names[:12]) == ", ".join(names[:12])
    assert list_some(names) == join(names) == f"{', '.join(names[:6])} and 19 others"
