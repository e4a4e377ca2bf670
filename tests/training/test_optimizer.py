import copy
import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from zoo.errors import UsageError
from zoo.models.interface import SequenceModel
from zoo.training.clipping import clip
from zoo.training.optimizers.groups import Rule
from zoo.training.schedule import learning_rate
from zoo.training.settings import Settings
from zoo.training.stacked.update import StackedUpdate
from zoo.training.update import Update

SGD = Settings(
    steps=1,
    batch_size=1,
    optimizer="sgd",
    schedule="constant",
    lr=1.0,
    weight_decay=0.0,
    warmup=0.0,
    clip=1.0,
    evaluations=1,
    dtype="float32",
)
SHAPES, RULES = {"weight": torch.Size([50])}, {"weight": Rule(rate=1.0, decay=0.0)}
SCHEDULES = ["cosine", "linear", "constant", "step", "wsd"]
KINDS = ["adamw", "sgd", "sgd(momentum=0.9)", "muon"]


def rates(schedule: str, *, steps: int = 200, warmup: float = 0.0, peak: float = 0.5) -> list[float]:
    shares = [(step + 0.5) / steps for step in range(steps)]
    return [learning_rate(share, peak=peak, schedule=schedule, warmup=warmup) for share in shares]


def test_constant_stays() -> None:
    assert set(rates("constant")) == {0.5}


def test_step_falls_to_a_tenth_after_three_quarters() -> None:
    assert rates("step") == [0.5] * 150 + [0.05] * 50


def test_cosine_falls_from_the_peak_to_a_hundredth_and_is_half_way_in_the_middle() -> None:
    falling = rates("cosine")
    assert falling == sorted(falling, reverse=True)
    at = [learning_rate(share, peak=0.5, schedule="cosine", warmup=0.0) for share in (0.0, 0.5, 1.0)]
    assert at == pytest.approx([0.5, 0.5 * (1 + 0.01) / 2, 0.005])


def test_linear_falls_along_a_line_to_zero() -> None:
    assert rates("linear") == pytest.approx([0.5 * (1 - (n + 0.5) / 200) for n in range(200)])
    assert learning_rate(1.0, peak=0.5, schedule="linear", warmup=0.1) == 0
    assert learning_rate(0.55, peak=0.5, schedule="linear", warmup=0.1) == pytest.approx(0.25)


def test_one_cycle_rises_along_a_line_from_a_twenty_fifth_and_falls_as_half_a_cosine_to_zero() -> None:
    at = {
        share: learning_rate(share, peak=0.5, schedule="one-cycle", warmup=0.3) for share in (0, 0.15, 0.3, 0.65, 1.0)
    }
    assert at == pytest.approx({0: 0.02, 0.15: 0.26, 0.3: 0.5, 0.65: 0.25, 1.0: 0.0})
    whole = rates("one-cycle", warmup=0.3)
    assert whole[:60] == sorted(whole[:60])
    assert whole[60:] == sorted(whole[60:], reverse=True)
    assert all(0 < rate <= 0.5 for rate in whole)


def test_wsd_stays_until_the_last_fifth_and_falls_as_one_minus_the_root() -> None:
    falling = rates("wsd")
    assert falling[:160] == [0.5] * 160
    assert falling[160:] == pytest.approx([0.5 * (1 - ((n + 0.5) / 40) ** 0.5) for n in range(40)])
    assert learning_rate(1.0, peak=0.5, schedule="wsd", warmup=0.0) == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("schedule", ["constant", "wsd"])
