"""A signal at any moment of a command is never swallowed and gives no traceback, but the right exit code."""

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.signals import BURSTS, COMMANDS, end_by, signal_one, start

WORK = """
import signal, sys, time
from zoo import interrupt

interrupt.listen(lambda code: f"ended at once by {{code}}")

def send(number=signal.SIGTERM):
    signal.raise_signal(number)

class Fragile:
    def __del__(self):
        send()

def work():
    {work}
    for _ in range(200):
        time.sleep(0.02)
    print("went on")

try:
    with interrupt.raising():
        work()
except interrupt.Interrupted as error:
    {late}
    print("put in order", file=sys.stderr)
    sys.exit(interrupt.exit_code(error))
"""
SWALLOWED = {
    "nobody": "send()",
    "a destructor": "Fragile()",
    "a bare except": "\n    try: send()\n    except BaseException: pass\n",
    "another error": "\n    try: send()\n    except BaseException: raise RuntimeError('an interrupt')\n",
    "an import": "sys.path.insert(0, 'there'); import slow",
}


def run(folder: Path, work: str, late: str = "") -> subprocess.CompletedProcess[str]:
    (folder / "there").mkdir()
    (folder / "there" / "slow.py").write_text("from __main__ import send\ntry: send()\nexcept BaseException: pass\n")
    program = ["-c", WORK.format(work=work, late=late)]
    return subprocess.run(
        [sys.executable, *program], capture_output=True, text=True, cwd=folder, timeout=30, check=False
    )


@pytest.mark.parametrize("swallower", SWALLOWED)
def test_a_signal_that_is_swallowed_comes_again(swallower: str, tmp_path: Path) -> None:
    done = run(tmp_path, SWALLOWED[swallower])
    assert (done.returncode, done.stdout, done.stderr) == (75, "", "put in order\n")


def test_without_a_signal_the_work_goes_on(tmp_path: Path) -> None:
    assert run(tmp_path, "return print('done')").stdout == "done\n"


def test_a_second_signal_ends_the_process_where_it_is_and_the_first_one_says_how(tmp_path: Path) -> None:
    done = run(tmp_path, "send()", late="send(signal.SIGINT)")
    assert (done.returncode, done.stderr) == (75, "ended at once by 75\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_click_and_torch_are_imported_ends_the_command(number: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("ab\ncd\n" * 20)
    for burst in ("one", "three in 0.2 s"):
        ending = end_by(number, ["train", "bigram", "--data", "words.txt"], tmp_path, 0.25, BURSTS[burst], to_all=True)
        assert ending.wrong == ""


def test_a_command_that_nobody_signals_ends_with_0(tmp_path: Path) -> None:
    process = start(["list"], tmp_path)
    process.communicate()
    assert process.returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_a_signal_at_any_moment_ends_the_command_as_it_should(name: str, tmp_path: Path) -> None:
    moments, wrong = signal_one(COMMANDS[name], tmp_path, 3, random.Random(3))
    assert wrong == []
    assert moments.total() == 3
