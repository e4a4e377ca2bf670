"""`stop_when_solved` ends runs that have solved their task, and every record and report says so."""

import json
from pathlib import Path

import pytest

PARITY = ["--data", "parity(length=3,documents=50)", "--batch-size", "16", "--threads", "1", "--steps", "300"]
STOPPING = [*PARITY, "--set", "evaluations=30", "--set", "stop_when_solved=true"]


@pytest.mark.parametrize("execution", ["sequential", "stacked"])
def test_runs_end_when_solved_are_told_and_verify(run_zoo, tmp_path: Path, execution: str) -> None:
    asked = [*STOPPING, "--set", f"execution={execution}", "--seeds", "2"]
    done = run_zoo("compare", "--models", "gru(hidden=12),bow(hidden=4)", *asked)
    assert done.returncode == 0, done.stderr
    (study,) = (tmp_path / "runs").iterdir()
    results = {path.parent.name: json.loads(path.read_text()) for path in study.glob("*/result.json")}
    ended = [result for result in results.values() if result["solved_at"] is not None]
    assert len(ended) == 2
    assert all(name.startswith("gru") for name, own in results.items() if own in ended)
    assert all(own["steps"] == own["solved_at"] < 300 and own["status"] == "finished" for own in ended)
    fewest, most = sorted(own["steps"] for own in ended)
    told = " ".join(done.stdout.split())
    steps = f"{fewest} to {most}" if fewest < most else str(fewest)
    assert "Runs ended when they had solved their task, at two evaluations of validation in a row" in told
    assert f"Steps until then: gru(hidden=12) {steps}." in told
    assert "than the budget" not in told
    assert "budgets are missed" not in told
    page = (study / "report.html").read_text()
    assert "300 steps for every model, or until it has solved its task" in page
    checked = run_zoo("verify", str(study))
    assert checked.returncode == 0, checked.stdout

    run = next(path for path in study.iterdir() if path.name.startswith("gru"))
    curve = [json.loads(line) for line in (run / "curve.jsonl").read_text().splitlines()]
    whole = {**curve[0], "score": 1.0}, {**curve[1], "score": 1.0}, *curve[2:]
    (run / "curve.jsonl").write_text("".join(f"{json.dumps(point)}\n" for point in whole))
    checked = run_zoo("verify", str(run))
    assert checked.returncode == 1
    assert "step at which the task was solved" in checked.stdout


@pytest.mark.parametrize(("words", "told"), [(STOPPING, "at most about "), (PARITY, "about ")])
def test_a_dry_run_says_that_runs_may_take_less(run_zoo, words: list[str], told: str) -> None:
    done = run_zoo("compare", "--models", "bow(hidden=4)", *words, "--seeds", "1", "--dry-run")
    assert done.stdout.splitlines()[-1].startswith(told)


def test_text_has_no_goal(run_zoo) -> None:
    done = run_zoo("train", "gru", "--set", "stop_when_solved=true")
    assert done.returncode == 2
    assert done.stderr == "Error: invented is no task, so nothing says when it is solved: leave out stop_when_solved.\n"
