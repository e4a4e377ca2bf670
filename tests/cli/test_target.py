"""`compare --target`: what each model takes to a loss, asked of finished runs."""

import json
from pathlib import Path
from typing import Any

import pytest

import zoo
from zoo.experiments.judge.crossings import find_crossing
from zoo.experiments.records.run import read_run
from zoo.experiments.records.study import describe_study
from zoo.experiments.study.parse import make_study

SMALL = ["--data", "invented(documents=60)", "--batch-size", "8", "--threads", "1", "--steps", "6"]
COMPARE = ["compare", "--models", "bigram,bow(hidden=4)", *SMALL, "--seeds", "2", "--set", "evaluations=3"]


def flat(text: str) -> str:
    return " ".join(text.split())


def test_another_target_trains_nothing_and_asks_the_same_record(tmp_path: Path) -> None:
    settings = {"data": "invented(documents=60)", "batch_size": 8, "threads": 1, "steps": 4, "evaluations": 2}
    asked = {"seeds": 1, "out": tmp_path, "report": False, "progress": False, **settings}
    plain = zoo.compare(["bigram", "bow(hidden=4)"], **asked)
    results = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/*/result.json")}
    targets = [zoo.compare(["bigram", "bow(hidden=4)"], target=loss, **asked).comparison for loss in (3.2, [3.1, 3.2])]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/*/result.json")} == results
    assert {own.record for own in targets} == {plain.comparison.record}
    assert [own.targets and own.targets.losses for own in targets] == [(3.2,), (3.2, 3.1)]
    assert plain.comparison.targets is None


@pytest.mark.slow
def test_a_comparison_with_another_target_shows_it_everywhere_and_verifies(run_zoo, tmp_path: Path) -> None:
    first = run_zoo(*COMPARE)
    (record,) = tmp_path.glob("runs/*/study-*.json")
    folder, results = record.parent, {path: path.stat().st_mtime_ns for path in tmp_path.glob("runs/*/*/result.json")}
    before, costs = read(folder / "comparison.json"), read(record)["costs"]
    assert "to a validation loss" not in first.stdout
    assert before["targets"] is None
    asked = run_zoo(*COMPARE, "--target", "3.1,3.25")
    assert asked.returncode == 0
    assert asked.stderr.count("already there") == 4
    assert {path: path.stat().st_mtime_ns for path in results} == results
    assert [path.name for path in folder.glob("study-*.json")] == [record.name]
    assert (read(record)["study"]["target"], read(record)["costs"]) == ([3.25, 3.1], costs)
    shown = read(folder / "comparison.json")
    assert shown["targets"]["losses"] == [3.25, 3.1]
    assert {**shown, "study": None, "targets": None} == {**before, "study": None, "targets": None}
    crossing = shown["targets"]["crossings"][0]
    run = read_run(folder / next(own["directory"] for own in shown["runs"]
                                 if (own["label"], own["seed"]) == (crossing["label"], crossing["seed"])))  # fmt: skip
    assert find_crossing(run, crossing["target"]).model_dump() == crossing
    assert "to a validation loss of 3.25 nats per token" in asked.stdout
    drawn = run_zoo("report", str(folder))
    assert drawn.stdout == asked.stdout
    assert read(folder / "comparison.json") == shown
    assert {line.rpartition(": ")[2] for line in run_zoo("verify", "runs").stdout.splitlines()} == {"ok"}
    again = run_zoo(*COMPARE)
    assert again.stdout == first.stdout
    assert read(folder / "comparison.json") == before


def read(path: Path) -> Any:
    return json.loads(path.read_text())


@pytest.mark.slow
def test_the_same_is_asked_from_python_of_a_study_file_or_of_a_record(run_zoo, zoo_json, tmp_path: Path) -> None:
    document = zoo_json(*COMPARE, "--target", "3.2")
    record = Path(document["directory"]) / document["record"]
    assert zoo_json("compare", str(record))["targets"] == document["targets"]
    assert zoo_json("compare", str(record), "--target", "3.1")["targets"]["losses"] == [3.1]
    settings = {"data": "invented(documents=60)", "batch_size": 8, "threads": 1, "steps": 6, "evaluations": 3}
    called = zoo.compare(["bigram", "bow(hidden=4)"], seeds=2, target=3.2, out=tmp_path / "runs", progress=False,
                         **settings)  # fmt: skip
    assert called.comparison.model_dump(mode="json")["targets"] == document["targets"]


@pytest.mark.slow
def test_a_tampered_crossing_is_a_difference(run_zoo, tmp_path: Path) -> None:
    run_zoo(*COMPARE, "--target", "3.2")
    (path,) = tmp_path.glob("runs/*/comparison.json")
    document = read(path)
    document["targets"]["crossings"][0]["tokens"] += 1
    path.write_text(json.dumps(document))
    broken = run_zoo("verify", str(path))
    assert broken.returncode == 1
    assert "targets.crossings[0].tokens" in broken.stdout


def test_a_model_that_fails_has_no_numbers_and_says_why(run_zoo, words, mine: Path) -> None:
    mine.write_text(mine.read_text().replace("return self.table(tokens)", "assert not self.training or self.step()\n"
                    "        return self.table(tokens)") + "\n    count = 0\n\n    def step(self):\n"
                    "        self.count += 1\n        return self.count < 5\n")  # fmt: skip
    done = run_zoo("compare", "--models", "bigram,./mine.py:Mine", "--data", "words.txt", "--batch-size", "8",
                   "--threads", "1", "--steps", "40", "--seeds", "1", "--target", "3")  # fmt: skip
    assert "failed 1/1" in flat(done.stdout.partition("to a validation loss of 3")[2])


def test_several_splits_have_ranges_and_no_verdict(run_zoo, words, tmp_path: Path) -> None:
    small = ["--data", "words.txt", "--batch-size", "8", "--threads", "1", "--steps", "3", "--set", "evaluations=1"]
    done = run_zoo("compare", "--models", "bigram,bow(hidden=4)", *small, "--splits", "3", "--seeds", "1",
                   "--target", "1.943")  # fmt: skip
    assert "runs that share a seed or a split are not independent" in flat(done.stdout)
    (path,) = tmp_path.glob("runs/*/comparison.json")
    assert {own["split"] for own in read(path)["targets"]["crossings"]} == {1, 2, 3}


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("abc", "'abc' is not a number greater than 0."),
        ("2,-1", "'-1' is not a number greater than 0."),
        ("inf", "'inf' is not a number greater than 0."),
        ("2,", "'' is not a number greater than 0."),
        ("2,2.0", "the loss 2 is given twice"),
        ("1,2,3,4,5,6,7,8,9", "9 losses are too many: at most 8"),
    ],
)
def test_a_target_that_is_no_loss_is_refused_in_one_line(run_zoo, tmp_path: Path, target: str, message: str) -> None:
    done = run_zoo(*COMPARE, "--target", target)
    assert done.returncode == 2
    assert message in done.stderr.splitlines()[-1]
    assert not (tmp_path / "runs").exists()


def test_a_target_is_a_question_that_neither_names_a_study_nor_changes_a_run() -> None:
    plain, asked = (
        make_study({}, {"models": ["bow"], "data": {}, **given}) for given in ({}, {"target": 1.993})
    )  # fmt: skip
    assert asked.target == (1.993,)
    assert plain.runs() == asked.runs()
    assert describe_study(plain) == describe_study(asked)
    assert "target" not in plain.model_dump(mode="json")
    assert asked.model_dump(mode="json")["target"] == [1.993]
