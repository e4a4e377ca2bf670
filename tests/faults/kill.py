"""Kill a command again and again, start it again, and compare what it leaves with a run that was left alone.

python -m tests.faults.kill 100        so many kills, at random moments, over models and ways of execution
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

TIMES = {"seconds", "tested_at", "compile_seconds", "reproduced"}
"""What differs between two runs of the same command: measured times."""

CASES = {
    "mlp": ["train", "mlp(hidden=16)", "--steps", "300"],
    "dropout and norm": ["train", "wavenet(hidden=8,dropout=0.2)", "--steps", "120"],
    "gru, sgd": ["train", "gru(hidden=8)", "--steps", "120", "--lr", "0.1", "--set", "optimizer=sgd"],
    "bf16": ["train", "transformer(channels=16,dropout=0.1)", "--steps", "60", "--dtype", "bfloat16"],
    "dilated": ["train", "dilated-wavenet(channels=8,dropout=0.1)", "--steps", "80"],
    "tokens": ["train", "lstm(hidden=8)", "--tokens", "3000"],
    "flops": ["train", "rnn(hidden=8)", "--flops", "30M", "--set", "schedule=step"],
    "stacked": ["compare", "--models", "bow(hidden=8)", "--seeds", "2", "--steps", "200", "--set", "execution=stacked"],
    "side by side": ["compare", "--models", "bigram,mlp(hidden=8)", "--seeds", "1", "--steps", "150", "--set",
                     "execution=side-by-side"],
    "grid": ["train", "bigram", "--lr-grid", "0.01,0.03", "--steps", "100"],
}  # fmt: skip
A_ROUND = 5
"""Kills of one command, before it is let through."""
COMMON = ["--data", "words.txt", "--batch-size", "8", "--threads", "1", "--set", "checkpoint_every=0.001"]


def start(words: Sequence[str], folder: Path) -> int:
    """Fork a process that runs a command in a folder, silently; returns its number."""
    pid = os.fork()
    if pid:
        return pid
    try:
        os.chdir(folder)
        silence = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(silence, stream)
        sys.argv = ["zoo", *words]
        import cli

        cli.main()
    except SystemExit as end:
        os._exit(end.code if isinstance(end.code, int) else 1)
    finally:
        os._exit(99)
    return 0


def run_through(words: Sequence[str], folder: Path) -> int:
    """Run a command to its end; returns its exit code."""
    return os.waitstatus_to_exitcode(os.waitpid(start(words, folder), 0)[1])


def run_with_kills(words: Sequence[str], folder: Path, kills: int, longest: float, draw: random.Random) -> int:
    """Run a command to its end, killed before so many times at most; returns how many kills found it at work."""
    hit = 0
    while hit < kills:
        pid = start(words, folder)
        time.sleep(draw.uniform(0.0, longest))
        os.kill(pid, signal.SIGKILL)
        if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0:
            break  # it was over
        hit += 1
    if code := run_through(words, folder):
        raise AssertionError(f"{words} ends with {code} after {hit} kills")
    return hit


def read_tree(folder: Path) -> dict[str, Any]:
    """What a command left, without measured times: path -> content."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() or path.name.startswith((".ways", "ways", "environment", "report", "comparison")):
            continue
        if "figures/" in name:
            continue
        if path.suffix in (".json", ".jsonl"):
            found[name] = [without_times(json.loads(line)) for line in whole(path)]
        else:
            found[name] = path.read_bytes()
    return found


def whole(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        costs = {"costs"} if "matched" in value else set()
        return {key: without_times(part) for key, part in value.items() if key not in TIMES | costs}
    return [without_times(part) for part in value] if isinstance(value, list) else value


def compare(words: Sequence[str], place: Path, kills: int, draw: random.Random) -> tuple[int, int, list[str]]:
    """Kills that hit, rounds that they took, and what differs in any from a run that was left alone."""
    text = "".join("".join(draw.choices("abcdef", k=5)) + "\n" for _ in range(60))

    def prepare(name: str) -> Path:
        folder = place / name
        folder.mkdir(parents=True)
        (folder / "words.txt").write_text(text)
        return folder

    words, alone, began = [*words, *COMMON], prepare("alone"), time.monotonic()
    if code := run_through(words, alone):
        return 0, 0, [f"it ends with {code}"]
    longest, expected = time.monotonic() - began, read_tree(alone / "runs")
    hit = rounds = 0
    unlike: set[str] = set()
    while hit < kills:
        folder = prepare(f"round {rounds}")
        hit += run_with_kills(words, folder, min(A_ROUND, kills - hit), longest, draw)
        found = read_tree(folder / "runs")
        unlike |= {name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)}
        shutil.rmtree(folder)
        rounds += 1
    return hit, rounds, sorted(unlike)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kills", type=int)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    import cli  # noqa: F401  (once, for all that are forked)
    import zoo.conformance.contract  # noqa: F401

    draw, each, wrong = random.Random(given.seed), -(-given.kills // len(CASES)), 0
    print("| | kills | commands | unequal |\n|---|--:|--:|--:|")
    for name, words in CASES.items():
        place = Path(tempfile.mkdtemp())
        hit, rounds, unlike = compare(words, place, each, draw)
        wrong += bool(unlike)
        print(f"| {name} | {hit} | {rounds} | {len(unlike)} {', '.join(unlike[:3])}|", flush=True)
        shutil.rmtree(place)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
