"""Optimizers have names, and options that are checked; one of a file or package stands beside the built-in ones."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

import zoo
from registry.errors import ProviderError, UnknownNameError
from zoo.calls import parse_call
from zoo.catalog import OPTIMIZERS
from zoo.errors import RunError, UsageError
from zoo.experiments.runs.trust import Trust
from zoo.training.optimizers.find import find_optimizer
from zoo.training.optimizers.interface import Optimizer
from zoo.training.update import Update

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "optimizers.md").read_text()
(LION,) = re.findall(r"```python\n# lion.py\n(.*?)```", PAGE, re.DOTALL)


def test_the_page_has_every_built_in_optimizer_with_its_options_and_their_defaults() -> None:
    told = re.findall(r"^\| `(\w+)` \|.*\| (.*) \|$", PAGE, re.MULTILINE)
    defaults = {
        name: ", ".join(
            f"`{parse_call(f'x({key}={field.default})')}`".replace("x(", "").replace(")", "")
            for key, field in OPTIMIZERS.get(name).Config.model_fields.items()
        )
        for name in OPTIMIZERS.names()
    }
    assert dict(told) == defaults


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("adamw", "adamw"),
        ("muon()", "muon"),
        ("muon(momentum=0.95)", "muon"),
        ("muon(rate=3, momentum=0.9)", "muon(rate=3.0,momentum=0.9)"),
        ("muon(momentum=0.9,rate=3.0,nesterov=TRUE)", "muon(rate=3.0,momentum=0.9)"),
        ("muon(scaling=match_rms_adamw)", "muon(scaling=match_rms_adamw)"),
    ],
)
def test_an_optimizer_has_one_spelling_which_gives_it_back(given: str, text: str) -> None:
    found = find_optimizer(given)
    assert found.text == text
    assert find_optimizer(text).options == found.options


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ("moun", UnknownNameError, "Unknown optimizer 'moun'. Available: adamw, muon, sgd. Did you mean 'muon'"),
        ("muon(mometum=0.9)", UsageError, "unknown option 'mometum'. Its options: rate, momentum"),
        ("muon(momentum=1.0)", UsageError, "momentum=1.0: input should be less than 1"),
        ("muon(iterations=2.5)", UsageError, "iterations=2.5"),
        ("sgd(nesterov=1)", UsageError, "nesterov=1"),
        ("./none.py:Lion", ProviderError, "No file 'none.py' for optimizer"),
    ],
)
def test_what_is_no_optimizer_gets_one_line_that_says_what_there_is(given: str, error: type, message: str) -> None:
    with pytest.raises(error) as caught:
        find_optimizer(given)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_model_is_no_optimizer() -> None:
    with pytest.raises(ProviderError, match=r"is not a subclass of zoo\.Optimizer"):
        OPTIMIZERS.register("mlp")(zoo.MODELS.get("mlp"))


@pytest.fixture
def lion(tmp_path: Path) -> Iterator[Path]:
    file = tmp_path / "lion.py"
    file.write_text(LION)
    yield file
    OPTIMIZERS.unregister("Lion")


def test_one_in_a_file_of_the_user_s_trains(lion: Path) -> None:
    model = nn.Linear(3, 4)
    before = model.weight.detach().clone()
    model.weight.grad = torch.full_like(model.weight, -2.0)
    Update(model, f"{lion}:Lion(beta2=0.5)", weight_decay=0.0).step(0.125)
    torch.testing.assert_close(model.weight.detach(), before + 0.125)
    assert torch.equal(model.bias, model.bias.detach())


def test_one_of_a_package_is_found_by_its_entry_point(
    lion: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metadata = tmp_path / "lion-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: lion\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[zoo.optimizers]\nlion = lion:Lion\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert {entry.name: entry.origin for entry in OPTIMIZERS.entries()}["lion"] == "lion 1.0"
    assert issubclass(find_optimizer("lion(beta2=0.5)").kind, Optimizer)


def test_a_run_has_the_source_of_its_optimizer_in_its_fingerprint(
    lion: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = {"data": "invented(documents=200)", "steps": 3, "lr": 0.01, "device": "cpu", "progress": False}

    def train(**more: object) -> zoo.TrainedRun:
        return zoo.train("bigram", optimizer="./lion.py:Lion", report=False, **settings, **more)

    first = train()
    lion.write_text(LION.replace("0.99", "0.9"))
    assert train().directory != first.directory


def test_a_class_is_taken_as_an_optimizer_from_python(
    lion: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    kind = find_optimizer("./lion.py:Lion").kind
    run = zoo.train(
        "bigram", data="invented(documents=200)", steps=3, lr=0.01, optimizer=kind, report=False, progress=False
    )
    assert run.config.training.optimizer == "Lion"
    assert OPTIMIZERS.names("Lion") == ["Lion"]


def test_an_optimizer_that_raises_is_told_with_its_own_line(
    lion: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lion.write_text(LION.replace("mean.lerp_", "mean.lurp_"))
    run = zoo.train("bigram", data="invented(documents=200)", steps=3, lr=0.01, optimizer="./lion.py:Lion",
                    report=False, progress=False)  # fmt: skip
    assert run.result.status == "failed"
    assert run.result.reason.startswith("Optimizer './lion.py:Lion' failed in a step: AttributeError")
    assert "mean.lurp_" in run.result.reason


def test_a_record_imports_the_file_of_an_optimizer_only_as_it_was(
    lion: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = zoo.train("bigram", data="invented(documents=200)", steps=3, lr=0.01, optimizer="./lion.py:Lion",
                    report=False, progress=False)  # fmt: skip
    recorded = run.record.recorded
    trust = Trust()
    trust.allow(recorded)
    trust.check_run(recorded.run)
    lion.write_text(LION + "\nprint('other code')\n")
    changed = Trust()
    changed.allow(recorded)
    with pytest.raises(RunError, match=r"names the file './lion\.py:Lion'"):
        changed.check_run(recorded.run)
