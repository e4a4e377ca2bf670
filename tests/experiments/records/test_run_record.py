"""The files of a run."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from zoo.errors import UsageError
from zoo.experiments.records.run import KNOWN, NEEDED, read_run, write_losses
from zoo.experiments.runs.onward import prolong
from zoo.training.settings import Settings

Array = np.ndarray[Any, np.dtype[Any]]
X = np.arange(24.0).reshape(4, 6)


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x,
        lambda x: x.T,
        lambda x: x[::2, 1],
        lambda x: x[::-1],
        lambda x: np.asfortranarray(x),
        lambda x: np.broadcast_to(x[:1], (3, 6)),
        lambda x: x.astype(">f8"),
        lambda x: x[:0],
    ],
    ids=["plain", "transposed", "strided", "backwards", "fortran", "broadcast", "big-endian", "empty"],
)
def test_losses_are_written_as_they_are_however_they_lie_in_memory(
    view: Callable[[Array], Array], tmp_path: Path
) -> None:
    array = view(X)
    for name in ("one", "other"):
        write_losses(tmp_path / name, {"nats": array if name == "one" else array.astype("<f8", order="C", copy=True)})
    assert np.array_equal(load_file(tmp_path / "one")["nats"], array)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_a_record_takes_the_settings_that_the_loop_has() -> None:
    fields = dataclasses.fields(Settings)
    assert {field.name for field in fields} == KNOWN
    assert {field.name for field in fields if field.default is dataclasses.MISSING} - {"steps"} == NEEDED


def test_a_run_is_not_trained_on_to_more_evaluations_than_a_record_takes(study: Path) -> None:
    run = read_run(next(study.glob("mlp-seed1-*")))
    steps = run.recorded.settings["steps"]
    assert prolong(run, 2 * steps)["evaluations"] == 2 * run.recorded.settings["evaluations"]
    with pytest.raises(UsageError, match="times, and at most 100,000"):
        prolong(run, 200_000 * steps)
