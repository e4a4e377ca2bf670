"""Every built-in model is exported, in both formats and both forms, in one process."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import zoo
from zoo.catalog import MODELS
from zoo.errors import RunError

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("streaming", [False, True], ids=["rows", "step"])
@pytest.mark.parametrize("to", ["torch-export", "onnx"])
@pytest.mark.parametrize("name", MODELS.names())
def test_a_built_in_model_is_exported(name: str, to, streaming: bool, trained, tmp_path: Path, run_card) -> None:
    run = trained(name)
    made = zoo.export(run, to=to, streaming=streaming, out=tmp_path / "made", progress=False)
    assert made.difference < 1e-4
    best = int(run.model(torch.tensor([[0, 1, 2]]))[0, -1].argmax())
    assert run_card(made.card) == (f"{run.vocabulary.decode([best])!r}\n" if best else "the end\n")


def test_a_second_export_takes_any_length_too(trained, tmp_path: Path) -> None:
    import onnxruntime

    run = trained("gru")
    for number in range(2):
        made = zoo.export(run, to="onnx", out=tmp_path / str(number), progress=False)
        session = onnxruntime.InferenceSession(str(made.directory / "model.onnx"))
        assert [value.shape for value in session.get_inputs()] == [["batch", "length"]]
        for shape in ((3, 2), (1, 41)):
            tokens = torch.randint(run.model.vocab_size, shape)
            (logits,) = session.run(None, {"tokens": tokens.numpy()})
            assert np.allclose(logits, run.model(tokens).detach(), atol=1e-4)


def test_onnx_prints_nothing_of_its_own_and_says_what_it_is(trained, run_process: Callable, tmp_path: Path) -> None:
    import onnx

    run = trained("mlp")
    done = run_process("export", str(run.directory), "--to", "onnx", "--out", "made")
    assert done.stderr.splitlines()[0] == "exporting mlp(embedding=4,hidden=8) on invented to onnx"
    assert [line.partition(":")[0] for line in done.stderr.splitlines()[1:]] == ["checked", "card"]
    assert done.stdout == "made\n"
    model = onnx.load(tmp_path / "made" / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    (about,) = (json.loads(item.value) for item in model.metadata_props if item.key == "zoo.json")
    assert about["fingerprint"] == run.record.recorded.fingerprint


def test_an_operation_that_onnx_lacks_is_named(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gamma.py").write_text(GAMMA)
    quiet = {"threads": 1, "report": False, "progress": False}
    run = zoo.train("./gamma.py:Gamma", data="invented(documents=200)", steps=2, **quiet)
    with pytest.raises(RunError, match=r"Gamma' cannot be exported to onnx: \w+: .*igamma"):
        zoo.export(run, to="onnx", out="made", trust=True, progress=False)
    assert not [path for path in tmp_path.iterdir() if "made" in path.name]


def test_a_model_from_elsewhere_with_growing_tokens_as_its_state_is_exported(tmp_path: Path, monkeypatch) -> None:
    """A module of torch, adapted: its state is all tokens so far."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere.py").write_text(ELSEWHERE)
    run = zoo.train(
        "./elsewhere.py:Elsewhere", data="invented(documents=200)", steps=2, threads=1, report=False, progress=False
    )
    trust = {"trust": True, "progress": False}  # the folder of the test may be within one of runs
    for to in ("torch-export", "onnx"):
        assert zoo.export(run, to=to, streaming=True, out=to, **trust).difference < 1e-4


GAMMA = """
import torch
from torch import nn

from zoo import SequenceModel


class Gamma(SequenceModel):
    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.table = nn.Embedding(vocab_size, vocab_size)

    def forward(self, tokens):
        return torch.igamma(torch.ones(()), self.table(tokens).exp())
"""

ELSEWHERE = """
from torch import nn

from zoo import adapt


class Module(nn.Module):
    def __init__(self, vocab_size, width):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, width)
        self.cells = nn.GRU(width, width)
        self.head = nn.Linear(width, vocab_size)

    def forward(self, tokens):
        hidden, _ = self.cells(self.embedding(tokens).transpose(0, 1))
        return self.head(hidden.transpose(0, 1))


@adapt
def Elsewhere(vocab_size, width: int = 8):
    return Module(vocab_size, width)
"""
