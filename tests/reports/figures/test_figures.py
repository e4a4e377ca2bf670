"""Figures are well-formed SVG with consistent colours, without overlapping labels, and within the canvas."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from itertools import combinations, pairwise

import pytest

from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.rows import Interval
from zoo.reports.figures.cost import pareto
from zoo.reports.figures.draw import FIGURES, NARROW, WIDE, draw, standalone
from zoo.reports.figures.forest import Look, Row, draw_forest
from zoo.reports.figures.outliers import find_outliers
from zoo.reports.figures.palette import DARK, LIGHT, MODELS_DARK, MODELS_LIGHT, colour_class
from zoo.reports.figures.scale import Bent, Scale, bent, covering
from zoo.reports.figures.svg import clean, shorten, spread, tag, text_width

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_every_figure_is_well_formed_and_alone_needs_nothing(every_example: Comparison, width: float) -> None:
    for markup in draw(every_example, width).values():
        root = ET.fromstring(standalone(markup))
        assert root.tag == f"{SVG}svg"
        for element in root.iter():
            assert element.tag.removeprefix(SVG) in {
                "svg",
                "g",
                "line",
                "circle",
                "path",
                "text",
                "tspan",
                "title",
                "style",
            }
            assert not [name for name in element.attrib if name in ("style", "href", "id") or name.startswith("on")]
        assert "http" not in standalone(markup).replace("http://www.w3.org/2000/svg", "")
        assert "nan" not in markup
        assert "inf" not in re.sub("<title>.*?</title>", "", markup)


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_nothing_lies_off_the_canvas(every_example: Comparison, width: float) -> None:
    for name, markup in draw(every_example, width).items():
        root = ET.fromstring(markup)
        height = float(root.attrib["height"])
        for x, y in places(root):
            assert -0.1 <= x <= width + 0.1, name
            assert -0.1 <= y <= height + 0.1, name


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("example_name", ["two", "nine", "diverged", "labels", "tuned"])
def test_no_label_covers_another(example, example_name: str, width: float) -> None:
    for name, markup in draw(example(example_name), width).items():
        boxes = [label_box(element) for element in ET.fromstring(markup).iter(f"{SVG}text")
                 if element.get("class") == "label"]  # fmt: skip
        assert boxes
        for one, other in combinations(boxes, 2):
            across = min(one[2], other[2]) - max(one[0], other[0])
            down = min(one[3], other[3]) - max(one[1], other[1])
            assert across <= 1 or down <= 3, (name, one, other)


def test_a_model_has_one_colour_in_every_figure(example) -> None:
    comparison = example("nine")
    for name, markup in draw(comparison).items():
        for model in comparison.models:
            group = re.search(rf'<g class="([^"]*)"><title>{re.escape(model.label)}</title>', markup)
            assert group, name
            assert group[1] == colour_class(comparison, model.label)


def test_the_colour_is_the_place_in_the_study_and_a_thirteenth_model_is_dashed(example) -> None:
    comparison = example("thirteen")
    assert colour_class(comparison, "model 3") == "m3"
    assert colour_class(comparison, "model 12") == "m0 again"


def test_losses_stand_in_the_figures_as_the_comparison_has_them(example) -> None:
    comparison = example("nine")
    forest = draw(comparison)["forest"]
    for model in comparison.models:
        assert f'data-nats="{model.test.mean:.9g}">{model.test.mean:.4f}<' in forest


def test_only_what_there_are_numbers_for_is_drawn(example) -> None:
    search = {"search-settings", "search-trials"}
    profiles = {"profile-tokens", "profile-flops", "profile-seconds"}
    others = {"effects", "lengths", "watch-updates", "watch-gradients"}
    assert set(draw(example("nine"))) == set(FIGURES) - search - profiles - others
    assert set(draw(example("tuned"))) == set(FIGURES) - {"position"} - profiles - others
    assert set(draw(example("aimed"))) == set(FIGURES) - {"position"} - search - others
    assert set(draw(example("no costs"))) == {"forest", "curves-tokens", "curves-seconds", "cost-parameters",
                                              "cost-seconds"}  # fmt: skip
    assert set(draw(example("one model"))) == {"forest", "curves-tokens", "curves-seconds"}
    assert set(draw(example("all diverged"))) == {"curves-tokens", "curves-seconds"}


def test_the_figure_of_positions_has_a_line_and_a_band_a_model(example) -> None:
    figure = draw(example("nine"))["position"]
    assert figure.count('class="curve"') == figure.count('class="band"') == 9


def test_a_learning_curve_is_drawn_from_its_first_point(every_example: Comparison) -> None:
    for name, markup in draw(every_example).items():
        if name.startswith("curves"):
            plot = ET.fromstring(markup).find(f"{SVG}svg")
            _, top, _, bottom = map(float, plot.get("viewBox").split())
            for group in plot:
                model = next(row for row in every_example.models if clean(row.label) == group.findtext(f"{SVG}title"))
                if model in find_outliers(every_example) or model.diverged:
                    continue
                points = re.findall(r"(-?[\d.]+) (-?[\d.]+)", group.findall(f"{SVG}path")[-1].get("d"))
                assert len(points) == len(model.curve)
                assert all(top - 0.1 <= float(y) <= top + bottom + 0.1 for _, y in points)


def test_a_bent_scale_shows_both_ends_in_order_and_says_where_it_bends() -> None:
    scale = bent([2.0, 2.2], [2.0, 9.0], 400, 0)
    assert isinstance(scale, Bent)
    values = [2.0 + 0.1 * n for n in range(70)]
    places = [scale(value) for value in values]
    assert places == sorted(places, reverse=True)
    assert scale(2.0) - scale(2.2) > 200
    assert 0 <= scale(9.0) < scale(scale.knee) < 400
    assert scale(scale.knee) == pytest.approx(scale(scale.knee + 1e-9), abs=1e-6)
    ticks = scale.ticks(7)
    assert ticks == sorted(ticks)
    assert min(a - b for a, b in pairwise(map(scale, ticks))) >= 14
    assert not isinstance(bent([2.0, 2.2], [2.0, 2.3], 400, 0), Bent)


def test_a_diverged_model_is_named_and_has_no_mark(example) -> None:
    forest = ET.fromstring(draw(example("diverged"))["forest"])
    (group,) = [group for group in forest.iter(f"{SVG}g") if group.findtext(f"{SVG}title") == "rnn"]
    assert [text.text for text in group.iter(f"{SVG}text")] == ["rnn", "diverged 2 of 3"]
    assert not list(group.iter(f"{SVG}circle"))


def test_one_or_two_seeds_have_dots_and_no_interval(example) -> None:
    for name, seeds in (("one seed", 1), ("two seeds", 2)):
        forest = draw(example(name))["forest"]
        assert 'class="interval"' not in forest
        assert forest.count('class="seed') == 3 * seeds


def test_a_model_far_behind_is_left_out_of_the_axes_and_named_at_their_edge(example) -> None:
    comparison = example("nine")
    assert [model.label for model in find_outliers(comparison)] == ["bigram"]
    assert find_outliers(example("two")) == []
    for markup in draw(comparison).values():
        assert ">bigram</text>" in markup


@pytest.mark.parametrize("width", [NARROW, WIDE])
def test_a_model_behind_whom_the_others_reach_is_on_the_axis_with_its_interval(width: float) -> None:
    means = {"a": 1.922, "b": 1.957, "near": 1.973, "far": 2.3}
    rows = [Row(label, "c0", interval(mean, 0.018), [mean]) for label, mean in means.items()]
    plot = ET.fromstring(draw_forest(rows, "loss", "test", far={"near", "far"}, look=Look(width)))
    groups = {group.findtext(f"{SVG}title"): group for group in plot.iter(f"{SVG}g")}
    ends = [
        float(own.get("x2")) for label in ("a", "b", "near") for own in groups[label] if own.get("class") == "interval"
    ]
    right = width - 8 if width == NARROW else width - 158
    assert len(ends) == 3
    assert max(ends) <= right
    assert [own.get("class") for own in groups["far"].iter(f"{SVG}path")] == ["end"]


def interval(mean: float, half: float) -> Interval:
    return Interval(mean=mean, sd=0.001, low=mean - half, high=mean + half, seeds_se=0.001, documents_se=0.008)


def test_floor_and_published_figures_are_marked(example) -> None:
    forest = draw(example("nine"))["forest"]
    assert forest.count('class="published"') == 8 + 1
    assert 'class="floor"' in forest
    assert "published, validation" in forest
    assert 'class="published"' not in draw(example("two"))["forest"]


def test_the_front_is_what_no_other_beats() -> None:
    assert pareto([(3, 1.0), (1, 2.0), (2, 2.5), (2, 1.5), (4, 1.0)]) == [(1, 2.0), (2, 1.5), (3, 1.0)]


def test_ticks_are_round_and_within_the_scale() -> None:
    assert Scale(0, 1, 0, 100).ticks(6) == [0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert Scale(1.95, 2.11, 0, 100).ticks(8) == [1.96, 1.98, 2.0, 2.02, 2.04, 2.06, 2.08, 2.1]
    assert Scale(90, 30_000, 0, 100, log=True).ticks(4) == [100, 1000, 10_000]
    assert Scale(52, 160, 0, 100, log=True).ticks(4) == [100, 150]
    assert Scale(15_000, 90_000, 0, 100, log=True).ticks(9) == [20_000 + 10_000 * n for n in range(8)]
    for low, high in ((1.9, 1.9001), (0, 1e-7), (3, 4e9)):
        values = Scale(low, high, 0, 1).ticks(7)
        assert 2 <= len(values) <= 7
        assert low <= values[0] <= values[-1] <= high * (1 + 1e-9)


@pytest.mark.parametrize("log", [False, True])
def test_equal_values_have_a_scale(log: bool) -> None:
    scale = covering([2.0, 2.0], 0, 100, log=log)
    assert scale(2.0) == pytest.approx(50)


def test_labels_keep_their_distance_and_stay_within_bounds() -> None:
    places = spread([50, 50, 51, 90, 99], 10, 0, 100)
    assert all(b - a >= 10 - 1e-9 for a, b in zip(sorted(places), sorted(places)[1:], strict=False))
    assert min(places) >= 0
    assert max(places) <= 100
    assert spread([10, 90], 10, 0, 100) == [10, 90]


def test_text_is_escaped_cleaned_and_shortened() -> None:
    assert tag("text", '<a b="c">&', x=1.25) == '<text x="1.2">&lt;a b=&#34;c&#34;&gt;&amp;</text>'
    assert tag("text", "\x00\x1b\u202eab") == "<text>\ufffd\ufffd\ufffdab</text>"
    assert shorten("short", 100) == "short"
    assert text_width(shorten("a very long label of a model", 100)) <= 100


@pytest.mark.parametrize(("models", "page"), [(MODELS_LIGHT, LIGHT), (MODELS_DARK, DARK)])
def test_colours_stand_out_from_the_paper(models: tuple[str, ...], page: dict[str, str]) -> None:
    assert len(set(models)) == 12
    assert min(contrast(colour, page["paper"]) for colour in models) >= 3
    for name in ("ink", "soft", "link"):
        assert contrast(page[name], page["paper"]) >= 4.5
    assert min(contrast(page["ink"], page[tint]) for tint in ("better", "worse")) >= 7
    assert min(contrast(page["ink"], mix(colour, page["paper"], 0.4)) for colour in models) >= 4.5


def places(element: ET.Element) -> Iterator[tuple[float, float]]:
    """Yield the points of an element and its children, except those that a nested window clips."""
    for child in element:
        if child.tag == f"{SVG}svg":
            continue
        pairs = (("x", "y"), ("x1", "y1"), ("x2", "y2"), ("cx", "cy"))
        yield from ((float(child.attrib[x]), float(child.attrib[y])) for x, y in pairs if x in child.attrib)
        numbers = [float(number) for number in re.findall(r"-?[\d.]+", child.get("d", ""))]
        yield from zip(numbers[::2], numbers[1::2], strict=True)
        yield from places(child)


def label_box(element: ET.Element) -> tuple[float, float, float, float]:
    """The approximate box of a label, narrower than `text_width`, which estimates too wide."""
    x, y, width = float(element.attrib["x"]), float(element.attrib["y"]), text_width(element.text or "", 13) * 0.9
    return x, y - 10, x + width, y + 3


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours (WCAG)."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def mix(one: str, other: str, share: float) -> str:
    """Mix a share of one colour into another, as `color-mix(in srgb, ...)` does."""
    pairs = ((int(one[place : place + 2], 16), int(other[place : place + 2], 16)) for place in (1, 3, 5))
    return "#" + "".join(f"{round(share * a + (1 - share) * b):02x}" for a, b in pairs)


def luminance(colour: str) -> float:
    channels = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
