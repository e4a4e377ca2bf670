"""Time a training step of `execute` against a bare loop over the same model, data and optimizer.

The harness is the real path: it writes records, and draws the real progress bar on a pseudo-terminal. The time of a
step is the recorded seconds of the run over its steps; that clock excludes building the model, evaluating and writing,
which happen once or twice per run. The bare loop, written out below, has the same batches: packed like the harness's,
for the comparison, and padded, as in a loop written by hand.
"""

import os
import pty
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from statistics import median

import needs
import torch
import torch.nn.functional as F
from conftest import THREADS
from harness import SEED
from limits import AT_LIMITS, limits
from pytest_benchmark.fixture import BenchmarkFixture
from rich.console import Console
from sizes import every_model
from tables import Table, duration, met
from turns import in_turns

from zoo.config import Call, DataConfig, RunConfig, TrainingConfig
from zoo.data.corpus import Corpus
from zoo.data.rows import Rows
from zoo.experiments.runs.resolve import Cell, resolve
from zoo.experiments.runs.train import execute
from zoo.reports.progress import ProgressBar
from zoo.tokens import IGNORED

BATCH_SIZE = 128
SECONDS = 0.3
"""Approximate seconds of a turn."""
SHARE, LEAST = 0.03, 20e-6
"""Allowed overhead of a step: this share of it, or this number of seconds, the larger of the two."""
COLUMNS = ("padded loop", "bare loop", "harness", "difference", "allowed", "")
TABLE = Table("a training step of the harness against a bare loop", "model", *AT_LIMITS, *COLUMNS)


def bare_loop(cell: Cell, corpus: Corpus, rows: Rows, steps: int, *, pads: bool = False) -> float:
    """Seconds per step of training without the harness, on packed or (`pads`) on padded rows."""
    model = cell.build().train()
    groups = [
        {"params": [p for p in model.parameters() if p.dim() >= 2], "weight_decay": cell.settings.weight_decay},
        {"params": [p for p in model.parameters() if p.dim() < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=cell.settings.lr, betas=(0.9, 0.99), fused=True)
    began = time.perf_counter()
    for step in range(steps):
        batch = rows.batch(cell.config.seed, step, BATCH_SIZE)
        if pads:
            tokens, targets = batch.pad()
            loss = F.cross_entropy(model(tokens).flatten(0, 1), targets.flatten(), ignore_index=IGNORED)
        else:
            loss = F.cross_entropy(model.packed(batch.tokens, batch.packing), batch.targets)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), cell.settings.clip)
        optimizer.step()
    return (time.perf_counter() - began) / steps


def harness(cell: Cell, corpus: Corpus) -> float:
    """Seconds per step by the record of a run."""
    with terminal() as console, ProgressBar(console) as bar:
        bar.planned(1)
        run = execute(cell, corpus, lambda progress: bar.progressed(cell, progress))
        bar.finished(cell, run, reused=False)
    return run.result.seconds / run.result.steps


@contextmanager
def terminal() -> Iterator[Console]:
    """A console on a pseudo-terminal, whose output a thread reads."""
    ours, its = pty.openpty()
    reader = threading.Thread(target=drain, args=(ours,), daemon=True)
    reader.start()
    with os.fdopen(its, "w") as file:
        yield Console(file=file, force_terminal=True, width=100)
    reader.join()
    os.close(ours)


def drain(descriptor: int) -> None:
    try:
        while os.read(descriptor, 65536):
            pass
    except OSError:  # the terminal was closed
        return


@every_model
def bench_step(benchmark: BenchmarkFixture, corpus: Corpus, turns: int, tmp_path: Path, name: str) -> None:
    """Time turns, each a run under its own seed; pytest-benchmark's own table has the whole run."""
    training = TrainingConfig(
        steps=1, batch_size=BATCH_SIZE, evaluations=1, optimizer="adamw", schedule="constant", device="cpu",
        threads=THREADS,
    )  # fmt: skip

    def cell(seed: int, steps: int) -> Cell:
        given = training.model_copy(update={"steps": steps})
        data = DataConfig(corpus=Call(name=corpus.name))
        return resolve(
            RunConfig(model=Call(name=name), label=name, data=data, training=given, seed=seed), corpus, tmp_path
        )

    first, rows = cell(SEED, 1), corpus.rows("train", length=64)
    bare_loop(first, corpus, rows, 5)
    steps = max(50, round(SECONDS / bare_loop(first, corpus, rows, 20)))
    seeds, ours, bare, hand = count(SEED), [], [], []
    in_turns(
        benchmark,
        lambda: ours.append(harness(cell(next(seeds), steps), corpus)),
        lambda: bare.append(bare_loop(first, corpus, rows, steps)),
        lambda: hand.append(bare_loop(first, corpus, rows, steps, pads=True)),
        turns=turns,
    )
    seconds, plain = median(ours[1:]), median(bare[1:])
    difference = median(mine - other for mine, other in zip(ours[1:], bare[1:], strict=True))
    allowed = max(SHARE * plain, LEAST)
    benchmark.extra_info.update(seconds_a_step=seconds, bare_seconds_a_step=plain, difference=difference)
    needed = needs.of_training(first.build(), [rows.batch(SEED, step, BATCH_SIZE) for step in range(10)])
    TABLE.add(
        name,
        *limits().cells(needed, seconds),
        duration(median(hand[1:])),
        duration(plain),
        duration(seconds),
        f"{1e6 * difference:+.0f} µs ({difference / plain:+.1%})",
        duration(allowed),
        met(difference <= allowed),
    )
