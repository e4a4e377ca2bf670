"""Detection and report of changes by a user's code."""

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

from registry import Registry
from zoo.config import Call, DataConfig, RunConfig, TrainingConfig
from zoo.data.load import load_corpus
from zoo.errors import RunError
from zoo.experiments.records.environment import describe_environment
from zoo.experiments.runs.resolve import resolve
from zoo.surroundings import Surroundings, forbid_changes, isolated, restore_and_report

CPU = torch.device("cpu")


def test_several_changes_are_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with restore_and_report("'./some.py:Mine'", "at import"):
        torch.set_default_dtype(torch.float64)
        os.chdir("/")
        sys.setrecursionlimit(9999)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("'./some.py:Mine' changes torch's default dtype from float32 to float64, the ")
    assert " and the recursion limit from " in line


def test_what_is_changed_and_left_as_it_was_is_no_change() -> None:
    before = Surroundings()
    with torch.no_grad(), warnings.catch_warnings(), isolated(CPU, threads=2, seed=4):
        torch.rand(2)
        warnings.simplefilter("ignore")
        torch.set_default_dtype(torch.float64)
    assert before.restore() == []


def test_restored_precisions_agree_with_torchs_older_flags(capsys: pytest.CaptureFixture[str]) -> None:
    """torch 2.13 has two flags for one thing; if they differ it refuses to read the older one, as torch.export does."""
    for allowed in (False, True):
        with restore_and_report("'./some.py:Mine'", "at import"):
            torch.backends.cudnn.allow_tf32 = allowed
        assert torch.backends.cudnn.allow_tf32 is True
        torch.export.export(torch.nn.Linear(2, 2), (torch.zeros(1, 2),))
    assert "float32 precision (cuda conv) from tf32 to none" in capsys.readouterr().err


def test_filters_that_a_library_adds_for_its_own_warnings_are_no_change() -> None:
    class OwnWarning(UserWarning):
        pass

    with warnings.catch_warnings():
        before = Surroundings()
        warnings.simplefilter("always", OwnWarning)
        warnings.filterwarnings("ignore", message="of some message")
        assert before.restore() == []


def test_an_error_that_a_change_led_to_is_told_as_the_change() -> None:
    @forbid_changes("Mine", "in training")
    def work() -> None:
        torch.set_grad_enabled(False)
        (torch.ones(1, requires_grad=True) * 2).backward()

    with pytest.raises(RunError, match="Mine changes torch's gradients from True to False in training") as error:
        work()
    assert "does not require grad" in str(error.value.__cause__)
    assert torch.is_grad_enabled()


def test_an_error_of_a_model_that_changes_nothing_stays_what_it_is() -> None:
    with pytest.raises(ZeroDivisionError), forbid_changes("Mine", "in training"):
        1 / 0  # noqa: B018


def test_isolated_work_leaves_the_process_as_it_was_also_where_it_lies_in_other_such_work() -> None:
    before = torch.get_default_dtype(), os.getcwd(), torch.get_num_threads()
    with isolated(CPU), isolated(CPU, threads=before[2] + 1):
        torch.set_default_dtype(torch.float64)
        os.chdir("/")
    assert (torch.get_default_dtype(), os.getcwd(), torch.get_num_threads()) == before


