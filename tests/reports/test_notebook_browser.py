"""Displays of results in a real Chromium, in a page that styles tables and text as notebooks do."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chromium import Chromium
from test_browser import FAINT
from test_page_of_a_run import make_run

from zoo.reports import notebook

pytestmark = pytest.mark.slow

HOST = """
html{font-size:10px}
.notebook{font-family:serif;font-size:12px;line-height:1.1;letter-spacing:1px;white-space:pre-wrap}
.notebook table{border-collapse:collapse;table-layout:fixed;margin:0 auto 1em;font-size:20px;color:#a00}
.notebook thead{border-bottom:3px solid red;vertical-align:bottom}
.notebook td,.notebook th,.notebook tr{vertical-align:middle;padding:.5em;line-height:normal;white-space:normal}
.notebook td,.notebook th,.notebook tr{max-width:none;border:none}
.notebook:not(.markdown) td,.notebook:not(.markdown) th{text-align:right}
.notebook th{font-weight:bold}
.notebook tbody tr:nth-child(odd){background:#fee}
.notebook tbody tr:nth-child(even){background:#efe}
.notebook p,.notebook dl,.notebook pre{margin:0 0 2em;letter-spacing:.2em;background:#eee}
.notebook ul:not(.inline){padding-left:5em}
.label{font-size:75%;color:#fff;letter-spacing:3px}
.caption,.key,.end,.bits{text-transform:uppercase;opacity:.2}
"""
"""Rules as those of notebooks, and of style sheets with common names of classes."""
OWN = """<p class="verdict m0">text</p>
<table class="slim"><thead><tr><th>head</th></tr></thead><tbody><tr><td class="left">cell</td></tr></tbody></table>
<pre>code</pre>
<figure class="caption"><svg class="figure" width="20" height="20"><text class="label">a</text></svg></figure>"""
"""Content of another cell, with names that the style of a display has rules for."""
NAMES = (
    "textAlign", "verticalAlign", "fontFamily", "fontSize", "fontWeight", "fontStyle", "lineHeight", "letterSpacing",
    "color", "fill", "backgroundColor", "paddingLeft", "paddingTop", "marginTop", "marginLeft", "borderTopWidth",
    "borderBottomWidth", "opacity", "whiteSpace", "textTransform", "display", "tableLayout",
)  # fmt: skip
STYLES = f"""
(selector) => [...document.querySelectorAll(selector)].map((element) => {{
  const style = getComputedStyle(element);
  return [element.tagName + "." + element.getAttribute("class"), ...{json.dumps(NAMES)}.map((name) => style[name])];
}})
"""
INSIDE, OUTSIDE = ".zoo-display, .zoo-display *:not(style)", "#other *"

Open = Callable[..., None]


@pytest.fixture(scope="module")
def displays(example: Any) -> str:
    """Two displays of a comparison, one of an ablation and one of a run, all parts open."""
    names = ("two", "two", "ablated", "tuned", "task")
    shown = [notebook.render_comparison(example(name)) for name in names]
    return "".join([*shown, notebook.render_run(make_run(cost=True))]).replace("<details", "<details open")


@pytest.fixture
def open_page(browser: Chromium, tmp_path: Path) -> Open:
    """Open a page of a notebook with these outputs."""

    def opened(outputs: str, *, host: str = HOST, theme: str = "light", width: int = 900, dark: bool = False) -> None:
        colours = "background:#111;color:#eee" if theme == "dark" else "background:#fff;color:#111"
        attribute = f' data-jp-theme-light="{"true" if theme == "light" else "false"}"' if theme else ""
        file = tmp_path / "page.html"
        file.write_text(
            "<!doctype html><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
            f"<style>body{{margin:8px;{colours}}}{host}</style><body{attribute}>"
            f"<div class='notebook'>{outputs}</div><div class='notebook' id='other'>{OWN}</div></body>",
            encoding="utf-8",
        )
        browser.open(file, width=width, dark=dark)

    return opened


def read_styles(browser: Chromium, selector: str) -> list[list[str]]:
    found: list[list[str]] = browser.run(f"({STYLES})({json.dumps(selector)})")
    assert found
    return found


def test_a_display_changes_nothing_beside_it(browser: Chromium, open_page: Open, displays: str) -> None:
    open_page("")
    before = read_styles(browser, OUTSIDE)
    open_page(displays)
    assert read_styles(browser, OUTSIDE) == before


def test_a_display_looks_the_same_in_every_notebook(browser: Chromium, open_page: Open, displays: str) -> None:
    open_page(displays, host="")
    plain = read_styles(browser, INSIDE)
    open_page(displays)
    for found, own in zip(read_styles(browser, INSIDE), plain, strict=True):
        assert dict(zip(NAMES, found[1:], strict=True)) == dict(zip(NAMES, own[1:], strict=True)), found[0]


def test_it_loads_nothing_and_breaks_nothing(browser: Chromium, open_page: Open, displays: str) -> None:
    open_page(displays)
    assert len(browser.requests()) == 1
    assert browser.complaints() == []


@pytest.mark.parametrize(
    ("theme", "dark", "paper"),
    [
        ("light", True, "rgb(255, 255, 255)"),  # the notebook counts, not the system
        ("dark", False, "rgb(20, 21, 23)"),
        ("", True, "rgb(255, 255, 255)"),  # a page that says nothing is light
    ],
)
def test_it_has_the_theme_of_the_notebook_and_can_be_read(
    browser: Chromium, open_page: Open, displays: str, theme: str, dark: bool, paper: str
) -> None:
    open_page(displays, theme=theme, dark=dark)
    assert browser.run("getComputedStyle(document.querySelector('.zoo-display')).backgroundColor") == paper
    browser.run("document.querySelector('#other').remove()")
    assert browser.run(FAINT) == []


@pytest.mark.parametrize(("width", "shown"), [(1200, "wide"), (900, "wide"), (420, "narrow"), (360, "narrow")])
def test_it_fits_its_cell(browser: Chromium, open_page: Open, displays: str, width: int, shown: str) -> None:
    open_page(displays, width=width)
    visible = browser.run(
        "[...new Set([...document.querySelectorAll('.wide,.narrow')].filter(one => one.checkVisibility())"
        ".map(one => one.className))]"
    )
    assert visible == [shown]
    assert browser.run("document.documentElement.scrollWidth") <= width


def test_a_figure_of_odd_numbers_stays_inside(browser: Chromium, open_page: Open) -> None:
    figure = '<svg class="figure" width="100" height="20" viewBox="0 0 100 20"><rect width="9" height="9999"/></svg>'
    open_page(notebook.render_figure(figure))
    assert browser.run("document.documentElement.scrollHeight") < 2000


def test_numbers_of_a_column_end_at_one_place(browser: Chromium, open_page: Open, displays: str) -> None:
    open_page(displays)
    ends = browser.run(
        "[...document.querySelector('.zoo-display tbody').rows].map(row => "
        "[...row.cells].slice(3).map(cell => { const range = document.createRange(); range.selectNodeContents(cell);"
        " return Math.round(range.getBoundingClientRect().right); }))"
    )
    assert len(ends) == 2
    assert ends[0] == ends[1]
