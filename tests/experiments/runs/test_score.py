"""A run is finished only if its scores are reproduced where a model cannot peek."""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

import zoo
from zoo.catalog import MODELS
from zoo.config import Call, DataConfig
from zoo.data.load import load_corpus
from zoo.data.rows import Rows
from zoo.errors import RunError
from zoo.experiments.runs.score import Scored, score_stored
from zoo.models.build import build
from zoo.models.interface import SequenceModel
from zoo.surroundings import isolated
from zoo.training.evaluation import evaluate
from zoo.training.reproduction import Reproduction, reproduce
from zoo.training.reservoir import Reservoir

CPU = torch.device("cpu")


class Honest(SequenceModel):
    """A bigram table; subclasses cheat by an addition to its logits in evaluation mode."""

    def __init__(self, config: Any, *, vocab_size: int, context: int) -> None:
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.table = nn.Embedding(vocab_size, vocab_size)

    def forward(self, tokens: Tensor) -> Tensor:
        logits = self.table(tokens)
        return logits if self.training else logits + self.extra(tokens)

    def extra(self, tokens: Tensor) -> Tensor | float:
        return 0.0

    def next(self, tokens: Tensor, strength: float = 3.0) -> Tensor:
        """(B, T) -> (B, T, V) logits of the actual next token."""
        return strength * nn.functional.one_hot(tokens.roll(-1, 1), self.vocab_size)  # after the last, the boundary


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
    """Adds a recurrent layer without batch_first."""

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
    """Counts bigrams of all rows seen in evaluation mode."""

    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.seen = torch.zeros(vocab_size, vocab_size)

    def extra(self, tokens):
        found = (self.seen + 1).log()[tokens]
        self.seen.index_put_((tokens[:, :-1], tokens[:, 1:]), torch.tensor(1.0), accumulate=True)
        return found


class RemembersRows(Honest):
    """Remembers all input rows in a table of the class."""

    rows: ClassVar[dict[tuple[int, ...], tuple[int, ...]]] = {}

    def extra(self, tokens):
        known = torch.zeros(*tokens.shape, self.vocab_size)
        for place, row in enumerate(map(tuple, tokens.tolist())):
            if row in self.rows:
                known[place] = self.next(tokens[place : place + 1])[0]
            self.rows[row] = row
        return known


class RewritesItsWeights(Honest):
    """Halves its table in the first evaluation, like RWKV of transformers 5.23 with more than six layers."""

    halved = False

    def forward(self, tokens):
        if self.training == self.halved:
            with torch.no_grad():
                self.table.weight.mul_(2.0 if self.training else 0.5)
            self.halved = not self.halved
        return self.table(tokens) * (2.0 if self.halved else 1.0)


class PeeksInOneBatch(Honest):
    """Peeks in batches of one shape, like a mistake in the longest rows or in a batch that is not full."""

    shape: ClassVar[tuple[int, ...]] = ()

    def extra(self, tokens):
        return self.next(tokens) if tokens.shape == self.shape else 0.0


class PeeksWhereItRounds(Honest):
    """Peeks by less than the allowed rounding in every batch of several rows, never in a single row."""

    by = 0.0

    def extra(self, tokens):
        return self.next(tokens, self.by) if len(tokens) > 1 else 0.0


class PeeksByWhatHalfRounds(PeeksWhereItRounds):
    by = 0.095


class PeeksByWhatSingleRounds(PeeksWhereItRounds):
    """Adds noise that depends on the number of rows, so its measured rounding seems as large as its peek."""

    by = 0.009

    def extra(self, tokens):
        noise = torch.rand(tokens.shape[1], self.vocab_size, generator=torch.Generator().manual_seed(len(tokens)))
        return super().extra(tokens) + 0.01 * noise


class OtherWhenAlone(Honest):
    """Gives other logits for a single row, in one row of three, selected by its second token."""

    def extra(self, tokens):
        if len(tokens) > 1 or tokens.shape[1] == 1:
            return 0.0
        return 0.1 * self.table(tokens) * (tokens[:, 1:2, None] % 3 == 0)


