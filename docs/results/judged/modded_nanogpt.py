"""Turn the logs of modded-nanogpt's optimization track (KellerJordan/modded-nanogpt, track 3) into a table of scores.

    python docs/results/judged/modded_nanogpt.py CLONE > modded_nanogpt.csv

CLONE is a clone's folder or its git directory; its HEAD is read. A row of the table is a run of a result that the track
accepted. `val_loss` is its loss at the number of steps that the result claims. Results claim different numbers of
steps, so losses do not compare them: `steps_to_target` does, the steps to a loss of 3.28 at the exchange rate that the
track's README measured (0.0045 a hundred steps). The track's own script sets no seed; many results set one. `seed` is
the one that the log states, or else, for a whole result, the result and the log's number: that pairs with no other run.
"""

import csv
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import PurePosixPath

TRACK = "records/track_3_optimization"
TARGET, LOSS_PER_STEP = 3.28, 0.0045 / 100
COLUMNS = ("model", "record", "seed", "val_loss", "steps", "steps_to_target", "time_s", "source")
RESULT = re.compile(
    r"^\| (\d+) \| (\d+)(\(!\))? \| ([\d.]+) \(n=(\d+)\).*\| (\d{4})/(\d\d)/(\d\d) \| \[log\]\(([^)]+)\)"
)
STEP = re.compile(r"^HEAD:(.+?):.*?step:(\d+)/\d+ val_loss:([\d.]+)(?:.* val_ema_loss:([\d.]+))? train_time:([\d.]+)s")
"""A line of a log; one result's loss is that of averaged weights."""
SEED = re.compile(r"^HEAD:(.+?):(?:Using seed(?:_env)?=|trial:\d+/\d+ seed:)(\d+)")
PATH_SEED = re.compile(r"[/_-]seed[_-]?(\d+)[./]")
"""Where no line of the log states the seed, the name of its file or folder may."""
FEWEST = 3
"""Runs without which a result has no scatter to judge by."""


class Run(dict[int, tuple[float, float]]):
    """Step -> loss and seconds; and the seed, if the log states it."""

    seed: str | None = None


def run_git(clone: str, *arguments: str) -> str:
    command = ["git", "-c", "safe.directory=*", "-C", clone, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, errors="replace").stdout


def read_runs(clone: str) -> dict[str, list[Run]]:
    """Path of a log -> its runs. A log may hold several: the step starts again. A seed is that of the next run."""
    files: dict[str, list[Run]] = defaultdict(list)
    seeds: dict[str, str] = {}
    pattern = "step:[0-9]+/[0-9]+ val_loss:|^Using seed|^trial:"
    for line in run_git(clone, "grep", "-a", "--no-color", "-E", pattern, "HEAD", "--", TRACK).splitlines():
        if match := SEED.match(line):
            seeds[match[1]] = match[2]
        elif match := STEP.match(line):
            path, step, loss, time = match[1], int(match[2]), match[4] or match[3], match[5]
            runs = files[path]
            if not runs or step <= max(runs[-1]):
                runs.append(Run())
                runs[-1].seed = seeds.pop(path, None)
                if runs[-1].seed is None and (named := PATH_SEED.search(path)):
                    runs[-1].seed = named[1]
            runs[-1][step] = float(loss), float(time)
    return files


def choose_runs(files: dict[str, list[Run]], log: str, steps: int, claimed: int) -> list[tuple[str, Run]]:
    """Runs of a result with the logs they are from: of its log, of the logs named alike, or of all in its folder.

    The first of these that has as many runs as the result claims, else the folder. A run may stand in several files.
    """
    path = PurePosixPath(TRACK, log)
    maker = re.match(r"[A-Z]+\d+_", path.name)  # one result has logs of two kinds of machines, and claims one
    for within in (str(path), f"{path.parent}/{maker[0] if maker else ''}", f"{path.parent}/"):
        found: dict[tuple[float, float], tuple[str, Run]] = {}
        for source, runs in sorted(files.items()):
            if source.startswith(within):
                for run in runs:
                    if steps in run:
                        found.setdefault(run[steps], (source, run))
        if len(found) == claimed:
            break
    return list(found.values())


def main(clone: str) -> None:
    files = read_runs(clone)
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(COLUMNS)
    for line in run_git(clone, "show", f"HEAD:{TRACK}/README.md").splitlines():
        if not (match := RESULT.match(line)):
            continue
        steps, log = int(match[2]), match[9]
        model, runs = f"#{match[1]} {match[6]}-{match[7]}-{match[8]}", choose_runs(files, log, steps, int(match[5]))
        if len(runs) < FEWEST:
            print(f"{model}: left out, {len(runs)} runs of {match[5]}", file=sys.stderr)
            continue
        seeds = {run.seed for _, run in runs}
        stated = None not in seeds and len(seeds) == len(runs)
        if not stated and None not in seeds:
            print(f"{model}: its {len(runs)} logs state {len(seeds)} seed(s)", file=sys.stderr)
        for number, (source, run) in enumerate(runs, 1):
            seed = run.seed if stated else f"#{match[1]} log {number}"
            loss, time = run[steps]
            reached = steps - (TARGET - loss) / LOSS_PER_STEP
            table.writerow((model, int(bool(match[3])), seed, loss, steps, f"{reached:.1f}", time, source))
        mean = sum(run[steps][0] for _, run in runs) / len(runs)
        if len(runs) != int(match[5]) or abs(mean - float(match[4])) > 1e-4:
            print(
                f"{model}: claims {match[4]} (n={match[5]}), its logs say {mean:.4f} (n={len(runs)})", file=sys.stderr
            )


if __name__ == "__main__":
    main(sys.argv[1])