@pytest.mark.parametrize(("steps", "warmup"), [(100, 0.05), (30, 0.1), (7, 0.3), (1234, 0.14), (90, 0.0)])
def test_longer_runs_begin_with_the_very_rates_of_shorter_ones(schedule: str, steps: int, warmup: float) -> None:
    short = replace(SGD, schedule=schedule, steps=steps, warmup=warmup)
    assert short.common_steps
    assert (short.common_steps == steps) == (schedule == "constant")
    for more in (steps + 1, steps * 2, steps * 3 + 1):
        long = replace(short, steps=more, warmup=short.warmup_steps / more)
        assert [long.rate(n + 0.5, 0) for n in range(short.common_steps)] == [
            short.rate(n + 0.5, 0) for n in range(short.common_steps)
        ]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_warm_up_rises_in_equal_steps_to_the_peak_and_never_above(schedule: str) -> None:
    warm = rates(schedule, warmup=0.1)
    assert warm[0] == pytest.approx(0.5 / 40)
    assert [later - earlier for earlier, later in pairwise(warm[:20])] == pytest.approx([0.5 / 20] * 19)
    assert max(warm) == warm[20] == pytest.approx(0.5, rel=1e-4 if schedule != "linear" else 3e-3)
    assert learning_rate(0.1, peak=0.5, schedule=schedule, warmup=0.1) == 0.5


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("steps", [1, 2, 3, 7])
@pytest.mark.parametrize("warmup", [0.0, 0.05, 0.5, 0.99])
def test_every_rate_of_a_short_run_is_positive_and_at_most_the_peak(schedule: str, steps: int, warmup: float) -> None:
    assert all(0 < rate <= 0.5 * (1 + 1e-12) for rate in rates(schedule, steps=steps, warmup=warmup))


@pytest.mark.parametrize("kind", ["adamw", "sgd", "sgd(momentum=0.9)"])
@pytest.mark.parametrize("name", ["wavenet", "lstm", "transformer"])
def test_weight_decay_is_for_matrices_alone_and_no_parameter_is_left_out(
    kind: str, name: str, make_model: Callable[..., SequenceModel]
) -> None:
    model = make_model(name)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    Update(model, kind, weight_decay=0.3).step(0.1)
    for parameter, value in zip(model.parameters(), before, strict=True):
        torch.testing.assert_close(parameter.detach(), value * (0.97 if parameter.dim() >= 2 else 1.0))
        assert parameter.grad is None


def test_a_frozen_parameter_is_not_trained(make_model: Callable[..., SequenceModel]) -> None:
    model = make_model("mlp")
    model.embedding.weight.requires_grad_(False)
    optimizer = Update(model, "adamw", weight_decay=0.1)
    assert {id(parameter) for parameter in model.parameters()} - {
        id(parameter) for parameter in optimizer.parameters
    } == {id(model.embedding.weight)}


@pytest.mark.parametrize("kind", KINDS)
def test_a_parameter_without_a_gradient_stays_as_it_is(kind: str) -> None:
    model = nn.Linear(3, 4)
    before = model.weight.detach().clone()
    model.bias.grad = torch.ones_like(model.bias)
    Update(model, kind, weight_decay=0.3).step(0.1)
    assert torch.equal(model.weight, before)


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_of_several_types_are_trained_together(kind: str) -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2).double())
    before = [parameter.detach().clone() for parameter in model.parameters()]
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    Update(model, kind, weight_decay=0.3).step(0.1)
    assert all((parameter < value).all() for parameter, value in zip(model.parameters(), before, strict=True))


@pytest.mark.parametrize("limit", [0.01, 1e6])
def test_gradients_are_clipped_together_as_torch_clips_them(limit: float) -> None:
    ours = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2).double())
    theirs = copy.deepcopy(ours)
    for pair in zip(ours.parameters(), theirs.parameters(), strict=True):
        gradient = torch.randn_like(pair[0])
        pair[0].grad, pair[1].grad = gradient.clone(), gradient.clone()
    ours[0].bias.grad = theirs[0].bias.grad = None
    nn.utils.clip_grad_norm_(theirs.parameters(), limit)
    optimizer = Update(ours, "sgd", weight_decay=0.0, clip=limit)
    before = [parameter.detach().clone() for parameter in ours.parameters()]
    optimizer.step(1.0)
    for parameter, value, other in zip(ours.parameters(), before, theirs.parameters(), strict=True):
        expected = value if other.grad is None else value - other.grad
        torch.testing.assert_close(parameter.detach(), expected)


