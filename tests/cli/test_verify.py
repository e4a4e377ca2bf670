"""`verify` accepts sound runs and comparisons, and names every changed number."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from zoo.config import DataConfig
from zoo.data.load import load_corpus
from zoo.errors import RunError
from zoo.experiments.compare import record_name
from zoo.experiments.records.study import read_study
from zoo.experiments.verify.rebuild import CPU, Batches
from zoo.training.loop import Settings

SMALL = ["--data", "words.txt", "--batch-size", "8"]
SIZED = [*SMALL, "--match", "parameters=500"]
SGD = ["--set", "optimizer=sgd", "--set", "clip=0", "--set", "schedule=constant"]

MADE = {
    "run": ["train", "mlp(hidden=8)", *SMALL, "--steps", "40", "--set", "score_train=true"],
    "diverged": ["train", "mlp(hidden=8)", *SMALL, "--steps", "40", *SGD, "--lr", "1e38"],
    "trials": ["train", "bigram", *SMALL, "--steps", "20", "--lr-grid", "0.001,0.01"],
    "study": ["compare", "--models", "mlp,bow", *SIZED, "--steps", "20", "--seeds", "2", "--lr-grid", "0.001,0.01"],
    "splits": ["compare", "--models", "bigram,bow(hidden=4)", *SMALL, "--steps", "3", "--seeds", "1", "--splits", "3"],
    "stream": ["train", "gru", *SMALL, "--documents", "none", "--steps", "5"],
    "bytes": ["train", "bigram", *SMALL, "--tokens", "bytes", "--steps", "3"],
    "windows": ["train", "mlp(hidden=8)", *SMALL, "--set", "rows=windows", "--length", "4", "--tokens", "100"],
    "flops": ["train", "mlp(hidden=8)", *SMALL, "--flops", "1M"],
    "seconds": ["train", "bigram", *SMALL, "--seconds", "0.05"],
    "matched": ["train", "mlp", *SMALL, "--steps", "3", "--match", "flops=5k"],
}


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("made")


@pytest.fixture
def make(run_zoo, words, tmp_path, kept) -> Callable[[str], Path]:
    """Return the folder of a study of `MADE`, trained once and copied."""

    def folder(name: str) -> Path:
        if not (kept / name).exists():
            done = run_zoo(*MADE[name], "--out", name)
            assert (tmp_path / name).exists(), done.stderr
            shutil.copytree(tmp_path / name, kept / name)
        elif not (tmp_path / name).exists():
            shutil.copytree(kept / name, tmp_path / name)
        (study,) = (tmp_path / name).iterdir()
        return study

    return folder


@pytest.fixture
def said(run_zoo) -> Callable[[Path], str]:
    """Return the single difference that `verify` finds in a path."""

    def wrong(place: Path) -> str:
        done = run_zoo("verify", str(place))
        assert done.returncode == 1, done.stdout + done.stderr
        assert not done.stderr
        return "\n".join(line for line in done.stdout.splitlines() if not line.endswith(": ok"))

    return wrong


def the_run(study: Path) -> Path:
    return next(path.parent for path in sorted(study.glob("*/result.json")))


def change(path: Path, place: str, value: Any) -> None:
    """Set one value of a JSON document, or of a line of JSON lines; `place` is a path of keys separated by dots."""
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.suffix == ".jsonl" else None
    document = lines if lines is not None else json.loads(path.read_text())
    *way, last = (int(key) if re.fullmatch(r"-?\d+", key) else key for key in place.split("/"))
    inner = document
    for key in way:
        inner = inner[key]
    inner[last] = value(inner[last]) if callable(value) else value
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) if lines is not None else json.dumps(document))


@pytest.mark.parametrize("name", MADE)
def test_what_is_sound_is_ok(run_zoo, make, name):
    study = make(name)
    done = run_zoo("verify", str(study))
    assert done.returncode == 0, done.stdout
    paths = {str(path.parent) for path in study.glob("**/result.json")}
    paths |= {str(path) for pattern in ("study-*.json", "comparison.json") for path in study.glob(pattern)}
    assert set(done.stdout.splitlines()) == {f"{path}: ok" for path in paths}


def test_a_run_alone_is_ok(run_zoo, make):
    run = the_run(make("run"))
    assert run_zoo("verify", str(run)).stdout == f"{run}: ok\n"


RUN = [
    ("result.json", "test_loss", 1.5, "test loss: recorded 1.5"),
    ("result.json", "validation_loss", 1.5, "validation loss (of the curve): recorded 1.5"),
    ("result.json", "train_loss", 1.5, "train loss: recorded 1.5"),
    ("result.json", "train_loss", None, "train loss: recorded None, but a finished run of these settings has one"),
    ("result.json", "test_loss", None, "test loss: recorded None"),
    ("result.json", "tested_at", None, "tested at: recorded None"),
    ("result.json", "status", "diverged", "of a run that is diverged"),
    ("result.json", "diverged_at", 3, "diverged at: recorded 3, of a run that is finished"),
    ("result.json", "parameters", 7, "parameters: recorded 7"),
    ("result.json", "receptive_field", 7, "receptive field: recorded 7, computed again 8"),
    ("result.json", "steps", 41, "steps: recorded 41, computed again 40"),
    ("result.json", "tokens", 41, "tokens: recorded 41"),
    ("result.json", "seconds", 41.5, "seconds: recorded 41.5"),
    ("result.json", "flops", 41, "FLOPs: recorded 41"),
    ("result.json", "flops_uncounted", ["sort"], "what FLOPs leave out: recorded ('sort',), computed again ()"),
    ("result.json", "flops_fitted", True, "whether FLOPs are fitted: recorded True"),
    ("result.json", "buffers", 7, "buffers: recorded 7, computed again 16"),
    ("result.json", "best_step", 3, "best step: recorded 3"),
    ("result.json", "weights_sha256", "ab", "are not those of the run"),
    ("result.json", "schema_version", 2, "schema version 2"),
    ("curve.jsonl", "0/step", 1, "steps of the curve: recorded [1, 4"),
    ("curve.jsonl", "3/step", 13, "steps of the curve: recorded [0, 4, 8, 13"),
    ("curve.jsonl", "3/step", 4, "point 3 of the curve is not after the one before it"),
    ("curve.jsonl", "3/seconds", 0, "point 3 of the curve is not after the one before it"),
    ("curve.jsonl", "3/tokens", 9, "tokens of the curve at step 12: recorded 9"),
    ("curve.jsonl", "3/validation_loss", 0.5, "best step: recorded"),
    ("curve.jsonl", "0/validation_loss", 2.5, "validation loss of the curve at step 0: recorded 2.5"),
    ("curve.jsonl", "0/train_loss", 2.5, "train loss of point 0 of the curve: recorded 2.5"),
    ("curve.jsonl", "1/train_loss", None, "train loss of point 1 of the curve: recorded None"),
    ("environment.json", "threads", 9, "threads (of environment.json): recorded 9"),
    ("config.json", "settings/lr", 0.5, "settings.lr: recorded 0.5"),
    ("config.json", "settings/clip", 0.5, "settings.clip: recorded 0.5"),
    ("config.json", "settings/width", 1, "config.json: settings have 'width', which no loop has"),
    ("config.json", "run/training/clip", 0.5, "settings.clip: recorded 1.0, computed again 0.5"),
    ("config.json", "run/training/steps", 50, "settings.steps: recorded 40, computed again 50"),
    ("config.json", "run/training/score_train", False, "train loss: recorded"),
    ("config.json", "run/training/threads", 9, "threads (of environment.json): recorded 1, computed again 9"),
    ("config.json", "run/seed", 2, "folder: recorded mlp(hidden=8)-"),
    ("config.json", "run/label", "gru", "folder: recorded mlp(hidden=8)-"),
    ("config.json", "run/trial", True, "trial: recorded True"),
    ("config.json", "run/context", 9, "parameters: recorded 789, computed again 869"),
    ("config.json", "run/model/options", {"hidden": 9}, "parameters: recorded"),
    ("config.json", "run/model/options", {"width": 9}, "unknown option 'width'"),
    ("config.json", "run/model/name", "bigram", "Its options: none"),
    ("config.json", "run/data/split_seed", 1, "the corpus has digest"),
    ("config.json", "fingerprint", "0123456789", "folder: recorded mlp(hidden=8)-"),
    ("config.json", "lr_from", "grid", "lr_from: recorded grid, computed again recipe"),
    ("config.json", "model_source", "ab", "has changed since"),
    ("config.json", "data/floor/test", 1.0, "data.floor.test: recorded 1.0, computed again None"),
    ("config.json", "data/targets/test", 1, "data.targets.test: recorded 1"),
    ("config.json", "data/characters", "ab", "data.characters: recorded ab, computed again abcdef"),
    ("config.json", "data/digest", "ab", "the run was made on ab"),
    ("config.json", "data/name", "else", "data.name: recorded else"),
    ("config.json", "data/is_stream", True, "data.is_stream: recorded True"),
]


@pytest.mark.parametrize(("file", "place", "value", "words_of_it"), RUN, ids=[f"{row[0]}-{row[1]}" for row in RUN])
def test_a_value_of_a_run_that_was_changed_is_named(said, make, file, place, value, words_of_it):
    run = the_run(make("run"))
    change(run / file, place, value)
    assert words_of_it in said(run)


LOSSES: dict[str, tuple[Callable[[np.ndarray], np.ndarray], str, str]] = {
    "doubled": (lambda nats: nats * 2, "test.nats", "test loss (of its documents)"),
    "permuted": (lambda nats: nats[::-1].copy(), "test.nats", "nats of document 0 of test"),
    "flattened": (lambda nats: np.full_like(nats, nats.mean()), "validation.nats", "of validation: recorded"),
    "shortened": (lambda nats: nats[:-1], "test.nats", "'test' does not have as many losses as tokens"),
    "not a number": (lambda nats: nats * np.nan, "test.nats", "'test.nats' has a loss that is not finite"),
    "other tokens": (lambda tokens: tokens + 1, "test.tokens", "tokens of document 0 of test"),
    "integers": (lambda nats: nats.astype(np.int64), "test.nats", "'test.nats' is int64 of shape"),
    "by position": (lambda nats: nats + 1, "test.position.nats", "test.position.nats[0]: recorded"),
    "squares by position": (lambda nats: nats * 1.01, "test.position.squares", "test.position.squares[0]: recorded"),
    "numbers by position": (lambda tokens: tokens + 1, "test.position.tokens", "test.position.tokens[0]: recorded"),
    "a token's": (lambda nats: nats[::-1].copy(), "test.kept.nats", "test.kept.nats[0]: recorded"),
    "kept text": (lambda targets: targets + np.uint16(1), "test.kept.targets", "test.kept.targets[0]: recorded"),
    "kept documents": (
        lambda tokens: tokens[:-1],
        "test.kept.tokens",
        "the kept losses of 'test' are not of the documents beside them",
    ),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses_of_documents_that_were_changed_are_named(said, make, name):
    run = the_run(make("run"))
    falsify, key, words_of_it = LOSSES[name]
    losses = load_file(run / "losses.safetensors")
    save_file({**losses, key: falsify(losses[key])}, run / "losses.safetensors")
    assert words_of_it in said(run)


def test_an_array_of_losses_that_was_removed_is_named(said, make):
    run = the_run(make("run"))
    losses = load_file(run / "losses.safetensors")
    save_file({name: part for name, part in losses.items() if name != "test.kept.nats"}, run / "losses.safetensors")
    assert "'test' does not have as many losses as tokens" in said(run)
    save_file({name: part for name, part in losses.items() if "kept" not in name and "position" not in name},
              run / "losses.safetensors")  # fmt: skip
    assert "losses.safetensors (SHA-256): recorded" in said(run)


def test_files_of_a_run_that_are_damaged_are_named_and_the_others_are_verified(run_zoo, make, words):
    study = make("study")
    for name, content in (
        ("curve.jsonl", b"{"),
        ("losses.safetensors", b"x"),
        ("weights.safetensors", b"x"),
        ("result.json", b"[]"),
        ("environment.json", b"\xff"),
    ):
        file = the_run(study) / name
        kept = file.read_bytes()
        file.write_bytes(content)
        lines = run_zoo("verify", str(study)).stdout.splitlines()
        assert len(lines) == 10
        wrong = {line.partition(": ")[0] for line in lines if not line.endswith(": ok")}
        assert {path for path in wrong if not path.endswith(".json")} == {str(file.parent)}, name
        file.write_bytes(kept)
    text = words.read_text()
    words.write_text(text[::-1].strip() + "\n")
    assert run_zoo("verify", str(study)).stdout.count("the corpus has digest") == 8
    words.unlink()
    done = run_zoo("verify", str(study))
    assert done.stdout.count("No file or directory 'words.txt'") == 9
    assert done.stdout.endswith("comparison.json: ok\n")


def test_points_that_are_left_out_of_a_curve_are_named(said, make):
    run = the_run(make("run"))
    lines = (run / "curve.jsonl").read_text().splitlines(keepends=True)
    for kept in (lines[1:], lines[:-1], lines[:3] + lines[4:], []):
        (run / "curve.jsonl").write_text("".join(kept))
        assert "steps of the curve: recorded [" in said(run)


@pytest.mark.parametrize(
    ("place", "value", "words_of_it"),
    [
        ("test_loss", 1.5, "test loss: recorded 1.5, but a diverged run"),
        ("status", "finished", "of a run that is finished"),
        ("diverged_at", None, "of a run that is diverged"),
        ("diverged_at", 30, "steps of the curve"),
        ("steps", 39, "steps: recorded 39"),
        ("tokens", 39, "tokens: recorded 39"),
        ("weights_sha256", "ab", "are not those of the run"),
        ("parameters", 7, "parameters: recorded 7"),
        ("flops", 7, "FLOPs: recorded 7"),
    ],
)
def test_a_value_of_a_diverged_run_that_was_changed_is_named(said, make, place, value, words_of_it):
    run = the_run(make("diverged"))
    change(run / "result.json", place, value)
    assert words_of_it in said(run)


def test_a_diverged_run_has_no_losses_and_the_loss_of_its_weights(said, make):
    run = the_run(make("diverged"))
    change(run / "curve.jsonl", "0/validation_loss", 0.5)
    assert "best validation loss of the curve: recorded 0.5" in said(run)
    save_file({"test.nats": np.ones(3), "test.tokens": np.ones(3, np.int64)}, run / "losses.safetensors")
    assert "losses.safetensors holds: recorded ['test.nats', 'test.tokens'], computed again []" in said(run)


def test_a_trial_never_saw_the_test_split_and_stands_apart(said, make):
    study = make("trials")
    run = next(iter(sorted((study / "lr-grid").iterdir())))
    change(run / "result.json", "test_loss", 1.5)
    assert "test loss: recorded 1.5, but a finished trial of these settings has none" in said(run)
    change(run / "result.json", "test_loss", None)
    moved = shutil.move(run, study)
    assert "trial: recorded True" in said(Path(moved))


STUDY = [
    ("runs", lambda runs: runs[:-1], False, "number of runs: recorded 3, computed again 4"),
    ("runs", lambda runs: runs[::-1], False, "runs[0]: recorded bow under seed 2, computed again mlp under seed 1"),
    ("runs", lambda runs: ["nowhere", *runs[1:]], False, "does not exist"),
    ("runs", lambda runs: [f"./{runs[0]}", *runs[1:]], False, "runs[0]: recorded ./mlp-seed1"),
    ("trials", list, False, "file name"),
    ("trials", lambda trials: trials[1:], False, "number of trials: recorded 3, computed again 4"),
    ("trials", lambda trials: [trials[1], trials[0], *trials[2:]], True, "settings of mlp-seed3-"),
    ("study/seeds", [1, 2, 4], False, "trials[0]: recorded mlp under seed 3, computed again mlp under seed 5"),
    ("study/seeds", [2, 1], False, "runs[0]: recorded mlp under seed 1, computed again mlp under seed 2"),
    ("study/models/0/label", "gru", False, "recorded mlp under seed 3, computed again gru under seed 3"),
    ("study/title", "else", False, "file name"),
    ("study/lr_grid", [0.002, 0.01], True, "settings of mlp-seed3-"),
    ("study/training/clip", 0.5, True, "clip: recorded 1.0, computed again 0.5"),
    ("study/training/steps", 21, True, "steps: recorded 20, computed again 21"),
    ("study/training/score_train", True, True, "training.score_train: recorded False, computed again True"),
    ("study/context", 4, True, "matched.mlp.model.options.hidden: recorded 5, computed again 9"),
    ("study/models/1/context", 4, True, "context: recorded 8, computed again 4"),
    ("study/data/split_seed", 1, True, "data.digest"),
    ("study/data/corpus/name", "gone.txt", True, "No file or directory 'gone.txt'"),
    ("study/match/parameters", 600, True, "matched.mlp.model.options"),
    ("matched/mlp/reached", 505.0, False, "matched.mlp.reached: recorded 505.0"),
    ("matched/mlp/target", 505.0, False, "matched.mlp.target: recorded 505.0"),
    ("matched/bow/model/options", {"hidden": 3}, False, "matched.bow.model.options"),
    ("matched", {}, False, "matched.mlp: recorded None"),
    ("costs/mlp/parameters", 5, False, "costs.mlp.parameters: recorded 5"),
    ("costs/mlp/buffers", 5, False, "costs.mlp.buffers: recorded 5, computed again 10"),
    ("costs/mlp/flops_uncounted", ["sort"], False, "costs.mlp.flops_uncounted: recorded ('sort',)"),
    ("costs/mlp/flops_fitted", True, False, "costs.mlp.flops_fitted: recorded True"),
    ("costs/mlp/declared_field", 5, False, "costs.mlp.declared_field: recorded 5"),
    ("costs/mlp/flops_forward", 5.0, False, "costs.mlp.flops_forward: recorded 5.0"),
    ("costs/bow/flops_training", 5.0, False, "costs.bow.flops_training: recorded 5.0"),
    ("costs/bow/state_bytes", 5, False, "costs.bow.state_bytes: recorded 5"),
    ("costs", lambda costs: {"mlp": costs["mlp"]}, False, "costs: recorded ['mlp']"),
    ("samples/gru", ["a"], False, "samples: 'gru' is no model of the study"),
    ("schema_version", 2, False, "2"),
]


@pytest.mark.parametrize(
    ("place", "value", "renamed", "words_of_it"),
    [
        pytest.param(*row, id=f"{index}-{row[0]}", marks=[pytest.mark.slow] if index % 3 else [])
        for index, row in enumerate(STUDY)
    ],
)
def test_a_value_of_a_record_that_was_changed_is_named(said, make, place, value, renamed, words_of_it):
    study = make("study")
    (path,) = study.glob("study-*.json")
    if value is list:  # only the file's name changes
        path = path.rename(study / "study-0123456789.json")
    else:
        change(path, place, value)
    if renamed:
        record = read_study(path)
        named = record_name(record.study, [*record.read_trials(study), *record.read_runs(study)])
        path = path.rename(study / named)
    done = said(path)
    line = next(line for line in done.splitlines() if line.startswith(f"{path}: "))
    assert words_of_it in line


def test_a_worse_learning_rate_that_was_taken_is_named(said, make):
    study = make("study")
    trials = sorted((study / "lr-grid").iterdir())
    assert len(trials) == 4
    for trial in trials:
        change(trial / "result.json", "validation_loss", lambda loss: -loss)
    assert "learning rate of " in said(study)


@pytest.mark.parametrize(
    ("place", "value", "words_of_it"),
    [
        ("pairs/0/difference", 0.5, "pairs[0].difference: recorded 0.5"),
        ("models/0/test/mean", 0.5, "models[0].test.mean: recorded 0.5"),
        ("models/1/cost/peak_bytes", 5, "models[1].cost.peak_bytes: recorded 5"),
        ("runs/2/tokens", 5, "runs[2].tokens: recorded 5"),
        ("verdict", "All are equal.", "verdict: recorded All are equal."),
        ("notes/0/text", "All is well.", "notes[0].text: recorded All is well."),
        ("notes", lambda notes: notes[1:], "notes: recorded ["),
        ("record", "study-0123456789.json", "record: 'study-0123456789.json' is not there"),
        ("record", 3, "comparison.json' is damaged: it names no record"),
    ],
)
def test_a_value_of_a_comparison_that_was_changed_is_named(said, make, place, value, words_of_it):
    path = make("study") / "comparison.json"
    change(path, place, value)
    wrong = said(path)
    assert wrong.startswith(f"{path}: ")
    assert words_of_it in wrong


def test_a_comparison_that_was_stored_before_there_were_notes_is_ok(run_zoo, make):
    path = make("study") / "comparison.json"
    stored = json.loads(path.read_text())
    assert stored.pop("notes")
    path.write_text(json.dumps(stored))
    assert f"{path}: ok" in run_zoo("verify", str(path)).stdout.splitlines()


def test_a_file_of_a_comparison_stands_for_it_and_its_runs(run_zoo, make):
    study = make("study")
    (record,) = study.glob("study-*.json")
    for file in (record, study / "comparison.json"):
        done = run_zoo("verify", str(file))
        assert done.returncode == 0, done.stdout
        assert len(done.stdout.splitlines()) == 4 + 4 + 2
    (study / "comparison.json").unlink()
    assert len(run_zoo("verify", str(record)).stdout.splitlines()) == 4 + 4 + 1


def test_a_folder_may_be_called_otherwise(run_zoo, make, tmp_path):
    moved = shutil.move(make("study"), tmp_path / "else")
    done = run_zoo("verify", str(moved))
    assert done.returncode == 0, done.stdout


def test_every_record_of_a_folder_is_verified(said, run_zoo, make):
    study = make("study")
    (record,) = study.glob("study-*.json")
    (study / "study-0123456789.json").write_text("{")
    assert said(study).startswith(f"{study / 'study-0123456789.json'}: ")
    for run in study.glob("**/result.json"):
        run.unlink()
    assert "is not a finished run" in run_zoo("verify", str(record)).stdout


def test_a_text_from_standard_input_is_missed(run_zoo, words):
    assert run_zoo("train", "bigram", "--data", "-", "--steps", "2", input=words.read_text()).returncode == 0
    done = run_zoo("verify", "runs")
    assert done.returncode == 1
    assert done.stdout.count("The text is needed again, but it came from standard input") == 2


def test_a_record_that_claims_steps_without_end_is_refused_and_not_drawn(words):
    rows = load_corpus(DataConfig(corpus=str(words))).rows("train", length=8, device=CPU)
    settings = Settings(
        **{**dict.fromkeys(("weight_decay", "warmup", "clip"), 0.0), "steps": 10**12, "batch_size": 4}
        | {"optimizer": "adamw", "schedule": "constant", "lr": 1.0, "evaluations": 1, "dtype": "float32"}
    )
    with pytest.raises(RunError, match="1,000,000,000,000 steps are recorded"):
        Batches(rows, settings, 1, alike=False).tokens(10**12)


def test_there_must_be_something_to_verify(run_zoo, tmp_path):
    (tmp_path / "empty").mkdir()
    for place, why in (("empty", "is not a finished run"), ("nowhere", "does not exist")):
        done = run_zoo("verify", place)
        assert (done.returncode, done.stdout) == (1, "")
        assert why in done.stderr
    assert "Device 'cuda:9' is not available" in run_zoo("verify", "empty", "--device", "cuda:9").stderr


REMEMBERS = """
import torch
from torch import nn
from zoo import SequenceModel

SEEN = {}


class Mine(SequenceModel):
    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.table = nn.Embedding(vocab_size, vocab_size)

    def forward(self, tokens):
        logits = self.table(tokens)
        if self.training:
            return logits
        known = torch.zeros_like(logits)
        for row, own in enumerate(tokens.tolist()):
            for t, following in enumerate([*own[1:], None]):
                found = SEEN.setdefault(tuple(own[: t + 1]), following)
                if found is not None:
                    known[row, t, found] = 2.0
        return logits + known
"""


@pytest.mark.slow
def test_what_a_process_remembers_is_not_there_in_another_one(run_process, tmp_path, words):
    """The model remembers in a table of its module how rows with the same beginning go on."""
    (tmp_path / "mine.py").write_text(REMEMBERS)
    asked = [*SMALL, "--documents", "line", "--steps", "5", "--set", "evaluations=1"]
    trained = run_process("train", "./mine.py:Mine", *asked)
    assert trained.returncode == 0, "its process cannot tell"
    done = run_process("verify", "runs")
    assert done.returncode == 1
    assert " loss: recorded " in done.stdout or "token by token: recorded" in done.stdout
