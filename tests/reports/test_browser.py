"""The report opened from disk in a real Chromium."""

import math
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from chromium import Chromium
from test_page_of_a_run import RUNS

from zoo.reports.report import write_report
from zoo.reports.run_page import render_run_page

pytestmark = pytest.mark.slow

Report = Callable[[str], Path]

CELLS = "[...document.querySelectorAll('#losses tbody tr')].map(row => row.cells[{}].textContent)"
HEAD = "[...document.querySelectorAll('#losses thead th')].find(head => head.textContent.trim() === '{}')"
FAINT = """
(() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const channels = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (colour) => colour.slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, index) => sum + v * [0.2126, 0.7152, 0.0722][index], 0);
  const behind = (element) => {
    for (; element; element = element.parentElement) {
      const colour = channels(getComputedStyle(element).backgroundColor);
      if (colour[3] === 255) return colour;
    }
  };
  const faint = [];
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    if (!own || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const front = channels(element.closest('svg') ? style.fill : style.color);
    const [high, low] = [luminance(front), luminance(behind(element))].sort((a, b) => b - a);
    const ratio = (high + 0.05) / (low + 0.05);
    if (ratio < 4.5 && !element.matches('.flag')) faint.push([element.textContent, ratio]);
  }
  return faint;
})()
"""


