"""Measure large texts: the speed of preparation, and the memory of training.

    ZOO_BENCH_MB=2000 pytest -c benchmarks/pytest.ini benchmarks/bench_memory.py     # 2 GB: about twenty minutes

The default is an invented text of 80 MB. Memory is that of `cli.py train` in a process of its own, beyond that of a
process that only imports torch; the run evaluates the validation and test split, a tenth of the text each.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from tables import Table, met

from zoo.config import Call, DataConfig
from zoo.data.invented import sample
from zoo.data.load import load_corpus

MEGABYTES = int(os.environ.get("ZOO_BENCH_MB", "80"))
STEPS = 500
PEAKS = {"VmHWM": "peak", "RssAnon": "anonymous", "RssFile": "of files"}

PREPARED = Table("large texts: preparation on one core", "text", "MB", "MB/s", "target 100 MB/s")
TRAINED = Table(
    "large texts: MB of memory beyond torch's own while training", "text", "MB", *PEAKS.values(), "target 1,000"
)

if not Path("/proc/self/status").exists():
    pytest.skip("memory is read from /proc", allow_module_level=True)


def _line(words: list[str], kind: str) -> bytes:
    text = " ".join(words)
    return (text if kind != "unicode" else text.replace("a", "я").replace("e", "é").replace("o", "日")).encode()


@pytest.fixture(scope="module", params=["stream", "documents", "unicode"])
def text(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Write words in lines of about 140 characters; occasional blank lines make it a stream."""
    path = tmp_path_factory.mktemp("large") / f"{request.param}.txt"
    words = sample(160_000, 0)
    lines = [_line(words[first : first + 20], request.param) for first in range(0, len(words), 20)]
    block = b"\n".join(lines) + (b"\n" if request.param == "documents" else b"\n\n")
    with path.open("wb") as file:
        while file.tell() < MEGABYTES * 1_000_000:
            file.write(block)
    yield path
    shutil.rmtree(path.parent)


def bench_prepare(benchmark: BenchmarkFixture, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time preparing a text for the cache, on one core."""
    monkeypatch.setenv("ZOO_CACHE_DIR", str(tmp_path))
    config = DataConfig(corpus=Call(name=str(text)))
    benchmark.pedantic(
        lambda: load_corpus(config), setup=lambda: shutil.rmtree(tmp_path / "prepared", ignore_errors=True), rounds=3
    )
    shutil.rmtree(tmp_path / "prepared")
    rate = text.stat().st_size / 1e6 / benchmark.stats.stats.median
    benchmark.extra_info["megabytes_per_second"] = rate
    PREPARED.add(text.stem, f"{MEGABYTES:,}", f"{rate:,.0f}", met(rate >= 100))


def bench_train(benchmark: BenchmarkFixture, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure `cli.py train bigram` on the text, with preparation and evaluations."""
    monkeypatch.setenv("ZOO_CACHE_DIR", str(tmp_path))
    train = [sys.executable, "cli.py", "train", "bigram", "--data", str(text), "--out", str(tmp_path / "runs")]
    train += ["--steps", str(STEPS), "--set", "evaluations=1", "--device", "cpu"]
    own = peaks([sys.executable, "-c", "import torch, time; time.sleep(1)"])
    found = benchmark.pedantic(lambda: peaks(train), rounds=1)
    shutil.rmtree(tmp_path / "prepared")
    beyond = {name: found[name] - own[name] for name in PEAKS}
    benchmark.extra_info.update(beyond)
    TRAINED.add(text.stem, f"{MEGABYTES:,}", *(f"{size:,}" for size in beyond.values()), met(beyond["VmHWM"] < 1000))


def peaks(command: list[str]) -> dict[str, int]:
    """Peak resident memory in MB: the system's count, and its parts, sampled every 20 ms."""
    highest = dict.fromkeys(PEAKS, 0)
    root = Path(__file__).parents[1]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
                name, _, value = line.partition(":")
                if name in highest:
                    highest[name] = max(highest[name], int(value.split()[0]) * 1024 // 1_000_000)
            time.sleep(0.02)
        errors = process.stderr.read() if process.stderr else ""
    assert process.returncode == 0, errors
    return highest
