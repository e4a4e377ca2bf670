import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from zoo.catalog import MODELS
from zoo.data.rows import Rows
from zoo.errors import RunError
from zoo.models.interface import SequenceModel
from zoo.training.checkpoint import load_weights, save_weights

MakeModel = Callable[..., SequenceModel]

CASES = [(name, {}) for name in MODELS.names()] + [("transformer", {"tied": True, "positions": "learned", "places": 8})]


@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
def test_weights_and_running_statistics_come_back_as_they_were(
    name: str, options: dict[str, object], make_model: MakeModel, train_rows: Rows, tmp_path: Path
) -> None:
    saved, loaded = make_model(name, seed=1, **options), make_model(name, seed=2, **options)
    tokens = train_rows.batch(0, 0, 8).pad()[0]
    saved(tokens)  # moves running statistics off their start
    digest = save_weights(saved, tmp_path / "weights.safetensors")
    load_weights(loaded, tmp_path / "weights.safetensors", digest)
    state = loaded.state_dict()
    assert all(torch.equal(tensor, state[key]) for key, tensor in saved.state_dict().items())
    assert torch.equal(loaded.eval()(tokens), saved.eval()(tokens))


def test_tied_weights_stay_tied(make_model: MakeModel, tmp_path: Path) -> None:
    model = make_model("transformer", tied=True)
    digest = save_weights(model, tmp_path / "weights.safetensors")
    loaded = make_model("transformer", tied=True, seed=2)
    load_weights(loaded, tmp_path / "weights.safetensors", digest)
    assert loaded.head.weight is loaded.embedding.weight


@pytest.mark.parametrize("position", [0, 100, -1])
def test_a_changed_byte_is_refused(position: int, make_model: MakeModel, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    digest = save_weights(make_model("mlp"), path)
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)
    model = make_model("mlp", seed=2)
    before = model.hidden.weight.clone()
    with pytest.raises(RunError, match="are not those of the run: SHA-256"):
        load_weights(model, path, digest)
    assert torch.equal(model.hidden.weight, before)


@pytest.mark.parametrize(("name", "options"), [("wavenet", {}), ("mlp", {"hidden": 7})])
def test_weights_of_another_architecture_are_refused_in_one_line(
    name: str, options: dict[str, int], make_model: MakeModel, tmp_path: Path
) -> None:
    path = tmp_path / "weights.safetensors"
    digest = save_weights(make_model("mlp"), path)
    with pytest.raises(RunError, match="do not fit") as error:
        load_weights(make_model(name, **options), path, digest)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_named(make_model: MakeModel, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"Cannot read weights '.*gone\.safetensors': No such file"):
        load_weights(make_model("mlp"), tmp_path / "gone.safetensors", "")


def test_weights_that_cannot_be_written_are_an_error_that_names_the_file(make_model: MakeModel, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"Cannot write '.*weights\.safetensors'"):
        save_weights(make_model("mlp"), tmp_path / "nowhere" / "weights.safetensors")


def pack(header: object) -> bytes:
    text = header if isinstance(header, str) else json.dumps(header)
    return len(text).to_bytes(8, "little") + text.encode()


def ours(**values: object) -> bytes:
    return pack({"__metadata__": {"zoo": json.dumps({"ties": {}, "types": {}} | values)}})


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff" * 8,
        pack("[" * 100_000),
        pack([]),
        pack({"__metadata__": []}),
        pack({"__metadata__": {"zoo": "[" * 100_000}}),
        pack({"__metadata__": {"zoo": "[]"}}),
        pack({"__metadata__": {"zoo": "{}"}}),
        ours(ties=[]),
        ours(ties={"a": 3}),
        ours(ties={"a": "b"}),
        ours(types=[]),
        ours(types={"a": "float32"}),
        ours(types={"a": ["save", [1]]}),
        ours(types={"a": ["float32", [-1]]}),
    ],
)
def test_a_file_that_was_made_to_harm_is_refused_in_a_line(data: bytes, make_model: MakeModel, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(data)
    with pytest.raises(RunError, match="do not fit MLP") as error:
        load_weights(make_model("mlp"), path, hashlib.sha256(data).hexdigest())
    assert "\n" not in str(error.value)


def test_weights_that_are_no_regular_file_or_too_large_are_refused_before_they_are_read(
    make_model: MakeModel, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "hole").touch()
    os.truncate(tmp_path / "hole", 100_000_000_000)
    for name, said in {"pipe": "it is a pipe", "hole": "it has 100,000,000,000 bytes, and at most"}.items():
        with pytest.raises(RunError, match=said):
            load_weights(make_model("mlp"), tmp_path / name, "0" * 64)
