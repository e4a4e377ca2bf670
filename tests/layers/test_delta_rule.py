"""The delta rule in chunks against a loop over time."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import grad, vmap

from zoo.layers import delta_rule

B, H, K, V = 2, 3, 4, 5
LENGTHS = pytest.mark.parametrize("T", [1, 5, 16, 17, 33, 100])
GATED = pytest.mark.parametrize("gated", [False, True], ids=["plain", "gated"])


def naive(
    q: Tensor, k: Tensor, v: Tensor, write: Tensor, before: Tensor, log_decay: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    matrix, read = before, []
    for t in range(q.shape[1]):
        if log_decay is not None:
            matrix = log_decay[:, t].exp().unsqueeze(-1) * matrix
        held = (matrix * k[:, t].unsqueeze(-1)).sum(-2)
        matrix = matrix + k[:, t].unsqueeze(-1) * (write[:, t] * (v[:, t] - held)).unsqueeze(-2)
        read.append((matrix * q[:, t].unsqueeze(-1)).sum(-2))
    return torch.stack(read, dim=1), matrix


def fast(
    q: Tensor, k: Tensor, v: Tensor, write: Tensor, before: Tensor, log_decay: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    return delta_rule(q, k, v, write, log_decay, before)


def inputs(T: int, gated: bool, *stack: int) -> list[Tensor]:
    """Queries, keys of length 1, values, strengths up to 2, the matrix before, log decays."""
    shapes = [(B, T, H, K), (B, T, H, K), (B, T, H, V), (B, T, H, 1), (B, H, K, V)]
    q, k, v, write, before = (torch.randn(*stack, *shape, dtype=torch.float64) for shape in shapes)
    parts = [q, F.normalize(k, dim=-1), v, (2 * write).sigmoid() * 2, before]
    if gated:
        parts.append(F.logsigmoid(3 * torch.randn_like(write)))
    return [part.requires_grad_() for part in parts]


def assert_accurate(given: list[Tensor], joined) -> None:
    """Values and gradients in float32 are those of the loop in float64."""
    small = [part.detach().float().requires_grad_() for part in given]
    given = [part.detach().double().requires_grad_() for part in small]
    found, expected = joined(fast(*small)), joined(naive(*given))
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-4)
    gradients = [torch.autograd.grad(out.square().sum(), parts) for out, parts in ((found, small), (expected, given))]
    for one, other in zip(*gradients, strict=True):
        assert (one.double() - other).abs().max() <= 1e-4 * other.abs().max()


@GATED
@LENGTHS
def test_it_is_a_loop_over_time(T, gated, assert_agree, joined):
    given = inputs(T, gated)
    assert_agree(joined(fast(*given)), joined(naive(*given)), given)


@GATED
@LENGTHS
def test_a_row_in_pieces_is_the_whole_row(T, gated, joined):
    q, k, v, write, matrix, *log_decay = inputs(T, gated)
    whole, read = fast(q, k, v, write, matrix, *log_decay), []
    for piece in zip(*(row.split(7, dim=1) for row in (q, k, v, write, *log_decay)), strict=True):
        made, matrix = fast(*piece[:4], matrix, *piece[4:])
        read.append(made)
    torch.testing.assert_close(joined([torch.cat(read, dim=1), matrix]), joined(whole))


@GATED
def test_a_stack_has_the_values_and_gradients_of_each(gated, joined):
    given = inputs(33, gated, 3)

    def loss(*parts: Tensor) -> Tensor:
        return joined(fast(*parts)).square().sum()

    numbers = tuple(range(len(given)))
    found = vmap(grad(loss, numbers))(*given)
    for k in range(3):
        for one, other in zip(found, grad(loss, numbers)(*(part[k] for part in given)), strict=True):
            torch.testing.assert_close(one[k], other)


def test_a_full_write_leaves_the_value_for_its_key_and_a_double_one_turns_the_sign_of_what_was_held():
    key, value = F.normalize(torch.randn(1, 1, 1, K), dim=-1), torch.randn(1, 1, 1, V)
    before = torch.randn(1, 1, K, V)
    held = (key[:, 0].unsqueeze(-2) @ before).squeeze(-2)
    for strength, expected in ((1.0, value[:, 0]), (2.0, 2 * value[:, 0] - held)):
        read, _ = fast(key, key, value, torch.full((1, 1, 1, 1), strength), before)
        torch.testing.assert_close(read[:, 0], expected)


@pytest.mark.parametrize("strength", [1.0, 1.9, 2.0])
def test_one_key_again_and_again_is_exact_in_float32(strength, joined):
    """Powers of the matrix of a chunk grow to millions here, and cancel: a series in them has no right digit left."""
    q, k, v, write, before = inputs(100, False)
    repeated = k[:, :1].detach().expand_as(k).clone()
    assert_accurate([q, repeated, v, torch.full_like(write, strength), before], joined)


@GATED
def test_keys_of_length_0_write_nothing(gated, assert_agree, joined):
    given = inputs(33, gated)
    padding = (torch.arange(33) % 3 == 0).view(-1, 1, 1)
    given[1] = given[1].detach().masked_fill(padding, 0).requires_grad_()
    assert_agree(joined(fast(*given)), joined(naive(*given)), given)


def test_a_head_that_forgets_all_at_once_is_exact_in_float32(joined):
    *others, log_decay = inputs(100, True)
    gone = torch.rand_like(log_decay) < 0.2
    assert_accurate([*others, log_decay.detach().masked_fill(gone, -1e4)], joined)


@GATED
def test_it_computes_in_float32_under_autocast(gated, joined):
    given = [part.detach().float() for part in inputs(50, gated)]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = fast(*given)
    assert torch.equal(joined(found), joined(fast(*given)))


@GATED
def test_bfloat16_in_is_bfloat16_out_and_near(gated, joined):
    given = [part.detach().bfloat16() for part in inputs(50, gated)]
    found, expected = fast(*given), joined(naive(*(part.double() for part in given)))
    assert {part.dtype for part in found} == {torch.bfloat16}
    assert (joined(found).double() - expected).norm() <= 0.01 * expected.norm()


@GATED
def test_no_loop_runs_over_all_positions(gated, count_calls, joined):
    def steps(T: int, name: str) -> int:
        given = inputs(T, gated)
        return count_calls(lambda: fast(*given))[name]

    for name in ("bmm", "baddbmm", "add", "mul"):
        assert steps(4096, name) - steps(256, name) <= (4096 - 256) / 16


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of torch's compiler
@GATED
def test_it_compiles_as_one_graph(gated, joined, assert_agree):
    given = inputs(33, gated)
    compiled = torch.compile(fast, fullgraph=True, backend="aot_eager")
    assert_agree(joined(compiled(*given)), joined(naive(*given)), given)
