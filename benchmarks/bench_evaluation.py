"""Evaluate the whole validation split of names, against forward and backward of training: tokens a second.

Evaluation is that of a run: batches, the model, the loss of every document, reading it back. The other side has an
advantage: its batches of 128 random documents are drawn beforehand, without clipping or update. Both have 2 threads.
"""

from statistics import median

import needs
import torch
from conftest import CONTEXT
from harness import SEED
from limits import AT_LIMITS, limits
from pytest_benchmark.fixture import BenchmarkFixture
from sizes import every_model, sized
from tables import Table, met
from turns import in_turns, ratio

from zoo.data.corpus import Corpus
from zoo.training.evaluation import evaluate
from zoo.training.loop import logits_of
from zoo.training.loss import cross_entropy

CPU = torch.device("cpu")
BATCH_SIZE, BATCHES = 128, 10
TIMES = 2.0
COLUMNS = ("tokens/s", "forward and backward", "ratio", "target", "")
TABLE = Table("evaluation of a whole validation split", "model", *AT_LIMITS, *COLUMNS)


@every_model
def bench_evaluation(benchmark: BenchmarkFixture, names: Corpus, turns: int, name: str) -> None:
    """Time both in turns; pytest-benchmark's own table has the evaluation."""
    model = sized(name, "small", vocab_size=len(names.vocabulary), context=CONTEXT).train()
    validation, train = (names.rows(split, length=64, device=CPU) for split in ("validation", "train"))
    batches = [train.batch(SEED, step, BATCH_SIZE) for step in range(BATCHES)]
    trained = sum(batch.target_count for batch in batches)

    def learn() -> None:
        for batch in batches:
            model.zero_grad(set_to_none=True)
            cross_entropy(logits_of(model, batch), batch.targets).backward()

    ours, learning = in_turns(benchmark, lambda: evaluate(model, validation, device=CPU), learn, turns=turns)
    times = ratio(learning, ours) * validation.targets / trained
    rate = validation.targets / median(ours)
    benchmark.extra_info.update(corpus=names.name, tokens_per_second=rate, ratio=times)
    TABLE.add(
        f"{name} ({names.name})",
        *limits().cells(needs.of_evaluation(model, validation), median(ours)),
        f"{rate:,.0f}",
        f"{trained / median(learning):,.0f}",
        f"{times:.2f}×",
        f"{TIMES:g}×",
        met(times >= TIMES),
    )
