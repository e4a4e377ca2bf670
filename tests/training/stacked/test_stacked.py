"""A stack of replicas against plain loops, one per replica."""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from trained_models import TRAINED

from zoo.data.rows import Batch, Rows
from zoo.errors import UsageError
from zoo.models.interface import SequenceModel
from zoo.surroundings import isolated
from zoo.training.evaluation import evaluate
from zoo.training.loop import Fit, Progress, Settings, draw, fit
from zoo.training.stacked.filling import fill, stack_batches
from zoo.training.stacked.fit import StackedStep, fit_stacked
from zoo.training.stacked.stackable import DRAWS, HALF, LAYOUTS, MIXES, why_not_stacked
from zoo.training.step import TrainStep

CPU = torch.device("cpu")
MakeModel = Callable[..., SequenceModel]
SETTINGS = Settings(
    steps=30,
    batch_size=16,
    optimizer="adamw",
    schedule="constant",
    lr=1e-2,
    weight_decay=0.01,
    warmup=0.0,
    clip=1.0,
    evaluations=3,
    dtype="float32",
)
OPTIONS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in TRAINED),
    ("transformer", {"tied": True, "positions": "learned", "places": 4}),
    ("wavenet", {"tree": True}),
    ("dilated-wavenet", {"kernel": 3, "stacks": 2}),
    ("rg-lru", {"attention_every": 2, "window": 5}),
    ("hybrid", {"pattern": "rg-lru/attention"}),
    ("gla", {"decay": "head"}),
    ("delta-net", {"gated": False, "conv": 0}),
]
every_stackable = pytest.mark.parametrize(("name", "options"), OPTIONS, ids=str)


class StrangerLoop(SequenceModel):
    """Branches on a value, so vmap cannot run it."""

    def __init__(self, config: object, *, vocab_size: int, context: int) -> None:
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.table = nn.Embedding(vocab_size, vocab_size)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.table(tokens) * (1 if self.table.weight.sum().item() > 0 else 2)


class Frozen(SequenceModel):
    """Has one layer that is not trained."""

    def __init__(self, config: object, *, vocab_size: int, context: int) -> None:
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.table = nn.Embedding(vocab_size, 4)
        self.head = nn.Linear(4, vocab_size).requires_grad_(False)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.table(tokens))


def weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first)


def assert_near(one: nn.Module, other: nn.Module, tolerance: float = 1e-9) -> None:
    for (name, tensor), expected in zip(one.state_dict().items(), other.state_dict().values(), strict=True):
        torch.testing.assert_close(tensor, expected, rtol=tolerance, atol=tolerance, msg=lambda m, n=name: f"{n}: {m}")


@pytest.fixture
def train_stack(train_rows: Rows, validation_rows: Rows) -> Callable[..., list[Fit]]:
    """Run `fit_stacked` on the small corpus: `train_stack(models, lr=[1e-3, 1e-2], steps=30)`; seeds are 0, 1, ..."""

    def run(
        models: Sequence[SequenceModel], *, report: Any = lambda _, __: None, lr: Sequence[float] = (), **settings: Any
    ) -> list[Fit]:
        common = replace(SETTINGS, **settings)
        each = [replace(common, lr=rate) for rate in lr] if lr else [common] * len(models)
        with isolated(CPU, seed=1):
            return fit_stacked(
                models, train_rows, validation_rows, each, seeds=range(len(models)), device=CPU, report=report
            )

    return run


@every_stackable
@pytest.mark.parametrize(
    "kind", ["documents", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("streams", "windows"))]
)
def test_gradients_and_updates_in_float64_are_those_of_plain_loops(
    name: str, options: dict[str, Any], kind: str, make_model: MakeModel, train_rows: Rows, stream_rows: Rows
) -> None:
    rows = stream_rows if kind == "streams" else train_rows
    common = replace(SETTINGS, window=8 if kind == "windows" else None)
    settings = [replace(common, lr=0.02 / (1 + k), clip=(0.0, 0.05, 1.0)[k], weight_decay=0.2 * k) for k in range(3)]
    alone, together = ([make_model(name, seed=k, **options).double().train() for k in range(3)] for _ in range(2))
    plain = [TrainStep(model, own, CPU) for model, own in zip(alone, settings, strict=True)]
    stack = StackedStep(together, settings, CPU)
    for step in range(4):
        batches = [draw(rows, common, seed, step) for seed in range(3)]
        longest = max(len(batch.tokens) for batch in batches)
        rates = [own.lr / (1 + step) for own in settings]
        losses = stack(stack_batches(batches), torch.tensor(rates, dtype=torch.float64))
        for k in range(3):
            loss = plain[k](fill(batches[k], longest), rates[k])
            torch.testing.assert_close(losses[k], loss, rtol=1e-10, atol=1e-10)
        for one, other in zip(together, alone, strict=True):
            assert_near(one, other)


