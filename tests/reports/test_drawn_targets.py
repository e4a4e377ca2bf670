"""What models take to target losses, as table, page, document and figures show it."""

import io
import re
import xml.etree.ElementTree as ET
from html import unescape

import pytest
from rich.cells import cell_len
from rich.console import Console

from tests.reports.conftest import NINE, make_comparison, make_targets
from zoo.experiments.judge.censored import Typical
from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.target import Reach
from zoo.reports.figures.draw import NARROW, WIDE, draw
from zoo.reports.latex import render_latex
from zoo.reports.markdown import render_markdown
from zoo.reports.page import render_page
from zoo.reports.spreadsheet import render_csv
from zoo.reports.table import print_comparison
from zoo.reports.target_facts import describe_ratios, describe_reach, format_interval, format_median

SVG = "{http://www.w3.org/2000/svg}"
SECONDS = "Seconds are those of this machine, and verify does not check them."


def printed(comparison: Comparison, *, bits: bool = False) -> str:
    """The tables of target losses at 80 columns."""
    out = io.StringIO()
    print_comparison(comparison, bits=bits, console=Console(file=out, width=80))
    return out.getvalue().partition("to a validation loss")[2]


def flat(text: str) -> str:
    return " ".join(text.split())


def aim(comparison: Comparison, *losses: float) -> Comparison:
    return comparison.model_copy(update={"targets": make_targets(comparison, losses)})


@pytest.fixture
def aimed(example) -> Comparison:
    """Three models under eight seeds, of which the slower ones end above the lower of two losses."""
    whole: Comparison = example("aimed")
    return whole


def test_the_table_has_medians_over_intervals_and_marks_what_lies_beyond_a_run(aimed: Comparison) -> None:
    table = flat(printed(aimed))
    assert "transformer 8/8 168 153k 335G 2.1 150 to 185 137k to 169k 300G to 370G 1.8 to 2.3" in table
    assert "tree, 22K 6/8 435 to 455 398k to 416k 870G to 910G 5.4 to 5.6 400 to ∞" in table
    assert "median over 8 seeds, with its exact 99.2% interval" in table
    assert SECONDS in table
    assert "on a straight line between the evaluation above it and the next, alike for all" in table


def test_verdicts_come_with_the_family_and_with_the_test_that_made_them(aimed: Comparison) -> None:
    table = flat(printed(aimed))
    assert "tree, 76K / transformer 2.1 tokens 0.70 (0 to 0.73) 8/8 0.047 fewer" in table
    assert "p: exact sign test, adjusted for all 6 pairs and losses of one measure (Holm)" in table
    assert "The report shows all pairs, losses and measures." in table


def test_too_few_seeds_have_ranges_and_are_told_how_many_it_takes() -> None:
    few = aim(make_comparison(dict(list(NINE.items())[:2])), 2.3)
    table = flat(printed(few))
    assert "median over 3 seeds, with the range" in table
    assert "No verdict on ratios: 3 seeds, and it takes 6 (--seeds 6)." in table
    assert "verdict fewer" not in table
    assert "0.68 (0.67 to 0.69) 3/3" in table


def test_one_seed_has_neither_interval_nor_range() -> None:
    one = aim(make_comparison(dict(list(NINE.items())[:2]), (1,)), 2.3)
    assert "; one seed." in describe_reach(one)[0]
    assert " to " not in printed(one).partition("To the first")[0]


def test_a_schedule_that_follows_the_budget_is_told(aimed: Comparison) -> None:
    assert "with another budget these numbers are others" in flat(printed(aimed))
    training = aimed.study.training.model_copy(update={"schedule": "constant"})
    constant = aimed.model_copy(update={"study": aimed.study.model_copy(update={"training": training})})
    assert "another budget" not in flat(printed(constant))


def test_losses_are_in_bits_where_asked(aimed: Comparison) -> None:
    assert printed(aimed, bits=True).startswith(" of 3.3182 bits per token")
    assert "3.0297" in printed(aimed, bits=True)


@pytest.mark.parametrize("label", ["a_model(with=long,options=1,and_more=true,so_that=it_is_wide)", "波形" * 20])
def test_the_tables_fit_80_columns(label: str) -> None:
    losses = {label: (1.9, 1000), label + "2": (2.0, 1000), label + "3": (2.1, 1000)}
    for seeds in (3, 8):
        whole = aim(make_comparison(losses, range(1, seeds + 1)), 2.345678, 2.1)
        assert max(map(cell_len, printed(whole).splitlines())) <= 80
        assert max(map(cell_len, printed(aim(whole, 2.1)).splitlines())) <= 80


@pytest.mark.parametrize(
    ("bounds", "median", "interval"),
    [
        ((1234.0, 1234.0, 1000.0, 2000.0), "1.2k", "1.0k to 2.0k"),
        ((1234.0, None, 1000.0, None), "> 1.2k", "1.0k to ∞"),
        ((1234.0, 2345.0, 1000.0, None), "1.2k to 2.3k", "1.0k to ∞"),
        ((None, None, None, None), "never", ""),
        ((None, None, 7.0, None), "never", "7.0 to ∞"),
        ((0.0, 0.0, 0.0, 0.0), "0", ""),
    ],
)
def test_a_median_is_written_with_what_is_known_of_it(bounds: tuple[float, ...], median: str, interval: str) -> None:
    found = Typical(**dict(zip(("at_least", "at_most", "low", "high"), bounds, strict=True)), coverage=None)
    assert (format_median(found), format_interval(found)) == (median, interval)


