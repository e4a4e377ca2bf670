"""`compare`: equal budgets, equal sizes, equal tuning, verdicts, and records that reproduce them."""

import json
import re
import shutil
from pathlib import Path

import pytest

from zoo.catalog import MODELS

SMALL = ["--data", "words.txt", "--batch-size", "8"]


STUDY = ["compare", "--models", "mlp(hidden=8),bow(hidden=4)", *SMALL, "--steps", "30", "--lr", "0.01"]


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("kept")


@pytest.fixture
def study(zoo_json, words, tmp_path, kept) -> dict:
    """A comparison of two models, one much better, under three seeds; trained once and copied."""
    document = kept / "study.json"
    if document.exists():
        shutil.copytree(kept / "runs", tmp_path / "runs")
    else:
        document.write_text(json.dumps(zoo_json(*STUDY)))
        shutil.copytree(tmp_path / "runs", kept / "runs")
    return json.loads(document.read_text())


@pytest.mark.parametrize("pair", [("--steps", "--tokens"), ("--seconds", "--flops"), ("--tokens", "--seconds")])
def test_two_budgets_are_refused(run_zoo, words, pair):
    done = run_zoo("compare", "--models", "mlp,bow", *SMALL, pair[0], "5", pair[1], "5")
    assert done.returncode == 2
    assert "are 2 budgets: give one" in done.stderr


def test_a_budget_of_flops_is_what_each_model_spends(zoo_json, words):
    models = "mlp(hidden=8),mlp(hidden=64),transformer(channels=8)"
    rows = zoo_json("compare", "--models", models, *SMALL, "--flops", "20M", "--seeds", "1")["models"]
    assert [row["used"]["flops"] for row in rows] == pytest.approx([20e6] * 3, rel=0.1)
    assert len({row["used"]["steps"] for row in rows}) == 3


def test_a_budget_of_flops_is_refused_where_a_model_multiplies_nothing(run_zoo, words, tmp_path):
    done = run_zoo("compare", "--models", "mlp,bigram", *SMALL, "--flops", "1M")
    assert (done.returncode, (tmp_path / "runs").exists()) == (2, False)
    assert "Model 'bigram' multiplies nothing" in done.stderr


def test_a_budget_of_seconds_is_what_each_model_trains(zoo_json, words):
    rows = zoo_json("compare", "--models", "bigram,gru", *SMALL, "--seconds", "0.2", "--seeds", "1")["models"]
    assert all(0.2 <= row["used"]["seconds"] < 2 for row in rows)
    assert all(row["used"]["steps"] > 1 for row in rows)


def test_a_budget_on_the_command_line_takes_the_place_of_the_studys(run_zoo, zoo_json, tmp_path, words):
    (tmp_path / "study.toml").write_text('models = ["bigram"]\ntraining = { tokens = 1_000_000 }\n')
    printed = zoo_json("compare", "study.toml", *SMALL, "--flops", "2T", "--print-config")
    assert printed["training"]["flops"] == 2e12
    assert "tokens" not in printed["training"]


@pytest.mark.slow
def test_every_model_is_scaled_to_one_size_and_the_distance_is_told(zoo_json, run_zoo, words):
    command = ["compare", "--models", "mlp,gru,transformer", *SMALL, "--steps", "2", "--match", "parameters=5k"]
    rows = {row["label"]: row for row in zoo_json(*command)["models"]}
    for row in rows.values():
        assert row["off_size"] == pytest.approx(row["parameters"] / 5000 - 1)
    assert all(abs(rows[label]["off_size"]) < 0.02 for label in ("mlp", "gru"))
    assert re.search(r"gru\(hidden=\d+\)", rows["gru"]["model"])
    off = rows["transformer"]["off_size"]
    assert abs(off) > 0.02
    side = "above" if off > 0 else "below"
    assert f"transformer is {abs(off):.1%} {side} the size asked for" in run_zoo(*command).stdout


def test_a_model_without_a_width_cannot_be_scaled(run_zoo, words, tmp_path):
    done = run_zoo("compare", "--models", "mlp,bigram", *SMALL, "--match", "parameters=5k")
    assert (done.returncode, (tmp_path / "runs").exists()) == (2, False)
    assert "Model 'bigram' has no width to scale" in done.stderr


@pytest.mark.parametrize("value", ["5k", "width=5", "parameters=", "parameters=-1", "flops=many"])
def test_a_size_is_written_as_kind_and_number(run_zoo, words, value):
    done = run_zoo("compare", "--models", "mlp,gru", *SMALL, "--match", value)
    assert done.returncode == 2
    assert "76k" in done.stderr


