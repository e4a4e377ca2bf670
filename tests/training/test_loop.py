import copy
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from trained_models import TRAINED

from zoo.catalog import MODELS
from zoo.data.rows import DocumentRows, Rows
from zoo.data.tokens import Tokens
from zoo.models.interface import SequenceModel
from zoo.training.evaluation import evaluate
from zoo.training.loop import Fit, Progress
from zoo.training.schedule import learning_rate

CPU = torch.device("cpu")
MakeModel = Callable[..., SequenceModel]
Train = Callable[..., Fit]


def weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


class Table(SequenceModel):
    """A bigram whose subclasses misbehave; `step_number` counts its forward passes in training mode."""

    def __init__(self, config: object, *, vocab_size: int, context: int) -> None:
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.table = nn.Embedding(vocab_size, vocab_size)
        self.step_number = 0

    def forward(self, tokens: Tensor) -> Tensor:
        self.step_number += self.training
        return self.table(tokens)


class NanInTraining(Table):
    """Its loss is not a number from training step `first` on."""

    first = 0

    def forward(self, tokens: Tensor) -> Tensor:
        logits = super().forward(tokens)
        return logits * math.nan if self.training and self.step_number >= self.first else logits


class NanInEvaluation(Table):
    """Its loss in evaluation mode is not a number after training step `first`."""

    first = 0

    def forward(self, tokens: Tensor) -> Tensor:
        logits = super().forward(tokens)
        return logits * math.nan if not self.training and self.step_number >= self.first else logits


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("clip", [0.0, 0.05])
def test_training_is_the_loop_one_would_write_by_hand_bit_for_bit(
    optimizer: str, clip: float, make_model: MakeModel, train: Train, train_rows: Rows
) -> None:
    model, by_hand = make_model("gru"), make_model("gru").train()
    fit = train(model, seed=7, steps=12, optimizer=optimizer, clip=clip, schedule="cosine", warmup=0.2, evaluations=1)
    assert fit.best.step == 12, "so that the weights compared are the last ones"

    matrices = [parameter for parameter in by_hand.parameters() if parameter.dim() >= 2]
    vectors = [parameter for parameter in by_hand.parameters() if parameter.dim() < 2]
    groups: list[Any] = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
    if optimizer == "sgd":
        update: torch.optim.Optimizer = torch.optim.SGD(groups, lr=1.0, weight_decay=0.01, fused=True)
    else:
        update = torch.optim.AdamW(groups, lr=1.0, weight_decay=0.01, betas=(0.9, 0.99), fused=True)
    for step in range(12):
        batch = train_rows.batch(7, step, 16)
        loss = nn.functional.cross_entropy(by_hand.packed(batch.tokens, batch.packing), batch.targets)
        by_hand.zero_grad()
        loss.backward()
        if clip:
            nn.utils.clip_grad_norm_([*matrices, *vectors], clip)
        for group in update.param_groups:
            group["lr"] = learning_rate((step + 0.5) / 12, peak=1e-2, schedule="cosine", warmup=0.2)
        update.step()
    assert same(weights(model), weights(by_hand))


@pytest.mark.parametrize("name", TRAINED)
def test_runs_of_one_seed_are_bitwise_equal_and_of_another_are_not(
    name: str, make_model: MakeModel, train: Train
) -> None:
    options = {"dropout": 0.2} if "dropout" in MODELS.get(name).Config.model_fields else {}
    models = [make_model(name, **options) for _ in range(3)]
    curves = [
        [(point.train_loss, point.validation_loss) for point in train(model, seed=seed, steps=8).curve]
        for model, seed in zip(models, (1, 1, 2), strict=True)
    ]
    assert same(weights(models[0]), weights(models[1]))
    assert curves[0] == curves[1]
    assert not same(weights(models[0]), weights(models[2]))


@pytest.mark.parametrize("name", TRAINED)
def test_the_loss_falls(name: str, make_model: MakeModel, train: Train) -> None:
    model = make_model(name)
    curve = train(model, steps=60, batch_size=32, optimizer=model.recipe.optimizer, lr=model.recipe.lr).curve
    assert curve[-1].validation_loss < curve[0].validation_loss - 0.3


def test_evaluation_during_training_does_not_change_the_training(make_model: MakeModel, train: Train) -> None:
    often, seldom = make_model("gru", dropout=0.5), make_model("gru", dropout=0.5)
    many, few = train(often, steps=20, evaluations=5), train(seldom, steps=20, evaluations=1)
    assert len(many.curve) == 6
    assert len(few.curve) == 2
    assert many.best == many.curve[-1], "so that the weights compared are the last ones"
    assert many.curve[-1].validation_loss == few.curve[-1].validation_loss
    assert same(weights(often), weights(seldom))


