"""The contract as users see it: code that raises, checks that wait for others, and the pytest helper."""

import importlib
import subprocess
import sys
import textwrap

import pytest
import torch
from mutants import PeeksOneTokenAhead, Sound
from pydantic import Field

from zoo.blame import StrangerError, blame, own_lines
from zoo.conformance.contract import CHECKS, Contract
from zoo.conformance.learning import conditional_entropy, documents
from zoo.conformance.subject import Subject


def contract_of(model, **sizes):
    return Contract(Subject(model.__name__, model, model.Config(), **{"context": 8, "vocab_size": 27, **sizes}))


class Raises(Sound):
    def forward(self, tokens):
        return super().forward(tokens) + torch.zeros(self.vocab_size + 1)


def test_an_exception_is_told_with_the_tokens_and_the_line_of_the_model():
    outcome = contract_of(Raises).outcome("shape")
    (finding,) = outcome.findings
    assert outcome.status == "failed"
    assert "RuntimeError" in finding.text
    assert "on tokens of shape (1, 1), V=27, N=8" in finding.text
    assert "test_contract.py, line" in finding.text
    assert "in forward: return super().forward(tokens) + torch.zeros(self.vocab_size + 1)" in finding.text


def test_what_could_only_be_said_again_waits_for_the_check_that_failed():
    contract = contract_of(PeeksOneTokenAhead)
    assert contract.outcome("streaming").waits_for == ("causality",)
    assert contract.outcome("options").status == "passed"


@pytest.mark.parametrize("context", [1, 2, 3, 33])
def test_any_context_will_do(context):
    contract = contract_of(Sound, context=context)
    assert [o.check.name for o in contract.outcomes() if o.status != "passed"] == []


def test_checking_leaves_random_numbers_and_threads_as_they_were():
    threads, numbers = torch.get_num_threads(), torch.get_rng_state()
    contract_of(Sound).outcomes()
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), numbers)


def test_every_need_is_a_check_that_comes_before():
    seen = set()
    for name, check in CHECKS.items():
        assert set(check.needs) <= seen
        seen.add(name)


@pytest.mark.parametrize(
    ("field", "least"),
    [(None, 0.3869), (8, 0.3869), (1, None)],
)
def test_the_least_loss_is_the_conditional_entropy_of_the_documents(field, least):
    batch = documents(27)
    found = conditional_entropy(batch, field)
    counts = {}
    for tokens, targets in zip(*(rows.tolist() for rows in batch.pad()), strict=True):
        for t, target in enumerate(targets):
            if target >= 0:
                key = tuple(tokens[: t + 1]) if field is None else tuple(([0] * 9 + tokens[: t + 1])[-field:])
                counts.setdefault(key, []).append(target)
    nats = [
        -torch.tensor(list_.count(target) / len(list_)).log().item() for list_ in counts.values() for target in list_
    ]
    assert found == pytest.approx(sum(nats) / len(nats), abs=1e-6)
    assert least is None or found == pytest.approx(least, abs=1e-3)


def test_the_harness_blames_the_line_of_the_model_and_no_line_of_its_own():
    with pytest.raises(StrangerError) as error, blame("Model 'mine'", "on tokens (2, 5)", module=Raises.__module__):
        Raises(Raises.Config(), vocab_size=27, context=8)(torch.zeros(2, 5, dtype=torch.long))
    first, *lines = str(error.value).splitlines()
    assert first.startswith("Model 'mine' failed on tokens (2, 5): RuntimeError: The size of tensor")
    assert all("test_contract.py" in line for line in lines)


PLUGIN_TEST = """
from torch import nn
from zoo import SequenceModel
from zoo.testing import contract


class Table(SequenceModel):
    receptive_field = 1

    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.table = nn.Embedding(vocab_size, vocab_size)

    def forward(self, tokens):
        return self.table(tokens)


class Ahead(Table):
    def forward(self, tokens):
        return self.table(tokens.roll(-1, 1))


test_table = contract(Table)
test_ahead = contract(Ahead)
test_named = contract("gru(hidden=8)", layers=2)
"""


@pytest.mark.slow
def test_a_plugin_author_gets_a_case_a_check(tmp_path):
    (tmp_path / "test_mine.py").write_text(textwrap.dedent(PLUGIN_TEST))
    command = [sys.executable, "-m", "pytest", "-q", "-rfs", "-p", "no:cacheprovider", "test_mine.py"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    (failed,) = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
    assert "test_ahead[causality]" in failed
    assert f"1 failed, {3 * len(CHECKS) - 6} passed, 5 skipped" in done.stdout


@pytest.mark.parametrize(("package", "lines"), [("mine_installed", 1), ("another", 0)])
def test_the_lines_of_an_installed_package_are_its_own_and_those_of_other_libraries_are_not(
    tmp_path, monkeypatch, package, lines
):
    (tmp_path / "mine_installed.py").write_text("def forward(tokens):\n    return tokens[9]\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("zoo.blame.LIBRARIES", tmp_path)
    installed = importlib.import_module("mine_installed")
    del sys.modules["mine_installed"]
    try:
        installed.forward([])
    except IndexError as error:
        found = [place for place in own_lines(error, f"{package}.model") if "test_contract" not in place]
        assert len(found) == lines


class TakesFewWidths(Sound):
    """Its constructor refuses most widths, with different exceptions, like libraries."""

    class Config(Sound.Config):
        width: int = Field(24, ge=1, description="channels of everything")

    def __init__(self, config, *, vocab_size, context):
        1 // (config.width - 1)
        assert config.width % 8 == 0, f"width (={config.width}) must be divisible by 8"
        super().__init__(config, vocab_size=vocab_size, context=context)


class TakesOneWidth(Sound):
    def __init__(self, config, *, vocab_size, context):
        if config.width != 24:
            raise KeyError(f"no kernel for {config.width}")
        super().__init__(config, vocab_size=vocab_size, context=context)


class RunsWithOneWidth(Sound):
    def forward(self, tokens):
        return super().forward(tokens) + torch.zeros(24).expand(self.config.width)[0]


def test_a_size_that_the_constructor_refuses_is_no_fault():
    assert contract_of(TakesFewWidths).outcome("options")[1:3] == ("passed", ())


def test_where_no_other_size_can_be_built_the_contract_holds_with_a_remark():
    outcome = contract_of(TakesOneWidth).outcome("options")
    (finding,) = outcome.findings
    assert (outcome.status, finding.kind) == ("passed", "remark")
    assert "Option width: none of 9 other values builds a model. width=25 raises KeyError: 'no kernel for 25'" in (
        finding.text
    )


def test_a_size_that_can_be_built_and_not_run_is_remarked_with_its_value():
    outcome = contract_of(RunsWithOneWidth).outcome("options")
    (finding,) = outcome.findings
    assert (outcome.status, finding.kind) == ("passed", "remark")
    assert "width=25 builds a model that fails when it runs: RuntimeError: The expanded size" in finding.text


@pytest.mark.slow
def test_watching_types_and_gradients_does_not_load_the_compiler():
    """In torch 2.13 the first operation under a TorchDispatchMode imports torch._dynamo, unless the mode declines, and
    the gradient of more than a number imports sympy.
    """
    code = (
        "import sys; from zoo.calls import parse_call; from zoo.conformance.contract import Contract; "
        "from zoo.conformance.subject import Subject; "
        "contract = Contract(Subject.of(parse_call('mlp'), context=8, vocab_size=27)); "
        "passed = contract.outcome('causality').status == 'passed'; "
        "sys.exit(not passed or bool({'torch._dynamo', 'sympy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