@pytest.mark.parametrize("name", ["wavenet", "dilated-wavenet", "transformer"])
def test_muon_is_that_of_plain_loops(name: str, make_model: MakeModel, train_rows: Rows) -> None:
    own = replace(SETTINGS, optimizer="muon(precision=full)", weight_decay=0.1)
    alone, together = ([make_model(name, seed=k).double().train() for k in range(2)] for _ in range(2))
    plain, stack = [TrainStep(model, own, CPU) for model in alone], StackedStep(together, [own] * 2, CPU)
    for step in range(3):
        batches = [draw(train_rows, own, seed, step) for seed in range(2)]
        longest = max(len(batch.tokens) for batch in batches)
        stack(stack_batches(batches), torch.tensor([0.02, 0.01], dtype=torch.float64))
        for one, batch, rate in zip(plain, batches, (0.02, 0.01), strict=True):
            one(fill(batch, longest), rate)
        for one, other in zip(together, alone, strict=True):
            assert_near(one, other, 1e-8)


@pytest.mark.parametrize("clip", [0.0, 0.1])
def test_sgd_is_that_of_plain_loops(clip: float, make_model: MakeModel, train_rows: Rows) -> None:
    own = replace(SETTINGS, optimizer="sgd", clip=clip, weight_decay=0.3)
    alone, together = (make_model("bow").double() for _ in range(2))
    plain, stack = TrainStep(alone, own, CPU), StackedStep([together], [own], CPU)
    for step in range(4):
        batch = train_rows.batch(1, step, 16)
        plain(batch, 0.5)
        stack(stack_batches([batch]), torch.tensor([0.5]))
    assert_near(together, alone)


@pytest.mark.parametrize("name", ["bow", "dilated-wavenet", "transformer", "rnn", "gru", "lstm"])
def test_filling_changes_no_gradient_of_a_model_that_looks_at_rows_one_by_one(
    name: str, make_model: MakeModel, train_rows: Rows
) -> None:
    batch = train_rows.batch(1, 0, 16)
    alone, longer = (make_model(name).double() for _ in range(2))
    for model, given in ((alone, batch), (longer, fill(batch, 3 * len(batch.tokens) + 5))):
        TrainStep(model, replace(SETTINGS, optimizer="sgd"), CPU)(given, 1.0)
    assert_near(longer, alone)


def test_filling_repeats_the_beginning_of_the_batch_in_rows_of_its_own(train_rows: Rows) -> None:
    batch = train_rows.batch(1, 0, 3)
    size = len(batch.tokens)
    long = fill(batch, 2 * size + 2)
    tokens, targets = long.pad()
    first, expected = batch.pad()
    T = first.shape[1]
    assert torch.equal(tokens[:6, :T], first.repeat(2, 1))
    assert torch.equal(tokens[6, :2], first[0, :2])
    assert torch.equal(targets[:3, :T], expected)
    assert (targets[3:] == -100).all()
    assert long.packing is not None
    assert len(long.packing.position) == 2 * size + 2


@pytest.mark.parametrize("name", ["bow", "transformer", "gru"])
def test_each_replica_has_the_curve_and_weights_of_its_own_run(
    name: str, make_model: MakeModel, train_stack: Callable[..., list[Fit]], train_rows: Rows, validation_rows: Rows
) -> None:
    rates = [1e-3, 1e-2]
    alone, together = ([make_model(name, seed=k).double() for k in range(2)] for _ in range(2))
    expected = [
        fit(model, train_rows, validation_rows, replace(SETTINGS, lr=lr), seed=k, device=CPU)
        for k, (model, lr) in enumerate(zip(alone, rates, strict=True))
    ]
    found = train_stack(together, lr=rates)
    for one, other, model, reference in zip(found, expected, together, alone, strict=True):
        assert (one.steps, one.tokens, one.shapes) == (other.steps, other.tokens, other.shapes)
        assert [point.step for point in one.curve] == [point.step for point in other.curve]
        for key in ("train_loss", "validation_loss"):
            pairs = zip(one.curve[1:], other.curve[1:], strict=True)
            assert all(getattr(a, key) == pytest.approx(getattr(b, key), abs=1e-6) for a, b in pairs)
        assert one.best is not None
        assert one.best.step == other.best.step
        assert_near(model, reference, 1e-7)
        assert evaluate(model, validation_rows, device=CPU).loss == pytest.approx(one.best.validation_loss, abs=1e-6)


