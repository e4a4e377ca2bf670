"""A sample of every campaign finds no fault, but finds those of a deliberately broken product."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults import children, damage, kill
from tests.faults.commands import STDERR, STDOUT, start, wait

pytestmark = pytest.mark.slow


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., int]:
    """Run a campaign in a process of its own, which it may break; returns its exit code."""

    def run_campaign(main: Callable[[], None], *words: str) -> int:
        return wait(start(words, tmp_path, main))

    return run_campaign


@pytest.mark.parametrize(
    ("main", "words"),
    [
        (kill.main, ["4", "--cases", "stacked"]),
        (kill.main, ["4", "--cases", "side-by-side"]),
        (children.main, ["1"]),
        (damage.main, ["8", "13"]),
    ],
    ids=["stacked", "side by side", "children", "damage"],
)
def test_a_campaign_finds_nothing(main: Callable[[], None], words: list[str], run, tmp_path: Path) -> None:
    assert run(main, *words) == 0, (tmp_path / STDERR).read_text()


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("main", "words", "broken", "told"),
    [
        (kill.main, ["6", "--cases", "^dilated-wavenet .* sequential [a-z]+$"], "no-random-state", "curve.jsonl"),
        (
            kill.main,
            ["6", "--cases", "^bow .* sequential [a-z]+$"],
            "in-place",
            "damaged|is no JSON",  # of a run, or of a study
        ),
        (children.main, ["20", "--only", "pairs"], "no-lock", "is worked on by two at once"),
        (damage.main, ["8", "0"], "no-digest", "is used"),
        (damage.main, ["0", "20"], "no-comparison", ""),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_campaign_finds_what_is_broken(
    main: Callable[[], None], words: list[str], broken: str, told: str, run, tmp_path: Path
) -> None:
    """A fault at a random moment shows a breakage only where it falls well, so campaigns with other seeds follow."""

    def is_found(seed: int) -> bool:
        code = run(main, *words, "--seed", str(seed), "--broken", broken)
        return code == 1 and bool(re.search(told, (tmp_path / STDERR).read_text()))

    assert any(map(is_found, range(20))), (tmp_path / STDOUT).read_text() + (tmp_path / STDERR).read_text()