def test_every_model_tries_the_grid_under_an_extra_seed_on_validation_alone_and_the_best_is_taken(
    zoo_json, run_zoo, words, tmp_path, mine
):
    command = ["compare", "--models", "mlp(hidden=8),./mine.py:Mine", *SMALL, "--steps", "20", "--seeds", "2"]
    document = zoo_json(*command, "--lr-grid", "1e-5,3e-2,1e-2")
    for row in document["models"]:
        assert row["lr_from"] == "grid"
        assert set(row["lr_trials"]) == {"1e-05", "0.01", "0.03"}
        assert row["lr_trials"][f"{row['lr']:g}"] == min(row["lr_trials"].values())
        assert row["lr_at_edge"] == (row["lr"] == 0.03)
    trials = sorted((tmp_path / document["directory"] / "lr-grid").iterdir())
    assert len(trials) == 6
    for trial in trials:
        config, result = (json.loads((trial / name).read_text()) for name in ("config.json", "result.json"))
        assert config["run"]["seed"] == 3
        assert (result["test_loss"], result["tested_at"]) == (None, None)
    (listed,) = {line[:8] for line in run_zoo("runs", "*lr-grid*").stdout.splitlines()[1:]}
    assert listed == " " * 8, "no test loss"
    assert run_zoo("verify", document["directory"]).returncode == 0
    shown = run_zoo(*command, "--lr-grid", "1e-5,3e-2,1e-2").stdout
    assert "learning rate from one grid for all" in " ".join(shown.split())


def test_a_rate_that_diverges_is_not_chosen(zoo_json, words):
    flags = ["--set", "optimizer=sgd", "--set", "clip=0", "--set", "schedule=constant"]
    row = zoo_json("train", "mlp(hidden=8)", *SMALL, "--steps", "20", *flags, "--lr-grid", "0.01,1e38")["models"][0]
    assert row["lr"] == 0.01
    assert row["lr_trials"]["1e+38"] is None
    assert row["diverged"] == 0


def test_a_rate_and_a_grid_are_one_too_many(run_zoo, words):
    done = run_zoo("train", "mlp", *SMALL, "--lr", "0.01", "--lr-grid", "0.01,0.1")
    assert done.returncode == 2
    assert "a grid of learning rates are both given: give only one" in done.stderr
    assert "give at least two" in run_zoo("train", "mlp", *SMALL, "--lr-grid", "0.01").stderr


def test_three_seeds_give_a_verdict_and_two_do_not(zoo_json, run_zoo, words):
    command = ["compare", "--models", "mlp(hidden=8),bow(hidden=4)", *SMALL, "--steps", "30"]
    two = zoo_json(*command, "--seeds", "2")
    assert two["pairs"][0]["verdict"] == "none"
    assert two["verdict"].startswith("No verdict: 2 seeds")
    three = zoo_json(*command, "--seeds", "3")
    pair = three["pairs"][0]
    assert pair["verdict"] in ("better", "undecided")
    assert 0 <= pair["p"] <= 1
    assert pair["low"] <= pair["difference"] <= pair["high"]
    shown = run_zoo(*command, "--seeds", "3").stdout
    assert three["verdict"] in shown.replace("\n", " ")


def test_a_model_is_never_better_than_its_renamed_copy(zoo_json, tmp_path, words):
    models = [{"label": name, "model": "mlp(hidden=8)"} for name in ("one", "other")]
    (tmp_path / "study.json").write_text(json.dumps({"models": models, "training": {"steps": 20}}))
    document = zoo_json("compare", "study.json", *SMALL, "--seeds", "3")
    (pair,) = document["pairs"]
    assert (pair["difference"], pair["p"], pair["verdict"]) == (0, 1, "undecided")
    assert [row["letters"] for row in document["models"]] == ["a", "a"]
    assert "cannot be told apart" in document["verdict"]


def test_a_diverged_model_has_no_pairs_and_the_verdict_says_so(zoo_json, words, mine):
    mine.write_text(mine.read_text().replace("self.table(tokens)", "(self.table(tokens) * 1e30).exp()"))
    models = "./mine.py:Mine,bigram,mlp(hidden=8)"
    document = zoo_json("compare", "--models", models, *SMALL, "--steps", "5", "--seeds", "3")
    assert [{pair["a"], pair["b"]} for pair in document["pairs"]] == [{"bigram", "mlp(hidden=8)"}]
    assert document["verdict"].endswith("Mine diverged under 3 of 3 seeds.")