@pytest.mark.parametrize("name", ["mlp", "wavenet", "transformer", "lstm"])
def test_a_replica_that_diverges_leaves_the_others_bit_for_bit_as_they_are(
    name: str, make_model: MakeModel, train_stack: Callable[..., list[Fit]]
) -> None:
    stacks = []
    for rate in (1e-2, 1e38):
        models = [make_model(name, seed=k, dropout=0.1) for k in range(3)]
        found = train_stack(models, lr=[1e-2, rate, 1e-2], steps=12, evaluations=2, optimizer="sgd", clip=0.0)
        stacks.append((models, found))
    (sound, fits), (broken, others) = stacks
    assert [one.diverged_at is None for one in others] == [True, False, True]
    for k in (0, 2):
        assert same(weights(sound[k]), weights(broken[k]))
        assert [p.validation_loss for p in fits[k].curve] == [p.validation_loss for p in others[k].curve]
    assert all(tensor.isfinite().all() for tensor in weights(broken[1]).values())


@pytest.mark.parametrize("name", ["bow", "transformer"])
def test_divergence_is_told_at_the_step_where_the_plain_loop_tells_it(
    name: str, make_model: MakeModel, train_stack: Callable[..., list[Fit]], train_rows: Rows, validation_rows: Rows
) -> None:
    wild = replace(SETTINGS, optimizer="sgd", lr=1e38, clip=0.0)
    model = make_model(name, seed=1)
    expected = fit(model, train_rows, validation_rows, wild, seed=1, device=CPU)
    found = train_stack([make_model(name, seed=k) for k in range(2)], lr=[1e-3, 1e38], optimizer="sgd", clip=0.0)
    assert found[1].diverged_at == expected.diverged_at is not None
    assert [point.step for point in found[1].curve] == [point.step for point in expected.curve]
    assert (found[0].diverged_at, found[0].steps) == (None, 30)


def test_a_stack_stops_when_every_replica_has_diverged(
    make_model: MakeModel, train_stack: Callable[..., list[Fit]]
) -> None:
    models = [make_model("bow", seed=k) for k in range(2)]
    found = train_stack(models, lr=[1e38, 1e38], optimizer="sgd", clip=0.0)
    assert all(one.diverged_at is not None and one.steps == 10 for one in found)
    assert all(same(weights(model), weights(make_model("bow", seed=k))) for k, model in enumerate(models))


def test_progress_is_told_of_each_replica(make_model: MakeModel, train_stack: Callable[..., list[Fit]]) -> None:
    told: list[tuple[int, Progress]] = []
    found = train_stack(
        [make_model("bigram", seed=k) for k in range(2)], evaluations=1, report=lambda k, p: told.append((k, p))
    )
    assert [(k, round(30 * p.spent)) for k, p in told] == [(k, step) for step in (0, 25, 30) for k in (0, 1)]
    assert [p.validation_loss for _, p in told[-2:]] == [one.curve[-1].validation_loss for one in found]


def test_models_come_out_with_memory_of_their_own(make_model: MakeModel, train_stack: Callable[..., list[Fit]]) -> None:
    models = [make_model("transformer", seed=k, tied=True) for k in range(2)]
    train_stack(models, steps=3)
    storages = [{p.untyped_storage().data_ptr() for p in model.parameters()} for model in models]
    assert not storages[0] & storages[1]
    assert models[0].head.weight is models[0].embedding.weight


def test_what_is_frozen_is_not_trained(make_model: MakeModel, train_stack: Callable[..., list[Fit]]) -> None:
    models = [make_model(Frozen, seed=k) for k in range(2)]
    heads = [weights(model.head) for model in models]
    found = train_stack(models)
    assert all(same(weights(model.head), head) for model, head in zip(models, heads, strict=True))
    assert all(one.best is not None and one.best.step > 0 for one in found)


