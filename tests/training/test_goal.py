"""A run ends when it has solved its task, and not before."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from zoo.config import Call, DataConfig
from zoo.data.load import load_corpus
from zoo.data.task import Goal
from zoo.models.interface import SequenceModel
from zoo.training.evaluation import Score, evaluate
from zoo.training.goal import Finish, is_solved
from zoo.training.loop import Fit, Settings, fit
from zoo.training.stacked.fit import fit_stacked

CPU = torch.device("cpu")
SETTINGS = Settings(
    steps=60, batch_size=16, optimizer="adamw", schedule="constant", lr=0.1, weight_decay=0.0, warmup=0.0, clip=1.0,
    evaluations=20, dtype="float32",
)  # fmt: skip
CORPUS = load_corpus(DataConfig(corpus=Call(name="parity", options={"length": 2, "documents": 40})))


class Pairs(SequenceModel):
    """A table of logits for each token and the one before, which can solve parity of two bits."""

    def __init__(self, *, vocab_size: int = len(CORPUS.vocabulary)) -> None:
        super().__init__(self.Config(), vocab_size=vocab_size, context=2)
        self.table = nn.Embedding(vocab_size * vocab_size, vocab_size)
        nn.init.zeros_(self.table.weight)

    def forward(self, tokens: Tensor) -> Tensor:
        before = torch.cat([torch.zeros_like(tokens[:, :1]), tokens[:, :-1]], dim=1)
        return self.table(before * self.vocab_size + tokens)


def train(settings: Settings, finish: Finish | None, model: Pairs | None = None) -> Fit:
    train, validation = (CORPUS.rows(split, length=2, device=CPU) for split in ("train", "validation"))
    return fit(model or Pairs(), train, validation, settings, seed=1, device=CPU, finish=finish)


@pytest.mark.parametrize("goal", [Goal("answers", 0.99), Goal("accuracy", 1.0), Goal("excess", 0.05)])
def test_a_run_ends_at_the_second_evaluation_in_a_row_that_meets_the_goal(goal: Goal) -> None:
    finish = Finish(goal, floor=0.0)
    whole, ended = train(SETTINGS, None), train(SETTINGS, finish)
    assert (whole.solved_at, whole.steps) == (None, 60)
    assert ended.solved_at == ended.steps == ended.curve[-1].step < 60
    scores = [point.score for point in ended.curve]
    assert [goal.is_met(score) for score in scores if score is not None][-2:] == [True, True]
    assert not any(is_solved(scores[:count], goal.is_met) for count in range(len(scores)))  # type: ignore[arg-type]
    for point, same in zip(ended.curve, whole.curve, strict=False):  # until then it is the same run
        assert replace(point, seconds=0, score=None) == replace(same, seconds=0)


def test_the_score_is_that_of_the_weights_on_validation() -> None:
    model = Pairs()
    ended = train(SETTINGS, Finish(Goal("answers", 0.99), 0.0), model)
    found = evaluate(model, CORPUS.rows("validation", length=2, device=CPU), device=CPU)
    assert ended.best is not None
    assert (ended.best.score, ended.best.validation_loss) == (found.answers, found.loss)


def test_a_goal_that_is_never_met_ends_nothing() -> None:
    ended = train(SETTINGS, Finish(Goal("excess", 1e-9), 0.0))
    assert (ended.solved_at, ended.steps) == (None, 60)


def test_excess_is_counted_from_the_floor() -> None:
    score = Score(nats=torch.tensor([3.0]).double().numpy(), tokens=torch.tensor([2]).numpy())
    assert Finish(Goal("excess", 0.1), floor=1.2).measure(score) == pytest.approx(0.3)


def test_a_replica_of_a_stack_ends_alone_and_the_others_go_on() -> None:
    finish = Finish(Goal("excess", 0.1), 0.0)
    settings = [SETTINGS, replace(SETTINGS, lr=0.07), replace(SETTINGS, lr=1e-9)]
    alone = [train(own, finish) for own in settings]
    rows = [CORPUS.rows(split, length=2, device=CPU) for split in ("train", "validation")]
    models = [Pairs() for _ in settings]
    stacked = fit_stacked(models, *rows, settings, seeds=[1, 1, 1], device=CPU, finish=finish)
    solved = [own.solved_at for own in alone]
    assert solved[0] is not None
    assert solved[1] is not None
    assert solved[0] < solved[1]
    for one, other in zip(alone, stacked, strict=True):
        assert (one.steps, one.tokens, one.solved_at, one.shapes) == (
            other.steps, other.tokens, other.solved_at, other.shapes,
        )  # fmt: skip
        assert [p.validation_loss for p in one.curve] == pytest.approx([p.validation_loss for p in other.curve])
