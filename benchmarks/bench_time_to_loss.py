"""Time training to the lecture's best validation loss on names, 1.993, with its 76,579-parameter WaveNet.

The lecture (makemore part 5) takes 200,000 steps of 32 random windows, SGD at 0.1 and then 0.01; its loop is written
out below. It needs all steps: it reaches the loss only after the drop of the learning rate at 150,000 (1.9920 in a full
run). Its time is extrapolated, 200,000 times the seconds of a measured step, at 2 threads or at 1, the faster of the
two; `--full` runs it to its end instead.

Our sides are whole runs with their records at 2 threads, by Muon and by AdamW with an earlier recipe, each with the
smallest budget at which the mean of five seeds reaches the loss; and Muon once more in bfloat16. Their settings were
searched with other seeds. All sides are timed in turns.
"""

import time
from functools import partial
from pathlib import Path
from statistics import fmean, median
from typing import Any

import needs
import pytest
import torch
import torch.nn.functional as F
from conftest import CONTEXT, THREADS
from harness import SEED
from limits import AT_LIMITS, limits
from pytest_benchmark.fixture import BenchmarkFixture
from tables import Table, duration, met
from torch import Tensor, nn
from turns import in_turns, ratio

from zoo.calls import parse_call
from zoo.config import Call, DataConfig, RunConfig, TrainingConfig
from zoo.data.corpus import Corpus
from zoo.experiments.records.run import Run
from zoo.experiments.runs.resolve import Cell, resolve
from zoo.experiments.runs.train import execute

MUON = {
    "optimizer": "muon(momentum=0.9,iterations=3,polynomials=polar-express)",
    "lr": 0.022,
    "weight_decay": 0.1,
    "batch_size": 160,
    "schedule": "linear",
    "warmup": 0.0,
}
ADAMW: dict[str, Any] = {"optimizer": "adamw", "lr": 0.021, "weight_decay": 0.14, "warmup": 0.1, "schedule": "cosine"}
SIDES: dict[str, dict[str, Any]] = {
    "Muon": {"tokens": 550_000, **MUON},
    "Muon, bfloat16": {"tokens": 550_000, **MUON, "dtype": "bfloat16"},
    "AdamW": {"tokens": 1_520_000, **ADAMW},
}
"""Settings of our sides, AdamW's those of the recipe before there was Muon, with which it is compared."""
LOSS = 1.993
SEEDS = (1, 2, 3, 4, 5)
TIMES, TIMES_ADAMW = 15.0, 1.9
"""How many times as fast Muon has to be as the lecture and as AdamW."""
MODEL = "wavenet(embedding=24,hidden=128)"

STEPS, DROP, BATCH_SIZE = 200_000, 150_000, 32
"""The lecture's steps, step of the drop of the rate, and batch size."""
TIMED = 3000
"""Steps of the lecture's loop in a turn."""

TABLE = Table(
    f"time to validation loss {LOSS} on names",
    "what",
    *AT_LIMITS,
    "validation",
    "to the lecture",
    "to AdamW",
    "target",
    "",
)


