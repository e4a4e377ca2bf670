"""A command killed at any moment and restarted leaves the files of an undisturbed one."""

import fcntl
import json
import os
import random
import shutil
import signal
import threading
import time
from pathlib import Path

import pytest

import cli
import zoo.experiments.runs.checkpoints as checkpoints
from tests.faults.broken import BROKEN
from tests.faults.cases import list_cases
from tests.faults.commands import COMMON, get_ready, is_alive, run_through, start, wait, workers_of
from tests.faults.kill import try_case
from zoo.experiments.runs.working_folder import work_on, write_failure
from zoo.whole_file import write_whole


@pytest.mark.parametrize(
    ("model", "case"),
    [
        ("wavenet(hidden=8,dropout=0.2)", "wavenet adamw cosine sequential"),
        ("bigram", "bigram sgd step side-by-side"),
    ],
)
def test_a_command_that_is_killed_and_started_again_leaves_the_same(model: str, case: str, tmp_path: Path) -> None:
    def try_it() -> None:
        get_ready()
        (own,) = (own for name, own in list_cases([model]).items() if name.startswith(case))
        _, unlike = try_case(own, tmp_path / "case", 2, random.Random(1))
        assert unlike == []

    assert wait(start([], tmp_path, try_it)) == 0, (tmp_path / "stderr.txt").read_text()


@pytest.fixture
def words(tmp_path: Path) -> Path:
    draw = random.Random(0)
    (tmp_path / "words.txt").write_text("".join("".join(draw.choices("abcdef", k=5)) + "\n" for _ in range(60)))
    return tmp_path


LONG = ["train", "gru(hidden=8)", "--data", "words.txt", "--batch-size", "8", "--threads", "1", "--steps", "100000"]


def wait_for(folder: Path, pattern: str, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not list(folder.rglob(pattern)):
        assert time.monotonic() < deadline, f"no {pattern}"
        time.sleep(0.02)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)])
def test_a_signal_keeps_a_checkpoint_and_ends_the_command(number: signal.Signals, code: int, words: Path) -> None:
    pid = start([*LONG, "--checkpoint-every", "0.01"], words)
    wait_for(words, "checkpoint-*")
    for path in words.rglob("checkpoint-*"):
        path.unlink(missing_ok=True)
    began = time.monotonic()
    os.kill(pid, number)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == code
    assert time.monotonic() - began < 5
    assert list(words.rglob("checkpoint-*"))


