"""A run seeds Python's and numpy's random numbers too, and random numbers outside continue undisturbed."""

import random
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch

import zoo
from zoo.config import Call, DataConfig, RunConfig, TrainingConfig
from zoo.data.load import load_corpus
from zoo.experiments.runs.resolve import resolve
from zoo.experiments.runs.train import execute
from zoo.surroundings import random_numbers

DRAWS = """
import random

import numpy as np
import torch

from zoo import SequenceModel


class Draws(SequenceModel):
    \"""Weights and noise by three sorts of random numbers.\"""

    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        start = np.random.randn(vocab_size, vocab_size) * random.random()
        self.table = torch.nn.Parameter(torch.tensor(start).float() + torch.randn(vocab_size, vocab_size))

    def forward(self, tokens):
        logits = self.table[tokens]
        if not self.training:
            return logits
        return logits * (1 + random.random() * np.random.rand() * torch.rand(()))
"""


def draw() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), torch.rand(()).item()


@pytest.mark.parametrize("seed", [0, 1, 2**32 + 1, 2**63 - 1])
def test_a_seed_gives_the_same_numbers_of_all_three_and_those_outside_go_on(seed: int) -> None:
    with random_numbers(7):
        expected = [draw(), draw()]
    with random_numbers(7):
        first = draw()
        inside = []
        for _ in range(2):
            with random_numbers(seed):
                inside.append(draw())
        assert [first, draw()] == expected
    assert inside[0] == inside[1]
    assert len({round(number, 6) for number in inside[0]}) == 3, "three streams, not one"
    assert not set(inside[0]) & set(first)


def test_a_seed_of_more_than_32_bits_is_another_one_than_its_lower_bits() -> None:
    found = []
    for seed in (1, 2**32 + 1):
        with random_numbers(seed):
            found.append(draw()[:2])  # torch's CPU generator uses only the lower 32 bits
    assert not set(found[0]) & set(found[1])


def test_without_a_seed_numbers_go_on_and_are_given_back_after_an_error() -> None:
    with random_numbers(5):
        expected = draw()
    with random_numbers(5):
        with suppress(KeyError), random_numbers():
            assert draw() == expected
            raise KeyError
        assert draw() == expected


def test_two_runs_of_a_model_that_draws_from_all_three_are_one(tmp_path: Path) -> None:
    (tmp_path / "draws.py").write_text(DRAWS)
    corpus = load_corpus(DataConfig(corpus=Call(name="invented", options={"documents": 60})))

    def weights(seed: int, folder: str) -> str:
        config = RunConfig(
            model=Call(name=f"{tmp_path / 'draws.py'}:Draws"),
            label="draws",
            training=TrainingConfig(steps=2, batch_size=4, evaluations=1, threads=1),
            seed=seed,
        )
        return execute(resolve(config, corpus, tmp_path / folder), corpus).result.weights_sha256

    first = weights(1, "first")
    draw()  # draws of the process outside of runs
    assert weights(1, "second") == first
    assert weights(2, "third") != first


@pytest.mark.slow
def test_runs_of_such_a_model_agree_however_they_are_executed(tmp_path: Path) -> None:
    (tmp_path / "draws.py").write_text(DRAWS)
    found = []
    for number, way in enumerate(["sequential", "side-by-side", "stacked", "stacked"]):
        out = tmp_path / str(number)
        asked = {"data": "invented(documents=200)", "steps": 4, "seeds": 2, "batch_size": 8, "threads": 1}
        zoo.compare([f"{tmp_path / 'draws.py'}:Draws"], **asked, execution=way, out=out, report=False, progress=False)
        found.append(digests(out))
    assert found[0] == found[1]
    assert found[2] == found[3]
    assert len(found[0]) == len(found[2]) == 2


def digests(out: Path) -> dict[str, bytes]:
    """Run -> bytes of the losses of its documents."""
    paths = out.glob("*/*-seed*/losses.safetensors")
    return {path.parent.name.rpartition("-")[0]: path.read_bytes() for path in paths}


def test_seeds_that_agree_in_their_lower_32_bits_are_two_seeds() -> None:
    """torch 2.13 on a CPU uses only these bits: 1 and 2**32 + 1 gave the same weights."""
    drawn = []
    for seed in (1, 2**32 + 1, 2**33 + 1, 2**63 - 1):
        with random_numbers(seed):
            drawn.append(torch.rand(4).tolist())
    assert len({tuple(numbers) for numbers in drawn}) == 4
    with random_numbers(1), torch.random.fork_rng():
        ours = torch.rand(4)
        torch.manual_seed(1)
        assert torch.rand(4).equal(ours), "small seeds are torch's own"
