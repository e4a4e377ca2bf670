"""`runs` finds what was made, and `verify` computes it again."""

import json
from pathlib import Path

import pytest
from safetensors.numpy import load_file, save_file


@pytest.fixture
def run(zoo_json, tmp_path, words) -> Path:
    document = zoo_json("train", "mlp(hidden=8)", "--data", "words.txt", "--steps", "40", "--set", "score_train=true")
    return tmp_path / document["runs"][0]["directory"]


def change(path: Path, **values: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


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


def test_a_sound_run_verifies_alone_and_in_its_folder(run_zoo, run):
    for directory in (run, run.parent, run.parents[1]):
        done = run_zoo("verify", str(directory))
        assert done.returncode == 0, done.stdout
        assert done.stdout == f"{run}: ok\n"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("test_loss", "test loss: recorded 1.5"),
        ("validation_loss", "validation loss (of the curve): recorded 1.5"),
        ("train_loss", "train loss: recorded 1.5"),
    ],
)
def test_a_number_that_was_changed_is_named(run_zoo, run, name, said):
    change(run / "result.json", **{name: 1.5})
    done = run_zoo("verify", str(run))
    assert done.returncode == 1
    assert said in done.stdout


def test_changed_weights_losses_and_texts_are_named(run_zoo, run, words):
    losses = load_file(run / "losses.safetensors")
    save_file({**losses, "test.nats": losses["test.nats"] * 2}, run / "losses.safetensors")
    assert "test loss (of its documents)" in run_zoo("verify", str(run)).stdout
    save_file(losses, run / "losses.safetensors")
    text = words.read_text()
    words.write_text(text[::-1].strip() + "\n")
    assert "the corpus has digest" in run_zoo("verify", str(run)).stdout
    words.write_text(text)
    (run / "weights.safetensors").write_bytes(b"x" + (run / "weights.safetensors").read_bytes()[1:])
    assert "are not those of the run" in run_zoo("verify", str(run)).stdout


def test_there_must_be_something_to_verify(run_zoo, tmp_path):
    (tmp_path / "empty").mkdir()
    done = run_zoo("verify", "empty")
    assert done.returncode == 1
    assert "is no finished run" in done.stderr


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