@pytest.mark.parametrize("broken", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_children_of_a_killed_command_end(broken: bool, words: Path) -> None:
    """Else they would train 100,000 steps, or hang in a pipe that nobody reads."""

    def main() -> None:
        if broken:
            BROKEN["orphans"]()
        cli.main()

    models = ["compare", "--models", "gru(hidden=8),rnn(hidden=8)", "--seeds", "1", *LONG[2:]]
    pid = start([*models, "--set", "execution=side-by-side", "--checkpoint-every", "0.01"], words, main)
    wait_for(words, "checkpoint-*")
    children = workers_of(pid)
    assert children
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    deadline = time.monotonic() + 2
    while any(map(is_alive, children)) and time.monotonic() < deadline:
        time.sleep(0.02)
    living = [child for child in children if is_alive(child)]
    for child in living:
        os.kill(child, signal.SIGKILL)
    assert bool(living) == broken


def test_a_signal_to_all_processes_of_a_command_keeps_every_checkpoint(words: Path) -> None:
    """A scheduler sends it to the command and to its children at once."""
    models = ["compare", "--models", "gru(hidden=8),rnn(hidden=8)", "--seeds", "1", *LONG[2:]]
    pid = start([*models, "--set", "execution=side-by-side"], words)
    deadline = time.monotonic() + 20
    while len(list(words.rglob("lock"))) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(1)
    children = [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    for process in (pid, *children):
        os.kill(process, signal.SIGTERM)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 75
    assert len({path.parent for path in words.rglob("checkpoint-*")}) == 2


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_damaged_checkpoint_is_recognised_and_the_one_before_is_used(damage: str, words: Path, monkeypatch) -> None:
    short = [*LONG[:-1], "400"]
    monkeypatch.setattr(checkpoints, "KEPT", 3)
    pid = start([*short, "--checkpoint-every", "0.001"], words)
    wait_for(words, "checkpoint-*")
    time.sleep(0.2)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    kept = sorted(words.rglob("checkpoint-*"))
    if not kept:
        pytest.skip("it was over before it was killed")
    data = kept[-1].read_bytes()
    middle = len(data) // 2
    kept[-1].write_bytes(
        data[:middle] if damage == "cut" else data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
    )
    assert run_through(short, words) == 0
    (result,) = words.rglob("result.json")
    other = words / "other"
    other.mkdir()
    (other / "words.txt").write_text((words / "words.txt").read_text())
    assert run_through(short, other) == 0
    (alone,) = (other / "runs").rglob("result.json")
    for key in ("weights_sha256", "losses_sha256", "steps", "tokens"):
        assert json.loads(result.read_text())[key] == json.loads(alone.read_text())[key]


def test_what_a_killed_owner_was_writing_is_no_part_of_the_run(tmp_path: Path) -> None:
    hidden = tmp_path / ".run.partial"
    hidden.mkdir()
    for name in ("checkpoint-1-0.safetensors", ".config.json.7.partial", ".checkpoint-2-0.safetensors.7.partial"):
        (hidden / name).write_text("{")
    with work_on(tmp_path / "run") as folder:
        assert sorted(path.name for path in folder.iterdir()) == ["checkpoint-1-0.safetensors", "lock"]
        (folder / "result.json").write_text('{"status": "finished"}')
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["result.json"]


def test_a_stack_that_was_killed_while_its_runs_appeared_is_finished(words: Path) -> None:
    command = ["compare", "--models", "bow(hidden=8)", "--seeds", "2", "--steps", "200", "--set", "execution=stacked"]
    command += COMMON
    assert run_through(command, words) == 0
    runs = {path.parent.name: path.parent for path in words.rglob("result.json")}
    first, second = sorted(runs)
    whole = (runs[second] / "weights.safetensors").read_bytes()
    runs[second].rename(runs[second].with_name(f".{second}.partial"))  # written, and not published
    assert run_through(command, words) == 0
    assert (runs[second] / "weights.safetensors").read_bytes() == whole
    shutil.rmtree(runs[second])
    kept = (runs[first] / "result.json").read_bytes()
    assert run_through(command, words) == 0
    assert (runs[second] / "weights.safetensors").read_bytes() == whole
    assert (runs[first] / "result.json").read_bytes() == kept, "and the one that was there is the one that is there"
    assert not list(words.rglob("*.partial"))


def test_what_a_run_needed_before_its_owner_was_killed_is_removed_by_the_next_command(words: Path) -> None:
    """It was killed after the folder was renamed, and before its checkpoints and lock were removed."""
    command = ["train", "bigram", *COMMON, "--steps", "20"]
    assert run_through(command, words) == 0
    (run,) = (path.parent for path in words.rglob("result.json"))
    before = sorted(path.name for path in run.iterdir())
    for name in ("checkpoint-000000000000-0.safetensors", "lock"):
        (run / name).write_text("")
    assert run_through(command, words) == 0
    assert sorted(path.name for path in run.iterdir()) == before


def test_a_failure_takes_the_place_of_no_run_that_is_there_by_now(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with write_failure(run) as failure:
        for folder, status in ((run, "finished"), (failure, "failed")):
            folder.mkdir(exist_ok=True)
            (folder / "result.json").write_text(f'{{"status": "{status}"}}')
    assert "finished" in (run / "result.json").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_run_that_was_written_when_its_owner_was_killed_is_no_failure(tmp_path: Path) -> None:
    run, hidden = tmp_path / "run", tmp_path / ".run.partial"
    hidden.mkdir()
    (hidden / "result.json").write_text('{"status": "finished"}')
    with write_failure(run) as failure:
        (failure / "result.json").write_text('{"status": "failed"}')
    assert "finished" in (run / "result.json").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_two_processes_share_the_work_of_a_study(words: Path) -> None:
    command = ["compare", "--models", "bigram,bow(hidden=4)", "--seeds", "3", *COMMON, "--steps", "150"]
    command += ["--threads", "1", "--set", "execution=sequential"]  # two processes may time a study differently
    first, second = start(command, words), start(command, words)
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in (first, second)]
    assert codes == [0, 0]
    runs = list(words.rglob("result.json"))
    assert len(runs) == 6, "none twice, none lost"
    assert not list(words.rglob("*.partial"))
    assert len(list(words.rglob("study-*.json"))) == 1


def test_half_a_file_goes_when_it_is_written_again_unless_a_process_holds_it(tmp_path: Path) -> None:
    dead, living, other = (tmp_path / name for name in (".a.7.partial", ".a.8.partial", ".b.7.partial"))
    for path in (dead, living, other):
        path.write_text("{")
    with living.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        write_whole(tmp_path / "a", "whole")
    assert {path.name for path in tmp_path.iterdir()} == {"a", living.name, other.name}


def test_two_writers_of_one_number_leave_a_whole_file(tmp_path: Path) -> None:
    """Processes of two containers may have one number: the second waits, and truncates no finished file."""
    partial = tmp_path / f".a.{os.getpid()}.partial"
    partial.write_text("of another")
    with partial.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        writer = threading.Thread(target=write_whole, args=(tmp_path / "a", "second"))
        writer.start()
        time.sleep(0.2)
        assert partial.read_text() == "of another"
        partial.replace(tmp_path / "a")
    writer.join()
    assert (tmp_path / "a").read_text() == "second"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_half_a_failure_goes_when_its_run_is_worked_on_again(tmp_path: Path) -> None:
    for name in (".run.7.failed", ".run.7.old.failed", ".other.7.failed"):
        (tmp_path / name).mkdir()
    with work_on(tmp_path / "run") as folder:
        (folder / "result.json").write_text('{"status": "finished"}')
    assert {path.name for path in tmp_path.iterdir()} == {"run", ".other.7.failed"}


@pytest.mark.slow
def test_what_a_killed_process_was_writing_is_removed_by_the_same_command(words: Path) -> None:
    """Half-written records, pages, figures and failures of a study, and a replaced failure."""
    command = ["compare", "--models", "bigram,bow(hidden=4)", "--seeds", "1", *COMMON, "--steps", "3"]
    assert run_through(command, words) == 0
    (record,) = words.rglob("study-*.json")
    study = record.parent
    run = next(path.parent for path in study.rglob("result.json"))
    shutil.rmtree(run)
    strays = [
        *(study / f".{name}.7.partial" for name in (record.name, "report.html", "comparison.json")),
        study / "figures" / f".{next((study / 'figures').iterdir()).name}.7.partial",
        study / f".{run.name}.7.failed" / ".result.json.7.partial",
        study / f".{run.name}.7.old.failed" / "result.json",
        study / f".{run.name}.partial" / ".config.json.7.partial",
    ]
    for stray in strays:
        stray.parent.mkdir(exist_ok=True)
        stray.write_text("{")
    with strays[1].open() as living:
        fcntl.flock(living, fcntl.LOCK_EX)
        assert run_through(command, words) == 0
        assert list(study.rglob(".*")) == [strays[1]], "which a living process holds"
    assert run_through(command, words) == 0
    assert not list(study.rglob(".*"))
