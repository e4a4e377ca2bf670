"""TensorBoard's own reader finds what the records have, whether it was sent while the runs trained or later."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lines_tracker import DATA
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from zoo.experiments.records.run import read_run

COMMAND = ("train", "bigram", *DATA, "--steps", "12", "--watch")


def open_events(folder: Path) -> EventAccumulator:
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    events.Reload()
    return events


def read_events(folder: Path) -> dict[str, Any]:
    """All numbers and texts of a run: tag -> (step, value) in the order of the file."""
    events = open_events(folder)
    tags = events.Tags()
    numbers = {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in tags["scalars"]}
    texts = {
        tag: [(event.step, event.tensor_proto.string_val[:]) for event in events.Tensors(tag)]
        for tag in tags["tensors"]
        if not tag.startswith("_hparams_")
    }
    files = {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file() and "tfevents" not in path.name
    }
    return {"numbers": numbers, "texts": texts, "files": files}


def test_a_tracked_run_is_read_back_and_equals_what_is_sent_later(run_zoo, tmp_path: Path) -> None:
    done = run_zoo(*COMMAND, "--track", "tensorboard")
    assert done.returncode == 0, done.stderr
    run = Path(done.stdout.splitlines()[-1])
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("tracker")]
    folder = run.parent / "tensorboard"
    assert line == f"tracker tensorboard: 2 sent; tensorboard --logdir {folder}"

    record, events = read_run(tmp_path / run), open_events(tmp_path / folder / run.name)
    read = [(event.step, event.value) for event in events.Scalars("loss/validation")]
    assert read == [(point.step, np.float32(point.validation_loss)) for point in record.curve]
    (result,) = events.Tensors("result")
    assert f"| test_loss | {record.result.test_loss!r} |" in result.tensor_proto.string_val[0].decode()

    done = run_zoo("track", str(run), "--to", "tensorboard(dir=later)")
    assert done.stdout == "tensorboard(dir=later): 2 sent; tensorboard --logdir later\n"
    for place in (run.name, *(path.stem for path in (tmp_path / run.parent).glob("study-*.json"))):
        live, later = tmp_path / folder / place, tmp_path / "later" / run.parent.name / place
        assert read_events(live) == read_events(later)
        assert read_events(live)["numbers"] or read_events(live)["files"]

    before = sorted((tmp_path / "later").rglob("*"))
    done = run_zoo("track", str(run), "--to", "tensorboard(dir=later)")
    assert done.stdout == "tensorboard(dir=later): 0 sent, 2 there already; tensorboard --logdir later\n"
    assert sorted((tmp_path / "later").rglob("*")) == before


@pytest.mark.slow
def test_settings_are_hyperparameters(study: Path, run_zoo, tmp_path: Path) -> None:
    place = next(study.glob("mlp-*1-*"))
    assert run_zoo("track", str(place), "--to", "tensorboard(dir=logs)").returncode == 0
    events = open_events(tmp_path / "logs" / study.name / place.name)
    content = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    start = HParamsPluginData.FromString(content).session_start_info
    assert start.hparams["training.steps"].number_value == 12
    assert start.hparams["label"].string_value == "mlp"
    assert start.hparams["training.watch"].bool_value is True


@pytest.mark.slow
def test_a_study_is_one_folder_with_its_page_and_figures(study: Path, run_zoo, tmp_path: Path) -> None:
    done = run_zoo("track", str(study), "--to", "tensorboard(dir=logs)")
    assert done.stdout.startswith("tensorboard(dir=logs): 5 sent")
    (record,) = study.glob("study-*.json")
    place = tmp_path / "logs" / study.name / record.stem
    assert (place / "report.html").read_text() == (study / "report.html").read_text()
    assert (place / "figures" / "curves-tokens.svg").is_file()
    comparison = json.loads((study / "comparison.json").read_text())
    (event,) = open_events(place).Scalars("result/mlp/test_loss")
    assert event.value == np.float32(next(row["test"]["mean"] for row in comparison["models"] if row["label"] == "mlp"))


@pytest.mark.slow
def test_a_diverged_run_has_no_loss_but_its_status(run_zoo, tmp_path: Path) -> None:
    source = "from torch import nn\nfrom zoo import SequenceModel\n\n\nclass Wild(SequenceModel):\n" + "".join(
        f"    {line}\n"
        for line in (
            "def __init__(self, config, *, vocab_size, context):",
            "    super().__init__(config, vocab_size=vocab_size, context=context)",
            "    self.table = nn.Embedding(vocab_size, vocab_size)",
            "def forward(self, tokens):",
            "    return (self.table(tokens) * 1e30).exp()",
        )
    )
    (tmp_path / "wild.py").write_text(source)
    done = run_zoo("train", "./wild.py:Wild", *DATA, "--steps", "5", "--track", "tensorboard")
    run = Path(done.stdout.splitlines()[-1])
    events = open_events(tmp_path / run.parent / "tensorboard" / run.name)
    assert "result/test_loss" not in events.Tags()["scalars"]
    assert "| status | diverged at step" in events.Tensors("result")[0].tensor_proto.string_val[0].decode()
