"""Damage files: the checkpoint before a damaged one must be used, and `verify` must find a flipped bit of a record.

python -m tests.faults.damage 200 500                    200 cuts and flips of a checkpoint, 500 flips of records
python -m tests.faults.damage 50 0 --broken no-digest    50 on a deliberately broken product
"""

import argparse
import json
import math
import os
import random
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.faults.broken import BROKEN
from tests.faults.commands import COMMON, STDERR, get_ready, prepare, run_through, start, wait
from tests.faults.kill import last_line
from tests.faults.traces import find_unlike, read_traces

MODEL = "dilated-wavenet(channels=8,dropout=0.2)"
TRAIN = ["compare", "--models", MODEL, "--seeds", "1", "--steps", "300", *COMMON]
STUDY = ["compare", "--models", "bigram,wavenet(hidden=4)", "--seeds", "2", "--steps", "50", "--lr-grid", "0.01,0.03"]
WHOLE_COMMANDS = 8
"""Damages of a checkpoint after which the command runs to its end; after the others only the reading is checked."""
FREE = {
    "result.json": {"seconds", "tested_at", "compile_seconds", "execution", "reproduced"},
    "curve.jsonl": {"seconds", "train_loss", "validation_loss"},
    "environment.json": {"zoo", "python", "platform", "processor", "commit", "dirty"},
    "config.json": {"checkpoint_every", "harness"},
    "study": {"train_tokens_per_second", "evaluation_tokens_per_second", "peak_bytes", "memory", "samples"},
    "comparison.json": {"folder"},
}
"""Kind of record -> fields that `verify` takes as recorded: measured, or found only by training again."""
ROUNDING = "last digits"
"""Name of a change of a number by less than a millionth: another machine may add in another order."""
DRAWN = {"report.html", "report.md", ".svg", "ways.json"}
"""Files that `verify` does not read: drawn from the others, or not part of a run."""


def damage_checkpoints(times: int, draw: random.Random) -> tuple[Counter[str], list[str]]:
    """Cut the newest checkpoint of a killed command at `times` places, and flip `times` bits of it."""
    from zoo.experiments.runs.checkpoints import Checkpoints
    from zoo.training.tensor_file import from_file

    place = Path(tempfile.mkdtemp())
    alone = prepare(place / "alone")
    if run_through(TRAIN, alone):
        raise SystemExit(last_line(alone))
    expected, cut = read_traces(alone), cut_command(place)
    before, newest = sorted(cut.rglob("checkpoint-*"))
    data, steps = newest.read_bytes(), int(before.name.split("-")[1])
    fingerprint, header = from_file(data)[1]["fingerprint"], 8 + int.from_bytes(data[:8], "little")
    counted, wrong = Counter[str](), list[str]()
    for number in range(2 * times):
        offset = draw.randrange(header) if number % 4 < 2 else draw.randrange(header, len(data))
        kind = "cut" if number % 2 else "flipped"
        newest.write_bytes(data[:offset] if kind == "cut" else flip(data, offset, draw))
        told: list[str] = []
        state = Checkpoints(newest.parent, fingerprint, 1.0).load(told.append)
        right = state is not None and state.values["steps"] == steps and len(told) == 1 and "damaged" in told[0]
        counted += Counter({kind: 1, f"{kind}, recognised": int(right)})
        wrong += [] if right else [f"checkpoint {kind} at {offset} is used"]
        if number % (2 * times // min(WHOLE_COMMANDS, 2 * times)) == 0:
            copy = place / "copy"
            shutil.copytree(cut, copy)
            unlike = [last_line(copy)] if run_through(TRAIN, copy) else find_unlike(expected, read_traces(copy))
            told_it = "is damaged" in (copy / STDERR).read_text()
            counted += Counter({"run to the end": 1})
            wrong += [f"checkpoint {kind} at {offset}: {name}" for name in unlike]
            wrong += [] if told_it else [f"checkpoint {kind} at {offset} is not told"]
            shutil.rmtree(copy)
    shutil.rmtree(place)
    return counted, wrong


def cut_command(place: Path) -> Path:
    """Kill a command when it has two checkpoints; returns its folder."""
    folder = prepare(place / "cut")
    pid = start(TRAIN, folder)
    while len(list(folder.rglob("checkpoint-*"))) < 2:
        pass
    os.kill(pid, signal.SIGKILL)
    wait(pid)
    while len(kept := sorted(folder.rglob("checkpoint-*"))) > 2:  # killed before the oldest was removed
        kept[0].unlink()
    return folder


def flip(data: bytes, offset: int, draw: random.Random) -> bytes:
    """Flip a random bit of the byte at `offset`."""
    return data[:offset] + bytes([data[offset] ^ 1 << draw.randrange(8)]) + data[offset + 1 :]


def damage_records(times: int, draw: random.Random) -> tuple[dict[str, Counter[str]], list[str]]:
    """Flip one bit of one file of a study at a time, every kind of file equally often; `verify` must report it."""
    place = Path(tempfile.mkdtemp())
    folder = prepare(place / "study")
    if run_through([*STUDY, *COMMON], folder) or run_through(["verify", "runs"], folder):
        raise SystemExit(last_line(folder))
    kinds: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("runs/**/*")):
        if path.is_file():
            kinds.setdefault(kind_of(path), []).append(path)
    rows = {kind: Counter[str]() for kind in kinds}
    wrong = []
    for number in range(times):
        kind = list(kinds)[number % len(kinds)]
        path = draw.choice(kinds[kind])
        data = path.read_bytes()
        path.write_bytes(flip(data, draw.randrange(len(data)), draw))
        recognised = run_through(["verify", "runs"], folder) == 1
        rows[kind] += Counter({"flips": 1, "recognised": int(recognised)})
        if not recognised:
            fields = set(changed_fields(path, data))
            free = kind in DRAWN or fields <= FREE.get(kind, set()) | {ROUNDING}
            rows[kind] += Counter({"free": int(free), **{f"of {name}": 1 for name in fields if free}})
            wrong += [] if free else [f"{kind}: {', '.join(sorted(fields))}"]
        path.write_bytes(data)
    shutil.rmtree(place)
    return rows, wrong


