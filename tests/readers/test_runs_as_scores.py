"""Runs and studies are read as scores; those that cannot be judged say why."""

from pathlib import Path

import pytest

WORDS = "\n".join(f"{a}{b}a" for a in "bcdfgh" for b in "aeiou") + "\n"
SMALL = ("--data", "words.txt", "--steps", "3", "--set", "batch_size=4")


@pytest.fixture
def study(run_zoo, tmp_path: Path) -> Path:
    """The folder of a small comparison."""
    (tmp_path / "words.txt").write_text(WORDS)
    done = run_zoo("compare", "--models", "bigram,bow(hidden=4)", "--seeds", "3", *SMALL)
    assert done.returncode == 0, done.stderr
    (found,) = (tmp_path / "runs").iterdir()
    return found


def test_a_study_its_record_and_its_runs_give_the_same_verdict(zoo_json, study: Path) -> None:
    runs = [str(path) for path in sorted(study.iterdir()) if "-seed" in path.name and path.is_dir()]
    whole = zoo_json("judge", str(study))["tasks"][0]
    for files in ([str(next(study.glob("study-*.json")))], [str(study / "comparison.json")], runs):
        assert zoo_json("judge", *files)["tasks"][0]["pairs"] == whole["pairs"]


def test_one_run_a_model_is_judged_document_by_document(zoo_json, study: Path) -> None:
    runs = [str(next(study.glob(f"{name}*-seed1-*"))) for name in ("bigram", "bow")]
    (task,) = zoo_json("judge", *runs)["tasks"]
    assert task["counted"] == "items"


def test_runs_of_different_test_splits_share_no_item(run_zoo, study: Path, tmp_path: Path) -> None:
    other = run_zoo("train", "bow(hidden=4)", *SMALL, "--split-seed", "7", "--out", "other").stdout.split()[-1]
    done = run_zoo("judge", str(next(study.glob("bigram-seed1-*"))), other)
    assert done.returncode == 1
    assert "No item in the file is scored for every model and seed" in done.stderr


def test_several_splits_are_left_to_report(run_zoo, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text(WORDS)
    run_zoo("compare", "--models", "bigram,bow(hidden=4)", "--seeds", "1", "--splits", "3", *SMALL)
    (found,) = (tmp_path / "runs").iterdir()
    done = run_zoo("judge", str(found))
    assert done.returncode == 1
    assert "has 3 splits of one text, which `report" in done.stderr


def test_a_diverged_run_and_a_named_column_are_told_in_one_line(run_zoo, study: Path, tmp_path: Path) -> None:
    bad = run_zoo("train", "bow(hidden=4)", *SMALL, "--lr", "1e30", "--set", "optimizer=sgd", "--out", "bad")
    place = bad.stdout.split()[-1]
    done = run_zoo("judge", str(study), place)
    assert done.returncode == 1
    assert "diverged and has no test loss" in done.stderr
    done = run_zoo("judge", str(study), "--score", "loss")
    assert "holds runs, which have no columns: leave out --score" in done.stderr
