"""The search of a comparison, as table, notes, page, document and figures show it."""

import io
import math
import re
import xml.etree.ElementTree as ET
from html import unescape

import pytest
from rich.cells import cell_len
from rich.console import Console

from tests.reports.conftest import make_tuned
from zoo.experiments.judge.comparison import Comparison
from zoo.reports.facts import setting
from zoo.reports.figures.draw import NARROW, WIDE, draw
from zoo.reports.figures.search import cut_scale
from zoo.reports.markdown import render_markdown
from zoo.reports.method import describe_method
from zoo.reports.page import render_page
from zoo.reports.table import print_comparison

SVG = "{http://www.w3.org/2000/svg}"


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


def marks_of(figure: ET.Element, label: str, name: str) -> list[tuple[int, ET.Element]]:
    """(Number of the trial, its group) of a model in the panel of a setting."""
    found = []
    for group in figure.iter(f"{SVG}g"):
        title = re.fullmatch(rf"{label}, trial (\d+): {name}=.*", group.findtext(f"{SVG}title") or "")
        found += [(int(title[1]), group)] if title else []
    return found


def classes(group: ET.Element) -> list[str]:
    return [element.attrib["class"] for element in group if "class" in element.attrib]


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("name", ["lr", "schedule"])
def test_every_trial_has_its_sign_in_the_panel_of_every_setting(name: str, width: float, tuned: Comparison) -> None:
    figure = ET.fromstring(draw(tuned, width)["search-settings"])
    signs = {number: classes(group) for number, group in marks_of(figure, "mlp", name)}
    assert signs == {
        1: ["written"],
        2: ["trial"],
        3: ["trial", "best"],
        4: ["pruned"],
        5: ["end", "end"],  # diverged: a cross
        6: ["end"],  # far above the others: an arrow at the edge
    }
    others = {number: classes(group) for number, group in marks_of(figure, "wavenet", name)}
    assert others[1] == ["written", "best"]


def test_a_trial_without_scores_is_not_drawn(tuned: Comparison, changed) -> None:
    trials = [trial.model_copy(update={"status": "failed", "loss": None}) for trial in make_tuned("mlp").trials]
    mixed = (*trials[:2], *make_tuned("mlp").trials[2:])
    figure = ET.fromstring(draw(changed(tuned, tuned=(make_tuned("mlp", trials=mixed),)))["search-settings"])
    assert [number for number, _ in marks_of(figure, "mlp", "lr")] == [4, 5, 6, 3]  # the best one last, on top
    drawn = draw(changed(tuned, tuned=(make_tuned("mlp", trials=tuple(trials)),)))
    assert not [name for name in drawn if name.startswith("search-")]


def test_a_logarithmic_range_has_equal_ratios_at_equal_distances(tuned: Comparison) -> None:
    figure = ET.fromstring(draw(tuned)["search-settings"])
    circles = {number: group.find(f"{SVG}circle") for number, group in marks_of(figure, "mlp", "lr")}
    places = {number: float(circle.attrib["cx"]) for number, circle in circles.items() if circle is not None}
    (low, middle, high), trials = (0.01, 0.03, 0.0967), make_tuned("mlp").trials
    assert [trials[number - 1].chosen["lr"] for number in (2, 4, 3)] == [low, middle, high]
    assert (places[4] - places[2]) / (places[3] - places[4]) == pytest.approx(
        math.log(middle / low) / math.log(high / middle), rel=0.01
    )


def test_models_have_lanes_of_their_own_within_a_choice(tuned: Comparison) -> None:
    figure = ET.fromstring(draw(tuned)["search-settings"])
    ends = {}
    for label in ("wavenet", "mlp"):
        groups = [group for number, group in marks_of(figure, label, "schedule") if number in (2, 4)]  # both linear
        ends[label] = [float(circle.attrib["cx"]) for group in groups for circle in group.iter(f"{SVG}circle")]
    assert max(ends["wavenet"]) < min(ends["mlp"])


@pytest.mark.parametrize("low", [0, 1])
def test_an_axis_of_whole_numbers_has_whole_ticks(low: int, tuned: Comparison, changed) -> None:
    trials = tuple(trial.model_copy(update={"chosen": {"layers": low + n % 3}})
                   for n, trial in enumerate(make_tuned("mlp").trials))  # fmt: skip
    own = make_tuned("mlp", space={"layers": f"int({low},{low + 2})"}, trials=trials, edges=(), importances={},
                     written=None)  # fmt: skip
    figure = ET.fromstring(draw(changed(tuned, tuned=(own,)))["search-settings"])
    ticks = {text.text for text in figure.iter(f"{SVG}text") if text.get("text-anchor") == "middle"} - {"layers"}
    assert ticks == {str(low), str(low + 1), str(low + 2)}