def kind_of(path: Path) -> str:
    """One name for all files of a kind."""
    return "study" if path.name.startswith("study-") else path.suffix if path.suffix == ".svg" else path.name


def changed_fields(path: Path, before: bytes) -> Iterator[str]:
    """Yield the keys of a JSON file whose values changed; "bytes" if none did, or if it is no longer JSON."""
    if path.suffix not in (".json", ".jsonl"):
        yield "bytes"
        return
    try:
        documents = [[json.loads(line) for line in split(path, text)] for text in (before, path.read_bytes())]
    except ValueError:
        yield "bytes"
        return
    yield from list(differing_keys(*documents, "")) or [ROUNDING]  # a digit beyond the precision of a number


def split(path: Path, data: bytes) -> list[str]:
    """The JSON documents of a file: one per line, or a single one."""
    return data.decode().splitlines() if path.suffix == ".jsonl" else [data.decode()]


def differing_keys(one: Any, other: Any, key: str) -> Iterator[str]:
    """Yield the innermost key of each difference, or the key above a list or a map of free names."""
    if isinstance(one, dict) and isinstance(other, dict) and key not in ("samples", "reproduced"):
        for name in one.keys() | other.keys():
            yield from differing_keys(one.get(name), other.get(name), name)
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for pair in zip(one, other, strict=True):
            yield from differing_keys(*pair, key)
    elif isinstance(one, float) and isinstance(other, float) and math.isclose(one, other, rel_tol=1e-6):
        yield from [] if one == other else [ROUNDING]
    elif one != other:
        yield key


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", type=int, help="cuts of a checkpoint, and as many flips")
    parser.add_argument("records", type=int, help="flips of files of a finished study")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--broken", choices=BROKEN)
    given = parser.parse_args()
    get_ready()
    if given.broken:
        BROKEN[given.broken]()
    wrong: list[str] = []
    if given.checkpoints:
        counted, own = damage_checkpoints(given.checkpoints, random.Random(given.seed))
        print("| a checkpoint is | times | recognised |\n|---|--:|--:|")
        for kind in ("cut", "flipped"):
            print(f"| {kind} | {counted[kind]} | {counted[f'{kind}, recognised']} |")
        print(f"\n{counted['run to the end']} of the commands were run to the end.\n", flush=True)
        wrong += own
    if given.records:
        rows, own = damage_records(given.records, random.Random(given.seed))
        print("| one bit of | flips | recognised | free | in |\n|---|--:|--:|--:|---|")
        for kind, row in rows.items():
            fields = ", ".join(sorted(name.removeprefix("of ") for name in row if name.startswith("of ")))
            print(f"| {kind} | {row['flips']} | {row['recognised']} | {row['free']} | {fields} |")
        wrong += own
    print("\n".join(wrong), end="\n" * bool(wrong), file=sys.stderr)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
