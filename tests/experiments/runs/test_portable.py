"""A packed cell is executed, or refused, in another process."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import MINE
from tests.conftest import ROOT
from zoo.config import Call, DataConfig, RunConfig, TrainingConfig, Way
from zoo.data.load import load_corpus
from zoo.errors import RunError
from zoo.experiments.records.run import Run, read_run
from zoo.experiments.runs.portable import pack, unpack
from zoo.experiments.runs.resolve import Cell, resolve, resolve_all
from zoo.experiments.runs.strategy import place
from zoo.experiments.runs.train import execute

ELSEWHERE = """
import sys
from zoo.experiments.runs.portable import unpack
from zoo.experiments.runs.train import execute
execute(*unpack(sys.stdin.read()))
"""
TRAINING = TrainingConfig(steps=4, batch_size=8, device="cpu", threads=1)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(MINE)
    Path("words.txt").write_text("".join(f"{'abcde'[n % 5]}{'fgh'[n % 3]}a\n" for n in range(60)))


def make_cell(model: str = "./mine.py:Mine", corpus: str = "./words.txt") -> Cell:
    data = DataConfig(corpus=Call(name=corpus))
    config = RunConfig(model=Call(name=model), label="mine", data=data, training=TRAINING, seed=3)
    return resolve(config, load_corpus(data), Path("runs/study"))


def execute_elsewhere(text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", ELSEWHERE], input=text, env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("model", ["./mine.py:Mine", pytest.param("wavenet", marks=pytest.mark.slow)])
def test_another_process_executes_the_very_same_run(model: str) -> None:
    cell = make_cell(model)
    done = execute_elsewhere(pack(cell))
    assert done.returncode == 0, done.stderr
    elsewhere, moved = read_run(cell.directory), Path("elsewhere")
    cell.directory.rename(moved)
    here = execute(cell, load_corpus(cell.config.data))
    assert describe(elsewhere) == describe(here)


def describe(run: Run) -> tuple[object, ...]:
    result = run.result
    return run.recorded, result.weights_sha256, result.losses_sha256, result.test_loss, result.tokens


CHANGES = {
    "text": (lambda: Path("words.txt").write_text("abc\ncab\nbca\n" * 20), "data digest is"),
    "source": (lambda: Path("mine.py").write_text(MINE + "\n"), "it has changed since the run was trained"),
    "no file": (lambda: Path("mine.py").unlink(), "No file 'mine.py'"),
}


@pytest.mark.parametrize(
    "change", ["text", *(pytest.param(name, marks=pytest.mark.slow) for name in ("source", "no file"))]
)
def test_what_would_be_another_run_is_refused_with_the_difference(change: str) -> None:
    text = pack(make_cell())
    make, message = CHANGES[change]
    make()
    done = execute_elsewhere(text)
    assert done.returncode == 1
    assert message in done.stderr.splitlines()[-1]
    assert not list(Path().rglob("result.json"))


@pytest.mark.parametrize(
    ("where", "name", "value"),
    [("", "torch", "9.9"), ("", "device", "cuda"), ("recorded", "harness", "0" * 12), ("settings", "lr", 0.5)],
)
def test_another_machine_or_zoo_is_named(where: str, name: str, value: object) -> None:
    order = json.loads(pack(make_cell()))
    part = {"": order, "recorded": order["recorded"], "settings": order["recorded"]["settings"]}[where]
    part[name], order["recorded"]["fingerprint"] = value, "another"
    with pytest.raises(RunError, match=f"mine.*would be another run here: (settings )?{name} is {value}"):
        unpack(json.dumps(order))


def test_a_text_that_is_no_cell_is_refused() -> None:
    with pytest.raises(RunError, match="This is no cell"):
        unpack("{}")


def test_a_cell_of_a_stack_is_not_trained_alone() -> None:
    """Alone it would be another run with the same fingerprint."""
    cell = make_cell("bow")
    other = cell.config.model_copy(update={"seed": 4})
    corpus = load_corpus(cell.config.data)
    cells = resolve_all([cell.config, other], {cell.config.data.rotation: corpus}, cell.study)
    first, _ = place(cells, {"mine": Way(how="stacked", threads=1)})
    again, _ = unpack(pack(first))
    assert again.recorded == first.recorded
    with pytest.raises(RunError, match="A stack of 2 runs cannot be trained as 1"):
        execute(again, corpus)
