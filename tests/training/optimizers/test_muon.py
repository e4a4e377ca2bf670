"""Muon is torch's Muon, and the definition in float64; a stack computes what each replica computes alone."""

import copy
import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from zoo.models.interface import SequenceModel
from zoo.training.optimizers.groups import parameter_rules
from zoo.training.optimizers.orthogonal import JORDAN, polar_express
from zoo.training.stacked.update import StackedUpdate
from zoo.training.update import Update

MakeModel = Callable[..., SequenceModel]


class Layers(nn.Module):
    """Wide, tall and square matrices, two of equal sizes, a kernel, and what is for AdamW."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(11, 6)
        self.wide, self.again, self.tall = nn.Linear(12, 6), nn.Linear(12, 6), nn.Linear(6, 12)
        self.square = nn.Linear(8, 8, bias=False)
        self.kernel = nn.Conv1d(4, 6, 3, bias=False)


WORDS = ["muon", "muon(polynomials=polar-express,iterations=3)"]
HIDDEN = ["wide.weight", "again.weight", "tall.weight", "square.weight", "kernel.weight"]


def gradients(model: nn.Module, steps: int) -> Iterator[list[Tensor]]:
    """Correlated gradients, as training has them."""
    random = torch.Generator().manual_seed(1)
    kept = [torch.randn(p.shape, generator=random) for p in model.parameters()]
    for _ in range(steps):
        yield [0.7 * slope + 0.3 * torch.randn(slope.shape, generator=random) for slope in kept]


def put(model: nn.Module, slopes: list[Tensor]) -> None:
    for parameter, slope in zip(model.parameters(), slopes, strict=True):
        parameter.grad = slope.to(parameter.dtype).clone()


def in_full(words: str) -> str:
    """The same optimizer in the dtype of the weights."""
    return f"{words.rstrip(')')}{',' if '(' in words else '('}precision=full)"


@pytest.fixture
def layers() -> Layers:
    torch.manual_seed(0)
    return Layers()


@pytest.mark.parametrize("nesterov", [True, False])
@pytest.mark.parametrize("scaling", ["original", "match_rms_adamw"])
def test_every_step_is_that_of_torch_within_the_rounding_of_bfloat16(
    layers: Layers, nesterov: bool, scaling: str
) -> None:
    theirs, rate, decay = copy.deepcopy(layers), 0.02, 0.1
    words = f"muon(rate=4,momentum=0.9,iterations=5,scaling={scaling},nesterov={str(nesterov).lower()})"
    update = Update(layers, words, weight_decay=decay)
    flat = {name: nn.Parameter(theirs.get_parameter(name).detach().flatten(1).clone()) for name in HIDDEN}
    muon = torch.optim.Muon(
        flat.values(), lr=4 * rate, weight_decay=decay, momentum=0.9, nesterov=nesterov, adjust_lr_fn=scaling
    )
    others = {name: p for name, p in theirs.named_parameters() if name not in HIDDEN}
    adamw = torch.optim.AdamW(
        [
            {"params": [p for p in others.values() if p.dim() >= 2], "weight_decay": decay},
            {"params": [p for p in others.values() if p.dim() < 2], "weight_decay": 0.0},
        ],
        lr=rate,
        betas=(0.9, 0.99),
    )
    for slopes in gradients(layers, 4):
        put(layers, slopes)
        put(theirs, slopes)
        for name, parameter in flat.items():
            parameter.grad = theirs.get_parameter(name).grad.flatten(1)
        before = {name: parameter.detach().clone() for name, parameter in flat.items()}
        update.step(rate)
        muon.step()
        adamw.step()
        for name, parameter in others.items():
            torch.testing.assert_close(layers.get_parameter(name), parameter)
        for name, parameter in flat.items():
            ours = layers.get_parameter(name).detach().flatten(1)
            moved = (parameter.detach() - before[name]).norm()
            assert (ours - parameter.detach()).norm() < 0.03 * moved, name
            with torch.no_grad():
                parameter.copy_(ours)  # differences of one step do not add up


POLYNOMIALS = {"jordan": ((JORDAN,) * 5, 2), "polar-express": (polar_express(5), 4)}


def naive_muon(
    weight: Tensor, slopes: list[Tensor], rate: float, decay: float, momentum: float, polynomials: str
) -> Tensor:
    """The definition, in float64: one matrix, no batch, singular values taken through the polynomials by an SVD."""
    coefficients, p = POLYNOMIALS[polynomials]
    kept = torch.zeros_like(weight)
    for slope in slopes:
        kept = momentum * kept + (1 - momentum) * slope
        direction = (1 - momentum) * slope + momentum * kept
        u, s, v = torch.linalg.svd(direction, full_matrices=False)
        s = s / (s**p).sum() ** (1 / p)
        for a, b, c in coefficients:
            s = a * s + b * s**3 + c * s**5
        rows, columns = weight.shape
        weight = (1 - rate * decay) * weight - rate * math.sqrt(max(1, rows / columns)) * (u * s) @ v
    return weight


@pytest.mark.parametrize("polynomials", POLYNOMIALS)
def test_steps_in_full_precision_are_those_of_the_definition(layers: Layers, polynomials: str) -> None:
    layers = layers.double()
    before = {name: layers.get_parameter(name).detach().flatten(1).clone() for name in HIDDEN}
    update = Update(layers, f"muon(rate=4,momentum=0.9,precision=full,polynomials={polynomials})", weight_decay=0.1)
    given = list(gradients(layers, 5))
    for slopes in given:
        put(layers, slopes)
        update.step(0.02)
    names = [name for name, _ in layers.named_parameters()]
    for name in HIDDEN:
        slopes = [step[names.index(name)].double().flatten(1) for step in given]
        expected = naive_muon(before[name], slopes, 0.08, 0.1, 0.9, polynomials)
        torch.testing.assert_close(layers.get_parameter(name).detach().flatten(1), expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("words", WORDS)
def test_a_gradient_of_zeros_moves_nothing_and_gives_no_nan(layers: Layers, words: str) -> None:
    before = {name: parameter.detach().clone() for name, parameter in layers.named_parameters()}
    put(layers, [torch.zeros_like(p) for p in layers.parameters()])
    Update(layers, words, weight_decay=0.0).step(0.1)
    assert all(torch.equal(layers.get_parameter(name), value) for name, value in before.items())


def test_a_matrix_without_a_gradient_stays_and_the_others_move(layers: Layers) -> None:
    before = layers.wide.weight.detach().clone()
    put(layers, [torch.ones_like(p) for p in layers.parameters()])
    layers.wide.weight.grad = None
    other = layers.again.weight.detach().clone()
    Update(layers, "muon", weight_decay=0.3).step(0.1)
    assert torch.equal(layers.wide.weight, before)
    assert not torch.equal(layers.again.weight, other)


@pytest.mark.parametrize("words", WORDS)
def test_replicas_of_a_stack_are_updated_as_each_would_be_alone(settings, words: str) -> None:
    K, rates, decays = 3, torch.tensor([0.01, 0.02, 0.005]), [0.0, 0.1, 0.3]
    models = [Layers().double() for _ in range(K)]
    own = [
        replace(settings, optimizer=in_full(words), clip=clip, weight_decay=decay)
        for clip, decay in zip([0.0, 1.0, 5.0], decays, strict=True)
    ]
    shapes = {name: p.shape for name, p in sorted(models[0].named_parameters(), key=lambda item: item[0] in HIDDEN)}
    flat = torch.stack([torch.cat([m.get_parameter(name).detach().flatten() for name in shapes]) for m in models])
    stacked = StackedUpdate(flat, shapes, parameter_rules(models[0]), set(HIDDEN), own)
    alone = [
        Update(model, one.optimizer, weight_decay=one.weight_decay, clip=one.clip)
        for model, one in zip(models, own, strict=True)
    ]
    for step in range(4):
        for k, model in enumerate(models):
            put(model, [torch.randn(p.shape) * (1 + k) for p in model.parameters()])
        slopes = torch.stack([torch.cat([m.get_parameter(name).grad.flatten() for name in shapes]) for m in models])
        stacked.step(slopes, rates.double())
        for update, rate in zip(alone, rates.tolist(), strict=True):
            update.step(rate)
        expected = torch.stack(
            [torch.cat([m.get_parameter(name).detach().flatten() for name in shapes]) for m in models]
        )
        torch.testing.assert_close(flat, expected, rtol=1e-9, atol=1e-12, msg=f"step {step}")


@pytest.mark.parametrize("words", WORDS)
def test_a_step_reads_nothing_back_from_the_device(layers: Layers, words: str) -> None:
    """On the device "meta" there is nothing to read, so that whatever reads a number raises."""
    layers = layers.to("meta")
    update = Update(layers, words, weight_decay=0.1)
    for parameter in layers.parameters():
        parameter.grad = torch.ones_like(parameter)
    update.optimizer.adamw.step = lambda gradients, lr: None  # its kernel has no form on meta
    update.step(torch.ones((), device="meta"))


@pytest.mark.slow
def test_a_step_does_not_import_the_compiler_of_torch() -> None:
    code = """
import sys, torch
from torch import nn
from zoo.training.update import Update
model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 4))
for kind in ("adamw", "sgd(momentum=0.9)", "muon"):
    model(torch.ones(2, 3)).sum().backward()
    Update(model, kind, weight_decay=0.1).step(0.1)
print("torch._dynamo" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
