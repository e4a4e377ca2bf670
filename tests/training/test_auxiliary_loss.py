"""The auxiliary loss of a model: added to the loss of training, reported beside it, and nothing of it stays."""

import math
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from test_cuda_graph import Again
from test_run_state import Kept, check
from torch import Tensor, nn

from zoo.data.rows import Batch, Rows
from zoo.models.auxiliary import AuxiliaryLossError, keep_nothing
from zoo.models.interface import SequenceModel
from zoo.probes.flops import FlopCounter
from zoo.training.cuda_graph import CapturedStep
from zoo.training.evaluation import evaluate
from zoo.training.loop import Fit, Progress, Settings, TrainStep, fit
from zoo.training.model_state import copy_state
from zoo.training.stacked.filling import stack_batches
from zoo.training.stacked.fit import StackedStep, fit_stacked
from zoo.training.stacked.stack import Stack
from zoo.training.stacked.stackable import ADDS, LAYOUTS, small_batches, why_not_filled, why_not_stacked
from zoo.training.step import training_losses

CPU = torch.device("cpu")
MakeModel = Callable[..., SequenceModel]
Train = Callable[..., Fit]
SGD = Settings(
    steps=1, batch_size=4, optimizer="sgd", schedule="constant", lr=0.1, weight_decay=0.0, warmup=0.0, clip=0.0,
    evaluations=1, dtype="float32",
)  # fmt: skip


class Two(SequenceModel):
    """Hidden vectors of two experts, mixed by a gate."""

    def __init__(self, config: object, *, vocab_size: int, context: int) -> None:
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.embedding = nn.Embedding(vocab_size, 6)
        self.gate = nn.Linear(6, 2)
        self.experts = nn.ModuleList(nn.Linear(6, 6) for _ in range(2))
        self.head = nn.Linear(6, vocab_size)

    @property
    def receptive_field(self) -> int:
        return 1

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        shares = self.gate(x).softmax(-1)
        self.see(shares)
        each = torch.stack([expert(x) for expert in self.experts], dim=-1)
        return self.head(torch.tanh((each * shares.unsqueeze(-2)).sum(-1)))

    def packed(self, tokens: Tensor, packing: Any) -> Tensor:
        return self.forward(tokens)

    def see(self, shares: Tensor) -> None:
        """Receive the shares of the experts, (..., 2)."""


class Balanced(Two):
    """Adds the squared mean shares, kept as an attribute of a submodule."""

    def see(self, shares: Tensor) -> None:
        self.gate.balance = shares.flatten(0, -2).mean(0).square().sum()

    def auxiliary_loss(self) -> Tensor | None:
        return 0.5 * self.gate.balance


class Gathers(Two):
    """Collects terms in a list that it never empties, and in a dict and a tuple that it makes anew."""

    def __init__(self, config: object, **sizes: int) -> None:
        super().__init__(config, **sizes)
        self.terms: list[Tensor] = []

    def see(self, shares: Tensor) -> None:
        self.terms.append(shares.square().mean())
        self.by_name, self.both = {"first": shares[..., 0].mean()}, (shares.mean(), 1)

    def auxiliary_loss(self) -> Tensor | None:
        return sum(self.terms, 0.1 * self.by_name["first"])


class InABuffer(Two):
    """Keeps its term where a buffer was, and counts its calls in another."""

    def __init__(self, config: object, **sizes: int) -> None:
        super().__init__(config, **sizes)
        self.register_buffer("term", torch.zeros(()))
        self.register_buffer("calls", torch.zeros(()))

    def see(self, shares: Tensor) -> None:
        self.term = shares.square().mean()
        self.calls = self.calls + 1

    def auxiliary_loss(self) -> Tensor | None:
        return self.term


class Penalised(Two):
    """Adds a penalty of a weight, whatever it has computed."""

    def auxiliary_loss(self) -> Tensor | None:
        return 0.01 * self.head.weight.square().sum()