@pytest.mark.parametrize("kind", ["adamw", "sgd"])
def test_updates_are_those_of_the_papers(kind: str) -> None:
    torch.manual_seed(0)
    model = nn.Linear(3, 4).double()
    optimizer = Update(model, kind, weight_decay=0.2)
    expected = [parameter.detach().clone() for parameter in (model.weight, model.bias)]
    moments: list[list[Tensor]] = [[torch.zeros_like(p), torch.zeros_like(p)] for p in expected]
    for step in range(1, 6):
        for parameter in model.parameters():
            parameter.grad = torch.randn_like(parameter)
        for index, parameter in enumerate((model.weight, model.bias)):
            decay, g = (0.2 if index == 0 else 0.0), parameter.grad
            if kind == "sgd":
                expected[index] = expected[index] - 0.05 * (g + decay * expected[index])
                continue
            m, v = moments[index]
            m, v = moments[index] = [0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g**2]
            change = (m / (1 - 0.9**step)) / ((v / (1 - 0.99**step)).sqrt() + 1e-8)
            expected[index] = (1 - 0.05 * decay) * expected[index] - 0.05 * change
        optimizer.step(0.05)
    for parameter, value in zip((model.weight, model.bias), expected, strict=True):
        torch.testing.assert_close(parameter.detach(), value, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("nesterov", [True, False])
def test_momentum_is_that_of_torch_alone_and_in_a_stack(nesterov: bool) -> None:
    torch.manual_seed(0)
    ours = nn.Linear(3, 4, bias=False).double()
    theirs, row = copy.deepcopy(ours), ours.weight.detach().flatten().repeat(2, 1)
    words = f"sgd(momentum=0.9,nesterov={str(nesterov).lower()})"
    update = Update(ours, words, weight_decay=0.2)
    settings = [replace(SGD, optimizer=words, weight_decay=decay, clip=0.0) for decay in (0.2, 0.0)]
    stack = StackedUpdate(row, {"weight": ours.weight.shape}, {"weight": Rule(1.0, 1.0)}, (), settings)
    reference = torch.optim.SGD(theirs.parameters(), lr=0.05, momentum=0.9, weight_decay=0.2, nesterov=nesterov)
    for _ in range(4):
        slope = torch.randn_like(ours.weight)
        ours.weight.grad, theirs.weight.grad = slope.clone(), slope.clone()
        update.step(0.05)
        reference.step()
        stack.step(slope.flatten().repeat(2, 1), torch.full((2,), 0.05, dtype=torch.float64))
        torch.testing.assert_close(ours.weight, theirs.weight, rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(row[0], theirs.weight.detach().flatten(), rtol=1e-12, atol=1e-14)
    assert not torch.allclose(row[0], row[1])


@pytest.mark.parametrize("model", [nn.Identity(), nn.Linear(2, 2).requires_grad_(False)])
def test_a_model_with_nothing_to_train_is_refused(model: nn.Module) -> None:
    with pytest.raises(UsageError, match=f"{type(model).__name__} has no parameters"):
        Update(model, "adamw", weight_decay=0.0)


def test_the_whole_cosine_run_averages_about_half_the_peak() -> None:
    falling = rates("cosine", steps=1000)
    assert math.fsum(falling) / 1000 == pytest.approx(0.5 * 0.505, rel=1e-2)


@pytest.mark.parametrize("kind", KINDS)
def test_complex_parameters_are_trained(kind):
    model = nn.Module()
    model.pole = nn.Parameter(torch.tensor([[0.3 + 0.4j]]))
    optimizer = Update(model, kind, weight_decay=0.0)
    (model.pole.abs() ** 2).sum().backward()
    optimizer.step(0.1)
    assert model.pole.abs().item() < 0.5


@pytest.mark.parametrize("kind", ["adamw", "sgd", "sgd(momentum=0.9)", "muon(precision=full)"])
@pytest.mark.parametrize(
    "view",
    [
        lambda x: x.T,
        lambda x: x[:, ::2],
        lambda x: x[:1].expand(4, 6),
        lambda x: torch.complex(x, x).conj(),
        lambda x: torch.complex(x, x).conj().imag,
    ],
    ids=["transposed", "strided", "expanded", "conjugate", "negative"],
)
def test_however_a_parameter_lies_in_memory_it_is_updated_as_one_of_its_own_memory(
    kind: str, view: Callable[[Tensor], Tensor]
) -> None:
    torch.manual_seed(0)
    memory = torch.randn(4, 6)
    start = view(memory.clone())
    ours, plain = nn.Module(), nn.Module()
    ours.weight = nn.Parameter(start)
    plain.weight = nn.Parameter(start.resolve_conj().resolve_neg().clone(memory_format=torch.contiguous_format))
    steps = [Update(model, kind, weight_decay=0.2, clip=1.0) for model in (ours, plain)]
    for _ in range(3):
        slope = torch.randn_like(plain.weight)
        for model, optimizer in zip((ours, plain), steps, strict=True):
            ((model.weight - slope).abs() ** 2).sum().backward()
            optimizer.step(0.1)
    torch.testing.assert_close(ours.weight, plain.weight, rtol=1e-6, atol=1e-7)


MAGNITUDES = [1e-30, 1e-20, 1e-8, 1.0, 1e8, 1e18, 1e19, 1e20, 1e30, 1e36]


@pytest.mark.parametrize("magnitude", MAGNITUDES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.complex64])
def test_clipping_is_that_of_float64_at_every_magnitude(dtype: torch.dtype, magnitude: float) -> None:
    torch.manual_seed(0)
    gradients = [(torch.randn(size) * magnitude).to(dtype) for size in (3, 200)]
    precise = [gradient.to(torch.promote_types(dtype, torch.float64)) for gradient in gradients]
    norm = torch.stack([gradient.abs().square().sum() for gradient in precise]).sum().sqrt()
    clip(gradients, 0.5)
    for gradient, exact in zip(gradients, precise, strict=True):
        expected = exact * min(1.0, 0.5 / (norm.item() + 1e-6))
        torch.testing.assert_close(
            gradient.to(exact.dtype), expected, rtol=1e-2 if dtype.itemsize < 4 else 1e-5, atol=0
        )


def test_gradients_with_a_large_one_among_small_ones_are_clipped_too() -> None:
    gradients = [torch.tensor([3e30, 0.0]), torch.tensor([4e30, 1e-3])]
    clip(gradients, 1.0)
    torch.testing.assert_close(torch.cat(gradients), torch.tensor([0.6, 0.0, 0.8, 2e-34]))


@pytest.mark.parametrize("wrong", [math.inf, math.nan])
def test_gradients_that_are_not_finite_stay_so(wrong: float) -> None:
    gradients = [torch.tensor([wrong, 1.0])]
    clip(gradients, 1.0)
    assert not gradients[0][0].isfinite()


def test_a_stack_clips_every_row_by_itself_at_every_magnitude() -> None:
    torch.manual_seed(0)
    gradient = torch.randn(len(MAGNITUDES) + 1, 50) * torch.tensor([*MAGNITUDES, math.nan]).unsqueeze(1)
    limits = [0.5] * len(MAGNITUDES) + [1.0]
    flat = torch.zeros_like(gradient)
    StackedUpdate(flat, SHAPES, RULES, (), [replace(SGD, clip=limit) for limit in limits]).step(
        gradient.clone(), torch.ones(len(limits))
    )
    for row, exact in zip(flat[:-1], gradient.double(), strict=False):
        expected = -exact * min(1.0, 0.5 / (exact.norm().item() + 1e-6))
        torch.testing.assert_close(row.double(), expected, rtol=1e-5, atol=0)
    for row, alone in zip(flat[:-1], gradient.clone(), strict=False):
        clip([alone], 0.5)
        torch.testing.assert_close(row, -alone)
    assert flat[-1].isnan().all()
    usual = torch.zeros_like(gradient)
    tame = torch.ones_like(gradient)
    tame[3] = gradient[3]
    StackedUpdate(usual, SHAPES, RULES, (), [replace(SGD, clip=limit) for limit in limits]).step(
        tame, torch.ones(len(limits))
    )
    assert torch.equal(usual[3], flat[3]), "other rows change nothing"
