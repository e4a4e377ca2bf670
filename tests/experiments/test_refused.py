"""A run is finished only when its scores are reproduced where a model cannot peek."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

import zoo
from zoo.catalog import MODELS
from zoo.config import Call, DataConfig
from zoo.data.corpus import load_corpus
from zoo.data.rows import Rows
from zoo.experiments.scoring import Scored, score_stored
from zoo.models.build import build
from zoo.models.interface import SequenceModel
from zoo.training.device import isolated
from zoo.training.evaluation import evaluate
from zoo.training.kept import Kept
from zoo.training.reproduction import reproduce

CPU = torch.device("cpu")


class Honest(SequenceModel):
    """A bigram table, and what a cheat adds to its logits in evaluation mode."""

    def __init__(self, config: Any, *, vocab_size: int, context: int) -> None:
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.table = nn.Embedding(vocab_size, vocab_size)

    def forward(self, tokens: Tensor) -> Tensor:
        logits = self.table(tokens)
        return logits if self.training else logits + self.extra(tokens)

    def extra(self, tokens: Tensor) -> Tensor | float:
        return 0.0

    def next(self, tokens: Tensor, strength: float = 3.0) -> Tensor:
        """(B, T, V): what comes next, with as much certainty."""
        return strength * nn.functional.one_hot(tokens.roll(-1, 1), self.vocab_size)


class PeeksInLargeBatches(Honest):
    def extra(self, tokens):
        return self.next(tokens) if len(tokens) >= 32 else 0.0


class PeeksPastSixTokens(Honest):
    def extra(self, tokens):
        return self.next(tokens) if tokens.shape[1] > 6 else 0.0


class PeeksInLongRows(Honest):
    def extra(self, tokens):
        return self.next(tokens) if tokens.shape[1] > 200 else 0.0


class PeeksWithoutGradients(Honest):
    def extra(self, tokens):
        return 0.0 if torch.is_grad_enabled() else self.next(tokens)


class PeeksALittle(Honest):
    def extra(self, tokens):
        return self.next(tokens, 0.01)


class PeeksNowAndThen(Honest):
    def extra(self, tokens):
        return self.next(tokens) * (torch.arange(tokens.shape[1]) % 5 == 2).unsqueeze(1)


class PeeksFarAhead(Honest):
    def extra(self, tokens):
        return 0.2 * nn.functional.one_hot(tokens[:, -1:], self.vocab_size)


class CountsItsRow(Honest):
    def extra(self, tokens):
        return 0.01 * tokens.shape[1] * self.table(tokens)


class SumsOverRows(Honest):
    def extra(self, tokens):
        return 0.1 * nn.functional.one_hot(tokens, self.vocab_size).float().mean((0, 1))


class RunsOverRows(Honest):
    """A recurrent layer without batch_first."""

    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.over = nn.GRU(vocab_size, vocab_size)

    def extra(self, tokens):
        return self.over(self.table(tokens))[0]


class LooksAtTheRowBefore(Honest):
    def extra(self, tokens):
        return 0.1 * self.table(tokens.roll(1, 0))


class DropsOut(Honest):
    def extra(self, tokens):
        return torch.nn.functional.dropout(self.table(tokens))


class GoesOnLearning(Honest):
    """A count of what followed what, of all rows that it has seen in evaluation mode."""

    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.seen = torch.zeros(vocab_size, vocab_size)

    def extra(self, tokens):
        found = (self.seen + 1).log()[tokens]
        self.seen.index_put_((tokens[:, :-1], tokens[:, 1:]), torch.tensor(1.0), accumulate=True)
        return found


class RemembersRows(Honest):
    """Every row that it was ever given, in a table of the class."""

    rows: ClassVar[dict[tuple[int, ...], tuple[int, ...]]] = {}

    def extra(self, tokens):
        known = torch.zeros(*tokens.shape, self.vocab_size)
        for place, row in enumerate(map(tuple, tokens.tolist())):
            if row in self.rows:
                known[place] = self.next(tokens[place : place + 1])[0]
            self.rows[row] = row
        return known


class RewritesItsWeights(Honest):
    """Half the table, once, in the first evaluation; as RWKV of transformers 5.23 does with more than six layers."""

    halved = False

    def forward(self, tokens):
        if self.training == self.halved:
            with torch.no_grad():
                self.table.weight.mul_(2.0 if self.training else 0.5)
            self.halved = not self.halved
        return self.table(tokens) * (2.0 if self.halved else 1.0)


LATER, OTHERS, TWICE = "come later", "other rows", "draws random numbers in evaluation mode, or keeps something"


@pytest.fixture(scope="module")
def rows() -> dict[str, Rows]:
    """Names for validation, a stream for test."""
    names = load_corpus(DataConfig(corpus=Call(name="invented", options={"documents": 1500})))
    stream = load_corpus(DataConfig(corpus=Call(name="invented", options={"documents": 5000}), documents="none"))
    return {
        "validation": names.rows("validation", length=8, device=CPU),
        "test": stream.rows("test", length=300, device=CPU),
    }


@pytest.fixture
def score(rows: dict[str, Rows]) -> Iterator[Callable[..., Scored]]:
    def run(model: type[SequenceModel], splits: Sequence[str] = ("validation", "test"), **settings: Any) -> Scored:
        def stored() -> SequenceModel:
            return build(model, model.Config(), vocab_size=22, context=8, seed=0)

        asked = {split: rows[split] for split in splits}
        best = evaluate(stored(), asked["validation"], device=CPU).loss if "validation" in asked else None
        usual = {"device": CPU, "dtype": "float32", "best": best, "seed": 1}
        with isolated(CPU, threads=1, seed=0):
            return score_stored(stored, asked, **{**usual, **settings})

    yield run
    RemembersRows.rows.clear()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_scores_that_come_out_again_stand(score: Callable[..., Scored], dtype: str) -> None:
    scored = score(Honest, dtype=dtype)
    assert scored.refusal is None
    assert set(scored.scores) == {"validation", "test"}
    assert scored.reproduced.cuts >= 400  # 200 of each
    assert scored.reproduced.tokens > scored.reproduced.cuts
    assert scored.reproduced.apart <= 0.01


@pytest.mark.parametrize("name", ["bow", "mlp", "wavenet", "dilated-wavenet", "rnn", "gru", "lstm", "transformer"])
def test_the_scores_of_built_in_models_come_out_again(score: Callable[..., Scored], name: str) -> None:
    assert score(MODELS.get(name), ["test"]).refusal is None


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (PeeksInLargeBatches, LATER),
        (PeeksPastSixTokens, LATER),
        (PeeksInLongRows, LATER),
        (PeeksWithoutGradients, LATER),
        (PeeksALittle, LATER),
        (PeeksNowAndThen, LATER),
        (PeeksFarAhead, LATER),
        (CountsItsRow, "nothing stands after"),
        (SumsOverRows, OTHERS),
        (RunsOverRows, OTHERS),
        (LooksAtTheRowBefore, OTHERS),
        (DropsOut, TWICE),
        (GoesOnLearning, TWICE),
        (RemembersRows, TWICE),
        (RewritesItsWeights, "rewrites its own weights: 'table.weight'"),
    ],
)
def test_scores_that_do_not_come_out_again_are_refused(score: Callable[..., Scored], model: type, reason: str) -> None:
    scored = score(model)
    assert reason in (scored.refusal or "")
    assert not scored.scores


def test_one_row_is_cut_two_hundred_times(score: Callable[..., Scored]) -> None:
    short = load_corpus(DataConfig(corpus=Call(name="invented", options={"documents": 60}), documents="none"))
    kept = Kept(0)
    model = build(Honest, Honest.Config(), vocab_size=22, context=8, seed=0)
    evaluate(model, short.rows("test", length=100_000, device=CPU), device=CPU, kept=kept)
    assert [len(batch.tokens) for batch in kept.batches] == [1]
    assert reproduce(model, kept.batches, device=CPU).cuts == 200


def test_weights_that_training_did_not_see_score_like_this_are_refused(score: Callable[..., Scored]) -> None:
    assert "in training it was 2.0000: it keeps something" in score(Honest, best=2.0).refusal


def test_a_refused_run_is_told_recorded_and_ranked_nowhere(tmp_path: Path) -> None:
    settings = {"data": "invented(documents=1500)", "steps": 3, "evaluations": 1, "out": tmp_path, "progress": False}
    compared = zoo.compare([PeeksPastSixTokens, "bigram", "bow"], seeds=3, threads=1, report=False, **settings)
    first, _, refused = compared.comparison.models
    assert (refused.label, refused.refused, refused.test, refused.letters) == ("PeeksPastSixTokens", 3, None, "")
    assert LATER in refused.reason
    assert refused.without_mean == "refused 3 of 3"
    assert {pair.a for pair in compared.comparison.pairs} == {first.label}
    assert "PeeksPastSixTokens is refused under 3 of 3 seeds" in compared.verdict
    run = next(run for run in compared.comparison.runs if run.label == "PeeksPastSixTokens")
    assert (run.status, run.test_loss, run.validation_loss) == ("refused", None, None)
    assert not zoo.load(compared.directory / run.directory).result.reproduced
