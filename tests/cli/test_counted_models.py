"""Models of counts on the command line: one call instead of training, in every report and record as such."""

import json
import random
from pathlib import Path

import pytest

SMALL = ["--data", "words.txt", "--batch-size", "8", "--steps", "4"]
SYLLABLES = ["ba", "de", "fac", "eb"]
COMPARE = ["compare", "--models", "kneser-ney,unigram,bigram", *SMALL]


@pytest.fixture
def words(tmp_path: Path) -> Path:
    """Words of syllables, of which longer contexts tell more."""
    draw, path = random.Random(0), tmp_path / "words.txt"
    path.write_text("".join("".join(draw.choices(SYLLABLES, k=draw.randint(1, 4))) + "\n" for _ in range(400)))
    return path


def folder_of(tmp_path: Path) -> Path:
    (study,) = (tmp_path / "runs").iterdir()
    return study


def test_a_comparison_counts_and_says_so_and_every_record_is_verified(run_zoo, zoo_json, words, tmp_path):
    document = zoo_json(*COMPARE)
    rows = {row["label"]: row for row in document["models"]}
    assert rows["kneser-ney"]["counted"].startswith("order ")
    assert rows["bigram"]["counted"] is None
    for label in ("kneser-ney", "unigram"):
        row = rows[label]
        assert len(set(row["losses"].values())) == 1, "one result under all seeds"
        assert (row["used"]["steps"], row["used"]["flops"], row["untrained"], row["off_budget"]) == (0, None, 0, 0)
        assert row["used"]["tokens"] == document["data"]["targets"]["train"]
        assert row["test"]["seeds_se"] == 0 < row["test"]["documents_se"]
        assert len(row["curve"]) == 1
        assert row["cost"]["unmeasured"] == {}
    (note,) = (note["text"] for note in document["notes"] if note["kind"] == "counted")
    assert note.startswith("Counted, not trained: kneser-ney (order ")
    assert "bigram loses to counting: kneser-ney is better by " in document["verdict"]
    study = folder_of(tmp_path)
    markdown, page = ((study / name).read_text() for name in ("report.md", "report.html"))
    assert "Counted, not trained" in markdown
    assert "Counted, not trained" in page
    assert "curve level" in page, "a horizontal line among the learning curves"
    verified = run_zoo("verify", "runs")
    assert (verified.returncode, "kneser-ney" in verified.stdout) == (0, True)
    run = next(study.glob("kneser-ney-seed1-*"))
    result = json.loads((run / "result.json").read_text())
    (run / "result.json").write_text(json.dumps({**result, "counted": "order 99"}))
    assert "counted: recorded order 99" in run_zoo("verify", str(run)).stdout


def test_a_run_is_used_like_every_run_but_has_nothing_to_train_on(run_zoo, zoo_json, words, tmp_path):
    zoo_json("train", "bigram-counts", *SMALL)
    run = str(next(folder_of(tmp_path).glob("bigram-counts-seed1-*/")))
    assert json.loads((Path(run) / "result.json").read_text())["counted"] == "pairs"
    assert all(split["loss"] == split["recorded"] for split in zoo_json("evaluate", run)["splits"])
    assert run_zoo("sample", run, "--count", "2").returncode == 0
    assert "It was counted, not trained: pairs." in Path(f"{run}.html").read_text()
    done = run_zoo("train", run, "--steps", "8")
    assert done.returncode == 2
    assert "was counted, not trained: a larger budget would change nothing" in done.stderr
    done = run_zoo("train", "bigram-counts", *SMALL, "--from", run)
    assert (done.returncode, "it takes no weights to start from" in done.stderr) == (2, True)


def test_a_grid_of_learning_rates_tries_only_what_is_trained(run_zoo, zoo_json, words, tmp_path):
    document = zoo_json(*COMPARE, "--seeds", "1", "--lr-grid", "0.01,0.1")
    assert {row["label"]: len(row["lr_trials"]) for row in document["models"]} == {
        "kneser-ney": 0,
        "unigram": 0,
        "bigram": 2,
    }
    assert run_zoo("verify", "runs").returncode == 0


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--tune", "2"], "Every model is counted, not trained: there are no settings to search."),
        (["--match", "parameters=1k"], "Model 'kneser-ney' has no width to scale."),
    ],
)
def test_what_makes_no_sense_for_counts_is_told_in_a_line(run_zoo, words, flags, message):
    done = run_zoo("compare", "--models", "kneser-ney,unigram", *SMALL, *flags)
    assert (done.returncode, message in done.stderr) == (2, True)


@pytest.mark.slow
def test_only_models_of_counts_need_no_budget_in_words_and_no_stack(zoo_json, words, tmp_path):
    document = zoo_json("compare", "--models", "unigram,bigram-counts", *SMALL, "--set", "execution=stacked")
    assert "steps" not in document["verdict"]
    assert {run["execution"] for run in document["runs"]} == {"sequential"}


@pytest.mark.slow
def test_models_of_counts_take_no_part_in_the_time_to_a_loss(zoo_json, words):
    document = zoo_json(*COMPARE, "--target", "3")
    missing = {reach["label"]: reach["missing"] for reach in document["targets"]["reach"]}
    assert missing["kneser-ney"] == missing["unigram"] == "counted, in no steps"
    assert missing["bigram"] == ""
