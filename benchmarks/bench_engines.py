"""Time what a cell costs beyond its training: sent to a process of this machine, or to a worker of a Ray cluster.

Cells are bigrams of one step. Each engine executes few and many of them; the difference, over their number, is the cost
of a further cell, without the start of the engine. The cluster is one on this machine, with a worker for each core, so
no network is measured.
"""

import time
from collections.abc import Callable
from pathlib import Path

from pytest_benchmark.fixture import BenchmarkFixture
from tables import Table, duration

from zoo.config import Call, DataConfig, RunConfig, TrainingConfig
from zoo.data.load import load_corpus
from zoo.experiments.runs.engines.interface import Engine
from zoo.experiments.runs.engines.local import LocalEngine
from zoo.experiments.runs.engines.ray import RayEngine
from zoo.experiments.runs.engines.unit import form_units
from zoo.experiments.runs.resolve import resolve_all

FEW, MANY = 8, 48
TURNS = 3
DATA = DataConfig(corpus=Call(name="invented", options={"documents": 200}))
TRAINING = TrainingConfig(steps=1, batch_size=8, device="cpu", threads=1, execution="side-by-side", evaluations=1)
TABLE = Table("cost of a cell", "engine", "start and first cells", "each further cell")


def measure(engine: Engine, place: Path) -> tuple[float, float]:
    """Return the seconds of the first cells, with the start of the engine, and of each further cell."""
    corpus = load_corpus(DATA)
    seconds = []
    for turn, count in enumerate((2, *(FEW, MANY) * TURNS)):
        configs = [
            RunConfig(model=Call(name="bigram"), label="bigram", data=DATA, training=TRAINING, seed=seed)
            for seed in range(count)
        ]
        units = form_units(resolve_all(configs, {DATA.rotation: corpus}, place / str(turn)))
        started = time.perf_counter()
        engine.execute(units, corpus, lambda *_: None, lambda _: None)
        seconds.append(time.perf_counter() - started)
    engine.close()
    first, few, many = seconds[0], min(seconds[1::2]), min(seconds[2::2])
    return first, (many - few) / (MANY - FEW)


def bench_engines(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """Time both engines on the same cells."""
    engines: dict[str, Callable[[], Engine]] = {
        "local: a process for each cell": LocalEngine,
        "ray: a cluster on this machine": lambda: RayEngine("local"),
    }

    def work() -> None:
        for name, make in engines.items():
            first, each = measure(make(), tmp_path / name[:5])
            benchmark.extra_info[name] = each
            TABLE.add(name, duration(first), duration(each))

    benchmark.pedantic(work, rounds=1)