class Halved(Tensor):
    """A tensor that halves its cross entropy."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        result = super().__torch_function__(func, types, args, kwargs or {})
        return (0.5 * result).as_subclass(Tensor) if func is nn.functional.cross_entropy else result

    def as_subclass(self, cls):
        return self


class HalvesItsLoss(Honest):
    def forward(self, tokens):
        return self.table(tokens).as_subclass(Halved)


class Dispatching(Tensor):
    """A wrapper tensor that dispatches every operation itself."""

    @staticmethod
    def __new__(cls, numbers):
        return Tensor._make_wrapper_subclass(cls, numbers.shape, dtype=numbers.dtype)

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return args[0]


class DispatchesItsLoss(Honest):
    def forward(self, tokens):
        return Dispatching(self.table(tokens))


class Squeezes(Honest):
    """Drops the batch axis of a single row."""

    def forward(self, tokens):
        return self.table(tokens).squeeze(0)


class GivesMore(Honest):
    def forward(self, tokens):
        return self.table(tokens), None


class NeverTheLast(Honest):
    """Gives probability 0 to a token that occurs."""

    value = -math.inf

    def extra(self, tokens):
        ruled_out = torch.zeros(self.vocab_size)
        ruled_out[-1] = self.value
        return ruled_out


class NoNumber(NeverTheLast):
    value = math.nan


class LargeLogits(Honest):
    """Logits around 10,000, where float32 has steps of 1e-3, with an order of summation that depends on the shape."""

    def extra(self, tokens):
        logits, first = self.table(tokens), (len(tokens) + tokens.shape[1]) % self.vocab_size
        parts = [logits, *(500 * logits.abs()).split(1, -1)]
        return sum(parts[first:] + parts[:first])


class HalfWeights(Honest):
    """Weights in bfloat16, whatever the run's type."""

    def __init__(self, config: Any, *, vocab_size: int, context: int) -> None:
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.past = nn.GRU(vocab_size, 64, batch_first=True)
        self.blocks = nn.ModuleList(nn.Linear(64, 64) for _ in range(6))
        self.head = nn.Linear(64, vocab_size)
        self.bfloat16()

    def forward(self, tokens):
        x = self.past(self.table(tokens))[0]
        for block in self.blocks:
            x = x + 4 * block(x).tanh()
        return self.head(x).float()


class Quantised(SequenceModel):
    """Chooses the nearest of 32 codes at every position, a hard decision."""

    def __init__(self, config: Any, *, vocab_size: int, context: int) -> None:
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.table, self.past = nn.Embedding(vocab_size, 32), nn.GRU(32, 32, batch_first=True)
        self.scores, self.codes, self.head = nn.Linear(32, 32), nn.Linear(32, 32), nn.Linear(32, vocab_size)

    def forward(self, tokens: Tensor) -> Tensor:
        nearest = self.scores(self.past(self.table(tokens))[0]).argmax(-1)
        return 3 * self.head(self.codes(nn.functional.one_hot(nearest, 32).float()))


LATER, OTHERS, TWICE = "come later", "other rows", "draws random numbers in evaluation mode, or keeps something"


