"""The scripts of docs/results/judged read logs, and the page's numbers are those of the tables beside them."""

import csv
import re
import subprocess
import sys
from pathlib import Path

import pytest
from scipy import stats

ROOT = Path(__file__).resolve().parents[1]
JUDGED = ROOT / "docs" / "results" / "judged"
GIT = ("git", "-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")


def commit(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "logs"]):
        subprocess.run([*GIT, *command], cwd=folder, check=True)
    return folder


def read(script: str, clone: Path) -> tuple[list[dict[str, str]], str]:
    done = subprocess.run([sys.executable, JUDGED / script, clone], capture_output=True, text=True, check=True)
    return list(csv.DictReader(done.stdout.splitlines())), done.stderr


def step(step: int, loss: float) -> str:
    return f"step:{step}/100 val_loss:{loss:.5f} train_time:{step}.5s step_avg:1.0ms\n"


def test_runs_of_a_speed_run_are_found_once_and_compared_at_the_exchange_rate(tmp_path: Path) -> None:
    track = "records/track_3_optimization/"
    row = "| {} | {}(!) | {} (n={})✓ | x | 2026/05/0{} | [log](results/{}) | [PR](u) |\n"
    several = "".join(step(0, 10) + step(100, loss) + step(110, 1.0) for loss in (3.27, 3.28, 3.29))
    files = {
        track + "README.md": row.format(1, 100, "3.2800", 3, 1, "a.txt")
        + row.format(2, 90, "3.2710", 3, 2, "b/x1.txt")
        + row.format(3, 80, "3.2700", 1, 3, "c/x.txt"),
        track + "results/a.txt": several,
        track + "results/c/x.txt": step(80, 3.27),
    }
    for run in (1, 2, 3):
        files[track + f"results/b/x{run}.txt"] = files[track + f"results/b/out/{run}.stdout"] = step(
            90, 3.27 + run / 1000
        )
    table, told = read("modded_nanogpt.py", commit(tmp_path, files))
    assert [row["model"] for row in table] == ["#1 2026-05-01"] * 3 + ["#2 2026-05-02"] * 3
    assert [row["seed"] for row in table] == ["#1 log 1", "#1 log 2", "#1 log 3", "#2 log 1", "#2 log 2", "#2 log 3"]
    assert [row["steps_to_target"] for row in table] == ["-122.2", "100.0", "322.2", "-110.0", "-87.8", "-65.6"]
    assert [row["time_s"] for row in table[2:4]] == ["100.5", "90.5"]
    assert told.splitlines() == [
        "#2 2026-05-02: claims 3.2710 (n=3), its logs say 3.2720 (n=3)",
        "#3 2026-05-03: left out, 1 runs of 1",
    ]


def test_a_run_has_the_seed_that_its_log_states_unless_all_logs_state_the_same(tmp_path: Path) -> None:
    track = "records/track_3_optimization/"
    row = "| {0} | 100(!) | 3.2700 (n=3)✓ | x | 2026/05/0{0} | [log](results/{1}) | [PR](u) |\n"
    files = {
        track + "README.md": "".join(row.format(n, log) for n, log in enumerate(("a/7.txt", "b.txt", "c/7.txt"), 1)),
        track + "results/b.txt": "".join(
            f"trial:{trial}/3 seed:{trial + 3}\n" + step(0, 10) + step(100, 3.27 + trial / 1e4) for trial in (1, 2, 3)
        ),
    }
    for seed in (7, 8, 9):
        files[track + f"results/a/{seed}.txt"] = f"Using seed={seed}\n" + step(100, 3.27 + seed / 1e4)
        files[track + f"results/c/{seed}.txt"] = "Using seed=0\n" + step(100, 3.27 + seed / 1e5)
    table, told = read("modded_nanogpt.py", commit(tmp_path, files))
    assert [row["seed"] for row in table] == ["7", "8", "9", "4", "5", "6", "#3 log 1", "#3 log 2", "#3 log 3"]
    assert "#3 2026-05-03: its 3 logs state 1 seed(s)" in told.splitlines()


