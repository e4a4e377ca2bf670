"""Turn the logs of openai/parameter-golf (track_10min_16mb) into a table of scores.

    python docs/results/judged/parameter_golf.py CLONE > parameter_golf.csv

CLONE is a clone's folder or its git directory; its HEAD is read. A row of the table is a run of an entry of the
leaderboard, the oldest entry first. `val_bpb` is the last score in the run's log that the README's rules count: of the
quantized model, after test-time training where there is one. A model's name is its date and score on the leaderboard.
"""

import csv
import re
import subprocess
import sys
from collections import defaultdict
from statistics import mean

TRACK = "records/track_10min_16mb"
COLUMNS = ("model", "seed", "val_bpb", "val_loss", "steps", "time_s", "source")
ENTRY = re.compile(r"^\| (.+?) *\| ([\d.]+) \| .*? \| (?:On PR #(\d+))?.*? \| (\d{4}-\d\d-\d\d) \| (.*) \|$")
FINAL = re.compile(r"(?:final|legal|quantized)_(?!int6_ttt)\w+ .*?val_loss:\s*([\d.]+) val_bpb:\s*([\d.]+)")
"""`final_int6_ttt` stands in one log only, failed there (1.336), and its entry does not count it."""
STOP = re.compile(r"stopping_early: wallclock_cap train_time: ?(\d+)ms step: ?(\d+)/")
SEED = re.compile(r"^(?:\S+ )?\s*seed: ?(\d+)\s*$")
FEWEST = 3
"""Runs without which an entry has no scatter to judge by."""
FOLDERS = {
    "1514": "2026-04-09_A2_Muon097_3Seed",
    "1530": "2026-04-10_VarLenAttn",
    "1610": "2026-04-13_VarLenAttn_PhasingTTT2000",
    "1626": "2026-04-14_MultiPhaseGlobalSGD_PhasedTTT",
    "1667": "2026-04-16_SmearGate_AttentionOutputGate_ScoreFirstTTT",
    "1729": "2026-04-18_PR1626_CaseOps_Taper",
    "1736": "2026-04-19_SP8192_CaseOps_GatedAttn_QuantGate_Loop45_PhasedTTT",
    "1769": "2026-04-22_SP8192_CaseOps_GatedAttn_QuantGate_Loop45_PhasedTTT_MLPClip12",
    "1787": "2026-04-23_SP8192_CaseOps_SparseGate_QuantGate_Loop45_PhasedTTT_PolarNS_MinLR_FusedCE",
    "1851": "2026-04-29_SmearGateBOSFix_3Seed_1.06141",
    "1855": "2026-04-27_SP8192_LQER_SparseGate_BOSSmearFix_9HpStack_1.0611",
}
"""Entries whose link is a pull request -> their folder. Of 1120 and 1529 there is none."""
COUNTED = {"1787": "ttt_pr1767/seed_", "1851": "_rerun_"}
"""Entries with several sets of logs -> what marks the one that the leaderboard's score is of."""


Run = dict[str, float]


def run_git(clone: str, *arguments: str) -> str:
    command = ["git", "-c", "safe.directory=*", "-C", clone, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, errors="replace").stdout


def read_runs(clone: str) -> dict[str, Run]:
    """Path of a log -> the last score that counts, the seed, and when training ended, as far as the log has them."""
    found: dict[str, Run] = defaultdict(dict)
    pattern = "val_bpb|stopping_early|seed"
    for line in run_git(clone, "grep", "-a", "--no-color", "-E", pattern, "HEAD", "--", TRACK).splitlines():
        path, _, text = line.removeprefix("HEAD:").partition(":")
        if not path.endswith((".log", ".txt")):
            continue
        if match := FINAL.search(text):
            found[path] |= {"val_loss": float(match[1]), "val_bpb": float(match[2])}
        elif match := STOP.search(text):
            found[path] |= {"time_s": int(match[1]) / 1000, "steps": int(match[2])}
        elif match := SEED.match(text):
            found[path]["seed"] = int(match[1])
        if "seed" not in found[path] and (match := re.search(r"(?:seed|_log)_?(\d+)[^/]*$", path)):
            found[path]["seed"] = int(match[1])
    return {path: run for path, run in sorted(found.items()) if "val_bpb" in run}


def read_entries(clone: str) -> list[tuple[str, str, str | None, str]]:
    """Entries of the leaderboard, the oldest first: date, score, pull request, and folder."""
    entries = []
    board = run_git(clone, "show", "HEAD:README.md").partition("## Leaderboard")[2].partition("\n####")[0]
    for match in filter(None, map(ENTRY.match, board.splitlines())):
        link = re.search(rf"\({TRACK}/([^/)]+)", match[5])
        entries.append((match[4], match[2], match[3], link[1] if link else FOLDERS.get(match[3] or "", "")))
    return entries[::-1]


def main(clone: str) -> None:
    runs = read_runs(clone)
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(COLUMNS)
    for date, score, pull, folder in read_entries(clone):
        model = f"{date} {score}"
        mark = COUNTED.get(pull or "", "")
        logs = {  # a log that stands twice counts once
            (run["val_bpb"], run.get("seed")): (path, run)
            for path, run in runs.items()
            if folder and path.startswith(f"{TRACK}/{folder}/") and mark in path
        }
        if len(logs) < FEWEST:
            print(f"{model}: left out, {len(logs)} logs", file=sys.stderr)
            continue
        seeds = [run.get("seed") for _, run in logs.values()]
        stored = None not in seeds and len(set(seeds)) == len(seeds)
        for number, (path, run) in enumerate(logs.values(), 1):
            cells = (run["val_bpb"], run["val_loss"], run.get("steps", ""), run.get("time_s", ""))
            table.writerow((model, run["seed"] if stored else f"{score} log {number}", *cells, path))
        average = mean(run["val_bpb"] for _, run in logs.values())
        if abs(average - float(score)) > 1e-4:
            print(f"{model}: claims {score}, its {len(logs)} logs say {average:.5f}", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1])
