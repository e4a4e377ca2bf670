"""Runs on tasks and on answers of one's own through the command line: records, verification, and bad options."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

from zoo.config import Call, DataConfig
from zoo.data.load import load_corpus
from zoo.tokens import IGNORED

MINE = """
import numpy as np
from zoo import Source
from zoo.data.task import Documents, Line, Task

def draw(generator, count):
    bits = generator.integers(2, size=(count, 6))
    return Documents(1 + bits, 1 + bits.cumsum(axis=1) % 2)

def task():
    return Task("mine", "ab", 6, draw, Line(0.68, None), documents=50)

def answers():
    words = ["ab" * (1 + n % 4) + "c" * (n % 3) for n in range(100)]
    answers = ["".join("_" if n % 3 == 1 else sign.upper() for n, sign in enumerate(word)) for word in words]
    return Source("answered", words, answers=answers)

def misfit():
    return Source("misfit", ["ab", "cd"] * 20, answers=["a_", "_"] * 20)

def nothing():
    return 3
"""
STEPS = ["--steps", "12", "--batch-size", "8", "--context", "6"]
MADE = {
    "task": ["train", "gru(hidden=6)", "--data", "dyck(length=9,documents=40)", *STEPS],
    "windows": ["train", "mlp(hidden=6)", "--data", "parity(length=6,documents=40)", *STEPS, "--set", "rows=windows"],
    "oracle": ["train", "bigram", "--data", "markov(length=8,documents=40)", *STEPS],
    "own task": ["train", "bigram", "--data", "./mine.py:task", *STEPS],
    "answers": ["train", "gru(hidden=6)", "--data", "./mine.py:answers", *STEPS],
    "study": [
        "compare",
        "--models",
        "bigram,mlp(hidden=4)",
        "--data",
        "group(of=Z2,documents=40)",
        *STEPS,
        "--seeds",
        "2",
    ],
}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("made")


@pytest.fixture
def make(run_zoo: Callable[..., Any], tmp_path: Path, kept: Path) -> Callable[[str], Path]:
    """Return the folder of a study of `MADE`, trained once and copied."""
    (tmp_path / "mine.py").write_text(MINE)

    def folder(name: str) -> Path:
        if not (kept / name).exists():
            done = run_zoo(*MADE[name], "--out", name)
            assert done.returncode == 0, done.stderr
            shutil.copytree(tmp_path / name, kept / name)
        else:
            shutil.copytree(kept / name, tmp_path / name)
        (study,) = (tmp_path / name).iterdir()
        return study

    return folder


def read_run(study: Path) -> tuple[Path, dict[str, Any], dict[str, Any]]:
    """The folder, the configuration and the result of the first run of a study."""
    run = next(path.parent for path in sorted(study.glob("*/result.json")))
    return run, *(json.loads((run / name).read_text()) for name in ("config.json", "result.json"))


EACH = [
    pytest.param(name, marks=pytest.mark.slow) if name in ("study", "oracle", "own task") else name for name in MADE
]


@pytest.mark.parametrize("name", EACH)
def test_what_is_recorded_is_verified(name: str, make: Callable[[str], Path], run_zoo: Callable[..., Any]) -> None:
    study = make(name)
    done = run_zoo("verify", str(study))
    assert done.returncode == 0, done.stdout
    assert f"{read_run(study)[0]}: ok" in done.stdout.splitlines()


@pytest.mark.parametrize("name", EACH)
def test_a_record_has_nats_tokens_and_right_answers_of_every_document(name: str, make: Callable[[str], Path]) -> None:
    run, config, result = read_run(make(name))
    losses = load_file(run / "losses.safetensors")
    for split in ("validation", "test"):
        nats, tokens, right = (losses[f"{split}.{kind}"] for kind in ("nats", "tokens", "right"))
        assert result[f"{split}_loss"] == pytest.approx(nats.sum() / tokens.sum())
        assert ((right >= 0) & (right <= tokens)).all()
        assert tokens.sum() == config["data"]["targets"][split]
    assert result["accuracy"] == pytest.approx(right.sum() / tokens.sum())
    assert result["answers"] == pytest.approx((right == tokens).mean())
    assert config["data"]["has_answers"]
    assert result["reproduced"]["cuts"] > 0


@pytest.mark.parametrize(
    "name", ["task", *(pytest.param(name, marks=pytest.mark.slow) for name in ("oracle", "study"))]
)
def test_a_record_counts_the_scored_tokens_of_the_documents_of_the_task(name: str, make: Callable[[str], Path]) -> None:
    run, config, _ = read_run(make(name))
    corpus = config["run"]["data"]["corpus"]
    task = load_corpus(DataConfig(corpus=Call(**corpus))).task
    assert task
    scored = (task.held_out(2).targets != IGNORED).sum(axis=1)
    assert load_file(run / "losses.safetensors")["test.tokens"].tolist() == scored.tolist()
    recorded = config["data"]["task"]
    assert (recorded["length"], recorded["documents"]) == (task.length, 40)
    assert recorded["memoryless"]["loss"] == pytest.approx(task.memoryless.loss)
    assert recorded["floor"]["loss"] == pytest.approx(task.measure_floor(task.held_out(2)).loss)
    assert config["data"]["floor"]["test"] == pytest.approx(recorded["floor"]["loss"])
    assert {line: own["loss"] for line, own in recorded["lines"].items()} == {
        line: pytest.approx(own.loss) for line, own in task.lines.items()
    }


def change_result(run: Path, key: str, value: Any) -> None:
    document = json.loads((run / "result.json").read_text())
    (run / "result.json").write_text(json.dumps(document | {key: value}))


@pytest.mark.parametrize("key", ["accuracy", "answers"])
@pytest.mark.parametrize("value", [0.0123, None])
def test_a_changed_share_of_right_answers_is_found(
    key: str, value: float | None, make: Callable[[str], Path], run_zoo: Callable[..., Any]
) -> None:
    run = read_run(make("task"))[0]
    change_result(run, key, value)
    done = run_zoo("verify", str(run))
    assert done.returncode == 1
    assert f"{key} (of its documents): recorded {value}" in done.stdout


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("memoryless", "loss"), 0.5),
        (("floor", "loss"), 0.4),
        (("floor", "accuracy"), 0.4),
        (("goal",), "answers>=0.5"),
        (("length",), 7),
        (("documents",), 7),
        (("lines",), {"window of 7": {"loss": 1.0, "accuracy": None}}),
        (("is_next_token",), True),
    ],
    ids=str,
)
def test_a_changed_line_of_a_task_is_found(
    place: tuple[str, ...], value: Any, make: Callable[[str], Path], run_zoo: Callable[..., Any]
) -> None:
    run, config, _ = read_run(make("task"))
    inner = config["data"]["task"]
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    (run / "config.json").write_text(json.dumps(config))
    done = run_zoo("verify", str(run))
    assert done.returncode == 1, done.stdout


def test_a_task_sets_the_context_and_a_given_one_is_kept(run_zoo: Callable[..., Any], tmp_path: Path) -> None:
    words = ["train", "bigram", "--data", "parity(length=11,documents=20)", "--steps", "2", "--batch-size", "4"]
    for given, context in (([], 16), (["--context", "5"], 5)):  # 16, where a tree of levels fits
        done = run_zoo(*words, *given, "--out", f"out{context}")
        assert done.returncode == 0, done.stderr
        (study,) = (tmp_path / f"out{context}").iterdir()
        assert read_run(study)[1]["run"]["context"] == context


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--data", "recall(pairs=40)"], 2, "40 pairs need as many different keys, and there are 32: give keys=40"),
        (["--data", "markov(order=1)"], 2, "the next symbol of order 1 needs no memory: give order=2 or more"),
        (["--data", "parity(length=eight)"], 2, "length=eight: input should be a valid integer. Its options: length"),
        (["--data", "copy(lenght=8)"], 2, "unknown option 'lenght'. Its options: length, copied, symbols"),
        (["--data", "recal"], 2, "Did you mean 'recall'?"),
        (["--data", "parity", "--split", "90/10/0"], 2, "draws its documents, so it has no --split: leave that out"),
        (["--data", "parity", "--splits", "3"], 2, "draws its documents, so it has no --splits: leave that out"),
        (["--data", "parity", "--set", "score_train=true"], 2, "training documents without end: leave out score_train"),
        (["--data", "./mine.py:misfit"], 1, "document 2 and its answers must be text of one kind and length"),
        (["--data", "./mine.py:nothing"], 1, "gave a int, not a zoo.Source or zoo.Task"),
        (["--data", "./mine.py:answers", "--documents", "none"], 2, "answers: they cannot be one stream"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_options_get_one_line(
    words: list[str], code: int, said: str, run_zoo: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    done = run_zoo("compare", "--models", "bigram", *words, "--steps", "2")
    assert done.returncode == code, done.stderr
    assert said in done.stderr.strip().splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
