"""Time and measure the preparation of many short documents, against the same done at once in memory.

    ZOO_BENCH_MB=2000 pytest -c benchmarks/pytest.ini benchmarks/bench_preparation.py     # 2 GB, in minutes

The default is 200 MB of random lines of 7 bytes and LF. The plain way hashes the file, reads it whole, looks its bytes
up, and deals its lines with numpy's permutation, so it takes ten times the file in memory. Both write the same files;
a second start, which finds them, only hashes the text. Memory is that of a process that loads the corpus.
"""

import gzip
import hashlib
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import numpy as np
import pytest
from bench_memory import peaks
from limits import AT_LIMITS, Needs, limits
from pytest_benchmark.fixture import BenchmarkFixture
from tables import Table, duration, met
from turns import in_turns, ratio

from zoo.config import Call, DataConfig
from zoo.data.load import load_corpus

MEGABYTES = int(os.environ.get("ZOO_BENCH_MB", "200"))
LENGTH = 7
DOCUMENTS = MEGABYTES * 1_000_000 // (LENGTH + 1)
STARTS = 8
"""Bytes of the position of a document."""
BLOCK = 100_000
"""Documents written at a time."""
RATE, MEMORY = 100, 1000
"""Targets: MB/s, and MB."""
LOAD = "import sys; from zoo.config import *; from zoo.data.load import load_corpus; "
LOAD += "load_corpus(DataConfig(corpus=Call(name=sys.argv[1])))"

PREPARED = Table(
    f"preparation of documents of {LENGTH} bytes",
    *("file", "MB", *AT_LIMITS, "MB/s", f"target {RATE}", "plain", "ratio", "second start"),
    *("peak memory, MB", f"target {MEMORY:,}"),
)  # fmt: skip


@pytest.fixture(scope="module", params=["plain", "gzip"])
def text(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Write the documents as a file of each kind."""
    kind = request.param
    path = tmp_path_factory.mktemp("short") / ("a.txt.gz" if kind == "gzip" else "a.txt")
    rng = np.random.default_rng(1)
    with gzip.open(path, "wb", compresslevel=1) if kind == "gzip" else path.open("wb") as file:
        for left in range(DOCUMENTS, 0, -BLOCK):
            lines = rng.integers(ord("a"), ord("z") + 1, (min(left, BLOCK), LENGTH + 1), dtype=np.uint8)
            lines[:, LENGTH] = ord("\n")
            file.write(lines.tobytes())
    yield kind, path
    shutil.rmtree(path.parent)


def bench_prepare(
    benchmark: BenchmarkFixture, text: tuple[str, Path], turns: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Time both in turns; then measure the memory of a first and the time of a second start."""
    monkeypatch.setenv("ZOO_CACHE_DIR", str(tmp_path))
    kind, path = text
    config = DataConfig(corpus=Call(name=str(path)))

    def ours() -> None:
        shutil.rmtree(tmp_path / "prepared", ignore_errors=True)
        load_corpus(config)

    def plain() -> None:
        shutil.rmtree(tmp_path / "plain", ignore_errors=True)
        prepare_plainly(kind, path, tmp_path / "plain")

    own, others = in_turns(benchmark, ours, plain, turns=min(turns, 3), warmups=0)
    began = time.perf_counter()
    load_corpus(config)
    again = time.perf_counter() - began
    shutil.rmtree(tmp_path / "prepared")
    peak = peaks([sys.executable, "-c", LOAD, str(path)])["VmHWM"]
    rate, times = MEGABYTES / median(own), ratio(others, own)
    benchmark.extra_info.update(megabytes_per_second=rate, ratio=times, peak=peak)
    moved = 3 * path.stat().st_size + DOCUMENTS * (LENGTH + 1 + STARTS)
    PREPARED.add(
        kind,
        f"{MEGABYTES:,}",
        *limits().cells(Needs(0, moved), median(own)),
        f"{rate:,.0f}",
        met(rate >= RATE),
        duration(median(others)),
        f"{times:.2f}×",
        duration(again),
        f"{peak:,}",
        met(peak < MEMORY),
    )


def prepare_plainly(kind: str, path: Path, directory: Path) -> None:
    """Do the same at once in memory."""
    raw = path.read_bytes()
    hashlib.sha256(raw).digest()
    if kind == "gzip":
        raw = gzip.decompress(raw)
    codes = np.frombuffer(raw, np.uint8)
    seen = np.flatnonzero(np.bincount(codes, minlength=256))
    table = np.zeros(256, np.uint8)
    table[seen[1:]] = np.arange(1, len(seen))  # the first is LF, which becomes the boundary token 0
    ends = np.flatnonzero(codes == ord("\n"))
    lengths, tokens = np.diff(ends, prepend=-1), table[codes]
    splits = np.zeros(len(ends), np.uint8)
    splits[np.random.default_rng(42).permutation(len(ends))[len(ends) * 4 // 5 :]] = 1
    splits[np.flatnonzero(splits)[::2]] = 2
    per_token = np.repeat(splits, lengths)
    directory.mkdir()
    for number in range(3):
        tokens[per_token == number].tofile(directory / f"{number}.tokens")
        np.cumsum(lengths[splits == number]).tofile(directory / f"{number}.starts")
