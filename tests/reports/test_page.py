"""The page is one file that requests nothing, agrees with the comparison, and shows labels as plain text."""

import base64
import hashlib
import re
from collections.abc import Callable
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import pytest

from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.sentence import verdict_sentence
from zoo.experiments.judge.verdict import format_chance, pair_words
from zoo.reports import facts
from zoo.reports.numbers import loss, percent, plain, short, storage
from zoo.reports.page import render_page
from zoo.reports.report import write_report

VOID = {"meta", "link", "input", "br", "wbr", "line", "circle", "path"}


class Page(HTMLParser):
    """Parsed page: elements with attributes, text of table cells, and all text outside of style and script."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.text, self.table = "", ""
        self.blocks: dict[str, str] = {"style": "", "script": ""}
        self.feed(html)
        assert self.open == [], "an element is not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.table = dict(attrs).get("id") or dict(attrs)["class"] or ""
            self.tables[self.table] = []
        elif tag == "tr":
            self.tables[self.table].append([])
        elif tag in ("td", "th"):
            self.tables[self.table][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in self.blocks:
            self.blocks[self.open[-1]] += data
            return
        self.text += data
        if {"td", "th"} & set(self.open):
            self.tables[self.table][-1][-1] += data


@pytest.fixture(scope="session")
def page_of(example) -> Callable[[str], Page]:
    """Return the page of an example by name, rendered and parsed once."""
    return cache(lambda name: Page(render_page(example(name))))


@pytest.fixture
def page(every_name: str, page_of: Callable[[str], Page]) -> Page:
    """The page of each example."""
    return page_of(every_name)


def test_it_asks_for_nothing_and_allows_nothing(page: Page) -> None:
    for tag, attributes in page.elements:
        assert tag not in ("img", "iframe", "object", "base", "form", "a")
        assert "style" not in attributes
        assert "src" not in attributes
        assert not [name for name in attributes if name.startswith("on")]
        assert attributes.get("href", "data:,") == "data:,"
    assert [name for name, _ in page.elements].count("script") == 1
    assert "url(" not in page.blocks["style"]
    assert "@import" not in page.blocks["style"]


def test_the_policy_names_its_own_style_and_script_and_nothing_else(page: Page) -> None:
    (policy,) = [a["content"] for tag, a in page.elements if a.get("http-equiv") == "Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in (policy or "").split(";"))
    assert rules["default-src"] == "'none'"
    for name, block in page.blocks.items():
        digest = base64.b64encode(hashlib.sha256(block.encode()).digest()).decode()
        assert rules[f"{name}-src"] == f"'sha256-{digest}'"


@pytest.mark.parametrize("unit", ["nats", "bits"])
def test_the_verdict_says_in_both_units_that_seeds_were_added_after_a_look(unit: str, example) -> None:
    comparison = example("thirteen").model_copy(update={"looked": (3,)})
    told = {"study": comparison.study, "looked": (3,)}
    words = verdict_sentence(comparison.models, comparison.pairs, **told, bits=unit == "bits")
    html = render_page(
        comparison.model_copy(update={"verdict": verdict_sentence(comparison.models, comparison.pairs, **told)})
    )
    assert "Seeds were added after a look at 3" in words
    assert words.rpartition(". ")[2] in html.partition(f'<p class="verdict {unit}">')[2].partition("</p>")[0]


def test_it_is_small(page: Page) -> None:
    assert len(page.html.encode()) < 300_000


def test_the_losses_are_those_of_the_comparison_in_its_order(every_example: Comparison, page: Page) -> None:
    head, *rows = page.tables["losses"]
    assert len(rows) == len(every_example.models)
    for cells, model in zip(rows, every_example.models, strict=True):
        row = dict(zip(head, cells, strict=True))
        if model.test is None:
            assert row["test"] == f"diverged {model.diverged} of {model.seeds}"
            assert row["validation"] == ""
        else:
            assert row["test"].startswith(f"{model.test.mean:.4f}")
            assert row["validation"] == f"{model.validation.mean:.4f}"
            if model.test.low is None:
                assert "±" not in row["test"]
            else:
                assert row["test"].endswith(f"± {model.test.high - model.test.mean:.4f}")
        assert row["parameters"].startswith(f"{model.parameters:,}")
        assert row["sees"].startswith("all" if model.receptive_field is None else str(model.receptive_field))
        assert row.get("group", "") == model.letters


def test_all_numbers_of_the_nine_are_there(example, page_of) -> None:
    comparison = example("nine")
    page = page_of("nine")
    head, *rows = page.tables["losses"]
    for cells, model in zip(rows, comparison.models, strict=True):
        row = dict(zip(head, cells, strict=True))
        assert row["above floor"] == loss(model.above_floor, signed=True)
        assert row["parameters"] == f"{model.parameters:,} {percent(model.off_size)}"
        assert row["published"] == (f"{model.published.validation:.4f}" if model.published else "")
        assert row["learning rate"] == ("0.003 edge" if model.lr_at_edge else "0.003")
    head, *rows = page.tables["costs"]
    for cells, model in zip(rows, comparison.models, strict=True):
        row = dict(zip(head, cells, strict=True))
        assert row["seconds"] == f"{model.used.seconds:,.1f}"
        assert row["FLOPs"] == short(model.used.flops)
        assert row["memory"] == storage(model.cost.peak_bytes)
        assert row["state"] == facts.state(model)
        assert row["tok/s, evaluation"] == short(model.cost.evaluation_tokens_per_second)


def test_every_pair_has_its_difference_interval_and_chances(example, page_of) -> None:
    comparison = example("nine")
    _, *rows = page_of("nine").tables["pairs"]
    assert len(rows) == 36
    for cells, pair in zip(rows, comparison.pairs, strict=True):
        interval = f"{loss(pair.low, signed=True)} to {loss(pair.high, signed=True)}"
        assert cells == [f"{pair.a} − {pair.b}", loss(pair.difference, signed=True), interval, format_chance(pair.p),
                         format_chance(pair.p_permutation), loss(pair.seeds_se), loss(pair.documents_se),
                         pair_words(pair)]  # fmt: skip


def test_the_matrix_is_row_minus_column_both_ways(example, page_of) -> None:
    comparison = example("nine")
    html = page_of("nine").html
    _, *rows = page_of("nine").tables["matrix"]
    labels = [model.label for model in comparison.models]
    for pair in comparison.pairs:
        a, b = labels.index(pair.a), labels.index(pair.b)
        assert rows[a][b + 1] == loss(pair.difference, signed=True)
        assert rows[b][a + 1] == loss(-pair.difference, signed=True)
    verdicts = [pair.verdict for pair in comparison.pairs]
    assert html.count('<td class="better"') == html.count('<td class="worse"') == verdicts.count("better")
    assert html.count('<td class="undecided"') == 2 * verdicts.count("undecided")


def test_every_run_is_listed(every_example: Comparison, page: Page) -> None:
    _, *rows = page.tables["runs"]
    for cells, run in zip(rows, every_example.runs, strict=True):
        assert cells[1] == str(run.seed)
        assert cells[2] == (f"{run.test_loss:.4f}" if run.test_loss is not None else "diverged at 1,400")
        assert cells[-1] == run.directory


def test_labels_are_text(page_of) -> None:
    page = page_of("labels")
    html = page.html
    assert "<script>alert" not in html
    assert "<b>bold" not in html
    assert page.text.count("<script>alert(1)</script>") > 5
    assert "a|b `c` *d* _e_ [f](g) $h$" in page.text
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\u202a-\u202e]", html)


def test_the_verdict_stands_first_and_the_floor_and_the_source_are_told(example, page_of) -> None:
    page = page_of("nine")
    verdict = example("nine").verdict.replace("p <", "p\u00a0<").replace("< 0", "<\u00a00")
    assert page.text.index(verdict) < page.text.index("Losses")
    for words in ("1.9301", "Building makemore Part 5", "Tukey, pooled", "names", "6.4M training tokens",
                  "a probe of 64 found 3", "edge of the grid", "every model scaled to 22,000 parameters",
                  "python cli.py compare runs/a-study/study-0123456789.json --fresh",
                  "5f" * 32, "with changes"):  # fmt: skip
        assert words in page.text


def test_without_enough_seeds_there_is_no_verdict_and_no_interval(page_of) -> None:
    for name in ("one seed", "two seeds"):
        page = page_of(name)
        assert "No verdict" in page.text
        assert "95% interval" not in page.text
        assert "group" not in page.tables["losses"][0]


def test_a_passage_tells_both_losses_of_every_character_and_is_tinted_for_the_better_model(example, page_of) -> None:
    page = page_of("labels")
    told = [attributes["title"] for tag, attributes in page.elements if tag == "span" and "title" in attributes]
    passages = [passage for contrast in example("labels").contrasts for passage in contrast.passages]
    assert told == [f"{a:.2f} | {b:.2f}" for passage in passages for a, b in zip(passage.a, passage.b, strict=True)]
    kinds = re.findall(r'<span(?: class="([ab]\d)")? title="1.[0-9]+ \| [0-9.]+">', page.html)
    assert kinds[:5] == ["", "a1", "a2", "a2", "a2"]
    assert "&lt;/span&gt;" in page.html
    for words in ("better by 3.00 nats, document 1", "among the first 20,000 tokens of test", "⊣: the end"):
        assert words in page.text


def test_samples_that_are_near_copies_are_marked_and_explained(example, changed) -> None:
    comparison = example("two")
    best, other = comparison.models
    other = other.model_copy(update={"samples": ("keelanie", "something else", "dariah")})
    html = render_page(changed(comparison, models=(best, other)))
    assert re.findall(r'<pre class="twin">(\w+) <small>≈ (\w+)</small></pre>', html) == [
        ("keelanie", best.label), ("dariah", best.label)]  # fmt: skip
    assert "All models draw with the same random numbers" in html
    apart = other.model_copy(update={"samples": ("nothing", "of the", "kind")})
    assert "≈" not in render_page(changed(comparison, models=(best, apart))).partition("<h2>Samples</h2>")[2]


def test_what_is_missing_leaves_no_column_and_no_section(page_of) -> None:
    page = page_of("no costs")
    assert "memory" not in page.tables["costs"][0]
    assert "Samples" not in page.text
    assert "above floor" not in page.tables["losses"][0]
    alone = page_of("one model")
    assert "pairs" not in alone.tables
    assert "nothing to compare" in alone.text
    assert "matrix" not in page_of("two").tables


def test_the_report_is_written_whole_and_what_is_no_longer_drawn_is_removed(example, tmp_path: Path) -> None:
    paths = write_report(example("nine"), tmp_path)
    names = {path.relative_to(tmp_path).as_posix() for path in paths}
    assert {"report.html", "report.md", "comparison.json", "figures/forest.svg", "figures/cost-flops.svg"} <= names
    assert Comparison.model_validate_json((tmp_path / "comparison.json").read_text()) == example("nine")
    mine = tmp_path / "figures/mine.svg"
    mine.write_text("<svg/>")
    again = write_report(example("all diverged"), tmp_path)
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == {*again, mine}


def test_numbers_are_short_and_round() -> None:
    assert [short(n) for n in (0, 0.5, 412, 999.7, 9_800, 151_000, 6.4e6, 2.94e12, 1e15)] == [
        "0", "0.50", "412", "1.0k", "9.8k", "151k", "6.4M", "2.9T", "1.0P",
    ]  # fmt: skip
    assert [storage(n) for n in (512, 1536, 3e8, None)] == ["512 B", "1.5 kB", "300 MB", ""]
    assert [plain(n) for n in (0.01, 50, 10_000, 1_000_000)] == ["0.01", "50", "10k", "1M"]
    assert loss(-0.01234, signed=True) == "−0.0123"