def test_the_last_score_of_a_log_counts_under_the_seed_that_it_names(tmp_path: Path) -> None:
    track = "records/track_10min_16mb/"
    board = (
        f"## Leaderboard\n| New | 1.1000 | me | x | 2026-04-02 | [info]({track}new/README.md) |\n"
        f"| Old | 1.2 | me | On PR #7: x | 2026-04-01 | [info]({track}old/README.md) |\n\n#### Other\n"
    )
    files = {"README.md": board, track + "old/train.log": "final_int6 val_loss:2.0 val_bpb:1.2\n"}
    for seed, score in ((1, 1.09), (2, 1.10), (3, 1.11)):
        files[track + f"new/train_seed{seed}.log"] = (
            f"seed:{seed}\nstep:9/9 val_loss:3.0 val_bpb:1.5\nfinal_a val_loss:2.5 val_bpb:1.4\n"
            "stopping_early: wallclock_cap train_time: 599500ms step: 7/9\n"
            f"quantized_ttt val_loss:2.0 val_bpb:{score} eval_time:1ms\n"
        )
    files[track + "new/train.log"] = files[track + "new/train_seed1.log"]
    table, told = read("parameter_golf.py", commit(tmp_path, files))
    assert [(row["seed"], row["val_bpb"]) for row in table] == [("1", "1.09"), ("2", "1.1"), ("3", "1.11")]
    assert {(row["model"], row["steps"], row["time_s"]) for row in table} == {("2026-04-02 1.1000", "7", "599.5")}
    assert told == "2026-04-01 1.2: left out, 1 logs\n"


@pytest.mark.parametrize(
    ("table", "score", "digits"), [("modded_nanogpt", "steps_to_target", 1), ("parameter_golf", "val_bpb", 4)]
)
def test_the_pages_differences_are_those_of_the_tables(table: str, score: str, digits: int) -> None:
    scores: dict[str, list[float]] = {}
    with (JUDGED / f"{table}.csv").open() as file:
        for row in csv.DictReader(file):
            scores.setdefault(row["model"], []).append(float(row[score]))
    page = (ROOT / "docs" / "results" / "judged.md").read_text()
    rows = re.findall(r"^\| (.+?) \| (.+?) \| (\d+), (\d+) \| (\S+) ± (\S+) \| (.+?) \| .+? \|$", page, re.M)
    rows = [row for row in rows if row[0] in scores]
    assert len(rows) == {"modded_nanogpt": 16, "parameter_golf": 33}[table]
    for model, before, runs, others, difference, half, p in rows:
        welch = stats.ttest_ind(scores[model], scores[before], equal_var=False)
        interval = welch.confidence_interval()
        assert (int(runs), int(others)) == (len(scores[model]), len(scores[before]))
        assert float(difference) == pytest.approx((interval.low + interval.high) / 2, abs=0.51 * 10**-digits)
        assert float(half) == pytest.approx((interval.high - interval.low) / 2, abs=0.51 * 10**-digits)
        assert welch.pvalue < 0.001 if p == "< 0.001" else float(p) == pytest.approx(welch.pvalue, abs=0.00051)


def test_the_pages_differences_by_seed_are_those_of_the_table() -> None:
    scores: dict[str, dict[str, float]] = {}
    with (JUDGED / "modded_nanogpt.csv").open() as file:
        for row in csv.DictReader(file):
            scores.setdefault(row["model"], {})[row["seed"]] = float(row["steps_to_target"])
    page = (ROOT / "docs" / "results" / "judged.md").read_text()
    rows = re.findall(r"^\| (.+?) \| (.+?) \| (\d+) \| (\S+) ± (\S+) \| (\S+) \| (.+?) \| .+? \|$", page, re.M)
    assert len(rows) == 11
    for model, before, seeds, difference, half, correlation, p in rows:
        shared = sorted(scores[model].keys() & scores[before].keys())
        pair = [[scores[name][seed] for seed in shared] for name in (model, before)]
        paired = stats.ttest_rel(*pair)
        interval = paired.confidence_interval()
        assert int(seeds) == len(shared)
        assert float(difference) == pytest.approx((interval.low + interval.high) / 2, abs=0.051)
        assert float(half) == pytest.approx((interval.high - interval.low) / 2, abs=0.051)
        assert float(correlation) == pytest.approx(stats.pearsonr(*pair)[0], abs=0.0051)
        assert paired.pvalue < 0.001 if p == "< 0.001" else float(p) == pytest.approx(paired.pvalue, abs=0.00051)


def test_the_table_of_a_ladder_can_be_judged(run_zoo) -> None:
    done = run_zoo("judge", str(JUDGED / "parameter_golf.csv"), "--score", "val_bpb", "--unpaired")
    assert "val_bpb: lower is better; mean of 3 to 5 seeds" in done.stdout
