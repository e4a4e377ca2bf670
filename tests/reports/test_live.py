"""Progress in a notebook: one display, updated at a bounded rate, that ends in one line; nothing on standard error."""

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from IPython.core.displaypub import CapturingDisplayPublisher
from rich.progress import Progress
from test_page import Page

import zoo
from zoo.errors import UsageError
from zoo.output import find_kernel, notify
from zoo.reports import live
from zoo.reports.live import INTERVAL, LiveConsole, LiveDisplay

SHORT: dict[str, Any] = {"data": "invented(documents=80)", "steps": 4, "batch_size": 8, "threads": 1}

GONE = """
from zoo import Tracker

class Gone(Tracker):
    def begin(self, run):
        raise ConnectionError("nobody is there")
"""


class Notebook:
    """The shell of a kernel, whose displays are kept."""

    def __init__(self) -> None:
        self.kernel = object()
        self.display_pub = CapturingDisplayPublisher()

    @property
    def displays(self) -> list[dict[str, Any]]:
        outputs: list[dict[str, Any]] = self.display_pub.outputs
        return outputs

    def read(self, place: int = -1) -> Page:
        """A display as HTML: the last one."""
        return Page(self.displays[place]["data"]["text/html"])


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Notebook:
    shell = Notebook()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    return shell


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that stands still until it is set."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(live, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


@pytest.fixture
def task() -> tuple[Progress, Any]:
    bar = Progress(disable=True)
    return bar, bar.add_task("gru seed 1", total=4, completed=1, loss="train 2.1")


def test_a_process_that_imports_ipython_without_a_kernel_is_no_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_kernel() is None
    for shell in (None, SimpleNamespace()):  # a script, and IPython on a terminal
        monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda shell=shell: shell))
        assert find_kernel() is None
    monkeypatch.delitem(sys.modules, "IPython")
    assert find_kernel() is None


def test_updates_come_at_a_bounded_rate(notebook: Notebook, clock: SimpleNamespace, task: Any) -> None:
    bar, number = task
    with LiveDisplay() as display:
        for step in range(1000):
            clock.now += 0.001
            bar.update(number, completed=step / 250)
            display.show(bar.tasks[0])
    assert len(notebook.displays) <= 1 / INTERVAL + 2
    assert len(notebook.displays) >= 3


def test_one_display_is_updated_in_place(notebook: Notebook, clock: SimpleNamespace, task: Any) -> None:
    for _ in range(2):
        with LiveDisplay() as display:
            display.show(task[0].tasks[0])
            clock.now += 1
            display.show(task[0].tasks[0])
    updates = [shown["update"] for shown in notebook.displays]
    ids = [shown["transient"]["display_id"] for shown in notebook.displays]
    assert updates == [False, True, True] * 2
    assert len(set(ids[:3])) == len(set(ids[3:])) == 1
    assert ids[0] != ids[3]
    assert notebook.displays[0]["data"]["text/plain"] == "gru seed 1  25%  train 2.1"


def test_it_ends_in_a_line_that_opens_to_all_lines(notebook: Notebook, clock: SimpleNamespace) -> None:
    with LiveDisplay() as display:
        console = LiveConsole(display)
        for number in range(20):
            console.print(f"<b>run</b> {number}", highlight=False, markup=False, soft_wrap=True)
            display.count(Path(f"{number}"), "failed" if number == 7 else "finished", reused=number < 5)
            display.count(Path(f"{number}"), "finished", reused=True)  # told twice, as after a search
        clock.now += 12.3
    page, plain = notebook.read(), notebook.displays[-1]["data"]["text/plain"]
    assert plain == "20 runs, 5 of them already there, in 12.3 s, 1 failed"
    assert [tag for tag, _ in page.elements] == ["div", "details", "summary", "pre"]
    assert page.text == plain + "\n".join(f"<b>run</b> {number}" for number in range(20))


def test_what_comes_over_standard_error_stays_below_as_text(
    notebook: Notebook, capsys: pytest.CaptureFixture[str]
) -> None:
    with LiveDisplay():
        print("a notice\x1b[0m", file=sys.stderr)
        sys.stderr.write("10%\r20%\r\n")
        sys.stderr.write("unfinished")
    shown = notebook.displays[-1]["data"]["text/plain"]
    assert shown.startswith("0 runs in")
    for line in ("a notice\\x1b[0m", "\n20%", "\nunfinished"):
        assert line in shown
    print("afterwards", file=sys.stderr)
    assert capsys.readouterr().err == "afterwards\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_writes_past_the_display(notebook: Notebook, capfd: pytest.CaptureFixture[str]) -> None:
    with LiveDisplay():
        print("here", file=sys.stderr)
        if not (child := os.fork()):
            print("from the child", file=sys.stderr, flush=True)
            os._exit(0)
        os.waitpid(child, 0)
    assert "from the child" in capfd.readouterr().err
    assert "from the child" not in notebook.read().text


def test_a_call_that_is_refused_leaves_no_display(notebook: Notebook) -> None:
    with pytest.raises(UsageError):
        zoo.compare(["bigram"], **SHORT, baseline=3)
    assert notebook.displays == []


def test_a_call_that_stops_says_so(notebook: Notebook, task: Any) -> None:
    def stop(display: LiveDisplay) -> None:
        display.show(task[0].tasks[0])
        display.count(Path("a"), "finished", reused=False)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), LiveDisplay() as display:
        stop(display)
    assert notebook.displays[-1]["data"]["text/plain"].startswith("stopped after 1 run and ")


def test_a_comparison_has_one_display_and_no_standard_error(
    notebook: Notebook, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for told in ("2 runs in ", "2 runs, already there, in "):
        before = len(notebook.displays)
        zoo.compare(["bigram"], seeds=2, report=False, **SHORT, out=tmp_path)
        own = notebook.displays[before:]
        assert len({shown["transient"]["display_id"] for shown in own}) == 1
        assert own[-1]["data"]["text/plain"].startswith(told)
        assert "bigram seed 2: test " in notebook.read().text
    assert capsys.readouterr() == ("", "")


def test_a_tracker_that_fails_is_told_below_the_display(
    notebook: Notebook, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gone.py").write_text(GONE)
    tracker = f"{tmp_path / 'gone.py'}:Gone"
    zoo.compare(["bigram"], seeds=1, report=False, **SHORT, out=tmp_path / "runs", track=tracker)
    _, trouble, later = notebook.displays[-1]["data"]["text/plain"].splitlines()
    assert trouble == f"tracker {tracker}: ConnectionError: nobody is there; the runs go on without it"
    assert later.startswith(f"tracker {tracker}: 2 of 2 not sent; to send them: ")
    assert capsys.readouterr() == ("", "")


def test_without_progress_nothing_is_shown(notebook: Notebook, tmp_path: Path) -> None:
    zoo.compare(["bigram"], seeds=1, report=False, **SHORT, out=tmp_path, progress=False)
    assert notebook.displays == []


def test_a_notice_is_ordinary_output_in_a_notebook_alone(
    notebook: Notebook, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    notify("a notice")
    assert capsys.readouterr() == ("a notice\n", "")
    monkeypatch.delitem(sys.modules, "IPython")
    notify("a notice")
    assert capsys.readouterr() == ("", "a notice\n")