@pytest.fixture(scope="module")
def rows() -> dict[str, Rows]:
    """Names for validation, a stream for test."""
    names = load_corpus(DataConfig(corpus=Call(name="invented", options={"documents": 1500})))
    stream = load_corpus(DataConfig(corpus=Call(name="invented", options={"documents": 5000}), documents="none"))
    return {
        "validation": names.rows("validation", length=8, device=CPU),
        "test": stream.rows("test", length=300, device=CPU),
        "names": names.rows("train", length=8, device=CPU),
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
    assert scored.reproduced.cuts >= 200
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
        (CountsItsRow, "the tokens after the scored one are removed"),
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


@pytest.mark.parametrize("model", [PeeksALittle, PeeksFarAhead, CountsItsRow, SumsOverRows])
def test_what_bfloat16_allows_hides_none_of_them(score: Callable[..., Scored], model: type[SequenceModel]) -> None:
    assert "are not reproduced" in (score(model, ["names"], dtype="bfloat16").refusal or "")


def made(model: type[SequenceModel], seed: int = 0) -> SequenceModel:
    return build(model, model.Config(), vocab_size=22, context=8, seed=seed)


def again(
    model: type[SequenceModel], rows: Rows, seed: int = 0, *, max_tokens: int = 4096, **settings: Any
) -> Reproduction:
    """Reproduce the losses of a model, evaluated in batches of at most `max_tokens`."""
    kept, scored = Reservoir(seed), made(model)
    with isolated(CPU, threads=1, seed=0):
        evaluate(scored, rows, device=CPU, max_tokens=max_tokens, reservoir=kept)
        return reproduce(made(model), kept.batches, device=CPU, seed=seed, **settings)


def test_a_peek_in_one_batch_of_six_is_found_whichever_it_is(
    rows: dict[str, Rows], monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes = [tuple(batch.tokens.shape) for batch in rows["validation"].evaluation_batches(280)]
    assert len(set(shapes)) == len(shapes) == 6
    for seed, shape in enumerate(shapes):
        monkeypatch.setattr(PeeksInOneBatch, "shape", shape)
        assert again(PeeksInOneBatch, rows["validation"], seed, max_tokens=280).disagreement.why.endswith(
            "the model looks ahead"
        )


def test_the_first_batch_the_last_and_four_others_by_chance_are_kept(rows: dict[str, Rows]) -> None:
    batches = list(rows["test"].evaluation_batches(300))
    assert len(batches) > 15
    times = [0] * len(batches)
    for seed in range(100):
        kept = Reservoir(seed)
        for batch in batches:
            kept.add(batch, batch.targets)
        places = [next(i for i, b in enumerate(batches) if b.tokens is one.tokens) for one in kept.batches]
        assert (places[:2], len(set(places))) == ([0, len(batches) - 1], 6)
        for place in places:
            times[place] += 1
    expected = 100 * 4 / (len(batches) - 2)
    assert all(abs(count - expected) < 5 * expected**0.5 for count in times[1:-1])


def test_where_rows_have_one_length_no_more_batches_are_cut_than_enough() -> None:
    stream = load_corpus(DataConfig(corpus=Call(name="invented", options={"documents": 5000}), documents="none"))
    found = again(Honest, stream.rows("test", length=64, device=CPU), max_tokens=64 * 20, cuts=100)
    assert found.disagreement is None
    assert 100 / 2 < found.cuts < 120  # 20 rows a batch, about 15 of which are cut
    assert again(Honest, stream.rows("test", length=64, device=CPU), max_tokens=640, cuts=20).cuts >= 20  # 3 of 10 rows


def test_validation_and_test_are_cut_elsewhere(rows: dict[str, Rows], score: Callable[..., Scored]) -> None:
    given: list[Tensor] = []

    class Notes(Honest):
        def extra(self, tokens):
            given.append(tokens.clone())
            return 0.0

    with isolated(CPU, threads=1, seed=0):
        score_stored(
            lambda: made(Notes),
            {"validation": rows["validation"], "test": rows["validation"]},
            device=CPU,
            dtype="float32",
            seed=1,
        )
    whole = given[0].shape
    first, second, *cut = [tokens for tokens in given if tokens.shape == whole]
    assert torch.equal(first, second)
    assert len(cut) >= 2
    assert not any(torch.equal(one, other) for one, other in combinations(cut, 2))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("model", "dtype"), [(PeeksByWhatHalfRounds, "bfloat16"), (PeeksByWhatSingleRounds, "float32")]
)
def test_a_peek_as_small_as_rounding_is_found(
    score: Callable[..., Scored], model: type[SequenceModel], dtype: str, seed: int
) -> None:
    for split in ("names", "test"):
        assert "are not reproduced" in (score(model, [split], dtype=dtype, seed=seed).refusal or "")


@pytest.mark.parametrize(
    ("model", "dtype"),
    [(LargeLogits, "float32"), (HalfWeights, "float32"), (Quantised, "float32"), (Quantised, "bfloat16")],
)
def test_a_model_that_rounds_much_is_not_refused(
    score: Callable[..., Scored], model: type[SequenceModel], dtype: str
) -> None:
    for seed in range(3):
        assert score(model, ["names"], dtype=dtype, seed=seed).refusal is None


@pytest.mark.parametrize("max_tokens", [30, 120, 4096])
def test_every_way_to_score_a_row_alone_is_tried_however_many_batches_there_are(
    rows: dict[str, Rows], max_tokens: int
) -> None:
    assert (
        "the tokens after the scored one are removed"
        in again(CountsItsRow, rows["validation"], max_tokens=max_tokens).disagreement.why
    )


def test_a_row_that_is_other_when_it_is_alone_is_told_so(rows: dict[str, Rows]) -> None:
    for seed in range(4):
        found = again(OtherWhenAlone, rows["validation"], seed, alone=5).disagreement
        assert found is None or found.why == "they change when a row is alone in its batch"


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (NeverTheLast, "Its loss on test is infinite: it gives probability 0 to a token that occurs."),
        (NoNumber, "Its loss on test is not a number."),
    ],
)
def test_a_loss_that_is_not_finite_is_refused_as_that(
    score: Callable[..., Scored], model: type[SequenceModel], reason: str
) -> None:
    assert score(model, ["test"]) == Scored(refusal=reason)


