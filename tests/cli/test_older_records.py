"""Records made before sources were digested by their code can be drawn, verified and evaluated, but not continued.

`older/stored` is such a comparison: two models, three seeds, its numbers and its probes.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

STORED = Path(__file__).resolve().parent / "older" / "stored"


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return Path(shutil.copytree(STORED, tmp_path / "runs" / "stored"))


def test_an_older_record_verifies(study: Path, run_zoo) -> None:
    done = run_zoo("verify", "runs")
    assert done.returncode == 0, done.stdout
    assert [line.rpartition(": ")[2] for line in done.stdout.splitlines()] == ["ok"] * 8


def test_an_older_record_draws_the_numbers_that_it_has(study: Path, zoo_json) -> None:
    before = json.loads((study / "comparison.json").read_text())
    again = zoo_json("report", str(study))
    assert [row["losses"] for row in again["models"]] == [row["losses"] for row in before["models"]]
    assert [row["cost"] for row in again["models"]] == [row["cost"] for row in before["models"]]
    assert again["verdict"].replace(" after 6 steps", "") == before["verdict"]
    assert (study / "report.html").is_file()


@pytest.mark.parametrize("model", ["bigram", "mlp"])
def test_an_older_run_is_evaluated_to_its_recorded_losses_without_a_word_about_its_source(
    model: str, study: Path, run_zoo
) -> None:
    (run,) = study.glob(f"{model}-seed1-*")
    done = run_zoo("evaluate", str(run), "--json")
    for row in json.loads(done.stdout)["splits"]:
        assert row["loss"] == pytest.approx(row["recorded"], abs=1e-6)
    assert "source" not in done.stderr
    assert run_zoo("sample", str(run), "-n", "2").returncode == 0


def change(file: str, edit: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def apply(run: Path) -> None:
        document = json.loads((run / file).read_text())
        edit(document)
        (run / file).write_text(json.dumps(document))

    return apply


@pytest.mark.parametrize(
    "tamper",
    [
        change("result.json", lambda result: result.update(test_loss=1.0)),
        change("config.json", lambda config: config["settings"].update(lr=0.5)),
        change("config.json", lambda config: config["run"].update(seed=2)),
        change("config.json", lambda config: config.update(digests="code")),
        change("config.json", lambda config: config.update(model_source="0" * 64)),
        change("config.json", lambda config: config.update(harness="0" * 64)),
        change("config.json", lambda config: config["run"].update(stack=[[1, 0.1]])),
        change("environment.json", lambda environment: environment.update(torch="1.0")),
        change("environment.json", lambda environment: environment.update(device="another")),
        change("environment.json", lambda environment: environment.update(arithmetic=[])),
    ],
    ids=["loss", "setting", "seed", "said to be new", "source", "harness", "stack", "torch", "device", "arithmetic"],
)
def test_a_number_of_an_older_record_that_was_changed_is_found(tamper, study: Path, run_zoo) -> None:
    (run,) = study.glob("bigram-seed1-*")
    tamper(run)
    done = run_zoo("verify", str(run))
    assert done.returncode == 1
    assert "ok" not in done.stdout


def test_a_new_record_that_is_said_to_be_old_is_found(run_zoo, zoo_json, tmp_path: Path) -> None:
    run = zoo_json("train", "bigram", "--data", "invented(documents=60)", "--steps", "2")["runs"][0]["directory"]
    change("config.json", lambda config: config.pop("digests"))(tmp_path / run)
    assert "fingerprint: recorded" in run_zoo("verify", run).stdout


def test_the_same_runs_are_trained_anew_beside_the_older_ones_with_the_same_losses(study: Path, zoo_json) -> None:
    (record,) = study.glob("study-*.json")
    older = json.loads((study / "comparison.json").read_text())
    for before in older["models"]:
        path = next(run["directory"] for run in older["runs"] if run["label"] == before["label"])
        settings = json.loads((study / Path(path).name / "config.json").read_text())["settings"]
        recipe = [word for name in ("weight_decay", "warmup") for word in ("--set", f"{name}={settings[name]}")]
        only = ("--models", before["model"], "--lr", str(settings["lr"]), *recipe)
        newer = zoo_json("compare", str(record), *only, "--out", "runs")
        (now,) = newer["models"]
        assert now["losses"] == pytest.approx(before["losses"], abs=1e-6)
        assert Path(path).name not in [Path(run["directory"]).name for run in newer["runs"]]


def test_a_record_of_another_schema_version_is_refused_by_name(study: Path, run_zoo) -> None:
    (record,) = study.glob("study-*.json")
    record.write_text(record.read_text().replace('"schema_version": 1', '"schema_version": 7', 1))
    done = run_zoo("report", str(study))
    assert done.returncode == 1
    assert "it has schema version 7, this zoo reads 1" in done.stderr
