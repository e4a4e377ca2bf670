"""Time training on names at makemore's sizes: the harness against a plain loop over a DataLoader of padded documents.

The plain loop, written out below, is makemore's: one Dataset item per name, every row padded to the longest name, a
DataLoader that draws 32 rows at random, AdamW at 5e-4. The DataLoader has no workers, which would take cores from the
computation. Both sides train the same model classes, so the ratio compares the loops alone, and count target tokens a
second, never padding. Sizes are the defaults of makemore.py: 64 channels, 64 hidden, block size 16; the transformer has
4 layers, 4 heads and learned positions. Both sides have 2 threads.
"""

from collections.abc import Callable
from statistics import median

import needs
import pytest
import torch
import torch.nn.functional as F
from harness import SEED, settings, stepper
from limits import AT_LIMITS, limits
from pytest_benchmark.fixture import BenchmarkFixture
from tables import Table, met
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, RandomSampler
from turns import in_turns, ratio

from zoo.calls import parse_call
from zoo.catalog import MODELS
from zoo.data.corpus import Corpus
from zoo.models.build import build, model_config
from zoo.models.interface import SequenceModel

BLOCK_SIZE = 16
MODELS_OF_MAKEMORE = (
    "bigram",
    "mlp(embedding=64,hidden=64)",
    "rnn(embedding=64,hidden=64)",
    "gru(embedding=64,hidden=64)",
    "bow(embedding=64,hidden=64)",
    "transformer(channels=64,heads=4,layers=4,positions=learned,places=16)",
)
BATCH_SIZES = (32, 128)
"""Default batch size of makemore, and of the harness."""
NAMES = 128 * 32
"""Rows per turn, on either side."""
TIMES = 3.0
"""Target ratio of tokens a second, the harness's default batch over makemore's."""
COLUMNS = ("tokens/s", "plain, 32", "same batch of 32", "same batch of 128", "128 against 32", "target", "")
TABLE = Table("makemore's sizes: the harness against a plain loop over a DataLoader", "model", *AT_LIMITS, *COLUMNS)


class NamesDataset(Dataset[tuple[Tensor, Tensor]]):
    """One item per name: (T,) tokens that begin with 0, and (T,) targets, -1 after the name's end."""

    def __init__(self, words: list[str]) -> None:
        self.words = words
        self.max_word_length = max(len(word) for word in words)
        self.stoi = {character: index + 1 for index, character in enumerate(sorted(set("".join(words))))}

    def __len__(self) -> int:
        return len(self.words)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        ix = torch.tensor([self.stoi[character] for character in self.words[index]], dtype=torch.long)
        x = torch.zeros(self.max_word_length + 1, dtype=torch.long)
        y = torch.zeros(self.max_word_length + 1, dtype=torch.long)
        x[1 : 1 + len(ix)] = ix
        y[: len(ix)] = ix
        y[len(ix) + 1 :] = -1
        return x, y


def plain_loop(model: SequenceModel, words: list[str], *, batch_size: int) -> Callable[[], int]:
    """Make a function that trains on the names of a turn and returns their number of target tokens."""
    dataset = NamesDataset(words)
    sampler = RandomSampler(dataset, replacement=True, num_samples=int(1e10))
    batches = iter(DataLoader(dataset, sampler=sampler, batch_size=batch_size))
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-4, weight_decay=0.01, betas=(0.9, 0.99), eps=1e-8)
    model.train()

    def train() -> int:
        tokens = 0
        for _ in range(NAMES // batch_size):
            x, y = next(batches)
            logits = model(x)
            loss = F.cross_entropy(logits.view(-1, logits.size(-1)), y.view(-1), ignore_index=-1)
            model.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            tokens += int((y != -1).sum())
        return tokens

    return train


def through_harness(model: SequenceModel, corpus: Corpus, *, batch_size: int) -> Callable[[], int]:
    """Make the same function with the harness's rows and step, also without clipping."""
    step = stepper(model, corpus.rows("train", length=BLOCK_SIZE), settings(batch_size, clip=0.0))
    return lambda: sum(step() for _ in range(NAMES // batch_size))


@pytest.mark.parametrize("call", MODELS_OF_MAKEMORE, ids=lambda call: parse_call(call).name)
def bench_names(benchmark: BenchmarkFixture, names: Corpus, turns: int, call: str) -> None:
    """Time both sides at both batch sizes in turns; pytest-benchmark's own table has the harness at 128."""
    name, options = parse_call(call).name, parse_call(call).options
    words, tokens = [str(word) for word in names.text.train], dict[str, list[int]]()

    def fresh() -> SequenceModel:
        kind, size = MODELS.get(name), len(names.vocabulary)
        return build(kind, model_config(kind, options, name), vocab_size=size, context=BLOCK_SIZE, seed=SEED)

    def counted(side: str, work: Callable[[], int]) -> Callable[[], None]:
        return lambda: tokens.setdefault(side, []).append(work())

    works = {
        f"{side} {size}": counted(f"{side} {size}", work)
        for size in reversed(BATCH_SIZES)
        for side, work in {
            "harness": through_harness(fresh(), names, batch_size=size),
            "plain": plain_loop(fresh(), words, batch_size=size),
        }.items()
    }
    seconds = dict(zip(works, in_turns(benchmark, *works.values(), turns=turns), strict=True))
    pace = {side: [s / n for s, n in zip(seconds[side], tokens[side][1:], strict=True)] for side in works}
    same = {size: ratio(pace[f"plain {size}"], pace[f"harness {size}"]) for size in BATCH_SIZES}
    times = ratio(pace["plain 32"], pace["harness 128"])
    rate = {side: 1 / median(of_turns) for side, of_turns in pace.items()}
    benchmark.extra_info.update(
        corpus=names.name,
        tokens_per_second=rate["harness 128"],
        ratio_same_32=same[32],
        ratio_same_128=same[128],
        ratio_128_against_32=times,
    )
    rows = names.rows("train", length=BLOCK_SIZE)
    needed = needs.of_training(fresh(), [rows.batch(SEED, step, 128) for step in range(10)])
    TABLE.add(
        f"{name} ({names.name})",
        *limits().cells(needed, median(seconds["harness 128"]) / (NAMES // 128)),
        f"{rate['harness 128']:,.0f}",
        f"{rate['plain 32']:,.0f}",
        f"{same[32]:.2f}×",
        f"{same[128]:.2f}×",
        f"{times:.2f}×",
        f"{TIMES:g}×",
        met(times >= TIMES),
    )
