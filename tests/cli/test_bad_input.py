"""Bad input gets one clear line and an exit code, and nothing is lost."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def last_line(text: str) -> str:
    return text.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["train", "lsmt"], 2, "Did you mean 'lstm'?"),
        (["train", "mlp(hiden=3,embedding=0)"], 2, "unknown option 'hiden'"),
        (["train", "mlp(embedding=0,hidden=0)"], 2, "embedding=0"),
        (["train", "mlp(hidden=3"], 2, "is not written as name"),
        (["compare", "--models", "mlp(hidden=3"], 2, "unbalanced parentheses"),
        (["train", "./absent.py:Mine"], 1, "No file 'absent.py'"),
        (["train", "./absent.py"], 1, "write ./absent.py:Name"),
        (["train", "mlp", "--data", "nope"], 2, "Available: adding, copy, dyck, enwik8, group, induction, invented, "),
        (["train", "mlp", "--data", "invented(documents=abc)"], 2, "Its options: documents, seed"),
        (["train", "mlp", "--device", "cuda:7"], 2, "Here: cpu"),
        (["train", "wavenet", "--context", "10"], 2, "try a context of 8 or 16"),
        (["train", "mlp", "--steps", "0"], 2, "'0' is not a whole number of 1 or more, such as 2000, 200k or 6.4M"),
        (["train", "mlp", "--steps", "1.5"], 2, "'1.5' is not a whole number of 1 or more"),
        (["train", "mlp", "--embedding", "5"], 2, "Write options of a model after its name: 'mlp(embedding=5)'"),
        (["compare", "--models", "bigram,mlp(hidden=3)", "--embedding=5"], 2, "name: 'mlp(hidden=3,embedding=5)'"),
        (
            ["train", "wavenet(depth=3)"],
            2,
            "Its depth follows from --context and n: with L levels, the context is n ** L",
        ),
        (["train", "mlp", "--split", "90/10"], 2, "such as 80/10/10 or 90/10/0"),
        (["train", "mlp", "--split", "0/90/10"], 2, "'0/90/10' is not a split: give whole percentages"),
        (["train", "mlp", "--split", "90/9/2"], 2, "'90/9/2' is not a split: give whole percentages"),
        (["train", "mlp", "--lr", "nan"], 2, "not a number"),
        (["train", "mlp", "--set", "scedule=constant"], 2, "Did you mean 'schedule'?"),
        (["train", "mlp", "--set", "schedule=line"], 2, "'cosine', 'linear', 'constant', 'step', 'wsd' or 'one-cycle'"),
        (["train", "mlp", "--steps", "5", "--tokens", "100"], 2, "are 2 budgets"),
        (["train", "mlp", "--set", "optimizer=sgd"], 2, "--lr"),
        (["train", "mlp", "--optimizer", "moun"], 2, "Did you mean 'muon'?"),
        (["train", "mlp", "--optimizer", "muon(rate=0)"], 2, "rate=0: input should be greater than 0"),
        (["train", "mlp", "--optimizer", "muon("], 2, "is not written as name or name(key=value,...)"),
        (["compare"], 2, "Nothing to compare"),
        (["compare", "--models", "mlp,mlp"], 2, "two models are called 'mlp'"),
        (["compare", "--models", "*zzz*"], 2, "No model matches"),
        (["compare", "absent.toml"], 2, "Cannot read study 'absent.toml'"),
        (["evaluate", "absent"], 1, "'absent' does not exist"),
        (["evaluate", "."], 1, "is not a finished run"),
        (
            ["evaluate", ".", "--tokens", "5"],
            2,
            "tokens=5: '5' is no unit of a token: characters, bytes, or bpe:512 for byte pairs",
        ),
        (["sample", "."], 1, "is not a finished run"),
        (["sample", ".", "--stream", "--json"], 2, "give one of them"),
        (["sample", ".", "--top-p", "1.5"], 2, "'1.5' is not a share: give a number above 0 and up to 1"),
        (["describe", "wavenet(norm=per-position)"], 2, "needs tree=true"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_one_line_says_what_was_asked_and_what_to_do(run_zoo, words, code, said):
    done = run_zoo(*words)
    assert done.returncode == code
    assert said in last_line(done.stderr)
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("content", "words", "said"),
    [
        (b"", [], "holds no text"),
        (b"one line\n", ["--documents", "line"], "1 document"),
        (b"ab\xff\n", [], "not UTF-8"),
        (b"a\0b\nc\n", [], "NUL byte"),
        (b"a" * 5000 + b"\n", ["--documents", "line"], "--documents none"),
    ],
    ids=["empty", "one document", "invalid UTF-8", "NUL", "long document"],
)
def test_text_that_cannot_be_used_says_why(run_zoo, tmp_path, content, words, said):
    (tmp_path / "text.txt").write_bytes(content)
    done = run_zoo("train", "mlp", "--data", "text.txt", *words)
    assert done.returncode == 1
    assert said in last_line(done.stderr)
    assert "Traceback" not in done.stderr


def test_a_directory_without_text_and_a_file_that_vanished_say_so(run_zoo, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "no text files" in run_zoo("train", "mlp", "--data", "empty").stderr
    (tmp_path / "dangling.txt").symlink_to(tmp_path / "gone.txt")
    done = run_zoo("train", "mlp", "--data", "dangling.txt")
    assert done.returncode == 2
    assert "No file or directory 'dangling.txt'" in done.stderr


def test_rows_longer_than_a_text_are_refused_before_anything_trains(run_zoo, tmp_path):
    (tmp_path / "text.txt").write_text("to be or not to be " * 20)
    done = run_zoo("train", "gru", "--data", "text.txt", "--documents", "none", "--length", "99999999999", "--dry-run")
    assert done.returncode == 2
    assert "length=99,999,999,999 is more tokens than the training split of text.txt has, 304" in done.stderr


def test_crlf_text_trains_as_lf_text_does(zoo_json, tmp_path, words):
    (tmp_path / "crlf.txt").write_bytes(words.read_bytes().replace(b"\n", b"\r\n"))
    losses = [
        zoo_json("train", "bigram", "--data", name, "--steps", "5")["runs"][0]["test_loss"]
        for name in ("words.txt", "crlf.txt")
    ]
    assert losses[0] == losses[1]


def start(tmp_path: Path, *words: str) -> subprocess.Popen[str]:
    """Start a long training in the background, and wait for its partial directory."""
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "cli.py"), "train", "mlp", "--threads", "1", "--steps", "1000000", *words],
        cwd=tmp_path,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background process ignores Ctrl-C
    )
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("runs/*/.mlp-seed*.partial")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return process


@pytest.mark.parametrize(
    ("sent", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 75, marks=pytest.mark.slow)]
)
def test_a_signal_ends_a_run_and_leaves_a_checkpoint_and_nothing_else_or_nothing(tmp_path, words, sent, code):
    process = start(tmp_path, "--data", "words.txt")
    process.send_signal(sent)
    try:
        _, stderr = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == code
    assert "Traceback" not in stderr
    assert "To go on: python " in stderr.splitlines()[-1]
    left = [path for path in (tmp_path / "runs").glob("*/*") if path.name != "ways.json"]
    assert [path.name.partition("-")[0] for folder in left for path in folder.iterdir()] in (["checkpoint"], [])


def test_a_killed_run_is_never_read_as_a_result(run_zoo, tmp_path, words):
    process = start(tmp_path, "--data", "words.txt")
    process.kill()
    process.communicate(timeout=30)
    left = next((tmp_path / "runs").glob("*/.mlp-seed*.partial"))
    assert "is not a finished run" in run_zoo("evaluate", str(left)).stderr
    done = run_zoo("sample", str(left.parent))
    assert done.returncode == 1


def test_a_full_disk_is_one_line_and_leaves_no_run(run_zoo, tmp_path, words):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))  # no file may grow past 4 kB
    try:
        done = run_zoo("train", "mlp", "--data", "words.txt", "--steps", "2")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert done.returncode == 1
    assert "Cannot write " in last_line(done.stderr)
    assert "Traceback" not in done.stderr
    assert [path.name for path in (tmp_path / "runs").glob("*/*")] == ["ways.json"]


def test_a_closed_pipe_and_a_full_standard_output_are_no_tracebacks():
    command = f"{sys.executable} {ROOT / 'cli.py'} list"
    closed = subprocess.run(["sh", "-c", f"{command} | true"], capture_output=True, text=True, timeout=60, check=False)
    assert closed.stderr == ""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command.split(), stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert last_line(done.stderr) == "Error: Cannot write to standard output: No space left on device."


def test_a_damaged_record_is_refused_by_name(run_zoo, zoo_json, tmp_path, words):
    run = Path(zoo_json("train", "bigram", "--data", "words.txt", "--steps", "2")["runs"][0]["directory"])
    weights = tmp_path / run / "weights.safetensors"
    good = weights.read_bytes()
    weights.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    assert "are not those of the run" in run_zoo("evaluate", str(run)).stderr
    weights.write_bytes(good)
    result = tmp_path / run / "result.json"
    result.write_text(result.read_text()[:-20])
    done = run_zoo("evaluate", str(run))
    assert done.returncode == 1
    assert "is damaged" in last_line(done.stderr)