@pytest.fixture(scope="module")
def report(example, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Return the page of an example, written once."""

    @cache
    def written(name: str) -> Path:
        directory = tmp_path_factory.mktemp("report")
        write_report(example(name), directory)
        return directory / "report.html"

    return written


def test_it_opens_from_the_disk_without_a_request_or_a_complaint(browser: Chromium, report: Report, every_name) -> None:
    browser.open(report(every_name))
    assert browser.run("document.documentElement.className") == "js", "the script did not run"
    assert browser.run("getComputedStyle(document.body).maxWidth") == "960px", "the style was not taken"
    assert browser.requests() == [report(every_name).as_uri()]
    assert browser.complaints() == []


@pytest.mark.parametrize("width", [1280, 720, 390])
def test_nothing_overflows_the_page(browser: Chromium, report: Report, every_name: str, width: int) -> None:
    browser.open(report(every_name), width=width)
    browser.run("document.querySelectorAll('details').forEach(details => details.open = true)")
    assert browser.run("document.scrollingElement.scrollWidth <= document.scrollingElement.clientWidth")
    assert browser.run("document.scrollingElement.clientWidth") == width
    shown = browser.run("[...document.querySelectorAll('svg.figure')].filter(e => e.checkVisibility())"
                        ".map(e => e.parentElement.className)")  # fmt: skip
    assert set(shown) <= {"wide" if width > 720 else "narrow"}


def test_the_policy_is_in_force(browser: Chromium, report: Report) -> None:
    browser.open(report("two"))
    blocked = browser.run("""new Promise(done => {
      const blocked = [];
      document.addEventListener('securitypolicyviolation', event => blocked.push(event.effectiveDirective));
      document.body.insertAdjacentHTML('beforeend', '<p style="color: red">x</p><img src="https://example.invalid/x">');
      const script = document.createElement('script');
      script.textContent = 'window.ran = true';
      document.body.append(script);
      setTimeout(() => done(blocked), 100);
    })""")
    assert set(blocked) == {"img-src", "script-src-elem", "style-src-attr"}
    assert browser.run("window.ran") is None


def test_a_header_sorts_in_both_directions_and_missing_values_stay_last(browser: Chromium, report: Report) -> None:
    browser.open(report("diverged"))
    assert browser.run(HEAD.format("test") + ".getAttribute('aria-sort')") == "ascending"
    order = browser.run(CELLS.format(1))
    browser.run(HEAD.format("test") + ".firstChild.click()")
    assert browser.run(HEAD.format("test") + ".getAttribute('aria-sort')") == "descending"
    assert browser.run(CELLS.format(1)) == [*order[3::-1], *order[4:]]
    browser.run(HEAD.format("model") + ".firstChild.click()")
    assert browser.run(HEAD.format("test") + ".getAttribute('aria-sort')") is None
    labels = [words.split("wavenet(")[0] for words in browser.run(CELLS.format(0))]
    assert labels == sorted(labels)


def test_a_header_sorts_by_the_keyboard(browser: Chromium, report: Report) -> None:
    browser.open(report("nine"))
    browser.run(HEAD.format("parameters") + ".firstChild.focus()")
    for kind in ("keyDown", "keyUp"):
        browser.call(
            "Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13, text="\r"
        )
    assert browser.run(HEAD.format("parameters") + ".getAttribute('aria-sort')") == "ascending"
    sizes = [int(words.split()[0].replace(",", "")) for words in browser.run(CELLS.format(7))]
    assert sizes == sorted(sizes)
    assert len(sizes) == 9


@pytest.mark.parametrize("scripts", [True, False])
def test_the_figures_switch_even_without_script(browser: Chromium, report: Report, scripts: bool) -> None:
    browser.call("Emulation.setScriptExecutionDisabled", value=not scripts)
    try:
        browser.open(report("nine"))
        assert browser.run("document.documentElement.className") == ("js" if scripts else "")
        visible = (
            "[...document.querySelectorAll('[data-panel]')].filter(e => e.checkVisibility()).map(e => e.dataset.panel)"
        )
        first = ["forest", "curves-tokens", "position", "contrast-1", "cost-parameters"]
        assert browser.run(visible) == first
        browser.run("document.querySelector('[value=curves-seconds]').click()")
        browser.run("document.querySelector('[value=cost-flops]').click()")
        browser.run("document.querySelector('[value=contrast-3]').click()")
        assert browser.run(visible) == ["forest", "curves-seconds", "position", "contrast-3", "cost-flops"]
        assert len(browser.run(CELLS.format(1))) == 9
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)


def test_losses_switch_to_bits_and_back(browser: Chromium, report: Report, example) -> None:
    browser.open(report("nine"))
    before = browser.run("document.body.innerText")
    browser.run("document.querySelector('[value=bits]').click()")
    assert browser.run(CELLS.format(1)) == [
        f"{model.test.mean / math.log(2):.4f} ± {(model.test.high - model.test.mean) / math.log(2):.4f}"
        for model in example("nine").models
    ]
    assert "bits per token" in browser.run("document.querySelector('header').innerText")
    titles = browser.run("[...document.querySelectorAll('.title')].filter(e => e.getBoundingClientRect().width)"
                         ".map(e => e.textContent).filter(text => text.includes('per token'))")  # fmt: skip
    assert titles == [f"{loss} loss, bits per token" for loss in ("test", "validation", "test", "test")]
    browser.run("document.querySelector('[value=nats]').click()")
    assert browser.run("document.body.innerText") == before


def test_the_losses_of_every_character_show_at_a_touch_without_script(browser: Chromium, report: Report) -> None:
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(report("two"), width=390)
        columns = "[...document.querySelectorAll('.tokens')].filter(e => e.checkVisibility()).map(e => e.innerText)"
        assert browser.run(columns) == []
        browser.run("document.querySelector('.passage summary').click()")
        (shown,) = browser.run(columns)
        assert shown.split() == ["wavenet", "mlp", "m", "1.00", "1.00", "a", "1.10", "1.40", "<", "1.20", "1.80", "&",
                                 "1.30", "2.20", "⊣", "1.40", "2.60"]  # fmt: skip
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)


def test_a_script_for_a_label_stays_text(browser: Chromium, report: Report) -> None:
    browser.open(report("labels"))
    assert browser.run(CELLS.format(0))[0].startswith("<script>alert(1)</script>")
    assert browser.run("document.querySelectorAll('script').length") == 1
    assert browser.run("document.querySelector('h1').textContent") == "<b>bold</b> & `code`"
    assert not [event for event in browser.events if event.get("method") == "Page.javascriptDialogOpening"]


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, 390])
def test_text_stands_out_from_what_is_behind_it(browser: Chromium, report: Report, dark: bool, width: int) -> None:
    browser.open(report("nine"), dark=dark, width=width)
    browser.run("document.querySelectorAll('details').forEach(details => details.open = true)")
    paper = browser.run("getComputedStyle(document.documentElement).backgroundColor")
    assert paper == ("rgb(20, 21, 23)" if dark else "rgb(255, 255, 255)")
    assert browser.run(FAINT) == []


@pytest.mark.parametrize("name", RUNS)
def test_the_page_of_a_run_opens_fits_and_can_be_read(browser: Chromium, name: str, tmp_path: Path) -> None:
    run = RUNS[name]()
    page = tmp_path / "run.html"
    page.write_text(render_run_page(run))
    for width, dark in ((1280, False), (390, True)):
        browser.open(page, width=width, dark=dark)
        assert browser.requests() == [page.as_uri()]
        assert browser.complaints() == []
        assert browser.run("document.scrollingElement.scrollWidth <= document.scrollingElement.clientWidth")
        assert browser.run(FAINT) == []
    if run.result.status == "finished":
        browser.run("document.querySelector('[value=bits]').click()")
        assert f"Test loss {run.result.test_loss / math.log(2):.4f} bits" in browser.run("document.body.innerText")


def test_the_reader_can_choose_the_colours(browser: Chromium, report: Report) -> None:
    browser.open(report("two"), dark=True)
    paper = "getComputedStyle(document.documentElement).backgroundColor"
    browser.run("document.querySelector('[name=theme][value=light]').click()")
    assert browser.run(paper) == "rgb(255, 255, 255)"
    browser.run("document.querySelector('[name=theme][value=dark]').click()")
    assert browser.run(paper) == "rgb(20, 21, 23)"


def test_it_prints_dark_on_light_with_all_pairs(browser: Chromium, report: Report) -> None:
    browser.open(report("nine"), dark=True, media="print")
    assert browser.run("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.run("document.querySelector('.switch').checkVisibility()") is False
    assert browser.pdf().startswith(b"%PDF")
    assert browser.run("document.querySelector('details.printed').open")


def test_a_figure_alone_follows_the_scheme(browser: Chromium, report: Report) -> None:
    for dark, colour in ((False, "rgb(255, 255, 255)"), (True, "rgb(20, 21, 23)")):
        for path in sorted((report("nine").parent / "figures").glob("*.svg")):
            browser.open(path, dark=dark)
            assert browser.complaints() == []
            assert browser.requests() == [path.as_uri()]
            assert browser.run("getComputedStyle(document.documentElement).backgroundColor") == colour


@pytest.mark.parametrize("width", [1280, 390])
def test_the_words_of_a_figure_do_not_overlap_or_leave_it(
    browser: Chromium, report: Report, every_name: str, width: int
) -> None:
    browser.open(report(every_name), width=width)
    faults = browser.run("""
    [...document.querySelectorAll('svg.figure')].filter(e => e.checkVisibility()).flatMap(figure => {
      const words = [...figure.querySelectorAll('text')].map(e => [e.textContent, e.getBoundingClientRect()])
        .filter(([, box]) => box.width > 0);
      const room = figure.getBoundingClientRect();
      const out = words.filter(([, box]) => box.left < room.left - 8 || box.right > room.right + 8
        || box.top < room.top - 4 || box.bottom > room.bottom + 4).map(([text]) => ['outside', text]);
      words.forEach(([text, a], index) => words.slice(index + 1).forEach(([other, b]) => {
        const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (across > 1 && down > 6) out.push([text, other]);
      }));
      return out;
    })""")
    assert faults == []