def test_a_ratio_of_which_only_the_upper_bound_is_known_says_so() -> None:
    found = Typical(at_least=0.0, at_most=0.31, low=0.0, high=0.9, coverage=None)
    assert (format_median(found, ratio=True), format_interval(found, ratio=True)) == ("< 0.31", "0 to 0.90")


def test_an_order_that_is_known_under_no_seed_is_told_as_unknown(aimed: Comparison) -> None:
    few = aim(make_comparison(dict(list(NINE.items())[:2]), range(1, 9)), 2.3)
    assert few.targets
    ratios = tuple(
        own.model_copy(update={"ratio": None, "known": 0, "first": 0}) if own.measure == "flops" else own
        for own in few.targets.ratios
    )
    one = few.model_copy(update={"targets": few.targets.model_copy(update={"ratios": ratios})})
    assert re.search(r"^ +FLOPs +unknown +0/0 ", printed(one), re.MULTILINE)
    assert "| FLOPs | unknown |  | 0/0 |" in render_markdown(one, {})
    assert ">unknown</td>" in render_page(one)
    none = tuple(own.model_copy(update={"ratio": None}) for own in ratios)
    assert "unknown" not in printed(few.model_copy(update={"targets": few.targets.model_copy(update={"ratios": none})}))


def test_uncounted_flops_are_marked_as_in_other_tables(aimed: Comparison) -> None:
    used = aimed.models[0].used.model_copy(update={"flops_uncounted": ("aten::fft",)})
    rows = (aimed.models[0].model_copy(update={"used": used}), *aimed.models[1:])
    assert "≥ 235G" in printed(aimed.model_copy(update={"models": rows}))


def test_a_model_without_numbers_has_its_reason_in_their_place(aimed: Comparison) -> None:
    assert aimed.targets
    missing = Reach(label="gru", target=2.3, reached=0, runs=8, missing="failed 1 of 8")
    targets = aimed.targets.model_copy(update={"reach": (*aimed.targets.reach, missing)})
    whole = aimed.model_copy(update={"targets": targets, "models": (*aimed.models, aimed.models[0].model_copy(
        update={"label": "gru", "test": None}))})  # fmt: skip
    assert re.search(r"^gru +failed 1/8 *$", printed(whole), re.MULTILINE)
    assert "| gru | 2.3 | failed 1/8 |  |  |  |  |" in render_markdown(whole, {})
    assert "<em>failed 1 of 8</em>" in render_page(whole)


def test_page_and_document_show_every_loss_pair_and_measure(aimed: Comparison) -> None:
    assert aimed.targets
    page = re.sub(r"<[^>]+>", " ", render_page(aimed))
    for text in (flat(unescape(page)), flat(render_markdown(aimed, {}).replace("\\", ""))):
        assert "Time to a loss" in text
        assert SECONDS in text
        for line in (*describe_reach(aimed), *describe_ratios(aimed)):
            assert line in text
    document = render_markdown(aimed, {})
    assert document.count("| tree, 76K / transformer |") == 6
    assert "| transformer | 2.1 | 7/8 | 335 to 345 (300 to ∞) |" in document
    rows = re.findall(
        r"<tr>.*?</tr>", render_page(aimed).partition('id="ratios"')[2].partition("</table>")[0], re.DOTALL
    )
    assert len(rows) == 1 + 2 * 3 * 3


def test_nothing_is_shown_without_target_losses(example) -> None:
    plain = example("nine")
    assert "Time to a loss" not in render_page(plain) + render_markdown(plain, {})
    assert printed(plain) == ""


def test_the_main_table_for_other_programs_is_the_same_with_target_losses(aimed: Comparison) -> None:
    plain = aimed.model_copy(update={"targets": None})
    assert (render_csv(aimed), render_latex(aimed)) == (render_csv(plain), render_latex(plain))


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_a_profile_rises_to_the_share_of_problems_that_a_model_solves(aimed: Comparison, width: float) -> None:
    figure = ET.fromstring(draw(aimed, width)["profile-tokens"])
    plot = figure.find(f"{SVG}svg")
    assert plot is not None
    heights = {group.findtext(f"{SVG}title"): path_of(group)[-1][1] for group in plot}
    assert heights["tree, 76K"] < heights["transformer"] < heights["tree, 22K"]  # y grows downwards
    top, bottom = 42.0, 300.0 - 46.0
    for label, solved in {"tree, 76K": 16, "transformer": 15, "tree, 22K": 14}.items():
        assert heights[label] == pytest.approx(bottom + (top - bottom) * (solved / 16 + 0.01) / 1.01, abs=0.1)


def path_of(group: ET.Element) -> list[tuple[float, float]]:
    line = group.find(f"{SVG}path")
    assert line is not None
    return [(float(x), float(y)) for x, y in re.findall(r"([\d.]+) ([\d.]+)", line.get("d", ""))]


def test_one_loss_alone_has_no_profile(aimed: Comparison) -> None:
    assert not [name for name in draw(aim(aimed, 2.1)) if name.startswith("profile-")]


def test_learning_curves_show_the_target_losses_that_lie_on_their_axis(aimed: Comparison) -> None:
    study = aimed.study.model_copy(update={"target": (2.0, 0.5)})
    assert draw(aimed.model_copy(update={"study": study}))["curves-tokens"].count('class="target"') == 1