def test_the_weights_kept_are_the_best_on_validation(
    make_model: MakeModel, train: Train, train_rows: Rows, validation_rows: Rows
) -> None:
    batch = train_rows.batch(0, 0, 20)
    few = Tokens.of([row[row > 0].numpy() for row in batch.pad()[0]])  # few documents, quickly memorised
    model = make_model("mlp")
    fit = train(model, rows=DocumentRows(few, CPU), steps=150, evaluations=15, lr=2e-3)
    losses = [point.validation_loss for point in fit.curve]
    assert fit.best == fit.curve[int(np.argmin(losses))]
    assert 0 < fit.best.step < fit.curve[-1].step
    assert losses[-1] > min(losses) + 0.1
    assert evaluate(model, validation_rows, device=CPU).loss == min(losses)


@pytest.mark.parametrize("first", [1, 2, 24, 25, 26, 49, 60])
def test_a_loss_that_is_not_finite_stops_the_run_with_its_step(first: int, make_model: MakeModel, train: Train) -> None:
    model = make_model(NanInTraining)
    model.first = first
    fit = train(model, steps=60, evaluations=6)
    assert fit.diverged_at == first
    assert [point.step for point in fit.curve] == list(range(0, first, 10))
    assert fit.best == fit.curve[-1]
    assert fit.steps < first + 25
    assert all(tensor.isfinite().all() for tensor in weights(model).values())


def test_after_divergence_the_weights_are_those_of_the_last_good_evaluation(
    make_model: MakeModel, train: Train
) -> None:
    broken, sound = make_model(NanInTraining), make_model(Table)
    broken.first = 17
    train(broken, steps=20, evaluations=2)
    train(sound, steps=10, evaluations=1)
    assert same(weights(broken), weights(sound))


@pytest.mark.parametrize(("first", "expected"), [(0, 0), (1, 10), (10, 10), (11, 20)])
def test_a_validation_loss_that_is_not_finite_stops_the_run(
    first: int, expected: int, make_model: MakeModel, train: Train
) -> None:
    model = make_model(NanInEvaluation)
    model.first = first
    fit = train(model, steps=60, evaluations=6)
    assert fit.diverged_at == fit.steps == expected
    assert [point.step for point in fit.curve] == list(range(0, expected, 10))
    assert (fit.best is None) == (expected == 0)


@pytest.mark.parametrize("name", ["mlp", "gru"])
def test_a_learning_rate_that_is_far_too_high_diverges_and_is_told(
    name: str, make_model: MakeModel, train: Train
) -> None:
    model = make_model(name)
    start = weights(model)
    fit = train(model, optimizer="sgd", lr=1e38, clip=0.0, steps=60)
    assert fit.diverged_at is not None
    assert 1 < fit.diverged_at < 10
    assert same(weights(model), start)


@pytest.mark.parametrize("clip", [0.01, 0.1])
def test_clipping_bounds_the_update(clip: float, make_model: MakeModel, train: Train) -> None:
    def update(**settings: float) -> float:
        model = make_model(Table)
        before = model.table.weight.detach().clone()
        with torch.no_grad():
            model.table.weight *= 3  # gives a bad loss
            before *= 3
        train(model, steps=1, optimizer="sgd", lr=1.0, weight_decay=0.0, **settings)
        return (model.table.weight - before).norm().item()

    assert update(clip=clip) == pytest.approx(clip, rel=1e-3)
    assert update(clip=0.0) == pytest.approx(update(clip=1e9), rel=1e-6)
    assert update(clip=0.0) > 0.15


@pytest.mark.parametrize("name", TRAINED)
def test_training_in_bfloat16_learns_as_float32_does(name: str, make_model: MakeModel, train: Train) -> None:
    full, half = make_model(name), make_model(name)
    expected = train(full, steps=20).curve[-1].validation_loss
    loss = train(half, steps=20, dtype="bfloat16").curve[-1].validation_loss
    assert loss == pytest.approx(expected, abs=0.05)
    assert all(parameter.dtype == torch.float32 for parameter in half.parameters())


@pytest.mark.parametrize("evaluations", [1, 3, 20, 50])
def test_steps_and_tokens_are_counted_and_evaluations_spread_over_the_run(
    evaluations: int, make_model: MakeModel, train: Train, train_rows: Rows
) -> None:
    fit = train(make_model("bigram"), seed=3, steps=20, evaluations=evaluations)
    drawn = [0, *np.cumsum([train_rows.batch(3, step, 16).target_count for step in range(20)]).tolist()]
    assert (fit.steps, fit.tokens, fit.diverged_at) == (20, drawn[-1], None)
    assert len(fit.curve) == min(evaluations, 20) + 1
    assert fit.curve[-1].step == 20
    assert [point.tokens for point in fit.curve] == [drawn[point.step] for point in fit.curve]


def test_the_train_loss_of_a_point_is_the_mean_since_the_point_before(
    make_model: MakeModel, train: Train, train_rows: Rows
) -> None:
    every = train(make_model("bigram"), steps=60, evaluations=60).curve
    some = train(make_model("bigram"), steps=60, evaluations=2).curve
    assert every[0].train_loss is None
    assert every[1].train_loss == pytest.approx(every[0].validation_loss, abs=1e-6), "log V for any batch"
    for first, point in zip((1, 31), some[1:], strict=True):
        assert point.train_loss == pytest.approx(np.mean([p.train_loss for p in every[first : first + 30]]))


