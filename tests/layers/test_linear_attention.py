"""Linear attention in chunks against a loop over time."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import grad, vmap

from zoo.layers import linear_attention
from zoo.layers.linear_attention import LEAST, decays

B, H, K, V = 2, 3, 4, 5
LENGTHS = pytest.mark.parametrize("T", [1, 5, 16, 17, 33, 100])
DECAYS = pytest.mark.parametrize("width", [0, 1, K], ids=["none", "head", "channel"])


def naive(q: Tensor, k: Tensor, v: Tensor, before: Tensor, log_decay: Tensor | None = None) -> tuple[Tensor, Tensor]:
    matrix, read = before, []
    if log_decay is not None and log_decay.shape[-1] > 1:
        log_decay = log_decay.clamp(min=LEAST)
    for t in range(q.shape[1]):
        if log_decay is not None:
            matrix = log_decay[:, t].exp().unsqueeze(-1) * matrix
        matrix = matrix + k[:, t].unsqueeze(-1) * v[:, t].unsqueeze(-2)
        read.append((matrix * q[:, t].unsqueeze(-1)).sum(-2))
    return torch.stack(read, dim=1), matrix


def fast(q: Tensor, k: Tensor, v: Tensor, before: Tensor, log_decay: Tensor | None = None) -> tuple[Tensor, Tensor]:
    return linear_attention(q, k, v, log_decay, before)


def inputs(T: int, width: int, *stack: int) -> list[Tensor]:
    """Queries, keys, values, the matrix before, and log decays of `width` channels a head."""
    shapes = [(B, T, H, K), (B, T, H, K), (B, T, H, V), (B, H, K, V)]
    parts = [torch.randn(*stack, *shape, dtype=torch.float64) for shape in shapes]
    if width:
        parts.append(F.logsigmoid(3 * torch.randn(*stack, B, T, H, width, dtype=torch.float64)))
    return [part.requires_grad_() for part in parts]


@DECAYS
@LENGTHS
def test_it_is_a_loop_over_time(T, width, assert_agree, joined):
    given = inputs(T, width)
    assert_agree(joined(fast(*given)), joined(naive(*given)), given)


@DECAYS
@LENGTHS
def test_a_row_in_pieces_is_the_whole_row(T, width, joined):
    q, k, v, matrix, *log_decay = inputs(T, width)
    whole, read = fast(q, k, v, matrix, *log_decay), []
    for piece in zip(*(row.split(7, dim=1) for row in (q, k, v, *log_decay)), strict=True):
        made, matrix = fast(*piece[:3], matrix, *piece[3:])
        read.append(made)
    torch.testing.assert_close(joined([torch.cat(read, dim=1), matrix]), joined(whole))


@DECAYS
def test_a_stack_has_the_values_and_gradients_of_each(width, joined):
    given = inputs(33, width, 3)

    def loss(*parts: Tensor) -> Tensor:
        return joined(fast(*parts)).square().sum()

    numbers = tuple(range(len(given)))
    found = vmap(grad(loss, numbers))(*given)
    for k in range(3):
        for one, other in zip(found, grad(loss, numbers)(*(part[k] for part in given)), strict=True):
            torch.testing.assert_close(one[k], other)


def assert_accurate(given: list[Tensor], joined) -> None:
    """Values and gradients in float32 are those of the loop in float64."""
    small = [part.detach().float().requires_grad_() for part in given]
    found, expected = joined(fast(*small)), joined(naive(*given))
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-4)
    gradients = [torch.autograd.grad(out.square().sum(), parts) for out, parts in ((found, small), (expected, given))]
    for one, other in zip(*gradients, strict=True):
        assert (one.double() - other).abs().max() <= 1e-4 * other.abs().max()


def test_a_head_that_forgets_all_at_once_is_exact_in_float32(joined):
    *others, log_decay = inputs(100, 1)
    gone = torch.rand_like(log_decay) < 0.2
    assert_accurate([*others, log_decay.detach().masked_fill(gone, -1e4).requires_grad_()], joined)


@pytest.mark.parametrize("steps", [1, 4, 16])
@pytest.mark.parametrize("strength", [-5.0, -10.0, -100.0, -3e3])
def test_channels_that_forget_fast_are_exact_in_float32(strength, steps, joined):
    """Decays below exp(-10) count as that."""
    *others, log_decay = inputs(100, K)
    strong = torch.zeros_like(log_decay)
    strong[:, :, :, ::2] = strength * (torch.arange(100) % 16 < steps).view(-1, 1, 1)
    assert_accurate([*others, strong.requires_grad_()], joined)
    small = [part.detach().float() for part in others]
    assert torch.equal(joined(fast(*small, strong.float())), joined(fast(*small, strong.clamp(min=LEAST).float())))


@pytest.mark.parametrize("strength", [-10.0, -3e3])
def test_what_comes_later_changes_no_digit_that_matters(strength):
    """Decays of a chunk are factored around its middle, which must not cost more than rounding."""
    q, k, v, before, log_decay = (part.detach().float() for part in inputs(16, K))
    log_decay = log_decay + strength * (torch.rand_like(log_decay) < 0.5)
    early, _ = fast(q, k, v, before, log_decay)
    log_decay[:, 8:] = 0
    late, _ = fast(q, k, v, before, log_decay)
    torch.testing.assert_close(early[:, :8], late[:, :8], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("strength", [-10.0, -1e3, -1e30])
def test_channels_that_decay_still_faster_give_finite_numbers(strength, joined):
    given = [part.detach().float() for part in inputs(100, K)]
    given[-1] = given[-1] + strength * (torch.rand_like(given[-1]) < 0.5)
    given = [part.requires_grad_() for part in given]
    found = joined(fast(*given))
    assert found.isfinite().all()
    assert all(gradient.isfinite().all() for gradient in torch.autograd.grad(found.sum(), given))


@DECAYS
def test_bfloat16_is_near_float64(width, joined):
    given = inputs(50, width)
    found = fast(*(part.detach().bfloat16() for part in given[:4]), *(part.float() for part in given[4:]))
    expected = joined(naive(*given))
    assert (joined(found).double() - expected).norm() <= 0.02 * expected.norm()


def test_decays_are_summed_in_float32_under_autocast():
    log_decay = -torch.rand(2, 16, 1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = decays(log_decay)
    assert all(torch.equal(one, other) for one, other in zip(found, decays(log_decay), strict=True))


@DECAYS
def test_autocast_is_near_float64(width, joined):
    given = inputs(50, width)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = joined(fast(*(part.detach().float() for part in given)))
    expected = joined(naive(*given))
    assert (found - expected).norm() <= 0.02 * expected.norm()


@DECAYS
def test_no_loop_runs_over_all_positions(width, count_calls, joined):
    def steps(T: int) -> int:
        given = inputs(T, width)
        calls = count_calls(lambda: torch.autograd.grad(joined(fast(*given)).sum(), given))
        return sum(calls[name] for name in ("addcmul_", "mul_", "bmm", "mm", "add", "mul"))

    assert steps(4096) - steps(256) <= (4096 - 256) / 16