def test_lines_of_the_grid_stand_at_the_numbers_of_the_axis_in_both_units(tuned: Comparison) -> None:
    figure = ET.fromstring(draw(tuned)["search-settings"])
    for unit in ("nats", "bits"):
        first, second = (
            [level.attrib["y1"] for level in group.iter(f"{SVG}line")]
            for group in figure.iter(f"{SVG}g")
            if group.get("class") == f"axis {unit}"
        )
        assert first == second


@pytest.mark.parametrize("far", [3.0, 9.0, 1e30])
def test_losses_far_above_most_do_not_squeeze_the_others(far: float) -> None:
    near = [1.8, 1.82, 1.85, 1.9, 1.95]
    scale = cut_scale([*near, far], [1.8])
    assert not scale.inside(far)
    assert all(map(scale.inside, near))
    assert scale(1.95) - scale(1.8) > 0.7
    assert cut_scale([*near, far], [far]).inside(far)  # unless it must be seen
    assert cut_scale([1.8, far], [1.8]).inside(far)  # of two losses none is far from most


def test_the_lowest_loss_so_far_counts_finished_trials_alone_and_never_rises() -> None:
    assert make_tuned("mlp").lowest_so_far() == [(1, 1.85), (2, 1.82), (3, 1.8), (4, 1.8), (5, 1.8), (6, 1.8)]
    trials = tuple(reversed(make_tuned("mlp").trials))
    assert make_tuned("mlp", trials=trials).lowest_so_far() == [
        (1, 9.0), (2, 9.0), (3, 9.0), (4, 1.8), (5, 1.8), (6, 1.8)
    ]  # fmt: skip


def test_page_and_document_have_the_numbers_of_the_search(tuned: Comparison) -> None:
    page = " ".join(re.sub("<[^>]*>", " ", unescape(render_page(tuned)).partition("</style>")[2]).split())
    document = render_markdown(tuned, {"search-settings": "figures/search-settings.svg"}).replace("\\", "")
    assert "mlp 6 1 1 540 12.0 99G lr=0.0967 schedule=cosine −0.0312 −0.0500 to −0.0124" in page
    assert "mlp lr log(0.001,0.1) 0.0967 edge 0.003 75%" in page
    assert (
        "| mlp | 6 | 1 | 1 | 540 | 12.0 | 99G | lr=0.0967 schedule=cosine | −0.0312 (−0.0500 to −0.0124) |" in document
    )
    assert "| mlp | lr | log(0.001,0.1) | 0.0967 (edge) | 0.003 | 75% |" in document
    assert "| wavenet | schedule | choice(cosine,linear) | cosine | cosine |  |" in document
    for text in (page, document):
        assert "by fANOVA (Hutter et al. 2014), of 4 finished trials." in text
        assert "Unchanged: no trial was better" in text
    assert document.index("## Search") < document.index("figures/search-settings.svg") < document.index("## Cost")


def test_worth_on_the_page_can_be_read_in_bits(tuned: Comparison) -> None:
    search = render_page(tuned).partition('id="search"')[2].partition("</table>")[0]
    assert '<span data-nats="-0.0312" data-signed>' in search


def test_a_reason_for_no_interval_of_worth_is_given(tuned: Comparison, changed) -> None:
    worth = make_tuned("mlp").worth
    assert worth
    worth = worth.model_copy(update={"low": None, "high": None, "verdict": "none", "withheld": "the seeds are split"})
    split = changed(tuned, tuned=(make_tuned("mlp", worth=worth),))
    assert "mlp has no interval: the seeds are split." in render_page(split)
    assert "mlp has no interval: the seeds are split." in render_markdown(split, {})


@pytest.mark.parametrize(
    ("search", "budget", "words", "missing"),
    [
        ({"trials": 6}, "6 trials of each model", "TPE (Bergstra et al. 2011)", "Sobol"),
        ({"flops": 1e12, "sampler": "qmc"}, "trials of each model within 1.0T training FLOPs", "Sobol", "TPE"),
        ({"trials": 6, "prune": False}, "6 trials of each model", "no trial evaluated the test split", "median"),
    ],
)
def test_the_method_says_how_settings_were_found(
    search: dict[str, object], budget: str, words: str, missing: str, tuned: Comparison, changed
) -> None:
    study = tuned.study.model_copy(update={"search": tuned.study.search.model_copy(update={"trials": None, **search})})
    whole = changed(tuned, study=study)
    (paragraph, worth) = describe_method(whole)[1:3]
    assert f"The settings were searched first: {budget}" in paragraph
    assert words in paragraph
    assert missing not in paragraph
    assert worth.startswith("What tuning was worth: the model with its settings as written was trained")
    assert setting(whole)["Search"].startswith(f"{budget}, over lr, schedule; sampler ")


def test_a_comparison_without_a_search_does_not_mention_one(example) -> None:
    whole = example("nine")
    assert "<h2>Search</h2>" not in render_page(whole)
    assert "## Search" not in render_markdown(whole, {})
    assert "Search" not in setting(whole)
    assert not any("searched" in paragraph for paragraph in describe_method(whole))
