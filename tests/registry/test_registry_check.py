"""`check` imports each provider in a process of its own, with a time limit."""

import time
from pathlib import Path

import pytest

from registry.check import check

PROVIDERS = {
    "fine": "class Thing: pass\n",
    "raising": "raise RuntimeError('no luck')\n",
    "exiting": "raise SystemExit(0)\n",
    "vanishing": "import os\nos._exit(3)\n",
    "silent": "import os\nos._exit(0)\n",
    "interrupted": "raise KeyboardInterrupt\n",
    "talking": "import sys\nprint('hello', file=sys.stderr)\nclass Thing: pass\n",
    "threaded": "import threading, time\nthreading.Thread(target=time.sleep, args=(600,)).start()\nclass Thing: pass\n",
    "hanging": "import time\ntime.sleep(600)\n",
}


@pytest.fixture
def holder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The module and name of a registry with all of these providers."""
    for name, text in PROVIDERS.items():
        (tmp_path / f"check_{name}.py").write_text(text)
    table = {name: f"check_{name}:Thing" for name in PROVIDERS}
    text = f"from registry import Registry\nTHINGS = Registry('thing', 'test.things', {table!r})\n"
    (tmp_path / "check_holder.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    return "check_holder:THINGS"


@pytest.mark.parametrize("name", ["fine", "talking", "threaded"])
def test_a_provider_that_imports_has_no_problem(holder: str, name: str) -> None:
    assert check(holder, [name], timeout=20) == {name: None}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("raising", "RuntimeError: no luck"),
        ("exiting", "SystemExit: 0"),
        ("vanishing", "exit code 3"),
        ("silent", "silent"),
        ("interrupted", "KeyboardInterrupt"),
    ],
)
def test_a_broken_provider_is_shown_with_its_reason(holder: str, name: str, reason: str) -> None:
    problem = check(holder, [name], timeout=20)[name]
    assert problem is not None
    assert reason in problem
    assert "\n" not in problem


def test_a_hanging_provider_is_stopped_at_the_time_limit_and_harms_no_other(holder: str) -> None:
    start = time.monotonic()
    problems = check(holder, ["fine", "hanging", "raising"], timeout=2)
    assert time.monotonic() - start < 15
    assert problems["hanging"] == "'hanging' did not import within 2 s."
    assert problems["fine"] is None
    assert problems["raising"] is not None


def test_files_of_the_working_directory_are_not_mistaken_for_ours(
    holder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "registry.py").write_text("raise RuntimeError('the wrong one')\n")
    monkeypatch.chdir(elsewhere)
    assert check(holder, ["fine"], timeout=20) == {"fine": None}
