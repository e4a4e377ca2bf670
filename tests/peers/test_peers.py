"""Models of other libraries hold the contract, are scaled and compared, where the library is installed."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from zoo.calls import parse_call
from zoo.conformance.contract import Contract
from zoo.conformance.subject import Subject

FOLDER = Path(__file__).resolve().parent
EXAMPLES = FOLDER.parents[1] / "examples"
PEERS = {
    f"{FOLDER}/transformers_models.py:Llama": "transformers",
    f"{FOLDER}/transformers_models.py:GPTNeoX": "transformers",
    f"{FOLDER}/transformers_models.py:Mamba2": "transformers",
    f"{FOLDER}/transformers_models.py:RWKV": "transformers",
    f"{FOLDER}/transformers_models.py:XLSTM": "transformers",
    f"{EXAMPLES}/x_transformers_decoder.py:Decoder": "x_transformers",
    f"{FOLDER}/min_gru.py:MinGRU": "minGRU_pytorch",
    f"{FOLDER}/local_decoder.py:Local": "local_attention",
    f"{FOLDER}/rotary_decoder.py:Rotary": "rotary_embedding_torch",
}
FAR_OFF = 0.1
"""Allowed relative deviation of the nearest size that a library accepts from 20,000 parameters."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of the libraries
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


@pytest.fixture(params=PEERS, ids=lambda peer: peer.partition(":")[2])
def peer(request: pytest.FixtureRequest) -> str:
    if find_spec(PEERS[request.param]) is None:
        pytest.skip(f"NEEDS {PEERS[request.param]}: pip install 'sequence-zoo[dev]'")
    return request.param


def test_every_file_of_this_folder_is_tested() -> None:
    files = {path.name for path in FOLDER.glob("*.py") if not path.name.startswith("test_")} - {"__init__.py"}
    assert files == {Path(name.partition(":")[0]).name for name in PEERS if name.startswith(str(FOLDER))}


def test_a_peer_holds_the_contract(peer: str) -> None:
    contract = Contract(Subject.of(parse_call(peer), context=8, vocab_size=27))
    assert {o.check.name: o.findings or o.waits_for for o in contract.outcomes() if o.status != "passed"} == {}


def test_a_peer_is_matched_and_compared_with_a_model_of_the_zoo(peer: str, zoo_json) -> None:
    few = ("--data", "invented(documents=60)", "--steps", "3", "--batch-size", "8", "--set", "evaluations=1")
    document = zoo_json("compare", "--models", f"bow,{peer}", "--match", "parameters=20k", "--seeds", "1", *few)
    name = peer.partition(":")[2]
    (row,) = [row for row in document["models"] if row["label"] == name]
    assert abs(row["parameters"] / 20_000 - 1) == pytest.approx(abs(row["off_size"]))
    assert abs(row["off_size"]) <= FAR_OFF
    assert (row["failed"], row["refused"], row["diverged"]) == (0, 0, 0)
    assert row["test"]["mean"] < 4
    assert len(document["pairs"]) == 1


def test_a_peer_can_be_traced_in_every_form_that_it_has(peer: str, zoo_json) -> None:
    for form in ("rows", "packed", "step"):
        document = zoo_json("trace", peer, "--as", form, "--batch", "3", "--data", "invented(documents=60)")
        model, *layers = document["trace"]["layers"]
        assert len(layers) > 3
        assert model["made"][0]["axes"][0] == {"rows": "b", "packed": "m", "step": "b"}[form]
        assert model["parameters"] == document["trace"]["parameters"]
        assert model["flops"] > 0