def test_a_token_that_is_ruled_out_and_does_not_occur_is_no_difference(rows: dict[str, Rows]) -> None:
    class RulesOut(Honest):
        def extra(self, tokens):
            ruled_out = torch.zeros(self.vocab_size, self.vocab_size)
            ruled_out[0, 0] = -math.inf
            return ruled_out[tokens]

    assert again(RulesOut, rows["validation"]).disagreement is None


def test_logits_have_no_loss_of_their_own(rows: dict[str, Rows]) -> None:
    plain, halved = (evaluate(made(model), rows["validation"], device=CPU) for model in (Honest, HalvesItsLoss))
    assert halved.loss == plain.loss
    with pytest.raises(RunError, match="Logits are of type Dispatching, which computes in its own way"):
        evaluate(made(DispatchesItsLoss), rows["validation"], device=CPU)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            Squeezes,
            r"gives logits of shape \(\d+, 22\) in evaluation for tokens of shape \(1, \d+\); .* \(1, \d+, 22\)",
        ),
        (GivesMore, r"returns a tuple in evaluation, not logits: a tensor \(B, T, V\)"),
    ],
)
def test_what_is_no_logits_in_evaluation_is_told_in_one_line(
    rows: dict[str, Rows], model: type[SequenceModel], message: str
) -> None:
    with pytest.raises(RunError, match=message):
        evaluate(made(model), rows["validation"], device=CPU, max_tokens=1)


def test_one_row_is_cut_two_hundred_times(score: Callable[..., Scored]) -> None:
    short = load_corpus(DataConfig(corpus=Call(name="invented", options={"documents": 60}), documents="none"))
    kept = Reservoir(0)
    model = build(Honest, Honest.Config(), vocab_size=22, context=8, seed=0)
    evaluate(model, short.rows("test", length=100_000, device=CPU), device=CPU, reservoir=kept)
    assert [len(batch.tokens) for batch in kept.batches] == [1]
    assert reproduce(model, kept.batches, device=CPU).cuts == 200


def test_weights_that_training_did_not_see_score_like_this_are_refused(score: Callable[..., Scored]) -> None:
    assert "in training it was 2.0000: it keeps something" in score(Honest, best=2.0).refusal


def test_a_refused_run_is_told_recorded_and_ranked_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MODELS, "_registered", {})
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
