"""The example for Weights & Biases writes, offline, what `wandb sync` sends later."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lines_tracker import DATA

from zoo.experiments.records.run import read_run

pytestmark = pytest.mark.slow
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "wandb_tracker.py"
BLOCK, HEADER = 32768, 7


def read_messages(path: Path) -> Iterator[bytes]:
    """The messages of a .wandb file: records of checksum, length, kind and content, in blocks that may cut them."""
    data, place, parts = path.read_bytes(), HEADER, b""
    while place + 7 <= len(data):
        if BLOCK - place % BLOCK < 7:  # the rest of a block holds no header
            place += BLOCK - place % BLOCK
            continue
        _, length, kind = struct.unpack("<IHB", data[place : place + 7])
        parts += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield parts
            parts = b""


def read_wandb(path: Path) -> dict[str, Any]:
    """Group, name, settings, history and summary of a run."""
    from wandb.proto.wandb_internal_pb2 import Record

    found: dict[str, Any] = {"history": [], "summary": {}}
    for message in read_messages(path):
        record = Record.FromString(message)
        match record.WhichOneof("record_type"):
            case "run":
                found |= {"group": record.run.run_group, "name": record.run.display_name}
                found["settings"] = {own.key: json.loads(own.value_json) for own in record.run.config.update}
            case "history":
                rows = ((own.key or "/".join(own.nested_key), own.value_json) for own in record.history.item)
                found["history"].append({key: json.loads(value) for key, value in rows})
            case "summary":
                found["summary"] |= {
                    own.key or ".".join(own.nested_key): json.loads(own.value_json) for own in record.summary.update
                }
            case "exit":
                found["exit"] = record.exit.exit_code
    return found


def test_the_example_writes_runs_of_one_group_with_all_points(run_process, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    command = ["train", "bigram", *DATA, "--steps", "12", "--track", f"{EXAMPLE}:WandB(mode=offline)"]
    done = run_process(*command)
    assert done.returncode == 0, done.stderr
    assert "wandb:" not in done.stderr
    run = read_run(tmp_path / done.stdout.splitlines()[-1])
    files = run.directory.parent.glob("wandb/offline-run-*/run-*.wandb")
    sent = {found["name"]: found for found in map(read_wandb, files)}
    assert len(sent) == 2
    assert {found["group"] for found in sent.values()} == {run.directory.parent.name}
    own = sent[run.directory.name]
    losses = [(row["step"], row["loss/validation"]) for row in own["history"] if "loss/validation" in row]
    assert losses == [(point.step, point.validation_loss) for point in run.curve]
    assert own["settings"]["training.steps"] == 12
    assert own["summary"]["test_loss"] == run.result.test_loss
    assert own["exit"] == 0
    assert list((tmp_path / "temporary").iterdir()) == []
