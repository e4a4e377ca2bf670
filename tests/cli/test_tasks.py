"""Tasks through the command line, from training to verification."""

import json
from pathlib import Path

import pytest

import zoo

SMALL = ["--batch-size", "8", "--threads", "1", "--steps", "4", "--set", "evaluations=2"]
TASKS = {
    "adding": "adding(length=8,levels=3,documents=40)",
    "copy": "copy(length=5,copied=2,documents=40)",
    "dyck": "dyck(length=12,documents=40)",
    "group": "group(of=A5,length=4,documents=40)",
    "induction": "induction(length=8,symbols=5,documents=40)",
    "markov": "markov(order=2,symbols=3,length=10,documents=40)",
    "memorize": "memorize(keys=4,values=4,length=8,documents=40)",
    "modular": "modular(length=8,documents=40)",
    "parity": "parity(length=8,documents=40)",
    "recall": "recall(pairs=2,length=8,keys=4,values=4,documents=40)",
    "regular": "regular(automata=4,length=10,documents=40)",
    "selective-copy": "selective-copy(length=6,copied=2,documents=40)",
}
REFUSES = """
import torch
from torch import nn
from zoo import SequenceModel

class Places(SequenceModel):
    receptive_field = 1

    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.table = nn.Embedding(vocab_size, vocab_size)

    def forward(self, tokens):
        if tokens.shape[1] > 30:
            raise ValueError(f"{tokens.shape[1]} tokens are too many")
        return self.table(tokens)
"""


def flat(text: str) -> str:
    return " ".join(text.split())


def test_a_task_is_compared_on_longer_documents_and_verifies(run_zoo, tmp_path: Path) -> None:
    (tmp_path / "places.py").write_text(REFUSES)
    asked = [
        "compare",
        "--models",
        "gru(hidden=4),./places.py:Places",
        "--data",
        TASKS["recall"],
        *SMALL,
        "--seeds",
        "2",
    ]
    done = run_zoo(*asked, "--test-length", "2x,6x")
    assert done.returncode == 0, done.stderr
    assert "values seen, binding unknown" in done.stdout
    assert "solved: seeds with answers>=0.99" in flat(done.stdout)
    assert "Places cannot: ValueError: 48 tokens are too many" in flat(done.stdout)
    (record,) = tmp_path.glob("runs/*/study-*.json")
    stored = json.loads(record.read_text())
    assert stored["study"]["context"] == stored["study"]["training"]["length"] == 8
    assert stored["study"]["test_lengths"] == [2, 6]
    shown = json.loads((record.parent / "comparison.json").read_text())
    assert {own["label"]: [point["length"] for point in own["points"]] for own in shown["lengths"]} == {
        "gru(hidden=4)": [8, 16, 48], "Places": [8, 16, 48],
    }  # fmt: skip
    verified = run_zoo("verify", "runs")
    assert {line.rpartition(": ")[2] for line in verified.stdout.splitlines()} == {"ok"}
    other = run_zoo(*asked, "--test-length", "3x")
    assert other.stderr.count("already there") == 4
    assert [path.name for path in record.parent.glob("study-*.json")] == [record.name]
    assert flat(run_zoo("report", str(record.parent)).stdout) == flat(other.stdout)


@pytest.mark.parametrize("what", ["lengths", "missing", "twice", "right"])
def test_a_changed_answer_is_found(run_zoo, tmp_path: Path, what: str) -> None:
    run_zoo("compare", "--models", "bigram", "--data", TASKS["parity"], *SMALL, "--seeds", "1", "--test-length", "2x")
    (record,) = tmp_path.glob("runs/*/study-*.json")
    if what != "right":
        stored = json.loads(record.read_text())
        (scores,) = stored["lengths"].values()
        if what == "lengths":
            scores[0]["loss"] += 0.1
        elif what == "missing":
            scores.clear()
        else:
            scores += scores
        record.write_text(json.dumps(stored))
        said = run_zoo("verify", str(record.parent)).stdout
        assert {"lengths": "at 2x: loss: recorded", "missing": "2x asked for, and not there",
                "twice": "the factors of its lengths are not ascending, each once"}[what] in said  # fmt: skip
        return
    (result,) = tmp_path.glob("runs/*/*/result.json")
    stored = json.loads(result.read_text())
    result.write_text(json.dumps(stored | {"answers": 0.5, "accuracy": stored["accuracy"] + 0.1}))
    found = run_zoo("verify", str(result.parent)).stdout
    assert "accuracy (of its documents)" in found


def test_a_text_has_no_answers(run_zoo, tmp_path: Path) -> None:
    run_zoo("train", "bigram", "--data", "invented(documents=60)", *SMALL)
    (result,) = tmp_path.glob("runs/*/*/result.json")
    result.write_text(json.dumps(json.loads(result.read_text()) | {"answers": 0.5, "accuracy": 0.9}))
    assert "accuracy of text: recorded 0.9" in run_zoo("verify", str(result.parent)).stdout
    assert "are right" not in run_zoo("report", str(result.parent)).stdout


