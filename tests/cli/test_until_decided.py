"""`compare --until decided` looks at planned numbers of seeds, stops when nothing is open, and pays for every look."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
FAR = "bigram,bow(hidden=12)"
NEAR = "bow(hidden=6),bow(hidden=7)"
ONE = ("--set", "batch_size=16", "--set", "execution=sequential", "--threads", "1")
SMALL = ("--data", "invented(documents=800)", *ONE)


@pytest.fixture
def compare(zoo_json, tmp_path: Path) -> Any:
    """Compare with few steps; returns the document, with the path of its folder."""

    def run(models: str, *words: str, steps: int = 40) -> Any:
        made = zoo_json("compare", "--models", models, "--steps", str(steps), *SMALL, *words)
        return {**made, "directory": str(tmp_path / made["directory"])}

    return run


def test_a_clear_difference_stops_at_the_first_look(compare) -> None:
    made = compare(FAR, "--until", "decided", "--seeds", "3..8", steps=80)
    assert made["sequential"]["taken"] == [3]
    assert made["sequential"]["looks"] == [3, 5, 8]
    assert made["sequential"]["reason"] == "decided"
    assert {row["seeds"] for row in made["models"]} == {3}
    assert (made["pairs"][0]["verdict"], made["pairs"][0]["look"]) == ("better", 3)
    assert "Stopped at 3 of at most 8 seeds: every pair is decided." in made["verdict"]


@pytest.mark.slow
def test_equal_models_stop_within_a_wide_margin_and_go_on_to_the_last_seed_without_one(compare) -> None:
    wide = compare(NEAR, "--until", "3,4,5", "--margin", "1.0", steps=2)
    assert (wide["sequential"]["taken"], wide["pairs"][0]["verdict"]) == ([3], "equal")
    tight = compare(NEAR, "--until", "3,4,5", "--margin", "1e-6", steps=2)
    assert tight["sequential"]["taken"] == [3, 4, 5]
    assert tight["sequential"]["reason"] in ("spent", "documents")
    assert {row["seeds"] for row in tight["models"]} == {5}


def test_every_look_has_an_equal_part_of_the_error(compare) -> None:
    made = compare(NEAR, "--until", "3,4", "--margin", "1e-6", "--alpha", "0.1", steps=2)
    assert made["sequential"]["level"] == pytest.approx(0.05)
    spent = str(made["sequential"]["taken"][-1])
    fixed = compare(NEAR, "--seeds", spent, "--margin", "1e-6", "--alpha", "0.05", steps=2)
    assert made["pairs"][0]["joint_low"] == fixed["pairs"][0]["joint_low"]
    assert "each with an error of 5%" in " ".join(note["text"] for note in made["notes"])


@pytest.mark.slow
def test_the_same_command_trains_nothing_again_and_report_and_verify_agree(compare, zoo_json, run_zoo) -> None:
    words = (FAR, "--until", "3,4", "--margin", "0.01")
    first = compare(*words, steps=80)
    again = compare(*words, steps=80)
    assert [run["fingerprint"] for run in again["runs"]] == [run["fingerprint"] for run in first["runs"]]
    shown = zoo_json("report", first["directory"])
    assert shown["sequential"] == first["sequential"]
    assert shown["verdict"] == first["verdict"]
    done = run_zoo("verify", first["directory"])
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_a_forged_verdict_of_a_look_is_found(compare, run_zoo) -> None:
    made = compare(FAR, "--until", "3,4", "--margin", "0.01", steps=80)
    path = Path(made["directory"]) / "comparison.json"
    document = json.loads(path.read_text())
    document["pairs"][0]["verdict"] = "equal"
    path.write_text(json.dumps(document))
    assert run_zoo("verify", made["directory"]).returncode == 1


EARLIER = {
    "another number of seeds": ["--seeds", "4"],
    "a planned number": ["--seeds", "3"],
    "another margin": ["--seeds", "3", "--margin", "0.5"],
    "more seeds than planned": ["--seeds", "6"],
    "a shorter plan": ["--until", "3,4"],
}


@pytest.mark.parametrize(
    "earlier",
    [
        pytest.param(words, id=name, marks=[] if name == "a planned number" else pytest.mark.slow)
        for name, words in EARLIER.items()
    ],
)
def test_an_earlier_look_is_refused_as_a_basis_or_paid_for_in_full(
    compare, run_zoo, tmp_path: Path, earlier: list[str]
) -> None:
    compare(NEAR, *earlier, steps=2)
    runs = sorted(tmp_path.rglob("result.json"))
    refused = run_zoo("compare", "--models", NEAR, "--steps", "2", *SMALL, "--until", "3,5")
    assert refused.returncode == 2
    assert "nothing of alpha=0.05 is left" in refused.stderr
    assert "Give --alpha 0.1" in refused.stderr
    assert sorted(tmp_path.rglob("result.json")) == runs, "it trained first"
    paid = compare(NEAR, "--until", "3,5", "--alpha", "0.07", steps=2)
    assert paid["sequential"]["spent"] == pytest.approx(0.05)
    assert paid["level"] == pytest.approx(0.01)
    assert "what 5% for looks at" in " ".join(note["text"] for note in paid["notes"])


@pytest.mark.slow
def test_another_margin_and_later_looks_of_one_plan_spend_nothing(compare) -> None:
    wide = compare(NEAR, "--until", "3,4", "--margin", "1.0", steps=2)
    tight = compare(NEAR, "--until", "3,4", "--margin", "1e-6", steps=2)
    assert (wide["sequential"]["taken"], tight["sequential"]["taken"]) == ([3], [3, 4])
    assert wide["level"] == tight["level"] == pytest.approx(0.025)
    assert tight["sequential"]["before"] == []


@pytest.mark.slow
def test_a_plan_that_goes_on_from_a_common_first_look_to_other_seeds_is_another_one(
    run_zoo, zoo_json, tmp_path: Path
) -> None:
    study = 'name = "st"\nmodels = ["bow(hidden=6)", "bow(hidden=7)"]\nlooks = [3, 5]\nmargin = 1e-9\nseeds = '
    (tmp_path / "a.toml").write_text(f"{study}[1, 2, 3, 4, 5]")
    (tmp_path / "b.toml").write_text(f"{study}[1, 2, 3, 9, 10]")
    made = zoo_json("compare", "a.toml", "--steps", "2", *SMALL)
    assert made["sequential"]["taken"] == [3, 5]
    refused = run_zoo("compare", "b.toml", "--steps", "2", *SMALL)
    assert refused.returncode == 2
    assert "nothing of alpha=0.05 is left" in refused.stderr
    assert run_zoo("verify", made["directory"]).returncode == 0


@pytest.mark.slow
def test_verify_finds_an_earlier_look_that_is_left_out_or_changed(compare, run_zoo) -> None:
    compare(NEAR, "--seeds", "4", steps=2)
    folder = Path(compare(NEAR, "--until", "3,5", "--alpha", "0.07", steps=2)["directory"])
    assert run_zoo("verify", str(folder)).returncode == 0
    records = {path: json.loads(path.read_text()) for path in folder.glob("study-*.json")}
    (path, record), *_ = [(path, record) for path, record in records.items() if record["looked"]]
    invented = {"record": "", "seeds": [4], "alpha": 0.01}
    for looked in (
        [],
        [*record["looked"], invented],
        [{**record["looked"][0], "alpha": 0.01}],
        [{**record["looked"][0], "record": "study-0.json"}],
    ):
        path.write_text(json.dumps({**record, "looked": looked}))
        done = run_zoo("verify", str(path))
        assert done.returncode == 1
        assert "looked" in done.stdout + done.stderr


@pytest.mark.slow
def test_a_command_that_is_killed_between_looks_ends_as_one_that_was_not(tmp_path: Path) -> None:
    command = [
        sys.executable,
        str(ROOT / "cli.py"),
        "compare",
        "--models",
        NEAR,
        "--until",
        "3,4,5",
        "--margin",
        "1e-9",
    ]
    command += [*SMALL, "--steps", "2", "--json"]
    whole = subprocess.run([*command, "--out", str(tmp_path / "whole")], capture_output=True, text=True, check=True)
    cut = subprocess.Popen(
        [*command, "--out", str(tmp_path / "cut")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while not list(tmp_path.glob("cut/*/study-*.json")):
        assert cut.poll() is None, "it ended before its first look"
        time.sleep(0.01)
    cut.kill()
    cut.wait()
    again = subprocess.run([*command, "--out", str(tmp_path / "cut")], capture_output=True, text=True, check=True)
    first, second = json.loads(whole.stdout), json.loads(again.stdout)
    assert first["sequential"] == second["sequential"]
    assert first["verdict"] == second["verdict"]
    assert [row["test_loss"] for row in first["runs"]] == [row["test_loss"] for row in second["runs"]]


@pytest.mark.slow
def test_a_fixed_comparison_after_one_that_stopped_says_that_it_was_looked_at(compare) -> None:
    compare(NEAR, "--until", "3,4", steps=2)
    assert set(compare(NEAR, "--seeds", "5", steps=2)["looked"]) >= {3}


def test_table_and_page_say_how_many_seeds_were_spent_and_why(run_zoo, compare, tmp_path: Path) -> None:
    made = compare(FAR, "--until", "3,4", "--margin", "0.01", steps=80)
    shown = run_zoo("report", made["directory"])
    assert "better at 3" in shown.stdout
    assert "97.5% interval" in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 80
    page = (Path(made["directory"]) / "report.html").read_text()
    assert "Looks at 3, 4 seeds" in page
    assert "at 3 seeds" in page


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--seeds", "3..8"], "--seeds 3..8 is a range: give --until decided"),
        (["--seeds", "x"], "is not a number of seeds"),
        (["--seeds", "8..3"], "is not a number of seeds"),
        (["--until", "soon"], "is neither decided nor numbers of seeds"),
        (["--until", "2,5"], "is neither decided nor numbers of seeds"),
        (["--until", "decided", "--seeds", "2..8"], "3 or more"),
        (["--until", "decided", "--lr-grid", "0.1,0.2"], "chooses no settings"),
        (["--until", "decided", "--tune", "4"], "chooses no settings"),
        (["--until", "decided", "--splits", "3"], "has one split"),
        (["--until", "decided", "--set", "execution=stacked"], "a stack trains all seeds at once"),
    ],
)
def test_what_does_not_fit_is_one_clear_line(run_zoo, words: list[str], said: str) -> None:
    done = run_zoo("compare", "--models", FAR, *words)
    assert done.returncode == 2
    assert said in done.stderr