def test_progress_is_told_in_order_and_ends_with_the_last_evaluation(make_model: MakeModel, train: Train) -> None:
    told: list[Progress] = []
    fit = train(make_model("bigram"), steps=60, evaluations=2, report=told.append)
    assert [round(60 * progress.spent) for progress in told] == [0, 25, 30, 55, 60]
    assert [progress.validation_loss is not None for progress in told] == [True, False, True, False, True]
    assert told[-1].validation_loss == fit.curve[-1].validation_loss


def test_a_budget_of_seconds_ends_after_them_and_its_schedule_and_evaluations_follow_the_clock(
    make_model: MakeModel, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, rates = 0.0, []
    monkeypatch.setattr("time.perf_counter", lambda: now)

    class Slow(Table):
        def forward(self, tokens: Tensor) -> Tensor:
            nonlocal now
            now += 0.5 if self.training else 1000
            return super().forward(tokens)

    def remembered(share: float, **settings: Any) -> float:
        rates.append(learning_rate(share, **settings))
        return rates[-1]

    monkeypatch.setattr("zoo.training.settings.learning_rate", remembered)
    fit = train(make_model(Slow), steps=None, seconds=10.0, evaluations=5, warmup=0.1, schedule="cosine")
    assert (fit.steps, fit.seconds) == (20, 10)
    assert [point.seconds for point in fit.curve] == [0, 2, 4, 6, 8, 10]
    assert rates == pytest.approx(
        [learning_rate(step / 20, peak=1e-2, schedule="cosine", warmup=0.1) for step in range(20)]
    )


def test_the_shapes_of_all_batches_are_counted(make_model: MakeModel, train: Train, train_rows: Rows) -> None:
    fit = train(make_model("bigram"), seed=3, steps=20)
    assert fit.shapes == Counter(train_rows.batch(3, step, 16).shape for step in range(20))


def test_the_clock_stands_still_during_evaluation(
    make_model: MakeModel, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("time.perf_counter", lambda: now)

    class Slow(Table):
        def forward(self, tokens: Tensor) -> Tensor:
            nonlocal now
            now += 1 if self.training else 1000
            return super().forward(tokens)

    fit = train(make_model(Slow), steps=20, evaluations=4)
    assert fit.seconds == 20
    assert [point.seconds for point in fit.curve] == [0, 5, 10, 15, 20]


def test_the_model_is_trained_in_training_mode_whatever_it_came_in(make_model: MakeModel, train: Train) -> None:
    one, other = make_model("gru", dropout=0.5).eval(), make_model("gru", dropout=0.5).train()
    train(one, steps=5)
    train(other, steps=5)
    assert same(weights(one), weights(other))


def test_a_copy_of_the_model_before_training_is_not_touched(make_model: MakeModel, train: Train) -> None:
    model = make_model("wavenet")
    before = copy.deepcopy(model)
    train(model, steps=5)
    assert not same(weights(model), weights(before))
    assert same(weights(before), weights(make_model("wavenet")))


class DropsTokens(Table):
    """Replaces half its tokens by 0 in training, in a copy or in place."""

    copies = True

    def forward(self, tokens: Tensor) -> Tensor:
        if self.training:
            tokens = tokens.clone() if self.copies else tokens
            tokens[torch.rand(tokens.shape) < 0.5] = 0
        return super().forward(tokens)


class DropsTokensInPlace(DropsTokens):
    copies = False


@pytest.mark.parametrize("kind", ["documents", "stream", "windows"])
def test_a_model_that_writes_into_its_tokens_does_not_change_its_targets(
    make_model: MakeModel, train: Train, train_rows: Rows, stream_rows: Rows, kind: str
) -> None:
    rows = train_rows if kind == "documents" else stream_rows
    window = 8 if kind == "windows" else None
    fits = [train(make_model(model), rows=rows, window=window) for model in (DropsTokens, DropsTokensInPlace)]
    one, other = ([point.train_loss for point in fit.curve] for fit in fits)
    assert one == other


class CountsWhatItIsScoredOn(Table):
    scored = 0

    def forward(self, tokens: Tensor) -> Tensor:
        self.scored += 0 if self.training else tokens.numel()
        return super().forward(tokens)


def test_validation_is_seen_by_a_model_of_its_own_with_the_weights_of_the_one_in_training(
    make_model: MakeModel, train: Train, train_rows: Rows, validation_rows: Rows
) -> None:
    in_training, evaluated = (make_model(CountsWhatItIsScoredOn, seed=seed) for seed in (1, 2))
    fit = train(in_training, evaluation_model=evaluated)
    assert in_training.scored == 0
    assert evaluated.scored > 0
    assert fit.curve == [replace(point, seconds=own.seconds) for point, own in zip(
        train(make_model(CountsWhatItIsScoredOn, seed=1)).curve, fit.curve, strict=True
    )]  # fmt: skip
