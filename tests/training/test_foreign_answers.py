"""A model that reads the targets that it is scored on is refused, also where no score is too good to be true."""

import sys

import torch
from torch import Tensor

from zoo.config import Call, DataConfig
from zoo.data.load import load_corpus
from zoo.experiments.runs.score import score_stored
from zoo.models.interface import SequenceModel
from zoo.tokens import IGNORED
from zoo.training.foreign_answers import replace_answers
from zoo.training.reservoir import KeptBatch

CPU = torch.device("cpu")
DATA = DataConfig(corpus=Call(name="parity", options={"length": 6, "documents": 300}))


class Reader(SequenceModel):
    """Finds the targets in the frames of its callers; where there are none it answers by the token alone."""

    receptive_field = None

    def forward(self, tokens: Tensor) -> Tensor:
        logits = torch.zeros(*tokens.shape, self.vocab_size)
        logits.scatter_(-1, tokens.unsqueeze(-1), 1.0)
        frame = sys._getframe()
        while frame := frame.f_back:
            targets = getattr(frame.f_locals.get("batch"), "targets", None)
            if isinstance(targets, Tensor) and targets.shape == tokens.shape:
                answers = targets.masked_fill(targets == IGNORED, 0)
                return torch.zeros_like(logits).scatter_(-1, answers.unsqueeze(-1), 20.0)
        return logits


class Honest(SequenceModel):
    """Computes the parity."""

    receptive_field = None

    def forward(self, tokens: Tensor) -> Tensor:
        parity = 1 + (tokens == 2).long().cumsum(1) % 2
        return 20.0 * torch.nn.functional.one_hot(parity, self.vocab_size).float()


def score(kind: type[SequenceModel]):
    corpus = load_corpus(DATA)
    rows = {split: corpus.rows(split, length=6) for split in ("validation", "test")}
    config = SequenceModel.Config()
    build = lambda: kind(config, vocab_size=3, context=6)  # noqa: E731
    return score_stored(build, rows, device=CPU, dtype="float32", seed=1)


def test_a_perfect_honest_model_is_scored() -> None:
    scored = score(Honest)
    assert scored.refusal is None
    assert scored.scores["test"].accuracy == scored.scores["test"].answers == 1.0


def test_a_model_that_reads_its_targets_is_refused() -> None:
    scored = score(Reader)
    assert scored.refusal is not None
    assert "they change with the answers: the model reads the targets that it is scored on" in scored.refusal


def test_a_foreign_answer_is_another_token_and_never_the_boundary() -> None:
    targets = torch.tensor([[1, 2, IGNORED], [3, 3, 1]]).repeat(200, 1)
    batch = KeptBatch(torch.ones_like(targets), targets, torch.zeros(targets.shape))
    foreign = replace_answers(batch, 4, torch.Generator().manual_seed(0)).targets
    scored = targets != IGNORED
    assert (foreign[~scored] == IGNORED).all()
    assert (foreign[scored] != targets[scored]).all()
    assert set(foreign[scored].tolist()) == {1, 2, 3}