class Recurrent(SequenceModel):
    """A recurrent layer, whose hidden vectors are kept small."""

    def __init__(self, config: object, *, vocab_size: int, context: int) -> None:
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.embedding = nn.Embedding(vocab_size, 6)
        self.cells = nn.GRU(6, 6, batch_first=True)
        self.head = nn.Linear(6, vocab_size)

    def forward(self, tokens: Tensor) -> Tensor:
        x, _ = self.cells(self.embedding(tokens))
        self.size = x.square().mean()
        return self.head(x)

    def auxiliary_loss(self) -> Tensor | None:
        return self.size


class Sometimes(Balanced):
    """Adds its loss on rows of an odd number only."""

    def auxiliary_loss(self) -> Tensor | None:
        return super().auxiliary_loss() if self.asked % 2 else None

    asked = 0


ADDING = [Balanced, Gathers, InABuffer, Penalised, Recurrent]


def by_hand(model: Balanced, batch: Batch) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Cross-entropy, auxiliary loss of `Balanced`, and gradients of their sum, written out for its dense rows."""
    own = dict(model.named_parameters())
    x = F.embedding(batch.tokens, own["embedding.weight"])
    shares = F.linear(x, own["gate.weight"], own["gate.bias"]).softmax(-1)
    each = [F.linear(x, own[f"experts.{k}.weight"], own[f"experts.{k}.bias"]) for k in range(2)]
    mixed = each[0] * shares[..., :1] + each[1] * shares[..., 1:]
    logits = F.linear(mixed.tanh(), own["head.weight"], own["head.bias"])
    loss = F.cross_entropy(logits.flatten(0, 1), batch.targets.flatten())
    auxiliary = 0.5 * (shares[..., 0].mean() ** 2 + shares[..., 1].mean() ** 2)
    return loss, auxiliary, list(torch.autograd.grad(loss + auxiliary, list(own.values())))


def batch_of(model: SequenceModel, layout: Any = "dense") -> Batch:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return small_batches(model, layout)[0]


def test_a_step_follows_the_gradient_of_the_sum_and_reports_both_apart(make_model: MakeModel) -> None:
    model, alike = (make_model(Balanced).double().train() for _ in range(2))
    batch = batch_of(model)
    loss, auxiliary, gradients = by_hand(alike, batch)
    reported = TrainStep(model, SGD, CPU)(batch, 0.1)
    torch.testing.assert_close(reported, torch.stack([loss, auxiliary]).detach(), rtol=1e-12, atol=0)
    for (name, now), before, gradient in zip(model.named_parameters(), alike.parameters(), gradients, strict=True):
        torch.testing.assert_close(now, before - 0.1 * gradient, rtol=1e-11, atol=1e-14, msg=name)


def test_clipping_bounds_the_gradient_of_the_sum(make_model: MakeModel) -> None:
    model, alike = (make_model(Balanced).double().train() for _ in range(2))
    *_, gradients = by_hand(alike, batch_of(model))
    norm = torch.cat([gradient.flatten() for gradient in gradients]).norm()
    TrainStep(model, replace(SGD, clip=norm.item() / 3), CPU)(batch_of(model), 0.1)
    for now, before, gradient in zip(model.parameters(), alike.parameters(), gradients, strict=True):
        torch.testing.assert_close(now, before - 0.1 * gradient / 3, rtol=1e-5, atol=1e-9)


def test_reported_losses_are_the_cross_entropy_alone(
    make_model: MakeModel, train: Train, validation_rows: Rows
) -> None:
    """A weight of 0 trains the model as if it had no auxiliary loss; a large one is in no reported loss."""

    class Weighed(Balanced):
        weight = 0.0

        def auxiliary_loss(self) -> Tensor | None:
            return self.weight * self.gate.balance + 100 * self.weight

    class Heavy(Weighed):
        weight = 10.0

    told: list[Progress] = []
    plain, weightless = train(make_model(Two)), train(make_model(Weighed))
    assert [(p.train_loss, p.validation_loss) for p in weightless.curve] == [
        (p.train_loss, p.validation_loss) for p in plain.curve
    ]
    assert {point.auxiliary_loss for point in [*plain.curve, *weightless.curve]} == {None}
    heavy = make_model(Heavy)
    fitted = train(heavy, report=told.append)
    assert all(point.train_loss is None or 0 < point.train_loss < 5 for point in fitted.curve)
    assert all(progress.train_loss is None or progress.train_loss < 5 for progress in told)
    assert [point.auxiliary_loss is None for point in fitted.curve] == [True, False, False]
    assert all(1004 < point.auxiliary_loss < 1011 for point in fitted.curve[1:])
    assert fitted.best.validation_loss == evaluate(heavy, validation_rows, device=CPU).loss


def test_the_curve_has_the_mean_auxiliary_loss_since_the_point_before(
    make_model: MakeModel, train: Train, train_rows: Rows
) -> None:
    model, alike = make_model(Penalised), make_model(Penalised).train()
    fitted = train(model, steps=6, evaluations=2, optimizer="sgd", lr=0.1)
    step, values = TrainStep(alike, replace(SGD, weight_decay=0.01, clip=1.0), CPU), []
    for number in range(6):
        values.append(step(train_rows.batch(1, number, 16), 0.1)[1].item())
    assert [point.auxiliary_loss for point in fitted.curve] == [None, *(sum(values[i : i + 3]) / 3 for i in (0, 3))]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", [Balanced, Penalised, Recurrent])
def test_a_stack_computes_what_each_model_computes_alone(kind: Any, layout: str, make_model: MakeModel) -> None:
    stacked, alone = ([make_model(kind, seed=k).double().train() for k in range(2)] for _ in range(2))
    batch = batch_of(alone[0], layout)
    stack = Stack(stacked)
    losses = stack.losses(stack_batches([batch, batch]))
    gradients = stack.gradient(losses)
    for k, model in enumerate(alone):
        expected = training_losses(model, batch)
        parts = torch.autograd.grad(expected.total, list(model.parameters()), materialize_grads=True, allow_unused=True)
        torch.testing.assert_close(losses.cross_entropy[k], expected.cross_entropy, rtol=1e-12, atol=0)
        torch.testing.assert_close(losses.auxiliary[k], expected.auxiliary, rtol=1e-12, atol=0)
        flat = torch.cat([part.flatten() for part in parts])
        torch.testing.assert_close(gradients[k], flat, rtol=1e-10, atol=1e-12)


def test_stacked_runs_have_the_curves_of_runs_alone(make_model: MakeModel, train: Train, stream_rows: Rows) -> None:
    settings = replace(SGD, steps=6, evaluations=2)
    alone = [fit(make_model(Balanced, seed=k), stream_rows, stream_rows, settings, seed=k, device=CPU) for k in (0, 1)]
    models = [make_model(Balanced, seed=k) for k in (0, 1)]
    together = fit_stacked(models, stream_rows, stream_rows, [settings] * 2, seeds=[0, 1], device=CPU)
    for one, other in zip(together, alone, strict=True):
        assert one.execution == "stacked"
        for a, b in zip(one.curve[1:], other.curve[1:], strict=True):
            assert a.train_loss == pytest.approx(b.train_loss, rel=1e-5)
            assert a.auxiliary_loss == pytest.approx(b.auxiliary_loss, rel=1e-5)


def test_the_probe_says_why_an_auxiliary_loss_keeps_a_model_from_being_stacked(make_model: MakeModel) -> None:
    """A mean over positions counts the filling of documents; a value read back cannot be batched."""

    class ReadsBack(Penalised):
        def auxiliary_loss(self) -> Tensor | None:
            loss = super().auxiliary_loss()
            return loss if loss.item() > 0 else None

    def make(kind: Any) -> Callable[[int], SequenceModel]:
        return lambda seed: make_model(kind, seed=seed)

    assert why_not_stacked(make(Penalised)) is None
    assert why_not_stacked(make(Balanced), ["dense", "windows"]) is None
    assert why_not_stacked(make(Balanced), ["packed"]) == ADDS == why_not_filled(make(Balanced))
    assert ".item()" in why_not_stacked(make(ReadsBack), ["dense"])


@pytest.mark.parametrize("kind", [Balanced, Recurrent, Penalised])
def test_a_captured_step_reports_the_same_two_numbers(kind: Any, make_model: MakeModel) -> None:
    Again.made = []
    captured, plain = (make_model(kind).train() for _ in range(2))
    step, other = CapturedStep(TrainStep(captured, SGD, CPU), CPU, Again), TrainStep(plain, SGD, CPU)
    batch = batch_of(plain)
    for _ in range(5):
        found = step(batch, 0.1)
        assert found.shape == (2,)
        assert found.equal(other(batch, 0.1))
    assert step.execution == "captured"


@pytest.mark.parametrize("kind", ADDING)
@pytest.mark.parametrize("how", ["alone", "stacked"])
def test_nothing_of_a_step_stays_on_the_model(how: str, kind: Any, make_model: MakeModel) -> None:
    """The auxiliary loss and its graph are freed at once, and no attribute is new; other state stays."""
    made: list[Any] = []

    class Watched(kind):
        def auxiliary_loss(self) -> Tensor | None:
            loss = super().auxiliary_loss()
            made.append(weakref.ref(loss))
            return loss

    models = [make_model(Watched, seed=k).train() for k in range(2)]
    names = [set(vars(module)) for model in models for module in model.modules()]
    batches = [batch_of(model) for model in models]
    alone, stacked = TrainStep(models[0], SGD, CPU), StackedStep(models, [SGD] * 2, CPU) if how == "stacked" else None
    for _ in range(3):
        if stacked:
            assert stacked(stack_batches(batches), torch.tensor([0.1, 0.1])).shape == (2, 2)
        else:
            assert alone(batches[0], 0.1).shape == (2,)
        assert made.pop()() is None
        assert [set(vars(module)) for model in models for module in model.modules()] == names
    assert all(isinstance(value.sum().item(), float) for model in models for value in model.state_dict().values())
    if kind is InABuffer and not stacked:
        assert (models[0].calls.item(), models[0].term.item()) == (3, 0)
    if kind is Gathers:
        assert models[0].terms == []


def test_what_was_there_before_a_step_is_there_after_it(make_model: MakeModel) -> None:
    model = make_model(Balanced)
    model.gate.balance = before = torch.ones(())
    model.note, model.list = "first", [1]

    def work() -> None:
        with keep_nothing(model):
            model(torch.zeros(1, 2, dtype=torch.long))
            model.note, model.sum = "second", model.gate.balance.detach()
            model.list.append(2)
            raise KeyError

    with pytest.raises(KeyError):
        work()
    assert model.gate.balance is before
    assert (model.note, model.list) == ("second", [1, 2])
    assert not model.sum.requires_grad


def test_a_model_without_an_auxiliary_loss_pays_nothing(make_model: MakeModel, monkeypatch: Any) -> None:
    model = make_model(Two)
    monkeypatch.setattr(nn.Module, "modules", None)  # neither does anything look through its modules
    with keep_nothing(model):
        assert training_losses(model, batch_of(model)).auxiliary is None


def test_neither_an_evaluation_nor_a_step_in_evaluation_mode_asks_for_it(
    make_model: MakeModel, validation_rows: Rows
) -> None:
    class Never(Two):
        def auxiliary_loss(self) -> Tensor | None:
            raise AssertionError

    evaluate(make_model(Never), validation_rows, device=CPU)
    model = make_model(Never).eval()
    TrainStep(model, SGD, CPU)(batch_of(model), 0.1)


@pytest.mark.parametrize("kind", [Balanced, Penalised])
def test_an_interrupted_run_goes_on_to_the_last_bit(
    kind: Any, make_model: MakeModel, train_rows: Rows, validation_rows: Rows
) -> None:
    settings = replace(SGD, steps=7, evaluations=2, optimizer="adamw")

    def train(keeper: Kept | None) -> tuple[list[Fit], list[dict[str, Tensor]]]:
        model = make_model(kind)
        fitted = fit(model, train_rows, validation_rows, settings, seed=1, device=CPU,
                     evaluation_model=make_model(kind), keeper=keeper)  # fmt: skip
        assert not fitted.restarted
        return [fitted], [copy_state(model)]

    check(train, 0, 2, 5)


def test_none_in_some_steps_counts_as_zero(make_model: MakeModel) -> None:
    model = make_model(Sometimes).train()
    step, found = TrainStep(model, SGD, CPU), []
    for model.asked in range(4):
        found.append(step(batch_of(model), 0.1)[1].item())
    assert found[0] == found[2] == 0
    assert min(found[1], found[3]) > 0


@pytest.mark.parametrize("alone", [True, False])
def test_an_auxiliary_loss_that_is_not_finite_diverges_at_its_step(
    alone: bool, make_model: MakeModel, train: Train
) -> None:
    class Breaks(Penalised):
        def auxiliary_loss(self) -> Tensor | None:
            self.asked += 1
            return super().auxiliary_loss() * (math.inf if self.asked >= 3 else 1)

        def forward(self, tokens: Tensor) -> Tensor:
            logits = super().forward(tokens)
            return logits if alone or self.asked < 2 or not self.training else logits * math.nan

        asked = 0

    fitted = train(make_model(Breaks), steps=6, evaluations=1)
    assert (fitted.diverged_at, fitted.diverged_alone) == (3, alone)


@pytest.mark.parametrize(
    ("given", "what"),
    [
        (0.5, "gives a float as its auxiliary loss"),
        (torch.ones(2), r"gives an auxiliary loss that is float32 of shape \(2,\)"),
        (torch.tensor(1), r"gives an auxiliary loss that is int64 of shape \(\)"),
    ],
)
def test_what_is_no_loss_is_refused_by_name(given: Any, what: str, make_model: MakeModel) -> None:
    class Wrong(Two):
        def auxiliary_loss(self) -> Any:
            return given

    model = make_model(Wrong)
    with pytest.raises(AuxiliaryLossError, match=f"Model 'Wrong' {what}.*return a scalar"):
        TrainStep(model, SGD, CPU)(batch_of(model), 0.1)


def test_flops_of_training_include_its_backward_pass(make_model: MakeModel) -> None:
    class Head(Two):
        """Its second head has no effect on the logits."""

        def __init__(self, config: object, **sizes: int) -> None:
            super().__init__(config, **sizes)
            self.second = nn.Linear(6, 50, bias=False)

        def see(self, shares: Tensor) -> None:
            self.other = self.second(shares @ torch.ones(2, 6))

        def auxiliary_loss(self) -> Tensor | None:
            return self.other.square().mean()

    class Ignored(Head):
        auxiliary_loss = SequenceModel.auxiliary_loss

    with_it, without = (FlopCounter(make_model(kind)).training(10) for kind in (Head, Ignored))
    assert with_it - without == pytest.approx(2 * 10 * 6 * (50 + 50 + 2))  # for the weight, its input, and the shares


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ADDING)
def test_compiled_steps_add_the_same(kind: Any, make_model: MakeModel, train_rows: Rows) -> None:
    plain, compiled = (make_model(kind).train() for _ in range(2))
    steps = [TrainStep(model, replace(SGD, compile=own), CPU) for model, own in ((plain, False), (compiled, True))]
    names = [set(vars(module)) for module in compiled.modules()]
    for number in range(4):
        expected, found = (step(train_rows.batch(1, number, 4), 0.1) for step in steps)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    assert [set(vars(module)) for module in compiled.modules()] == names
