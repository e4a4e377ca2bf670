"""`runs` lists runs, and a printed configuration runs again."""

import json
from pathlib import Path

import pytest


@pytest.fixture
def run(zoo_json, tmp_path, words) -> Path:
    document = zoo_json("train", "mlp(hidden=8)", "--data", "words.txt", "--steps", "40", "--set", "score_train=true")
    return tmp_path / document["runs"][0]["directory"]


def test_runs_lists_and_filters(run_zoo, zoo_json, run, words):
    other = zoo_json("train", "bigram", "--data", "words.txt", "--steps", "2")["runs"][0]
    rows = zoo_json("runs")
    assert [row["run"].split("/")[0] for row in rows] == ["bigram-on-words", "mlp(hidden=8)-on-words"]
    assert rows[0]["test_loss"] == other["test_loss"]
    assert [row["run"] for row in zoo_json("runs", "*mlp*")] == [str(run.relative_to(run.parents[1]))]
    assert run_zoo("runs").stdout.splitlines()[1].split()[0] == f"{other['test_loss']:.4f}"
    assert run_zoo("runs", "--out", "elsewhere").stdout == "no finished runs\n"


def test_runs_shows_a_damaged_one_and_the_others(run_zoo, run):
    (run / "curve.jsonl").write_text("{")
    assert "damaged" in run_zoo("runs").stdout


def test_the_printed_study_runs_the_same(run_zoo, zoo_json, tmp_path, words):
    flags = ["--data", "words.txt", "--steps", "3", "--seeds", "2", "--set", "schedule=constant"]
    printed = run_zoo("compare", "--models", "bigram,mlp(hidden=4)", *flags, "--print-config")
    assert printed.returncode == 0, printed.stderr
    (tmp_path / "study.json").write_text(printed.stdout)
    first = zoo_json("compare", "--models", "bigram,mlp(hidden=4)", *flags)
    again = run_zoo("compare", "study.json", "--json")
    assert again.stderr.count("already there") == 4
    assert json.loads(again.stdout) == first
    (tmp_path / "study.json").write_text("[")
    assert "cannot be read as .json" in run_zoo("compare", "study.json").stderr
    (tmp_path / "study.json").write_text("[]")
    assert "is a table of settings" in run_zoo("compare", "study.json").stderr


def test_a_dry_run_tells_sizes_and_trains_nothing(run_zoo, zoo_json, tmp_path, words):
    command = ["compare", "--models", "bigram,mlp", "--data", "words.txt", "--steps", "3", "--seeds", "2"]
    plan = zoo_json(*command, "--dry-run")
    assert not (tmp_path / "runs").exists()
    assert [(row["label"], row["seed"], row["there"]) for row in plan] == [
        ("bigram", 1, False),
        ("mlp", 1, False),
        ("bigram", 2, False),
        ("mlp", 2, False),
    ]
    assert all(row["seconds"] > 0 for row in plan)
    made = {run["directory"] for run in zoo_json(*command)["runs"]}
    assert made == {row["run"] for row in plan}
    assert all(row["there"] and not row["seconds"] for row in zoo_json(*command, "--dry-run"))
    assert run_zoo(*command, "--dry-run").stdout.splitlines()[2].split() == ["bigram", "49", "3", "2", "2", "0"]
