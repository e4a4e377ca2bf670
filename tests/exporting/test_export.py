"""`export` writes a model that gives the run's logits, with a card, whole or not at all."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import zoo
from zoo.errors import RunError, UsageError
from zoo.experiments.leftovers import find_leftovers, remove

SHORT = ("--data", "invented(documents=200)", "--steps", "2")
BRANCHING = """
from torch import nn

from zoo import SequenceModel


class Branching(SequenceModel):
    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.table = nn.Embedding(vocab_size, vocab_size)

    def forward(self, tokens):
        logits = self.table(tokens)
        if tokens.max() > 1000:
            return logits * 2
        return logits
"""


def files(folder: Path) -> dict[str, str]:
    """File below a folder -> digest of its bytes."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def test_a_program_gives_the_logits_of_the_run_at_any_number_of_rows_and_tokens(trained, tmp_path, run_card) -> None:
    run = trained("mlp")
    before = files(run.directory)
    made = zoo.export(run, to="torch-export", out=tmp_path / "made", progress=False)
    program = torch.export.load(made.directory / "model.pt2").module()
    with torch.no_grad():
        for shape in ((1, 1), (1, 200), (7, 2)):
            tokens = torch.randint(run.model.vocab_size, shape)
            assert torch.allclose(program(tokens), run.model(tokens), atol=1e-5)
    assert [path.name for path in made.files] == ["README.md", "model.pt2"]
    assert made.difference < 1e-4
    assert files(run.directory) == before
    best = int(run.model(torch.tensor([[0, 1, 2]]))[0, -1].argmax())
    assert run_card(made.card) == (f"{run.vocabulary.decode([best])!r}\n" if best else "the end\n")


def test_a_step_gives_the_logits_of_the_stream(trained, tmp_path, run_card) -> None:
    run = trained("bow")
    made = zoo.export(run, to="torch-export", streaming=True, out=tmp_path / "made", progress=False)
    assert [path.name for path in made.files] == ["README.md", "model.pt2", "state.npz"]
    best = int(run.model(torch.tensor([[0, 1, 2]]))[0, -1].argmax())
    assert run_card(made.card) == (f"{run.vocabulary.decode([best])!r}\n" if best else "the end\n")


def test_a_file_says_what_it_is_and_the_card_has_loss_and_digests(run_zoo, tmp_path) -> None:
    trained = run_zoo("train", "bigram", *SHORT).stdout.splitlines()[-1]
    done = run_zoo("export", trained, "--to", "torch-export")
    assert (done.returncode, done.stdout) == (0, f"{trained}-torch-export\n")
    assert len(done.stderr.splitlines()) == 3
    folder = tmp_path / done.stdout.strip()
    about = {"zoo.json": ""}
    torch.export.load(folder / "model.pt2", extra_files=about)
    said, run = json.loads(about["zoo.json"]), zoo.load(tmp_path / trained)
    assert said["fingerprint"] == run.record.recorded.fingerprint
    characters = "".join(run.vocabulary.characters or "")
    assert (said["context"], said["characters"], said["torch"]) == (8, characters, torch.__version__)
    card = (folder / "README.md").read_text()
    assert f"Test {run.result.test_loss:.4f} nats per token (95% interval " in card
    assert files(folder)["model.pt2"] in card
    assert str(tmp_path).encode() not in b"".join(path.read_bytes() for path in folder.iterdir())


def test_what_torch_cannot_export_is_told_in_its_words_and_leaves_nothing(run_zoo, tmp_path) -> None:
    (tmp_path / "mine.py").write_text(BRANCHING)
    trained = run_zoo("train", "./mine.py:Branching", *SHORT).stdout.splitlines()[-1]
    before = files(tmp_path)
    for out in ((), ("--out", "new/folder")):
        done = run_zoo("export", trained, "--to", "torch-export", "--trust", *out)
        assert done.returncode == 1
        told = done.stderr.splitlines()[1:]
        assert told[0].startswith(
            "Error: Model './mine.py:Branching' failed when exported to torch-export: GuardOnData"
        )
        assert told[1].strip() == "mine.py, line 14, in forward: if tokens.max() > 1000:"
        assert files(tmp_path) == before
        assert not (tmp_path / "new").exists()


