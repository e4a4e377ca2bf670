"""`--lr-grid auto` extends the grid for all models until no best rate lies at its edge."""

import json
from pathlib import Path

import pytest

COMPARE = ("compare", "--models", "bow,bigram", "--lr-grid", "auto,1e-3,1e-2", "--steps", "20", "--seeds", "1")
SMALL = ("--data", "invented(documents=60)", "--batch-size", "8", "--set", "evaluations=1")


@pytest.fixture
def extended(zoo_json, tmp_path: Path) -> tuple[dict, Path]:
    """The JSON document of the comparison, and the path of its record."""
    document = zoo_json(*COMPARE, *SMALL)
    return document, tmp_path / document["directory"] / document["record"]


@pytest.mark.slow
def test_the_grid_grows_for_all_alike_until_no_best_rate_lies_at_its_edge_and_is_never_repeated(
    extended, run_zoo
) -> None:
    document, path = extended
    record = json.loads(path.read_text())
    rows = document["models"]
    grid = sorted(map(float, rows[0]["lr_trials"]))
    assert grid == sorted(map(float, rows[1]["lr_trials"])) == sorted(rate for own in record["rounds"] for rate in own)
    assert record["rounds"][:2] == [[1e-3, 1e-2], [0.1]]
    assert len(record["trials"]) == 2 * len(grid)
    for row in rows:
        losses = {float(rate): loss for rate, loss in row["lr_trials"].items() if loss is not None}
        assert row["lr"] == min(losses, key=losses.__getitem__)
        assert grid[0] < row["lr"] < grid[-1]
        assert not row["lr_at_edge"]
    (note,) = [note["text"] for note in document["notes"] if note["kind"] == "rate"]
    assert f"was extended from 2 rates to {len(grid)} (0.001 to {grid[-1]:g}): no best rate lies at its edge." in note
    again = run_zoo(*COMPARE, *SMALL)
    assert again.stderr.count("already there") == 2 * len(grid) + 2
    forecast = json.loads(run_zoo(*COMPARE, *SMALL, "--dry-run", "--json").stdout)
    assert [row["there"] for row in forecast] == [True] * (2 * len(grid) + 2)


@pytest.mark.slow
def test_verify_finds_a_round_that_was_left_out(extended, run_zoo) -> None:
    _, path = extended
    assert run_zoo("verify", str(path)).stdout.endswith(": ok\n")
    record = json.loads(path.read_text())
    dropped = len(record["rounds"].pop())
    record["trials"] = record["trials"][: -2 * dropped]
    path.write_text(json.dumps(record))
    done = run_zoo("verify", str(path))
    assert done.returncode == 1
    assert "rounds of the grid" in done.stdout


def test_a_grid_that_is_neither_is_refused_in_a_line(run_zoo) -> None:
    done = run_zoo("compare", "--models", "bow", "--lr-grid", "auto,1e-3")
    assert done.returncode == 2
    assert "'auto,1e-3' is no grid: give at least two learning rates, such as 1e-3,3e-3,1e-2, or auto." in done.stderr


@pytest.mark.slow
def test_a_search_that_ends_at_its_limit_says_so(zoo_json, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.experiments.runs.rates.MOST_ROUNDS", 1)
    grid = ("compare", "--models", "bow,bigram", "--lr-grid", "auto,1e-5,1e-4", "--steps", "20")
    document = zoo_json(*grid, *SMALL)
    texts = [note["text"] for note in document["notes"] if note["kind"] == "rate"]
    assert "was extended from 2 rates to 3 (1e-05 to 0.001): it was extended no further." in texts[0]
    assert len(texts) == 2
    assert texts[1].endswith(" took learning rate 0.001, the edge of the grid: a wider one may do better.")
    assert document["verdict"].endswith(" the best learning rate lies at the edge of the grid for bow, bigram.") or (
        document["verdict"].endswith(" the best learning rate lies at the edge of the grid for bigram, bow.")
    )
