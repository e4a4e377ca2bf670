"""Measure `runs`, `report` and `verify` on studies of many runs: seconds, memory, sizes.

    python studies/measure_scale.py                 the table of docs/results/scale.md (make scale, half an hour)
    python studies/measure_scale.py --sizes 10x100  studies of 10 models under 100 seeds

A small study is trained; larger ones are its copies with other losses (`simulate_records.py`). `verify` computes the
runs of the trained study again, so its figure is a time for each run.
"""

import argparse
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SIZES = ((10, 100), (100, 10), (100, 100), (300, 10), (100, 1000))
PAGE = """\
# Many runs

Studies of up to 100,000 runs, listed and reported; [scale.md](../scale.md) says what the figures mean, and `make scale`
measures them again. {cores} CPU cores, Python {python}, torch {torch}, one thread.

The records of the studies are copies of trained runs on 2,000 invented lines (200 documents of test, curves of 11
points), with losses drawn anew for every seed (`studies/simulate_records.py`).
"""
COLUMNS = (
    *("runs", "models", "seeds", "`runs`, s", "`report`, s", "`runs`, MB", "`report`, MB"),
    *("page, MB", "comparison.json, MB"),
)
TRAINED = ["mlp(hidden=4)", "mlp(hidden=6)", "mlp(hidden=8)", "bigram"]


def run(*words: str | Path) -> tuple[float, float, int]:
    """Run a command of the zoo; return its seconds, its seconds of computing, and its peak memory in bytes.

    The peak of a child is at least the memory that this process has when it starts it: so nothing large is imported.
    """
    start = time.perf_counter()
    with open(os.devnull, "wb") as nowhere:
        child = subprocess.Popen([sys.executable, ROOT / "cli.py", *words], stdout=nowhere, stderr=nowhere)
        _, status, used = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"{words[0]} ended with status {status}")
    return time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024


def train(folder: Path, seeds: int) -> tuple[Path, float]:
    """Train the small study on 2,000 invented lines; return its folder and the seconds that it took."""
    draw = random.Random(1)
    lines = ["".join(draw.choice("abcdefgh") for _ in range(draw.randint(3, 9))) for _ in range(2000)]
    (folder / "lines.txt").write_text("\n".join(lines) + "\n")
    seconds, _, _ = run(
        "compare", "--models", ",".join(TRAINED), "--data", folder / "lines.txt", "--seeds", str(seeds),
        "--steps", "20", "--context", "3", "--threads", "1", "--out", folder / "runs",
    )  # fmt: skip
    return next((folder / "runs").iterdir()), seconds


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder, without the tables of folders."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def measure(source: Path, models: int, seeds: int, folder: Path) -> str:
    """Simulate a study of this size, and describe it in a row of the table."""
    place = folder / f"{models}x{seeds}"
    size = "--models", str(models), "--seeds", str(seeds)
    subprocess.run([sys.executable, ROOT / "studies" / "simulate_records.py", source, place, *size], check=True,
                   stdout=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(ROOT)})  # fmt: skip
    listed, reported = run("runs", "--out", place), run("report", place)
    sizes = (f"{(place / name).stat().st_size / 1e6:.1f}" for name in ("report.html", "comparison.json"))
    times = (f"{wall:.1f} ({used:.1f})" for wall, used, _ in (listed, reported))
    peaks = (f"{peak / 1e6:.0f}" for _, _, peak in (listed, reported))
    seen = [*(f"{number:,}" for number in (models * seeds, models, seeds)), *times, *peaks, *sizes]
    return f"| {' | '.join(seen)} |"


def main() -> None:
    """Print the page."""
    parser = argparse.ArgumentParser(description="Measure runs, report and verify on studies of many runs.")
    parser.add_argument("--sizes", nargs="*", metavar="MODELSxSEEDS", help="studies to simulate")
    parser.add_argument("--seeds", type=int, default=50, help="seeds of the trained study (50)")
    given = parser.parse_args()
    sizes = [tuple(map(int, size.split("x"))) for size in given.sizes] if given.sizes else SIZES
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        source, seconds = train(folder, given.seeds)
        cells = len(TRAINED) * given.seeds
        verified = run("verify", source)
        print(PAGE.format(cores=os.cpu_count(), python=platform.python_version(), torch=version("torch")))
        print(f"| {' | '.join(COLUMNS)} |\n|{'---:|' * len(COLUMNS)}")
        for models, seeds in sizes:
            print(measure(source, models, seeds, folder), flush=True)
        print()
        print(
            f"Seconds in brackets: computing. Trained: {cells} cells of {len(TRAINED)} models, {seconds / cells:.2f} s "
            f"each, {size_of(source) / cells / 1e3:.0f} kB each; `verify` takes {verified[0] / cells:.2f} s "
            f"({verified[1] / cells:.2f}) each, {verified[2] / 1e6:.0f} MB in all."
        )


if __name__ == "__main__":
    main()
