"""The commands as a user runs them, on real input."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest


def test_compare_trains_both_models_under_the_same_seeds_and_orders_them_by_test_loss(run_zoo, tmp_path):
    done = run_zoo("compare", "--models", "bigram,mlp", "--data", "invented(documents=2000)", "--steps", "60")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["model", "test", "group", "valid", "floor+", "params", "sees", "tok/s", "s"]
    assert [line.split()[0] for line in lines[2:4]] == ["mlp", "bigram"]
    assert re.search(r"\d\.\d{4}±\d\.\d{4}", lines[2])
    assert max(map(len, lines)) <= 80
    assert "2,000 documents" in done.stderr
    study = tmp_path / "runs" / "bigram-mlp-on-invented(documents=2000)"
    runs = sorted(path.parent.name for path in study.glob("*/result.json"))
    assert [name.rpartition("-")[0] for name in runs] == [f"{m}-seed{s}" for m in ("bigram", "mlp") for s in (1, 2, 3)]


def test_a_run_leaves_its_configuration_curve_environment_and_weights(zoo_json, tmp_path, words):
    document = zoo_json("train", "mlp(hidden=8)", "--data", "words.txt", "--steps", "20", "--seed", "4")
    run = tmp_path / document["runs"][0]["directory"]
    assert {path.name for path in run.iterdir()} == {
        "config.json",
        "curve.jsonl",
        "environment.json",
        "losses.safetensors",
        "result.json",
        "weights.safetensors",
    }
    config = json.loads((run / "config.json").read_text())
    assert config["run"]["model"] == {"name": "mlp", "options": {"hidden": 8}}
    assert config["run"]["seed"] == 4
    curve = [json.loads(line) for line in (run / "curve.jsonl").read_text().splitlines()]
    assert [point["step"] for point in curve] == list(range(0, 21, 2))
    best = min(point["validation_loss"] for point in curve)
    assert json.loads((run / "result.json").read_text())["validation_loss"] == best


def test_the_same_command_again_reuses_and_gives_the_same_document(run_zoo, words):
    command = ["compare", "--models", "bigram,rnn", "--data", "words.txt", "--steps", "5", "--seeds", "2", "--json"]
    first, second = run_zoo(*command), run_zoo(*command)
    assert first.stderr.count("already there") == 0
    assert second.stderr.count("already there") == 4
    assert json.loads(first.stdout) == json.loads(second.stdout)


def test_two_trainings_of_one_configuration_are_bitwise_equal(zoo_json, words):
    documents = [
        zoo_json("train", "transformer(dropout=0.1)", "--data", "words.txt", "--steps", "10", "--out", out)
        for out in ("one", "two")
    ]
    first, second = (document["runs"][0] for document in documents)
    assert first["fingerprint"] == second["fingerprint"]
    assert first["weights_sha256"] == second["weights_sha256"]


def test_an_edited_model_file_is_another_run(zoo_json, words, mine):
    command = ["train", "./mine.py:Mine", "--data", "words.txt", "--steps", "5"]
    before = zoo_json(*command)["runs"][0]
    mine.write_text(mine.read_text().replace("self.table(tokens)", "2 * self.table(tokens)"))
    after = zoo_json(*command)["runs"][0]
    assert before["fingerprint"] != after["fingerprint"]
    assert before["test_loss"] != after["test_loss"]
    assert Path(before["directory"]).parent == Path(after["directory"]).parent


def test_a_model_from_a_file_is_compared_evaluated_and_sampled(run_zoo, zoo_json, words, mine):
    document = zoo_json("compare", "--models", "bigram,./mine.py:Mine", "--data", "words.txt", "--steps", "5")
    assert {row["label"] for row in document["models"]} == {"bigram", "Mine"}
    run = next(run["directory"] for run in document["runs"] if run["label"] == "Mine")
    assert run_zoo("evaluate", run).returncode == 0
    assert len(run_zoo("sample", run, "-n", "4").stdout.splitlines()) == 4


def test_evaluate_finds_the_recorded_losses_again(zoo_json, words):
    run = zoo_json("train", "gru", "--data", "words.txt", "--steps", "10")["runs"][0]
    splits = {row["split"]: row for row in zoo_json("evaluate", run["directory"])["splits"]}
    assert splits["test"]["loss"] == run["test_loss"] == splits["test"]["recorded"]
    assert splits["validation"]["loss"] == run["validation_loss"]


def test_evaluate_on_another_text_uses_the_vocabulary_of_the_run(run_zoo, zoo_json, tmp_path, words):
    run = zoo_json("train", "bigram", "--data", "words.txt", "--steps", "5")["runs"][0]["directory"]
    (tmp_path / "other.txt").write_text("ab\nbc\ncd\n" * 10)
    other = zoo_json("evaluate", run, "--data", "other.txt")
    assert not other["same_corpus"]
    assert all(row["recorded"] is None for row in other["splits"])
    (tmp_path / "foreign.txt").write_text("ab\nbz\ncd\n" * 10)
    assert "Character 'z' is not in the vocabulary" in run_zoo("evaluate", run, "--data", "foreign.txt").stderr


def test_samples_are_reproducible_start_with_the_prompt_and_mark_training_documents(run_zoo, zoo_json, tmp_path):
    (tmp_path / "same.txt").write_text("abc\n" * 20)
    run = zoo_json("train", "bigram", "--data", "same.txt", "--steps", "200", "--lr", "0.3")["runs"][0]["directory"]
    first, again = (run_zoo("sample", run, "--prompt", "ab", "--seed", "3").stdout for _ in range(2))
    assert first == again
    assert all(line.startswith("ab") for line in first.splitlines())
    assert "abc  (in training)" in first
    greedy = zoo_json("sample", run, "-n", "2", "--temperature", "0")
    assert greedy == [{"text": "abc", "in_training": True}] * 2
    assert "Character 'z'" in run_zoo("sample", run, "--prompt", "z").stderr


@pytest.mark.parametrize(
    ("corpus", "flags"),
    [
        ("abc\nbcd\ncab\n" * 20, []),
        ("ein Gruß\nÄpfel\n" * 20, ["--tokens", "bytes"]),
        ("to be, or not to be\n" * 40, ["--documents", "none"]),
    ],
    ids=["documents", "bytes", "stream"],
)
def test_samples_that_are_printed_as_they_come_are_those_that_are_printed_at_the_end(
    run_zoo, zoo_json, tmp_path, corpus, flags
):
    (tmp_path / "some.txt").write_text(corpus)
    words = ["train", "bigram", "--data", "some.txt", *flags, "--length", "8", "--steps", "60", "--lr", "0.3"]
    run = zoo_json(*words)["runs"][0]["directory"]
    options = ["-n", "7", "--length", "25", "--top-p", "0.9", "--seed", "5"]
    at_the_end, as_they_come = run_zoo("sample", run, *options), run_zoo("sample", run, *options, "--stream")
    assert at_the_end.returncode == as_they_come.returncode == 0
    assert as_they_come.stdout == at_the_end.stdout


def test_a_nucleus_of_the_likeliest_token_is_greedy(zoo_json, words):
    run = zoo_json("train", "gru(hidden=8)", "--data", str(words), "--steps", "20")["runs"][0]["directory"]
    narrow, greedy = (zoo_json("sample", run, *option) for option in (["--top-p", "1e-9"], ["--temperature", "0"]))
    assert narrow == greedy


def test_a_stream_from_standard_input_trains_and_samples(run_zoo, zoo_json):
    text = "to be, or not to be:\n\nthat is the question\n" * 30
    document = zoo_json("train", "wavenet(hidden=8)", "--data", "-", "--steps", "5", "--length", "16", input=text)
    run = document["runs"][0]["directory"]
    samples = run_zoo("sample", run, "-n", "2", "--length", "20")
    assert samples.returncode == 0
    assert "Samples are not marked" in samples.stderr
    assert "name the text with --data" in run_zoo("evaluate", run).stderr


def test_bytes_are_tokens_of_any_text(zoo_json, tmp_path):
    (tmp_path / "any.bin").write_bytes(bytes(range(256)) * 20)
    document = zoo_json(
        "train", "bigram", "--data", "any.bin", "--tokens", "bytes", "--documents", "none", "--steps", "2"
    )
    assert document["runs"][0]["parameters"] == 257 * 257


def test_a_token_budget_is_what_every_model_uses(zoo_json, words):
    document = zoo_json(
        "compare",
        "--models",
        "bigram,mlp",
        "--data",
        "words.txt",
        "--tokens",
        "2k",
        "--batch-size",
        "8",
        "--seeds",
        "1",
    )
    used = {run["tokens"] for run in document["runs"]}
    assert len(used) == 1
    assert abs(used.pop() - 2000) <= 8 * 6


def test_a_diverged_model_is_reported_and_ranked_last(zoo_json, run_zoo, tmp_path, words, mine):
    mine.write_text(mine.read_text().replace("self.table(tokens)", "(self.table(tokens) * 1e30).exp()"))
    command = ["compare", "--models", "./mine.py:Mine,bigram", "--data", "words.txt", "--steps", "5", "--seeds", "2"]
    document = zoo_json(*command)
    assert [(row["label"], row["diverged"]) for row in document["models"]] == [("bigram", 0), ("Mine", 2)]
    assert document["models"][1]["test"] is None
    assert "diverged 2/2" in run_zoo(*command).stdout


def test_bits_are_nats_over_log_two(run_zoo, words):
    command = ["train", "bigram", "--data", "words.txt", "--steps", "5"]
    nats, bits = (float(run_zoo(*command, *flag).stdout.splitlines()[2].split()[1]) for flag in ([], ["--bits"]))
    assert abs(bits - nats / 0.693147) < 2e-4


def test_a_study_file_prints_the_published_figures_beside_ours(run_zoo, zoo_json, tmp_path, words):
    (tmp_path / "study.toml").write_text(
        """
        name = "small"
        seeds = [1]
        context = 4
        training = { steps = 3, score_train = true }
        recipes = { fast = { lr = 0.01 }, slow = { lr = 0.001 } }

        [[models]]
        label = "flat"
        model = "mlp(hidden=4)"
        context = 3
        published = { train = 1.5, validation = 1.75 }
        """
    )
    done = run_zoo("compare", "study.toml", "--data", "words.txt")
    assert done.returncode == 0, done.stderr
    assert {"1.500", "1.750"} <= set(done.stdout.splitlines()[2].split())
    slow = zoo_json("compare", "study.toml", "--data", "words.txt", "--recipe", "slow")
    assert slow["models"][0]["lr"] == 0.001
    assert slow["models"][0]["receptive_field"] == 3
    assert "Its recipes: fast, slow" in run_zoo("compare", "study.toml", "--recipe", "none").stderr


def test_describe_shows_options_and_sizes(run_zoo, zoo_json):
    about = zoo_json("describe", "wavenet(embedding=24,hidden=128)")
    assert about["parameters"] == 76_579
    assert about["receptive_field"] == 8
    pieces = {"norm", "activation", "gate", "residual", "skips", "gain", "head_gain"}
    assert {option["name"] for option in about["options"]} == {"embedding", "hidden", "n", "dropout", "tree", *pieces}
    told = " ".join(run_zoo("describe", "wavenet").stdout.split())
    assert all(kind in told for kind in ("none |", "batch |", "per-position", "rms")), (
        "every value of a choice is shown"
    )
    shown = run_zoo("describe", "mlp").stdout
    assert "22,097" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_progress_goes_to_standard_error_without_a_bar_where_it_is_no_terminal(run_zoo, words):
    done = run_zoo("train", "bigram", "--data", "words.txt", "--steps", "5")
    assert "bigram seed 1: test" in done.stderr
    assert "\r" not in done.stderr
    assert "━" not in done.stderr


def test_evaluate_takes_the_name_of_a_split_and_how_to_split_another_text(run_zoo, zoo_json, words, tmp_path):
    run_zoo("train", "bigram", "--steps", "5", "--data", words, "--out", str(tmp_path / "runs"))
    (result,) = (tmp_path / "runs").rglob("result.json")
    command = "evaluate", str(result.parent), "--data", words, "--split", "validation"
    tokens = [zoo_json(*command, "--split", shares)["splits"][0]["tokens"] for shares in ("80/10/10", "70/30/0")]
    assert tokens[0] < tokens[1]
    told = [
        "the run may have been trained on what is scored" in run_zoo(*command, "--split", shares).stderr
        for shares in ("80/10/10", "70/30/0")
    ]
    assert told == [False, True]
    for wrong, said in (
        (["valid"], "'valid' is neither train, validation nor test, nor shares such as 90/10/0"),
        (["90/10"], "'90/10' is not a split: give whole percentages of training/validation/test"),
        (["90/10/0", "80/10/10"], "one way to split a text, not 90/10/0 and 80/10/10"),
    ):
        refused = run_zoo("evaluate", str(result.parent), *(word for split in wrong for word in ("--split", split)))
        assert refused.returncode == 2
        assert said in refused.stderr.splitlines()[-1]


AT_THE_END = """
import atexit, gc, sys
atexit.register(lambda: print(gc.get_freeze_count(), file=sys.stderr))
import cli
sys.argv = ["cli.py", "list"]
cli.main()
"""


def test_the_interpreter_does_not_look_for_garbage_among_all_objects_at_its_end() -> None:
    """With torch, whose import leaves 250,000 objects, this took half a second of every command."""
    done = subprocess.run(
        [sys.executable, "-c", AT_THE_END], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True
    )
    assert int(done.stderr) > 1000