def test_compare_writes_a_report_and_draws_it_again_from_records_alone(run_zoo, tmp_path, study):
    folder = tmp_path / study["directory"]
    names = ["comparison.json", "report.html", "report.md"]
    first = {name: (folder / name).read_text() for name in names}
    assert json.loads(first["comparison.json"])["models"] == study["models"]
    for name in names:
        (folder / name).unlink()
    (tmp_path / "words.txt").unlink()
    done = run_zoo("report", study["directory"])
    assert done.returncode == 0, done.stderr
    assert study["verdict"] in done.stdout.replace("\n", " ")
    assert {name: (folder / name).read_text() for name in names} == first


def test_report_says_what_is_missing(run_zoo, tmp_path, study):
    assert "does not exist" in run_zoo("report", "nowhere").stderr
    hint = run_zoo("report", "runs").stderr
    assert study["directory"] in hint
    run = Path(study["runs"][0]["directory"])
    (tmp_path / run / "result.json").unlink()
    done = run_zoo("report", study["directory"])
    assert done.returncode == 1
    assert str(run) in done.stderr


def test_verify_recomputes_the_comparison_and_names_the_number_that_differs(run_zoo, tmp_path, study):
    path = tmp_path / study["directory"] / "comparison.json"
    done = run_zoo("verify", study["directory"])
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1] == f"{Path(study['directory']) / 'comparison.json'}: ok"
    document = json.loads(path.read_text())
    document["pairs"][0]["p"] = 0.5
    path.write_text(json.dumps(document))
    done = run_zoo("verify", study["directory"])
    assert done.returncode == 1
    assert "pairs[0].p: recorded 0.5" in done.stdout


def test_a_record_runs_again_as_it_stands(run_zoo, zoo_json, tmp_path, study):
    (record,) = (tmp_path / study["directory"]).glob("study-*.json")
    for file in (record, record.parent / "comparison.json"):
        again = run_zoo("compare", str(file), "--json")
        assert again.stderr.count("already there") == 6
        assert json.loads(again.stdout) == study


def test_fresh_trains_beside_the_old_and_overwrites_nothing(run_zoo, zoo_json, tmp_path, study):
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / study["directory"]).rglob("*")}
    fresh = zoo_json(*STUDY, "--fresh")
    assert fresh["directory"] == f"{study['directory']}.2"
    assert [row["losses"] for row in fresh["models"]] == [row["losses"] for row in study["models"]]
    assert {path: path.stat().st_mtime_ns for path in before} == before
    again = run_zoo(*STUDY)
    assert again.stderr.count("already there") == 6
    assert f"{study['directory']}.2" in again.stderr


def test_costs_are_probed_for_every_model(study):
    for row in study["models"]:
        cost = row["cost"]
        assert cost["parameters"] == row["parameters"]
        assert cost["receptive_field"] == cost["declared_field"] == row["receptive_field"]
        assert cost["train_tokens_per_second"] > 0
        assert row["samples"]


def test_the_table_fits_eighty_columns(run_zoo, words):
    done = run_zoo("compare", "--models", "mlp,dilated-wavenet,transformer", *SMALL, "--steps", "3")
    assert max(len(line) for line in done.stdout.splitlines()) <= 80, done.stdout


def test_where_a_learning_rate_came_from_is_about_this_comparison_though_its_runs_are_reused(zoo_json, words):
    command = ["compare", "--models", "mlp(hidden=8)", *SMALL, "--steps", "20", "--seeds", "2", "--set", "clip=0.5"]
    rate = MODELS.get("mlp").recipe.lr
    (set_,) = zoo_json(*command, "--lr", str(rate))["models"]
    (chosen,) = zoo_json(*command, "--lr-grid", f"1e-6,{rate}")["models"]
    (recipe,) = zoo_json(*command)["models"]
    assert set_["losses"] == chosen["losses"] == recipe["losses"]
    assert [row["lr_from"] for row in (set_, chosen, recipe)] == ["setting", "grid", "recipe"]


def test_a_budget_that_whole_steps_cannot_hit_is_told(zoo_json, run_zoo, words):
    command = ["compare", "--models", "mlp(hidden=8),mlp(hidden=200)", *SMALL, "--flops", "500k", "--seeds", "1"]
    rows = {row["label"]: row for row in zoo_json(*command)["models"]}
    assert rows["mlp(hidden=200)"]["off_budget"] > 1
    assert "% more than the budget, the nearest that whole steps reach" in " ".join(run_zoo(*command).stdout.split())


