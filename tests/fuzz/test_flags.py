"""Any words on the command line are executed or refused, with an exit code and short output; nothing trains here."""

import io
import os
import sys
from pathlib import Path

import pytest
from hypothesis import strategies as st

import cli
from tests.fuzz.generated import PLAIN, TEXT, generate

COMMANDS = {
    "list": [],
    "describe": ["mlp"],
    "runs": [],
    "evaluate": ["absent"],
    "sample": ["absent"],
    "report": ["absent"],
    "verify": ["absent"],
    "export": ["absent", "--to", "torch-export"],
    "train": ["bigram", "--print-config"],
    "compare": ["--models", "bigram,mlp", "--print-config"],
}
"""Command -> words that end it before anything trains."""
FLAGS = sorted(
    {
        option
        for command in cli.cli.commands.values()
        for parameter in command.get_params(cli.click.Context(command))
        for option in getattr(parameter, "opts", [])
        if option.startswith("-")
    }
    - {"--help", "--yes", "--check", "--compile"}  # they import every model, or remove files
)
VALUES = PLAIN.map(lambda value: "7" * 5000 if isinstance(value, int) and abs(value) > 10**300 else str(value))
LIKELY = st.sampled_from(["1", "1e-3,3e-3", "parameters=5k", "90/10/0", "3T", "names", "cpu", "lr=0x1", "bytes", "a=b"])
WORDS = (VALUES | TEXT | LIKELY).map(lambda word: word.replace("\0", "").encode("utf-8", "replace").decode())
PAIRS = st.tuples(st.sampled_from(FLAGS), WORDS).map(list) | WORDS.map(lambda word: [word])


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory):
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("here"))
    yield
    os.chdir(before)


@generate(st.sampled_from([*COMMANDS]), st.lists(PAIRS, max_size=4))
def test_a_command_line_is_understood_or_refused(here: None, command: str, pairs: list[list[str]]) -> None:
    words = ["zoo", command, *COMMANDS[command], *(word for pair in pairs for word in pair)]
    kept = sys.argv, sys.stdin, sys.stdout, sys.stderr
    sys.argv, sys.stdin = words, io.TextIOWrapper(io.BytesIO(b"ab\nba\n" * 20))
    sys.stdout, sys.stderr = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    try:
        code = cli._run_command()
        sys.stderr.flush()
        said = sys.stderr.buffer.getvalue().decode()
    finally:
        sys.argv, sys.stdin, sys.stdout, sys.stderr = kept
    assert code in (0, 1, 2)
    assert len(said) < 3000
    assert bool(said) >= bool(code)
