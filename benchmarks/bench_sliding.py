"""Time the wavenet sliding over a row against the lecture's tree on each of its windows: same weights, same logits.

Rows have T = N tokens: logits at N positions, each with a window of its own. The tree computes every window separately;
sliding computes nothing twice, so its advantage grows with the window. Timed are forward, loss and backward. Every
batch has 1,024 positions.
"""

from collections.abc import Callable
from statistics import median

import needs
import pytest
import torch
from conftest import Fresh
from limits import AT_LIMITS, limits
from pytest_benchmark.fixture import BenchmarkFixture
from tables import Table, duration, met
from turns import in_turns, ratio

from zoo.data.rows import Batch
from zoo.models.build import build
from zoo.models.interface import SequenceModel
from zoo.models.wavenet import WaveNet
from zoo.training.loss import cross_entropy

POSITIONS = 1024
LENGTHS = (8, 64, 256)
TABLE = Table("the wavenet, sliding against the tree on windows", "T = N", *AT_LIMITS, "tree", "ratio", "target", "")
GAINED: dict[int, float] = {}
"""Length -> speed-up, for lengths measured so far."""


def learning(model: SequenceModel, batch: Batch) -> Callable[[], None]:
    """Make a function that computes forward, loss and backward."""

    def learn() -> None:
        model.zero_grad(set_to_none=True)
        cross_entropy(model(batch.tokens), batch.targets).backward()

    return learn


@pytest.mark.parametrize("length", LENGTHS)
def bench_sliding(benchmark: BenchmarkFixture, fresh: Fresh, turns: int, length: int) -> None:
    """Time both in turns; target: sliding is faster, and its ratio grows with the length."""
    sliding = fresh("wavenet", context=length).train()
    tree = build(WaveNet, WaveNet.Config(tree=True), vocab_size=sliding.vocab_size, context=length, seed=1).train()
    tree.load_state_dict(sliding.state_dict())
    tokens = torch.randint(sliding.vocab_size, (POSITIONS // length, length + 1))
    batch = Batch(tokens[:, :-1], tokens[:, 1:])
    ours, windows = in_turns(benchmark, learning(sliding, batch), learning(tree, batch), turns=turns)
    gained = ratio(windows, ours)
    benchmark.extra_info["ratio"] = gained
    grows = all(gained > other for shorter, other in GAINED.items() if shorter < length)
    GAINED[length] = gained
    TABLE.add(
        f"{length}",
        *limits().cells(needs.of_training(sliding, [batch], update=False), median(ours)),
        duration(median(windows)),
        f"{gained:.2f}×",
        "above 1×, growing with N",
        met(gained > 1 and grows),
    )
