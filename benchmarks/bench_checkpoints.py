"""Time a checkpoint, copying the state of a run and writing it, against the seconds between two checkpoints.

The state is that of a run in training, with AdamW's moments and the best weights; the file is synced, and replaces an
older one. A checkpoint may cost 1% of the time between two (`--checkpoint-every`, 30 s).
"""

import itertools
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from pytest_benchmark.fixture import BenchmarkFixture
from sizes import every_size, sized
from tables import Table, duration, met

from zoo.config import TrainingConfig
from zoo.data.corpus import Corpus
from zoo.experiments.runs.checkpoints import Checkpoints
from zoo.models.build import count_parameters
from zoo.training.loop import Settings, fit
from zoo.training.run_state import RunState

EVERY = TrainingConfig().checkpoint_every
MOST = 0.01
CHECKPOINTS = 5
SETTINGS = Settings(
    steps=CHECKPOINTS + 3, batch_size=128, optimizer="adamw", schedule="constant", lr=1e-3, weight_decay=0.01,
    warmup=0.0, clip=1.0, evaluations=1, dtype="float32",
)  # fmt: skip
TABLE = Table("a checkpoint", "model", "size", "parameters", "file", "seconds", f"of {EVERY:g} s", f"target {MOST:.0%}")


class Timed(Checkpoints):
    """Write a checkpoint before every step, and time it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "0", every=0.0)
        self.seconds: list[float] = []

    def offer(self, take: Callable[[], RunState]) -> None:
        self._took, began = 0.0, time.perf_counter()
        super().offer(take)
        self.seconds.append(time.perf_counter() - began)


@every_size
def bench_checkpoint(benchmark: BenchmarkFixture, name: str, size: str, corpus: Corpus, tmp_path: Path) -> None:
    """Time checkpoints of a model in training, without the first, which includes setup."""
    model = sized(name, size, vocab_size=len(corpus.vocabulary), context=8)
    rows, device = corpus.rows("train", length=64), torch.device("cpu")
    keepers = (Timed(tmp_path / str(number)) for number in itertools.count())

    def train() -> Timed:
        keeper = next(keepers)
        keeper._folder.mkdir()
        fit(model, rows, corpus.rows("validation", length=64), SETTINGS, seed=1, device=device, keeper=keeper)
        return keeper

    keeper = benchmark.pedantic(train, rounds=1)
    seconds = median(keeper.seconds[1:])
    file = max(path.stat().st_size for path in keeper._folder.iterdir())
    cells = f"{count_parameters(model):,}", f"{file / 1e6:.1f} MB", duration(seconds), f"{seconds / EVERY:.2%}"
    TABLE.add(name, size, *cells, met(seconds <= MOST * EVERY))
