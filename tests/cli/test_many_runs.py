"""Commands on the records of 2,000 runs: all are listed, the report is short, and memory is bounded."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from studies.simulate_records import simulate
from zoo.reports.excerpt import MOST_MODELS, MOST_RUNS

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
MODELS, SEEDS = 40, 50
WATCHED = (
    "import os, subprocess, sys; child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL); "
    "_, status, used = os.wait4(child.pid, 0); print(status, used.ru_maxrss)"
)
"""Runs a command from a small process, whose memory would count as that of its child."""


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many")
    (folder / "lines.txt").write_text(
        "\n".join("abcdefgh"[n % 5 : n % 8 + 1] + "ab" * (n % 3) for n in range(1500)) + "\n"
    )
    models = "bigram,mlp(hidden=4),mlp(hidden=8)"
    words = ["compare", "--models", models, "--data", "lines.txt", "--steps", "20", "--out", "runs"]
    subprocess.run([sys.executable, ROOT / "cli.py", *words], cwd=folder, capture_output=True, check=True)
    simulate(next((folder / "runs").iterdir()), folder / "many", MODELS, SEEDS)
    return folder / "many"


def measure_peak(*words: str | Path) -> int:
    """Peak memory of a command in MB."""
    command = [sys.executable, "-c", WATCHED, sys.executable, ROOT / "cli.py", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    status, peak = done.stdout.split()
    assert status == "0", done.stderr
    return int(peak) // 1024


def test_a_listing_has_every_run(many: Path, run_process) -> None:
    rows = json.loads(run_process("runs", "--json", "--out", str(many)).stdout)
    assert len(rows) == MODELS * SEEDS
    assert {row["status"] for row in rows} == {"finished"}
    assert measure_peak("runs", "--out", many) < 150


def test_a_report_is_short_made_in_bounded_memory_and_its_numbers_are_of_all(many: Path) -> None:
    assert measure_peak("report", many) < 400
    page, whole = (many / "report.html").read_text(), json.loads((many / "comparison.json").read_text())
    assert len(page) < 2_000_000
    assert f"the best {MOST_MODELS} of {MODELS} models, with the pairs among them; {MOST_RUNS} of 2,000 runs" in page
    assert len(whole["models"]) == MODELS
    assert len(whole["runs"]) == MODELS * SEEDS
    assert len(whole["pairs"]) == MODELS * (MODELS - 1) // 2
    assert len((many / "report.md").read_text()) < 200_000


def test_a_damaged_run_among_many_is_named(many: Path, run_process) -> None:
    damaged = sorted(many.glob("bigram-seed7-*"))[0] / "result.json"
    whole = damaged.read_text()
    damaged.write_text(whole[:100])
    try:
        done = run_process("report", str(many))
        rows = json.loads(run_process("runs", "--json", "--out", str(many)).stdout)
    finally:
        damaged.write_text(whole)
    assert done.returncode == 1
    assert damaged.parent.name in done.stderr
    assert [row["run"] for row in rows if row["status"] == "damaged"] == [damaged.parent.name]