def test_dropout_is_drawn_by_each_replica_for_itself(make_model: MakeModel, train_rows: Rows) -> None:
    models = [make_model("mlp", seed=1, dropout=0.5).train() for _ in range(2)]
    batch = train_rows.batch(1, 0, 16)
    first, second = StackedStep(models, [SETTINGS] * 2, CPU)(stack_batches([batch, batch]), torch.zeros(2)).tolist()
    assert first != second


@pytest.mark.parametrize(
    "name",
    [
        "wavenet",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("gru", "lstm", "gla", "delta-net", "mamba", "rg-lru", "mlstm", "min-gru")
        ),
    ],
)
def test_bfloat16_learns_as_float32_does(
    name: str, make_model: MakeModel, train_stack: Callable[..., list[Fit]]
) -> None:
    losses = [
        train_stack([make_model(name, seed=k) for k in range(2)], steps=20, dtype=dtype)[1].curve[-1]
        for dtype in ("float32", "bfloat16")
    ]
    assert losses[0].validation_loss == pytest.approx(losses[1].validation_loss, abs=0.08)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 8}, "differ in lr, weight_decay, warmup and clip"),
        ({"steps": 29}, "differ in lr"),
    ],
)
def test_settings_that_do_not_belong_together_are_refused(
    change: dict[str, Any], message: str, make_model: MakeModel, train_rows: Rows
) -> None:
    models = [make_model("bow", seed=k) for k in range(2)]
    with pytest.raises(UsageError, match=message):
        fit_stacked(models, train_rows, train_rows, [SETTINGS, replace(SETTINGS, **change)], seeds=[0, 1], device=CPU)


def test_a_budget_of_seconds_and_a_mixture_of_models_are_refused(make_model: MakeModel, train_rows: Rows) -> None:
    def stack(models: Sequence[SequenceModel], seeds: Sequence[int] = (0, 1), **settings: Any) -> None:
        each = [replace(SETTINGS, **settings)] * 2
        fit_stacked(models, train_rows, train_rows, each, seeds=seeds, device=CPU)

    bow, mlp, narrow = make_model("bow"), make_model("mlp"), make_model("bow", hidden=8)
    with pytest.raises(UsageError, match="seconds is for one model"):
        stack([bow, bow], steps=None, seconds=1.0)
    with pytest.raises(UsageError, match="one architecture and one size"):
        stack([bow, mlp])
    with pytest.raises(UsageError, match="one architecture and one size"):
        stack([bow, narrow])
    with pytest.raises(UsageError, match="1 models, 2 settings and 2 seeds"):
        stack([bow])


def test_a_model_that_cannot_be_stacked_is_named_with_the_reason(
    make_model: MakeModel, train_stack: Callable[..., list[Fit]]
) -> None:
    models = [make_model(StrangerLoop, seed=k) for k in range(2)]
    with pytest.raises(UsageError, match=r"StrangerLoop cannot be trained as a stack: RuntimeError: ."):
        train_stack(models)
    assert why_not_stacked(lambda seed: make_model(StrangerLoop, seed=seed)) is not None


BATCH_NORM = {"mlp", "wavenet"}


class TorchNorm(Frozen):
    """Uses torch's BatchNorm, like an outside model."""

    def __init__(self, config: object, *, vocab_size: int, context: int) -> None:
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.norm = nn.BatchNorm1d(4)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.norm(self.table(tokens).transpose(1, 2)).transpose(1, 2))


class Noise(Frozen):
    """Adds random numbers in training without dropout, from a library of choice."""

    draw: Any = staticmethod(lambda x: torch.randn_like(x))

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.table(tokens)
        return self.head(x + self.draw(x) if self.training else x)


class LateNoise(Noise):
    """Draws on larger batches only."""

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.table(tokens)
        return self.head(x + torch.randn_like(x) if self.training and tokens.shape[0] > 8 else x)


class PythonNoise(Noise):
    draw = staticmethod(lambda x: random.random())


class NumpyNoise(Noise):
    draw = staticmethod(lambda x: float(np.random.rand()))


@pytest.mark.parametrize("name", TRAINED)
def test_what_can_be_stacked_is_known_before(name: str, make_model: MakeModel) -> None:
    why = {layout: why_not_stacked(lambda seed: make_model(name, seed=seed), [layout]) for layout in LAYOUTS}
    assert why == {"dense": None, "windows": None, "packed": MIXES if name in BATCH_NORM else None}


