"""Damaged or foreign checkpoints are reported and not used."""

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from zoo.errors import RunError
from zoo.experiments.runs.checkpoints import Checkpoints, read_kept_state
from zoo.training.tensor_file import to_file


def write(folder: Path, kind: str, **values: Any) -> Path:
    data = to_file({"a": torch.ones(2)}, values)
    path = folder / f"{kind}-000000000001-{hashlib.sha256(data).hexdigest()}.safetensors"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("values", [{}, {"fingerprint": "f"}, {"state": {}}, {"fingerprint": "f", "state": 3}])
def test_a_file_without_the_state_of_a_run_is_told_and_the_one_before_is_used(tmp_path: Path, values: Any) -> None:
    told: list[str] = []
    write(tmp_path, "checkpoint", **values)
    assert Checkpoints(tmp_path, "f", 1.0).load(told.append) is None
    assert "it holds no state of a run" in told[0]
    write(tmp_path, "state", **values)
    with pytest.raises(RunError, match="it holds no state of a run"):
        read_kept_state(tmp_path, "f")


def test_a_pipe_in_place_of_a_checkpoint_is_not_read(tmp_path: Path) -> None:
    told: list[str] = []
    os.mkfifo(tmp_path / f"checkpoint-000000000002-{'0' * 64}.safetensors")
    write(tmp_path, "checkpoint", fingerprint="f", state={"steps": 1})
    state = Checkpoints(tmp_path, "f", 1.0).load(told.append)
    assert state is not None
    assert state.values == {"steps": 1}
    assert "it is a pipe" in told[0]
