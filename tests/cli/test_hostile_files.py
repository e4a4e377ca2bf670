"""Commands refuse hostile files with one line of bounded length, without control characters."""

import io
import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from zoo.data import files
from zoo.experiments.runs.samples import Piece
from zoo.output import print_json
from zoo.reports.samples import print_pieces, print_samples

STORED = Path(__file__).resolve().parent / "older" / "stored"
ESCAPE = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e"
LONGEST = 2200


def assert_plain(text: str) -> None:
    """Check that a text has no control characters but line breaks, and is short."""
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text), ascii(text)
    assert "Traceback" not in text
    assert len(text) < LONGEST


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return Path(shutil.copytree(STORED, tmp_path / "runs" / "stored"))


def edit(file: Path, change: Callable[[dict], object]) -> None:
    document = json.loads(file.read_text())
    change(document)
    file.write_text(json.dumps(document))


@pytest.mark.parametrize("name", ["pipe", "/dev/zero"])
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["train", "bigram", "--data"], 1),
        (["train", "bigram", "--tokens", "bytes", "--set", "dedupe=true", "--data"], 1),
        (["compare", "--models", "bigram", "--dry-run", "--data"], 1),
        (["compare"], 2),
    ],
    ids=["train", "bytes", "dry run", "study"],
)
def test_a_pipe_and_a_device_are_refused_before_they_are_read(run_zoo, tmp_path, name, words, code):
    os.mkfifo(tmp_path / "pipe")
    done = run_zoo(*words, name)
    assert done.returncode == code
    assert re.search(rf"Cannot read .*{name}': it is a (pipe|device), and only a regular file is read", done.stderr)
    assert ("--data -" in done.stderr) == (code == 1)


def test_standard_input_has_a_limit_that_is_told(run_zoo, monkeypatch):
    monkeypatch.setattr(files, "LARGEST_TEXT", 1 << 10)
    done = run_zoo("train", "bigram", "--data", "-", input="ab\n" * 1000)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: Standard input has more than 1 KiB")


@pytest.mark.parametrize("text", ["a=" + "[" * 100_000, "a = 0x" + "f" * 5000, "seeds = [" + "9" * 5000 + "]"])
def test_a_study_file_of_depth_or_digits_is_refused(run_zoo, tmp_path, text):
    (tmp_path / "study.toml").write_text(text)
    done = run_zoo("compare", "study.toml")
    assert done.returncode == 2
    assert_plain(done.stderr)


def test_one_damaged_record_takes_no_listing_down(run_zoo, study):
    first, second, third = sorted(study.glob("*/result.json"))[:3]
    first.write_text("[" * 100_000)
    edit(second, lambda result: result.update(status=ESCAPE * 100_000))
    (third.parent / "curve.jsonl").unlink()
    os.mkfifo(third.parent / "curve.jsonl")
    done = run_zoo("runs")
    assert done.returncode == 0
    assert_plain(done.stdout)
    assert [line.split()[0] for line in done.stdout.splitlines()].count("damaged") == 3
    assert len(done.stdout.splitlines()) == 7
    document = json.loads(run_zoo("runs", "--json").stdout)
    assert all(len(row.get("fault", "")) < LONGEST for row in document)


@pytest.mark.parametrize("command", ["evaluate", "sample", "report", "verify"])
def test_nothing_of_a_record_acts_on_the_terminal(run_zoo, study, command):
    run = sorted(study.glob("*/result.json"))[0].parent
    edit(run / "result.json", lambda result: result.update(status="failed", reason=ESCAPE * 400))
    edit(run / "config.json", lambda config: config["run"].update(label=ESCAPE))
    edit(run / "config.json", lambda config: config["data"].update(name=ESCAPE))
    place = study if command == "report" else run.rename(study / f"{ESCAPE.replace('/', '')}-seed1")
    done = run_zoo(command, str(place))
    assert done.returncode == 1
    assert_plain(done.stdout)
    assert_plain(done.stderr)


def test_names_of_a_comparison_are_drawn_without_acting_on_the_terminal(run_zoo, study):
    for file in study.glob("mlp-*/config.json"):
        edit(file, lambda config: config["run"].update(label=ESCAPE))
    done = run_zoo("report", str(study))
    assert done.returncode == 0, done.stderr
    assert r"bigram and \x1b]0;owned" in done.stdout
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", done.stdout)


def test_a_wrong_flag_does_not_act_on_the_terminal_either(run_zoo):
    for words in (["runs", f"--{ESCAPE}"], [ESCAPE], ["train", "bigram", "--steps", ESCAPE * 5000], ["train", ESCAPE]):
        done = run_zoo(*words)
        assert done.returncode == 2
        assert_plain(done.stderr)


def test_a_budget_of_too_many_steps_is_refused_before_anything_trains(run_zoo, tmp_path):
    for flag, number in (("--steps", "2000000000000"), ("--tokens", "1e18")):
        done = run_zoo("train", "bigram", flag, number)
        assert done.returncode == 2
        assert "1,000,000,000,000" in done.stderr or "1000000000000" in done.stderr
        assert_plain(done.stderr)
    assert not (tmp_path / "runs").exists()


def test_a_number_of_thousands_of_digits_is_refused_in_plain_words(run_zoo):
    digits = "9" * 5000
    for words in (["--split", f"{digits}/10/10"], ["--set", f"batch_size={digits}"], ["--set", f"rotation={digits}/2"]):
        done = run_zoo("train", "bigram", *words)
        assert done.returncode == 2
        assert "set_int_max_str_digits" not in done.stderr
        assert_plain(done.stderr)
    assert "2^63 - 1" in run_zoo("train", "bigram", "--seed", digits).stderr


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("streams", [False, True])
def test_samples_act_on_no_terminal_and_are_written_to_a_file_as_they_are(monkeypatch, streams):
    for stream, shown in ((Terminal(), r"a\x1b[2Jb" + "\n"), (io.StringIO(), "a\x1b[2Jb\n")):
        monkeypatch.setattr(sys, "stdout", stream)
        if streams:
            print_pieces([Piece("a", None), Piece("\x1b[2Jb", False)])
        else:
            print_samples([{"text": "a\x1b[2Jb", "in_training": False}])
        assert stream.getvalue() == shown


def test_a_json_document_has_no_control_character_and_says_the_same(capsys):
    value = {"name": ESCAPE, "half": "\ud800", "tab": "\t"}
    print_json(value)
    text = capsys.readouterr().out
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\ud800]", text)
    assert json.loads(text) == value