class FlattenConsecutive(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        B, T, C = x.shape
        x = x.view(B, T // 2, C * 2)
        return x.squeeze(1) if x.shape[1] == 1 else x


class BatchNorm(nn.Module):
    """BatchNorm over batch and time flattened together, which is faster than torch's layout (B, C, T)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x.flatten(0, -2)).view_as(x)


class Lecture:
    """The lecture's network, data and training loop, which can continue."""

    def __init__(self, corpus: Corpus) -> None:
        self.X, self.Y = self.windows(corpus, "train")
        torch.manual_seed(42)
        level = lambda inputs: (FlattenConsecutive(), nn.Linear(inputs, 128, bias=False), BatchNorm(128), nn.Tanh())  # noqa: E731
        self.model = nn.Sequential(
            nn.Embedding(27, 24), *level(2 * 24), *level(2 * 128), *level(2 * 128), nn.Linear(128, 27)
        )
        with torch.no_grad():
            self.model[-1].weight *= 0.1
        self.losses: list[float] = []

    @staticmethod
    def windows(corpus: Corpus, split: str) -> tuple[Tensor, Tensor]:
        X, Y = [], []
        for word in corpus.tokens[split]:
            context = [0] * CONTEXT
            for ix in [*word.tolist(), 0]:
                X.append(context)
                Y.append(ix)
                context = [*context[1:], ix]
        return torch.tensor(X), torch.tensor(Y)

    def train(self, steps: int, *, threads: int) -> None:
        torch.set_num_threads(threads)
        self.model.train()
        parameters = list(self.model.parameters())
        for _ in range(steps):
            ix = torch.randint(0, self.X.shape[0], (BATCH_SIZE,))
            logits = self.model(self.X[ix])
            loss = F.cross_entropy(logits, self.Y[ix])
            for p in parameters:
                p.grad = None
            loss.backward()
            lr = 0.1 if len(self.losses) < DROP else 0.01
            for p in parameters:
                p.data += -lr * p.grad
            self.losses.append(loss.item())
        torch.set_num_threads(THREADS)

    @torch.no_grad()
    def validation_loss(self, corpus: Corpus) -> float:
        X, Y = self.windows(corpus, "validation")
        return F.cross_entropy(self.model.eval()(X), Y).item()


@pytest.mark.long
def bench_time_to_loss(benchmark: BenchmarkFixture, names: Corpus, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """Time turns of one of our runs and TIMED steps of the lecture's; pytest-benchmark's table has the whole run."""
    if names.name != "names":
        pytest.skip("names.txt is not at hand")
    lecture = Lecture(names)
    runs: dict[str, list[Run]] = {side: [] for side in SIDES}
    whole: dict[str, list[float]] = {side: [] for side in SIDES}

    def cell(side: str, seed: int) -> Cell:
        training = TrainingConfig(evaluations=1, device="cpu", threads=THREADS, **SIDES[side])
        data = DataConfig(corpus=Call(name="names"))
        config = RunConfig(model=parse_call(MODEL), label="wavenet", data=data, training=training, seed=seed)
        return resolve(config, names, tmp_path)

    def run(side: str) -> None:
        began = time.perf_counter()
        runs[side].append(execute(cell(side, SEEDS[len(runs[side])]), names))
        whole[side].append(time.perf_counter() - began)

    lecture.train(100, threads=THREADS)
    _, *others = in_turns(
        benchmark,
        lambda: run("Muon"),
        *(partial(run, side) for side in list(SIDES)[1:]),
        lambda: lecture.train(TIMED, threads=THREADS),
        lambda: lecture.train(TIMED, threads=1),
        turns=len(SEEDS),
        warmups=0,
    )
    step = {threads: median(seconds) / TIMED for threads, seconds in zip((THREADS, 1), others[-2:], strict=True)}
    fastest = min(step, key=lambda threads: step[threads])
    plain, reached = STEPS * step[fastest], "1.9920 in a full run"
    if pytestconfig.getoption("full"):
        lecture = Lecture(names)
        began = time.perf_counter()
        lecture.train(STEPS, threads=fastest)
        plain, reached = time.perf_counter() - began, f"{lecture.validation_loss(names):.4f}"

    rows, training = names.rows("train", length=CONTEXT), {side: seconds_of(runs[side]) for side in SIDES}
    for side, given in SIDES.items():
        losses = [run.result.validation_loss or float("nan") for run in runs[side]]
        mean = f"{fmean(losses):.4f} ({min(losses):.4f} to {max(losses):.4f})"
        spent, model = median(training[side]), cell(side, SEEDS[0]).build()
        one = needs.of_training(model, [rows.batch(SEED, n, given.get("batch_size", 128)) for n in range(10)])
        needed = needs.Needs(*(runs[side][0].result.steps * amount for amount in one))
        times, adamw = plain / spent, ratio(training["AdamW"], training[side])
        benchmark.extra_info[side] = {"validation": losses, "seconds": training[side], "lecture": times, "adamw": adamw}
        targets, ok = (f"{LOSS}, {TIMES:g}×, {TIMES_ADAMW:g}×", met(fmean(losses) <= LOSS and times >= TIMES
                       and adamw >= TIMES_ADAMW)) if side == "Muon" else ("", "")  # fmt: skip
        what, ratios = f"ours, {side}, {given['tokens']:,} targets", (f"{times:.1f}×", f"{adamw:.2f}×")
        TABLE.add(what, *limits().cells(needed, spent), mean, *ratios, targets, ok)
    with_all = f"{plain / median(whole['Muon']):.1f}×", f"{ratio(whole['AdamW'], whole['Muon']):.2f}×"
    TABLE.add("ours, Muon, with evaluation and records", "", "", duration(median(whole["Muon"])), "", "", *with_all,
              "", "")  # fmt: skip
    for threads, seconds in step.items():
        chosen = reached if threads == fastest else ""
        cells = "", "", duration(plain if threads == fastest else STEPS * seconds), ""
        TABLE.add(f"the lecture, {threads} threads, {duration(seconds)} a step", *cells, chosen, "1×", "", "", "")


def seconds_of(runs: list[Run]) -> list[float]:
    """Seconds of training of each run, without evaluations."""
    return [run.result.seconds for run in runs]
