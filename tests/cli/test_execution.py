"""Execution side by side, requested on the command line."""

import json
from pathlib import Path
from typing import Any

import pytest


def losses(document: dict[str, Any]) -> dict[tuple[str, int], float]:
    return {(run["label"], run["seed"]): run["test_loss"] for run in document["runs"]}


SHORT = ("--data", "words.txt", "--seeds", "2", "--steps", "3", "--batch-size", "8", "--json")
BESIDE = ("--set", "execution=side-by-side", "--out", "beside")


def test_side_by_side_gives_the_numbers_of_one_after_the_other(run_zoo, zoo_json, words) -> None:
    plain = zoo_json("compare", "--models", "gru(hidden=8),bigram", *SHORT)
    beside = run_zoo("compare", "--models", "gru(hidden=8),bigram", *SHORT, *BESIDE)
    assert losses(json.loads(beside.stdout)) == losses(plain)
    assert sum(line.endswith(" s)") for line in beside.stderr.splitlines()) == 4
    assert {run["status"] for run in json.loads(beside.stdout)["runs"]} == {"finished"}
    again = run_zoo("compare", "--models", "gru(hidden=8),bigram", *SHORT, *BESIDE)
    assert again.stderr.count("already there") == 4


def test_an_error_in_a_process_is_told_and_leaves_nothing_half_written(run_zoo, mine, words, tmp_path: Path) -> None:
    mine.write_text(
        mine.read_text().replace("return self", "assert not self.training, 'not today'\n        return self")
    )
    result = run_zoo("compare", "--models", "./mine.py:Mine", *SHORT, *BESIDE)
    assert result.returncode == 1
    assert "Mine seed 1: failed. Model './mine.py:Mine' failed in training: AssertionError: not today" in result.stderr
    assert "Traceback" not in result.stderr
    assert not list(tmp_path.rglob("*.partial"))


def test_a_way_that_cannot_be_is_refused_before_anything_is_trained(run_zoo, words, tmp_path: Path) -> None:
    result = run_zoo("train", "bigram", "--data", "words.txt", "--steps", "3", *BESIDE)
    assert result.returncode == 2
    assert "execution='side-by-side' is impossible for this study" in result.stderr
    assert not (tmp_path / "beside").exists()


@pytest.mark.parametrize("model", ["dilated-wavenet", pytest.param("lstm(hidden=8)", marks=pytest.mark.slow)])
def test_a_stack_trains_every_seed_on_its_own_batches_and_says_so(model: str, zoo_json, words) -> None:
    asked = ("compare", "--models", model, *SHORT[:-1], "--threads", "1")
    plain = zoo_json(*asked)
    document = zoo_json(*asked, "--set", "execution=stacked", "--out", "stacked")
    assert losses(document) == pytest.approx(losses(plain), abs=1e-4)
    assert {run["execution"] for run in document["runs"]} == {"stack of 2"}
    fingerprints = {run["fingerprint"] for run in document["runs"]}
    assert fingerprints.isdisjoint(run["fingerprint"] for run in plain["runs"])


@pytest.mark.slow
def test_a_stack_whose_replicas_do_not_compute_what_they_would_alone_says_so(run_zoo, words) -> None:
    told = "mlp: stack of 2, unlike runs alone: its batch statistics see what documents are filled up with"
    asked = ("compare", "--models", "mlp", *SHORT[:-1], "--set", "execution=stacked", "--out", "stacked")
    assert told in " ".join(run_zoo(*asked).stdout.split())


def test_a_model_that_cannot_be_stacked_is_told(run_zoo, mine, words) -> None:
    mine.write_text(mine.read_text().replace("return self", "assert tokens.sum() >= 0\n        return self"))
    result = run_zoo("compare", "--models", "./mine.py:Mine", *SHORT, "--set", "execution=stacked")
    assert result.returncode == 1
    assert "Mine seed 1: failed. Mine cannot be trained as a stack" in result.stderr


def test_rates_of_a_grid_are_stacked_too(zoo_json, words) -> None:
    asked = ("compare", "--models", "bigram", *SHORT[:-1], "--steps", "30", "--threads", "1", "--lr-grid", "0.001,0.01")
    (plain,), (stacked,) = (zoo_json(*asked, *way)["models"] for way in ((), ("--set", "execution=stacked")))
    assert stacked["lr_trials"] == pytest.approx(plain["lr_trials"], abs=1e-5)
    assert stacked["lr_trials"]["0.001"] != stacked["lr_trials"]["0.01"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # warnings of torch's compiler
def test_a_compiled_run_says_so_and_what_that_took(zoo_json, words) -> None:
    flags = ("--data", "words.txt", "--steps", "3", "--batch-size", "8")
    (run,) = zoo_json("train", "bow(hidden=8)", *flags, "--compile")["runs"]
    (plain,) = zoo_json("train", "bow(hidden=8)", *flags)["runs"]
    assert run["execution"] == "sequential, compiled"
    assert 0 < run["compile_seconds"] <= run["seconds"]
    assert run["test_loss"] == pytest.approx(plain["test_loss"], abs=1e-3)
    assert run["fingerprint"] != plain["fingerprint"]


@pytest.mark.parametrize("way", ["execution=stacked", "execution=side-by-side", "threads=2"])
def test_a_comparison_is_verified_whichever_way_it_was_executed(way: str, run_zoo, zoo_json, words) -> None:
    flags = ("--lr-grid", "0.001,0.01", "--set", way)
    folder = zoo_json("compare", "--models", "bigram", *SHORT[:-1], *flags)["directory"]
    done = run_zoo("verify", folder)
    assert done.returncode == 0, done.stdout
