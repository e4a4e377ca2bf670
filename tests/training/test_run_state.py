"""A run interrupted between two steps and continued from its state equals the uninterrupted run bitwise."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import pytest
import torch
from torch import Tensor
from trained_models import TRAINED

from zoo.calls import parse_call
from zoo.data.rows import Rows
from zoo.errors import RunError
from zoo.models.interface import SequenceModel
from zoo.surroundings import isolated
from zoo.training.loop import Fit, Settings, fit
from zoo.training.model_state import copy_state
from zoo.training.run_state import RunState
from zoo.training.stacked.fit import fit_stacked

CPU = torch.device("cpu")
STEPS = 12
SETTINGS = Settings(
    steps=STEPS, batch_size=4, optimizer="adamw", schedule="cosine", lr=1e-2, weight_decay=0.01, warmup=0.1, clip=1.0,
    evaluations=3, dtype="float32",
)  # fmt: skip


class CutError(Exception):
    """Raised where the process would have died."""


class Kept:
    """Stores a state in memory, as JSON and tensors, and interrupts the run after some steps."""

    def __init__(self, after: int | None) -> None:
        self.after, self.offered = after, 0
        self.state: RunState | None = None

    def load(self, note: Callable[[str], None]) -> RunState | None:
        return self.state

    def offer(self, take: Callable[[], RunState]) -> None:
        if self.offered == self.after:
            self.after, taken = None, take()
            self.state = RunState(taken.tensors, json.loads(json.dumps(taken.values)))
            raise CutError
        self.offered += 1

    def keep(self, state: RunState) -> None:
        pass


Train = Callable[[Kept | None], tuple[list[Fit], list[dict[str, Tensor]]]]


def trained(train: Train, after: int) -> tuple[list[Fit], list[dict[str, Tensor]]]:
    keeper = Kept(after)
    with isolated(CPU, seed=7), pytest.raises(CutError):
        train(keeper)
    with isolated(CPU, seed=99):  # like another process, with other random numbers
        return train(keeper)


def built(make_model: Callable[..., SequenceModel], text: str, seed: int = 1) -> SequenceModel:
    call = parse_call(text)
    return make_model(call.name, seed=seed, **call.options)


def plain(fitted: Fit) -> dict[str, Any]:
    """A fit without measured times."""
    told = asdict(replace(fitted, seconds=0.0))
    for point in [*told["curve"], *([told["best"]] if told["best"] else [])]:
        del point["seconds"]
    return told


def check(train: Train, *cuts: int) -> None:
    with isolated(CPU, seed=7):
        fits, weights = train(None)
    for after in cuts:
        again, resumed = trained(train, after)
        assert list(map(plain, again)) == list(map(plain, fits)), after
        for own, other in zip(weights, resumed, strict=True):
            assert all(torch.equal(own[name], other[name]) for name in own), after


@pytest.fixture
def alone(make_model, train_rows: Rows, validation_rows: Rows) -> Callable[..., Train]:
    def build(name: str, **settings: Any) -> Train:
        def train(keeper: Kept | None) -> tuple[list[Fit], list[dict[str, Tensor]]]:
            model = built(make_model, name)
            fitted = fit(model, train_rows, validation_rows, replace(SETTINGS, **settings), seed=1, device=CPU,
                         evaluation_model=built(make_model, name), keeper=keeper)  # fmt: skip
            return [fitted], [copy_state(model)]

        return train

    return build


BUILT_IN = TRAINED


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_built_in_model_goes_on_to_the_last_bit(name: str, alone) -> None:
    check(alone(name), 0, 5, STEPS - 1)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("mlp(hidden=8)", {"optimizer": "sgd", "lr": 0.1}),
        ("mlp(hidden=8)", {"optimizer": "sgd(momentum=0.9)", "lr": 0.1, "schedule": "one-cycle"}),
        ("transformer", {"optimizer": "muon", "schedule": "linear"}),
        ("mlp(hidden=8)", {"optimizer": "muon(polynomials=polar-express,iterations=3)"}),
        ("gru(hidden=8,dropout=0.5)", {}),
        ("wavenet(hidden=8,dropout=0.2)", {"schedule": "step", "clip": 0.0}),
        ("transformer(dropout=0.3)", {"schedule": "constant", "dtype": "bfloat16"}),
        ("mlp(hidden=8)", {"window": 5}),
        ("mlp(hidden=8)", {"evaluations": 1, "steps": 60}),
    ],
    ids=["sgd", "momentum", "muon", "polar express", "dropout", "norm and dropout", "bf16", "windows", "unread losses"],
)
def test_whatever_training_keeps_goes_on(name: str, settings: dict[str, Any], alone) -> None:
    check(alone(name, **settings), 4, 30 if "steps" in settings else 9)


def test_a_run_that_has_diverged_goes_on_to_the_same_step(alone) -> None:
    check(alone("mlp(hidden=8)", optimizer="sgd", lr=1e30, clip=0.0, evaluations=1, steps=40), 1, 3, 20)


@pytest.mark.parametrize(
    ("name", "optimizer"),
    [
        ("bow(hidden=4)", "adamw"),
        ("mlp(hidden=8)", "sgd(momentum=0.9)"),
        ("mlp(hidden=8)", "muon"),
        ("mlp(hidden=8)", "muon(polynomials=polar-express,iterations=3)"),
        ("transformer(dropout=0.3)", "adamw"),
        ("lstm(hidden=8)", "adamw"),
    ],
)
def test_a_stack_goes_on_to_the_last_bit(
    name: str, optimizer: str, make_model, train_rows: Rows, validation_rows: Rows
) -> None:
    def train(keeper: Kept | None) -> tuple[list[Fit], list[dict[str, Tensor]]]:
        models = [built(make_model, name, seed) for seed in (1, 2)]
        settings = [replace(SETTINGS, lr=lr, optimizer=optimizer) for lr in (0.01, 0.003)]
        fits = fit_stacked(models, train_rows, validation_rows, settings, seeds=[1, 2], device=CPU,
                           evaluation_model=built(make_model, name), keeper=keeper)  # fmt: skip
        return fits, [copy_state(model) for model in models]

    check(train, 5)


@pytest.mark.parametrize("forgotten", ["moments", "random", "0/model", "0/best", "unread"])
def test_a_state_without_one_of_its_parts_is_another_run_or_refused(forgotten: str, alone) -> None:
    """This shows that these tests can fail."""

    class Forgetful(Kept):
        def load(self, note: Callable[[str], None]) -> RunState | None:
            state = super().load(note)
            if state is None:
                return None
            lost = {name: torch.zeros_like(t) if name.startswith(forgotten) else t for name, t in state.tensors.items()}
            return RunState(lost, state.values)

    train = alone("gru(hidden=8,dropout=0.5)", evaluations=1, steps=30)
    with isolated(CPU, seed=7):
        fits, weights = train(None)
    keeper = Forgetful(10)
    with isolated(CPU, seed=7), pytest.raises(CutError):
        train(keeper)
    with isolated(CPU, seed=99):
        try:
            again, resumed = train(keeper)
        except RuntimeError:
            return
    same = all(torch.equal(weights[0][name], resumed[0][name]) for name in weights[0])
    assert (plain(again[0]), same) != (plain(fits[0]), True) or forgotten == "0/best"


def test_a_state_that_does_not_fit_is_refused_with_the_difference(alone, make_model) -> None:
    keeper = Kept(3)
    with pytest.raises(CutError):
        alone("mlp(hidden=8)")(keeper)
    with pytest.raises((RunError, RuntimeError), match=r"does not fit"):
        alone("mlp(hidden=9)")(keeper)
    with pytest.raises(RunError, match=r"does not fit: it has no 'cells\."):
        alone("gru(hidden=8)")(keeper)
