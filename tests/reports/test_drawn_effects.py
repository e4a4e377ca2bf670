"""An ablation on the terminal, on the page and in Markdown."""

import io

import pytest
from markupsafe import escape
from rich.console import Console

from zoo.reports.markdown import render_markdown
from zoo.reports.page import render_page
from zoo.reports.table import print_comparison


@pytest.fixture
def terminal(example) -> str:
    console = Console(file=io.StringIO(), width=80, color_system=None)
    print_comparison(example("ablated"), bits=False, console=console)
    return console.file.getvalue()


def test_a_terminal_of_80_columns_has_every_effect_in_order(terminal: str) -> None:
    assert max(map(len, terminal.splitlines())) <= 80
    table = terminal.partition("change ")[2]
    order = [table.index(f"\n{label}") for label in ("norm=none,", "norm=none ", "hidden=34", "idle=<b>", "gate=true")]
    assert order == sorted(order)
    for words in ("changes nothing", "cannot tell", "diverged 1 of 3", "worse", "better"):
        assert words in table


def test_the_verdict_counts_each_kind(terminal: str) -> None:
    verdict = " ".join(terminal.partition("Of 6 changes")[2].split())
    for words in (
        "2 make it worse", "1 makes it better (gate=true by 0.0100)", "1 cannot be told from it (hidden=34)",
        "1 changes nothing at all (idle=<b>)", "1 has no verdict (lr=wild)",
        "norm=none and gate=true interact: together the loss is 0.0200 higher than both effects add up to (p = 0.010)",
    ):  # fmt: skip
        assert words in verdict


def test_page_and_document_have_effects_and_no_pairs(example) -> None:
    comparison = example("ablated")
    page, document = render_page(comparison), render_markdown(comparison, {"effects": "figures/effects.svg"})
    assert 'id="effects-table"' in page
    assert "idle=&lt;b&gt;" in page
    assert 'id="pairs"' not in page
    assert "## Effects" in document
    assert "## Pairs" not in document
    assert "more than the sum" in document
    assert "Dunnett" in document


def test_the_notes_tell_of_unfair_rates_and_of_what_watching_took(example, terminal: str) -> None:
    comparison, told = example("ablated"), " ".join(terminal.split())
    found = {note.kind: note.text for note in comparison.notes if note.kind in ("ablation", "watch")}
    assert "settings of the full model" in found["ablation"]
    for text in (note.text for note in comparison.notes if note.kind in found):
        assert text in told
        assert str(escape(text)) in render_page(comparison)
    assert "Watching took, beside training, in the run of the first seed: m 0.4 s, norm=none 0.4 s." in told


def test_a_figure_has_every_effect_with_a_mean(example) -> None:
    from zoo.reports.figures.draw import draw

    drawn = draw(example("ablated"))
    assert all(f"{own.label.replace('<', '&lt;').replace('>', '&gt;')}: " in drawn["effects"]
               for own in example("ablated").ablation.effects if own.pair)  # fmt: skip
    assert "lr=wild: " not in drawn["effects"]
    assert {"watch-updates", "watch-gradients"} <= drawn.keys()