def test_a_model_of_which_a_run_diverged_stays_in_the_table_of_lengths(run_zoo) -> None:
    small = [*SMALL[:4], "--steps", "30", "--set", "evaluations=2", "--lr", "1e30", "--set", "clip=1e9"]
    done = run_zoo(
        "compare", "--models", "bigram", "--data", TASKS["parity"], *small, "--seeds", "1", "--test-length", "2x"
    )
    assert "diverged 1/1" in done.stdout
    assert "bigram cannot: a run did not finish" in flat(done.stdout)
    assert "share of scored tokens; whole" not in flat(done.stdout)


def test_a_task_is_not_sampled_unless_its_targets_are_next_tokens(run_zoo, tmp_path: Path) -> None:
    for name in ("recall", "markov"):
        run_zoo("train", "gru(hidden=4)", "--data", TASKS[name], *SMALL, "--out", name)
    recall, markov = (next(tmp_path.glob(f"{name}/*/*/result.json")).parent for name in ("recall", "markov"))
    refused = run_zoo("sample", str(recall))
    assert refused.returncode == 2
    assert "asks for answers, not for next tokens, so there is no text to sample." in flat(refused.stderr)
    drawn = run_zoo("sample", str(markov), "--count", "3", "--length", "7")
    assert drawn.returncode == 0
    assert [len(line) for line in drawn.stdout.splitlines()] == [8, 8, 8]
    assert set(drawn.stdout) <= set("012\n")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--data", "parity", "--split", "90/5/5"], "draws its documents, so it has no --split: leave that out."),
        (["--data", "parity", "--splits", "3"], "it has no --splits"),
        (["--data", "parity", "--tokenizer", "bytes", "--dedupe"], "it has no --tokenizer or --dedupe"),
        (["--data", "recall(pairs=40)"], "need as many different keys, and there are 32: give keys=40 or more."),
        (["--data", "selective-copy(length=4)"], "8 symbols do not stand in 4 tokens: give copied=4 or less."),
        (["--data", "markov(order=1)"], "the next symbol of order 1 needs no memory: give order=2 or more"),
        (["--data", "markov(order=9,symbols=9)"], "387,420,489 states, and at most 65,536 fit."),
        (["--data", "parity(lenght=9)"], "unknown option 'lenght'. Its options: length, documents, seed."),
        (["--data", "group(of=A4)"], "of=A4: input should be 'Z2', 'Z60', 'A5' or 'S5'."),
        (["--data", "parity", "--set", "score_train=true"], "training documents without end: leave out score_train."),
        (["--data", "invented", "--test-length", "2x"], "is no task: its documents have the lengths that they have."),
        (["--data", "parity", "--models", "kneser-ney"], "and parity asks for answers: leave it out."),
        (["--data", "parity", "--test-length", "1x"], "is not a list of factors, each 2x to 1000x"),
    ],
)  # fmt: skip
def test_bad_options_get_one_clear_line(run_zoo, given: list[str], said: str) -> None:
    refused = run_zoo("compare", "--models", "bigram", *given, "--steps", "1")
    assert refused.returncode in (1, 2)
    assert said in flat(refused.stderr)
    assert "Traceback" not in refused.stderr


def test_the_list_of_corpora_shows_floor_size_and_source(run_zoo) -> None:
    shown = run_zoo("list", "--corpora", "*ar*").stdout
    assert "markov" in shown
    assert "0.763" in shown
    assert "T 64, V 5" in shown
    assert "Makkuva" in shown
    rows = {row["name"]: row for row in json.loads(run_zoo("list", "--corpora", "--json").stdout)}
    assert rows["recall"]["floor"] == 0.0
    assert rows["invented"]["floor"] == pytest.approx(1.7662, abs=1e-3)
    assert rows["names"]["problem"] == ""


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_every_model_is_compared_on_every_task(task: str, tmp_path: Path) -> None:
    models = ["bigram", "bow(hidden=4)", "mlp(hidden=4)", "wavenet(hidden=4)", "dilated-wavenet(channels=4)"]
    models += ["rnn(hidden=4)", "gru(hidden=4)", "lstm(hidden=4)", "transformer(channels=8,heads=2)"]
    settings = {"batch_size": 8, "threads": 1, "steps": 3, "evaluations": 1, "execution": "sequential"}
    done = zoo.compare(models, data=task, seeds=1, out=tmp_path, report=False, progress=False, **settings)
    rows = done.comparison.models
    assert len(rows) == 9
    assert all(row.test and row.answers and row.answers.seeds == 1 for row in rows)