@pytest.mark.parametrize(
    ("model", "options", "reason"),
    [
        ("transformer", {"dropout": 0.1}, DRAWS),
        ("mlp", {"dropout": 0.1}, DRAWS),
        ("lstm", {"dropout": 0.1, "layers": 2}, DRAWS),
        (Noise, {}, DRAWS),
        (PythonNoise, {}, DRAWS),
        (NumpyNoise, {}, DRAWS),
        (Frozen, {}, None),
    ],
)
def test_a_model_that_draws_random_numbers_is_not_stacked_unasked(
    model: Any, options: dict[str, Any], reason: str | None, make_model: MakeModel
) -> None:
    for layout in LAYOUTS:
        assert why_not_stacked(lambda seed: make_model(model, seed=seed, **options), [layout]) == reason


def test_batch_statistics_of_a_stranger_are_found_too(make_model: MakeModel) -> None:
    assert why_not_stacked(lambda seed: make_model(TorchNorm, seed=seed), ["packed"]) == MIXES
    assert why_not_stacked(lambda seed: make_model(TorchNorm, seed=seed), ["windows"]) is None


@pytest.mark.parametrize(("dropout", "told"), [(0.0, MIXES), (0.5, DRAWS)])
def test_a_stack_that_was_asked_for_says_what_it_is(
    dropout: float, told: str, make_model: MakeModel, train_stack: Callable[..., list[Fit]]
) -> None:
    for fitted in train_stack([make_model("mlp", seed=k, dropout=dropout) for k in range(2)], steps=2):
        assert fitted.execution == f"stacked, unlike runs alone: {told}"
    assert train_stack([make_model("bow", seed=k) for k in range(2)], steps=2)[0].execution == "stacked"


def test_a_stack_in_bfloat16_is_unlike_its_runs(make_model: MakeModel, train_stack: Callable[..., list[Fit]]) -> None:
    (fitted, _) = train_stack([make_model("bow", seed=k) for k in range(2)], steps=2, dtype="bfloat16")
    assert fitted.execution == f"stacked, unlike runs alone: {HALF}"


def test_autocast_leaves_convolutions_and_sums_with_biases_in_float32_in_a_stack() -> None:
    """If torch changes this, stacks in bfloat16 may be like their runs."""
    inputs = {F.conv1d: (torch.randn(2, 3, 4, 8), torch.randn(2, 4, 4, 3)),
              F.linear: (torch.randn(2, 3, 4), torch.randn(2, 5, 4), torch.randn(2, 5))}  # fmt: skip
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for function, parts in inputs.items():
            assert function(*(part[0] for part in parts)).dtype == torch.bfloat16
            assert torch.vmap(function)(*parts).dtype == torch.float32


def test_random_numbers_that_are_drawn_later_are_told_too(
    make_model: MakeModel, train_stack: Callable[..., list[Fit]]
) -> None:
    assert why_not_stacked(lambda seed: make_model(LateNoise, seed=seed)) is None
    (fitted, _) = train_stack([make_model(LateNoise, seed=k) for k in range(2)], steps=2)
    assert fitted.execution == f"stacked, unlike runs alone: {DRAWS}"


def test_running_statistics_that_vmap_loses_are_a_reason(make_model: MakeModel) -> None:
    class Counts(StrangerLoop):
        def __init__(self, config: object, *, vocab_size: int, context: int) -> None:
            super().__init__(config, vocab_size=vocab_size, context=context)
            self.register_buffer("seen", torch.zeros(()))

        def forward(self, tokens: Tensor) -> Tensor:
            self.seen = self.seen + self.training
            return self.table(tokens)

    assert why_not_stacked(lambda seed: make_model(Counts, seed=seed)) == "vmap gives other 'seen'"


def test_what_a_model_keeps_beside_its_buffers_is_a_reason(make_model: MakeModel) -> None:
    class Remembers(StrangerLoop):
        steps = 0

        def forward(self, tokens: Tensor) -> Tensor:
            self.steps += self.training
            return self.table(tokens) / (1 + self.steps if not self.training else 1)

    assert why_not_stacked(lambda seed: make_model(Remembers, seed=seed)) == "vmap gives other logits afterwards"


def test_a_batch_of_a_stack_has_the_targets_of_each(train_rows: Rows) -> None:
    batches = [train_rows.batch(seed, 0, 16) for seed in range(3)]
    stack: Batch = stack_batches(batches)
    assert ((stack.targets != -100).sum(dim=1)).tolist() == [batch.target_count for batch in batches]
    assert not math.isnan(float(stack.tokens.sum()))