def test_only_a_provider_from_elsewhere_is_imported_in_the_guard(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("Mine = 3")
    seen: list[str] = []
    registry: Registry[Any] = Registry("thing", "no.group", {"path": "os:path"}, around=lambda e: _noting(seen, e.name))
    registry.get("path")
    assert seen == []
    registry.get(f"{tmp_path / 'mine.py'}:Mine")
    assert seen == [f"{tmp_path / 'mine.py'}:Mine"]


def _noting(seen: list[str], name: str) -> Any:
    seen.append(name)
    return warnings.catch_warnings()


CORPUS = """
import os
import sys
import torch
from zoo import Source
torch.set_default_dtype(torch.float64)

def words():
    os.chdir("/")
    return Source("words", ["abc", "bcd", "cde"] * 20)
"""


def test_the_file_of_a_corpus_leaves_the_process_as_it_was_too(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "text.py").write_text(CORPUS)
    before = torch.get_default_dtype(), os.getcwd()
    load_corpus(DataConfig(corpus=Call(name=f"{tmp_path / 'text.py'}:words")))
    assert (torch.get_default_dtype(), os.getcwd()) == before
    imported, read = capsys.readouterr().err.splitlines()
    assert "default dtype" in imported
    assert " at import: " in imported
    assert "the working directory" in read
    assert " when it is read: " in read


def test_what_a_script_sets_itself_is_another_run_and_is_recorded(tmp_path: Path) -> None:
    corpus = load_corpus(DataConfig(corpus=Call(name="invented", options={"documents": 60})))
    config = RunConfig(model=Call(name="bigram"), label="bigram", training=TrainingConfig(steps=1))

    def fingerprint() -> str:
        return resolve(config, corpus, tmp_path).recorded.fingerprint

    plain = fingerprint()
    with isolated(CPU):
        torch.set_default_dtype(torch.float64)
        assert fingerprint() != plain
        assert "torch's default dtype: torch.float64" in describe_environment("cpu", 1).arithmetic
    assert fingerprint() == plain


QUIET = """
import sys
import torch
from zoo.surroundings import Surroundings
before = Surroundings()
model = torch.nn.Linear(2, 2)
optimizer = torch.optim.AdamW(model.parameters())
model(torch.ones(1, 2)).sum().backward()
optimizer.step()
import torch._dynamo, torch._inductor
sys.exit("; ".join(before.restore()) or 0)
"""


@pytest.mark.slow
def test_what_torch_changes_of_itself_is_no_change(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", QUIET], capture_output=True, text=True, env=environment, check=False)
    assert (done.stderr, done.returncode) == ("", 0)


MANY = """
import os, random, sys, warnings
import numpy as np
import torch
from zoo import SequenceModel

torch.set_default_dtype(torch.float64)
torch.set_num_interop_threads(5)
torch.manual_seed(0)
random.seed(0)
np.random.seed(0)
os.chdir("/")
os.environ["OMP_NUM_THREADS"] = "7"


class Mine(SequenceModel):
    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        torch.set_float32_matmul_precision("medium")
        self.table = torch.nn.Embedding(vocab_size, vocab_size)

    def forward(self, tokens):
        {forward}
        return self.table(tokens)
"""


SCRIPT = """
import sys
import zoo
done = zoo.compare(
    sys.argv[2:], data="invented(documents=200)", steps=3, seeds=2, batch_size=8, threads=1, out=sys.argv[1],
    execution="side-by-side", progress=False, report=False,
)
"""


@pytest.mark.slow
def test_a_comparison_says_once_what_a_file_sets_and_others_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MANY.format(forward="pass"))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    def compare(*words: str) -> str:
        command = [sys.executable, "-c", SCRIPT, *words]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
        assert done.returncode == 0, done.stderr
        return done.stderr

    assert compare("alone", "gru(hidden=8)") == ""
    made, imported = sorted(compare("both", "./mine.py:Mine", "gru(hidden=8)").splitlines(), key=len)
    assert "torch's float32 precision (cuda matmul)" in made
    assert " when it is made: restored" in made
    assert "torch's interop threads from" in imported
    assert "(which stays)" in imported
    alone, both = (
        {path.parent.name: path.read_bytes() for path in losses(tmp_path / out)} for out in ("alone", "both")
    )
    assert alone
    assert {run: found for run, found in both.items() if run.startswith("gru")} == alone


def losses(out: Path) -> list[Path]:
    """Paths of the losses of all runs."""
    return list(out.glob("*/*-seed*/losses.safetensors"))


@pytest.mark.slow
def test_a_model_that_changes_the_process_while_it_trains_is_refused_on_the_command_line(
    run_process: Any, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(MANY.format(forward="self.training and torch.set_default_dtype(torch.float64)"))
    done = run_process("train", "./mine.py:Mine", "--data", "invented(documents=200)", "--steps", "3")
    assert done.returncode == 1
    assert (
        "seed 1: refused. Model './mine.py:Mine' changes torch's default dtype from float32 to float64" in done.stderr
    )
    assert "refused 1/1" in done.stdout
    (result,) = tmp_path.rglob("result.json")
    assert json.loads(result.read_text())["status"] == "refused"
