"""Every model in examples/ can be compared, where its library is installed."""

import sys
from functools import cache
from pathlib import Path

import pytest

from zoo.calls import parse_call
from zoo.conformance.contract import CHECKS, Contract
from zoo.conformance.subject import Subject, compute_logits
from zoo.models.build import count_parameters

FOLDER = Path(__file__).resolve().parents[1] / "examples"
LIBRARIES = {
    "gpt2.py:GPT2": "transformers",
    "mamba.py:Mamba": "transformers",
    "x_transformers_decoder.py:Decoder": "x_transformers",
}
DATA = ("--data", "invented(documents=200)")

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")  # x_transformers


@pytest.fixture(params=LIBRARIES)
def example(request: pytest.FixtureRequest) -> str:
    """File and name of an example; skips the test without its library."""
    pytest.importorskip(LIBRARIES[request.param], reason="needs pip install 'sequence-zoo[examples]'")
    return request.param


@cache
def contract(example: str) -> Contract:
    return Contract(Subject.of(parse_call(f"{FOLDER}/{example}"), context=8, vocab_size=27))


def test_every_example_is_tested() -> None:
    models = {name.partition(":")[0] for name in LIBRARIES}
    assert {path.name for path in FOLDER.glob("*.py")} == models | {"wandb_tracker.py"}  # tests/trackers


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKS)
def test_an_example_holds_the_contract(example: str, check: str) -> None:
    outcome = contract(example).outcome(check)
    assert outcome.status == "passed", outcome.findings


def test_an_example_is_as_large_as_the_built_in_models_and_takes_long_rows(example: str) -> None:
    subject = contract(example).subject
    model = subject.build().eval()
    assert 20_000 <= count_parameters(model) <= 80_000
    assert compute_logits(model, subject.tokens(1, 1000)).isfinite().all()


@pytest.mark.slow
def test_an_example_trains_and_is_sampled(example: str, run_zoo, zoo_json) -> None:
    run = zoo_json("train", f"{FOLDER}/{example}", *DATA, "--steps", "3")["runs"][0]
    assert run["validation_loss"] < 4
    assert len(run_zoo("sample", run["directory"], "-n", "3").stdout.splitlines()) == 3


@pytest.mark.slow
def test_a_library_says_nothing_of_its_own(example: str, run_process) -> None:
    done = run_process("train", f"{FOLDER}/{example}", *DATA, "--steps", "2")
    assert done.returncode == 0
    about_data, about_run, page, title, *commands = done.stderr.splitlines()
    assert about_data.startswith("invented: 200 documents")
    assert about_run.startswith(f"{example.partition(':')[2]} seed 1: test")
    assert page.startswith("report: ")
    assert title == "next:"
    assert all(line.startswith("  python ") for line in commands)


@pytest.mark.parametrize("example", LIBRARIES)
def test_without_its_library_an_example_says_how_to_install_it(
    example: str, run_zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, LIBRARIES[example], None)
    file, _, name = example.partition(":")
    (tmp_path / "copy.py").write_text((FOLDER / file).read_text())
    done = run_zoo("describe", f"./copy.py:{name}")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.endswith(
        f"import of {LIBRARIES[example]} halted; None in sys.modules: pip install 'sequence-zoo[examples]'"
    )
