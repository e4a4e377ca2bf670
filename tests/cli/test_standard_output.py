"""With standard output closed, full or unread, every command ends with one line and exit code 1."""

import io
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import cli
from tests.conftest import ROOT
from zoo.plain_text import write_plainly

WORDS = ["--data", "invented(documents=60)", "--steps", "2", "--batch-size", "4", "--threads", "1"]
COMMANDS = {
    "list": ["list"],
    "describe": ["describe", "bigram"],
    "check": ["check", "bigram"],
    "trace": ["trace", "bigram"],
    "new": ["new", "my-model"],
    "train": ["train", "bigram", *WORDS],
    "compare": ["compare", "--models", "bigram,bow(hidden=4)", "--seeds", "1", *WORDS],
    "ablate": ["ablate", "bow(hidden=4)", "--scale", "hidden=2", "--seeds", "1", *WORDS],
    "sweep": ["sweep", "--models", "bigram", "--seeds", "1", "--trials", "2", *WORDS],
    "judge": ["judge", "STUDY"],
    "evaluate": ["evaluate", "RUN"],
    "sample": ["sample", "RUN"],
    "export": ["export", "RUN", "--to", "torch-export", "--out", "exported"],
    "runs": ["runs", "--out", "STUDY/.."],
    "report": ["report", "STUDY"],
    "track": ["track", "STUDY", "--to", "tensorboard"],
    "verify": ["verify", "RUN"],
    "clean": ["clean", "--dry-run", "--out", "STUDY/.."],
}
QUICK = {"list"}
EACH = [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in cli.cli.commands]
PLACES = {"closed": ">&-", "full": ">/dev/full", "nobody reads": "| true"}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished comparison."""
    folder = tmp_path_factory.mktemp("study")
    command = [sys.executable, str(ROOT / "cli.py"), *COMMANDS["compare"]]
    subprocess.run(command, cwd=folder, capture_output=True, check=True)
    (found,) = (folder / "runs").iterdir()
    return found


def run_into(place: str, words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    line = shlex.join([sys.executable, str(ROOT / "cli.py"), *words])
    script = f"{line} {PLACES[place]}"
    if place == "nobody reads":
        script = f"(sleep 0.1; {line}) | true; exit ${{PIPESTATUS[0]}}"
    return subprocess.run(["bash", "-c", script], cwd=folder, stderr=subprocess.PIPE, text=True, check=False)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", EACH)
def test_a_result_that_cannot_be_printed_is_one_line_and_exit_code_1(
    name: str, place: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    words = COMMANDS[name]
    if {"RUN", "STUDY", "STUDY/.."} & {*words}:
        study = request.getfixturevalue("study")
        words = [word.replace("RUN", str(next(study.glob("bigram-s*")))).replace("STUDY", str(study)) for word in words]
    done = run_into(place, words, tmp_path)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    errors = [line for line in done.stderr.splitlines() if "Error" in line]
    assert len(errors) == (0 if place == "nobody reads" else 1), done.stderr
    assert all("tandard output" in line for line in errors)


def test_a_closed_standard_output_is_told_before_anything_is_trained(tmp_path: Path) -> None:
    assert run_into("closed", COMMANDS["train"], tmp_path).returncode == 1
    assert os.listdir(tmp_path) == []


@pytest.mark.slow
def test_a_standard_error_that_is_closed_keeps_nobody_from_the_result(study: Path) -> None:
    line = shlex.join([sys.executable, str(ROOT / "cli.py"), "report", str(study)])
    done = subprocess.run(["bash", "-c", f"{line} 2>&-"], stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0
    assert "bigram" in done.stdout


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_that_lacks_signs_gets_stand_ins_for_them(encoding: str) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    write_plainly(stream)
    print("1.5 ± 0.1 ≥ 1", "───", "漢", "bad\udcff", file=stream, flush=True)
    expected = {"ascii": b"1.5 +- 0.1 >= 1 --- ? bad\xff\n", "latin-1": b"1.5 \xb1 0.1 >= 1 --- ? bad\xff\n"}
    assert stream.buffer.getvalue() == expected[encoding]


@pytest.mark.slow
def test_a_comparison_is_printed_where_only_ascii_can_be(tmp_path: Path) -> None:
    words = ["compare", "--models", "bigram,bow(hidden=4)", "--seeds", "3", *WORDS]
    done = subprocess.run(
        [sys.executable, str(ROOT / "cli.py"), *words], cwd=tmp_path, capture_output=True, check=False,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert b"+-" in done.stdout
    assert done.stdout.isascii()


def test_a_name_that_is_not_utf_8_is_refused_in_one_line(run_zoo, tmp_path: Path) -> None:
    (tmp_path / "t\udce9xt.txt").write_text("one\ntwo\nthree\n" * 9)
    for words in (["train", "bigram", "--data", "t\udce9xt.txt"], ["train", "./m\udce9.py:Mine"]):
        done = run_zoo(*words, "--steps", "2")
        assert done.returncode == 2, done.stderr
        (line,) = done.stderr.splitlines()
        assert "is not UTF-8" in line