def test_a_folder_that_exists_is_not_touched(trained, tmp_path) -> None:
    (tmp_path / "kept").write_text("")
    with pytest.raises(UsageError, match="exists: give another --out"):
        zoo.export(trained("bigram"), to="torch-export", out=tmp_path, progress=False)
    assert list(files(tmp_path)) == ["kept"]


@pytest.mark.parametrize("missing", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_package_is_told_before_the_run_is_read(run_zoo, monkeypatch, missing: str) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    done = run_zoo("export", "nowhere", "--to", "onnx")
    assert done.returncode == 2
    assert done.stderr == f"Error: ONNX needs {missing}, not installed here: pip install 'sequence-zoo[onnx]'.\n"


def test_a_run_that_does_not_exist_is_one_line(run_zoo) -> None:
    done = run_zoo("export", "nowhere", "--to", "torch-export")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: 'nowhere' does not exist")


KILLED = """
import os, signal, sys
import zoo
from zoo.exporting import export
export.check = lambda *words: os.kill(os.getpid(), signal.SIGKILL)
zoo.export(sys.argv[1], to="torch-export", out="runs/made")
"""


@pytest.mark.parametrize("tokenizer", ["bytes", "bpe:300"])
def test_a_card_encodes_other_tokens_than_characters(tokenizer: str, tmp_path, run_card) -> None:
    quiet = {"threads": 1, "report": False, "progress": False}
    run = zoo.train("bigram", data="invented(documents=200)", tokenizer=tokenizer, steps=2, out=tmp_path, **quiet)
    made = zoo.export(run, to="torch-export", out=tmp_path / "made", progress=False)
    assert (tmp_path / "made" / "tokenizer.json").exists() == (tokenizer != "bytes")
    best = int(run.model(torch.tensor([[0, *run.vocabulary.encode("a").tolist()]]))[0, -1].argmax())
    said = run.vocabulary.decode([best])
    assert run_card(made.card) == (f"{said.encode() if tokenizer == 'bytes' else said!r}\n" if best else "the end\n")


FIXED = BRANCHING.replace("if tokens.max() > 1000:", "if len(tokens) > 1000:")


def test_a_number_that_a_model_fixes_is_named(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fixed.py").write_text(FIXED)
    quiet = {"threads": 1, "report": False, "progress": False}
    run = zoo.train("./fixed.py:Branching", data="invented(documents=200)", steps=2, **quiet)
    with pytest.raises(
        RunError, match="UserError: You marked batch as dynamic but your code specialized it to be a const"
    ):
        zoo.export(run, to="torch-export", trust=True, progress=False)


WITHOUT_STATE = (
    BRANCHING.replace("if tokens.max() > 1000:", "if False:")
    + """
    def begin(self, batch_size):
        return {}

    def prefill(self, tokens, state):
        return self.table(tokens[:, -1]), {}
"""
)


def test_a_step_may_have_no_state(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "without.py").write_text(WITHOUT_STATE)
    quiet = {"threads": 1, "report": False, "progress": False}
    run = zoo.train("./without.py:Branching", data="invented(documents=200)", steps=2, **quiet)
    made = zoo.export(run, to="torch-export", streaming=True, trust=True, progress=False)
    assert made.directory.name.endswith("-torch-export-step")
    assert made.difference == 0


@pytest.mark.slow
def test_a_killed_export_leaves_only_what_clean_finds(trained, tmp_path: Path) -> None:
    place = str(trained("bigram").directory)
    done = subprocess.run([sys.executable, "-c", KILLED, place], cwd=tmp_path, env=os.environ, check=False)
    assert done.returncode == -signal.SIGKILL
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {".made.lock", ".made.partial"}
    found = find_leftovers(tmp_path / "runs")
    assert {one.path.name for one in found} == {".made.lock", ".made.partial"}
    remove(found[:1])
    assert zoo.export(place, to="torch-export", out=tmp_path / "runs" / "made", progress=False).card.is_file()
    assert find_leftovers(tmp_path / "runs") == []
