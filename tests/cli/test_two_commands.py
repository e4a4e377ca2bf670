"""Two commands on one study leave one record and its report: neither overwrites the other's measurements."""

import json
from pathlib import Path

import pytest

from zoo.experiments import compare

WORDS = ["compare", "--models", "bow(hidden=4),bigram", "--steps", "2", "--seeds", "1"]


def test_a_command_that_was_overtaken_reports_what_the_other_one_measured(
    run_zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When one command has its runs but no record yet, another one does everything; then the first continues."""
    own, overtaken = compare.earlier_looks, []

    def overtake(*given):
        if not overtaken:
            overtaken.append(True)
            assert run_zoo(*WORDS, "--out", "runs").returncode == 0
            overtaken.append(read_record())
        return own(*given)

    def read_record() -> tuple[str, dict[str, bytes]]:
        (record,) = tmp_path.glob("runs/*/study-*.json")
        reports = [*record.parent.glob("report.*"), *record.parent.glob("figures/*"), record.parent / "comparison.json"]
        return record.read_text(), {path.name: path.read_bytes() for path in reports}

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(compare, "earlier_looks", overtake)
    result = run_zoo(*WORDS, "--out", "runs")
    assert result.returncode == 0, result.stderr
    assert json.loads(read_record()[0])["costs"]
    assert read_record() == overtaken[1]


def test_a_lock_whose_owner_was_killed_goes_with_the_next_command(run_zoo, tmp_path: Path) -> None:
    words = [*WORDS, "--out", str(tmp_path)]
    assert run_zoo(*words).returncode == 0
    (record,) = tmp_path.glob("*/study-*.json")
    lock = record.with_name(f".{record.name}.lock")
    lock.touch()
    assert run_zoo(*words).returncode == 0
    assert not lock.exists()