def test_report_draws_the_comparison_that_was_run_last_though_its_record_is_older(run_zoo, zoo_json, words):
    command = ["compare", "--models", "mlp(hidden=8)", *SMALL, "--steps", "5", "--seeds"]
    first = zoo_json(*command, "2")
    zoo_json(*command, "3")
    assert zoo_json(*command, "2") == first
    for place in (
        first["directory"],
        f"{first['directory']}/comparison.json",
        f"{first['directory']}/{first['record']}",
    ):
        assert zoo_json("report", place) == first


def test_runs_from_another_environment_are_told(run_zoo, tmp_path, study):
    path = tmp_path / study["runs"][-1]["directory"] / "environment.json"
    environment = json.loads(path.read_text())
    path.write_text(json.dumps({**environment, "torch": "0.1", "dirty": True}))
    assert run_zoo("report", study["directory"]).returncode == 0
    written = (tmp_path / study["directory"] / "report.md").read_text()
    assert f"torch {environment['torch']}; " in written
    assert "torch 0.1" in written


def test_a_model_that_cannot_sample_is_compared_all_the_same(run_zoo, zoo_json, words, mine):
    mine.write_text(
        mine.read_text()
        .replace("self.table = ", "self.place = nn.Parameter(torch.zeros(8, vocab_size))\n        self.table = ")
        .replace("self.table(tokens)", "self.table(tokens) + self.place[torch.arange(tokens.shape[1])]")
        .replace("from torch import nn", "import torch\nfrom torch import nn")
    )
    document = zoo_json("compare", "--models", "bigram,./mine.py:Mine", *SMALL, "--steps", "5", "--seeds", "1")
    row = next(row for row in document["models"] if row["label"] == "Mine")
    assert row["samples"] == []
    assert "IndexError" in row["cost"]["unmeasured"]["samples"]


def test_the_largest_seed_leaves_room_for_a_grid(zoo_json, words):
    command = ["train", "bigram", *SMALL, "--steps", "2", "--seed", str(2**63 - 1), "--lr-grid", "0.01,0.1"]
    assert zoo_json(*command)["models"][0]["lr_from"] == "grid"


def test_a_grid_in_a_study_file_is_one(run_zoo, tmp_path, words):
    (tmp_path / "study.toml").write_text('models = ["bigram"]\nlr_grid = [0.01, 0.01]\n')
    done = run_zoo("compare", "study.toml", *SMALL)
    assert done.returncode == 2
    assert "give at least two rates" in done.stderr


def test_the_edge_of_the_grid_is_told_for_any_rate(zoo_json, words):
    grid = "0.00000123456789,0.0123456789"
    (row,) = zoo_json("train", "mlp(hidden=8)", *SMALL, "--steps", "20", "--lr-grid", grid)["models"]
    assert (row["lr"], row["lr_at_edge"]) == (0.0123456789, True)


def test_seeds_that_are_added_after_a_look_are_told_and_a_comparison_at_once_is_not(zoo_json, tmp_path, words):
    command = ["compare", "--models", "bow(hidden=4),bigram", *SMALL, "--steps", "2", "--seeds"]
    assert zoo_json(*command, "4")["looked"] == []
    folder = zoo_json(*command, "3")["directory"]
    (tmp_path / folder / "study-0000000000.json").write_text("damaged")
    document = zoo_json(*command, "5")
    assert document["looked"] == [3, 4]
    assert document["verdict"].endswith("after a look at 3 and 4: the p-values are too small.")
    assert zoo_json(*command, "4")["looked"] == [], "as it was when it was first made"


def test_sizes_that_a_model_cannot_be_built_at_are_told_before_anything_trains(run_zoo) -> None:
    match = ("--models", "transformer,bow", "--match", "parameters=20k", "--dry-run")
    done = run_zoo("compare", *match, "--data", "invented(documents=60)")
    assert [line for line in done.stderr.splitlines()[1:] if line.startswith("transformer")] == [
        "transformer: channels=25 to 31 do not work; 25: channels (=25) must be divisible by heads (=4). "
        "channels=24 is the nearest that does, 22.4% below 20,000"
    ]
    assert not any(line.startswith("bow") for line in done.stderr.splitlines())


def test_the_grid_of_learning_rates_is_told_before_anything_trains(run_zoo) -> None:
    grid = ("--models", "bow,bigram", "--lr-grid", "1e-3,3e-3,1e-2", "--dry-run")
    done = run_zoo("compare", *grid, "--data", "invented(documents=60)")
    assert done.stderr.splitlines()[1].startswith("learning rates: 0.001 to 0.01, 3 rates for each of 2 models;")
