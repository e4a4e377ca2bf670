"""`compare --splits R`: several training and test parts of one text, each under every seed."""

import numpy as np
import pytest

import zoo
from zoo.experiments.records.run import read_losses

SMALL = ["--data", "words.txt", "--batch-size", "8", "--threads", "1", "--steps", "3"]
COMPARE = ["compare", "--models", "bigram,bow(hidden=4)", *SMALL]


def test_models_are_compared_over_seeds_and_splits_and_the_report_says_so(run_zoo, words, tmp_path):
    asked = {"data": words, "batch_size": 8, "threads": 1, "steps": 3}
    models = ["bigram", "bow(hidden=4)"]
    study = zoo.compare(models, seeds=3, splits=3, out=tmp_path / "runs", report=False, progress=False, **asked)
    told, directory = study.comparison.model_dump(mode="json"), study.directory
    runs = told["runs"]
    assert [(run["split"], run["seed"]) for run in runs[::2]] == [(r, s) for r in (1, 2, 3) for s in (1, 2, 3)]
    names = [run["directory"].rsplit("-", 1)[0] for run in runs if run["label"] == "bigram"]
    assert names[::3] == ["bigram-seed1", "bigram-split2of3-seed1", "bigram-split3of3-seed1"]

    row = next(row for row in told["models"] if row["label"] == "bow(hidden=4)")
    own = [run for run in runs if run["label"] == "bow(hidden=4)"]
    scores = [read_losses(directory / run["directory"], "test") for run in own]
    nats = np.array([nats.sum() for nats, _ in scores]).reshape(3, 3)  # split, seed
    tokens = np.array([tokens.sum() for _, tokens in scores]).reshape(3, 3)[:, 0]
    losses = nats / tokens[:, None]
    assert row["test"]["mean"] == pytest.approx(nats.sum() / 3 / tokens.sum())
    assert list(row["split_losses"].values()) == pytest.approx(losses.mean(1))
    share = tokens / tokens.sum()
    effects = share * (losses.mean(1) - row["test"]["mean"]) / np.sqrt(1 - share)
    assert row["test"]["documents_se"] == pytest.approx(np.sqrt(told["inflation"] * (effects**2).sum()))

    shown = run_zoo("report", str(directory))
    flat = " ".join(shown.stdout.split())
    assert "mean of 3 seeds on 3 splits" in flat
    assert "new seeds and new splits" in flat
    assert flat.count("3 seeds on 3 splits") == 2, "in the legend, and in the verdict"
    page = (directory / "report.html").read_text()
    assert "s.e. splits" in page
    assert f"multiplied by {told['inflation']:.2f}" in page
    assert "Means of 3 splits, 3 seeds each" in page
    assert "Means of 3 splits, 3 seeds each" in (directory / "report.md").read_text()


def test_the_floor_is_that_of_all_test_splits_together(tmp_path):
    asked = {"data": "invented(documents=60)", "batch_size": 8, "threads": 1, "steps": 1}
    told = zoo.compare(["bigram"], seeds=1, splits=4, out=tmp_path, report=False, progress=False, **asked)
    data = [run.record.recorded.data for run in told.runs]
    floors = [recorded.floor["test"] for recorded in data]
    assert len(set(floors)) == 4
    (row,) = told.comparison.models
    assert row.floor == pytest.approx(np.average(floors, weights=[recorded.targets["test"] for recorded in data]))
    assert row.above_floor == pytest.approx(row.test.mean - row.floor)
    assert [run.split for run in told.comparison.runs] == [1, 2, 3, 4]


def test_standard_input_is_read_once_and_a_stream_has_regions(run_zoo, words):
    stream = ["--data", "-", "--documents", "none", "--batch-size", "2", "--threads", "1", "--steps", "1"]
    done = run_zoo("compare", "--models", "bigram", *stream, "--splits", "3", input=words.read_text())
    assert done.returncode == 0, done.stderr
    assert "new seeds and new regions" in " ".join(done.stdout.split())
    assert "bigram split 3 of 3 seed 3: test" in done.stderr


@pytest.mark.parametrize(
    ("splits", "message"), [("2", "2 splits are too few"), ("11", "at most 10"), ("0", "0 is not in the range")]
)
def test_splits_that_cannot_be_are_refused_before_anything_runs(run_zoo, words, tmp_path, splits, message):
    done = run_zoo(*COMPARE, "--splits", splits)
    assert (done.returncode, (tmp_path / "runs").exists()) == (2, False)
    assert message in done.stderr


def test_a_text_that_is_too_large_for_memory_is_split_once(run_zoo, words, monkeypatch):
    monkeypatch.setattr("zoo.data.load.LARGE", 100)
    done = run_zoo(*COMPARE, "--splits", "3")
    assert done.returncode == 1
    assert "several splits need a text that is held in memory" in done.stderr
    assert done.stderr.count("\n") == 1
