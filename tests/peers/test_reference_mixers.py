"""Our chunks against the loops of flash-linear-attention and of transformers' Qwen3-Next, which compute in float32."""

import importlib.util
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, files
from importlib.util import find_spec
from types import ModuleType

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from zoo.layers import delta_rule, linear_attention
from zoo.models.gla import LinearAttention

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of the libraries
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
B, T, H, K, V = 2, 100, 3, 16, 8
TOLERANCE = {"rtol": 2e-5, "atol": 2e-5}


@pytest.fixture
def naive() -> Callable[[str], ModuleType]:
    """Load fla/ops/<name>/naive.py from its file: importing the package needs triton, which a CPU lacks."""
    try:
        found = {str(path): path for path in files("fla-core") or ()}
    except PackageNotFoundError:
        pytest.skip("NEEDS fla-core: pip install 'sequence-zoo[dev]'")

    def load(name: str) -> ModuleType:
        path = found[f"fla/ops/{name}/naive.py"].locate()
        spec = importlib.util.spec_from_file_location(f"naive_{name}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture
def qwen() -> ModuleType:
    """The module of Qwen3-Next."""
    if find_spec("transformers") is None:
        pytest.skip("NEEDS transformers: pip install 'sequence-zoo[dev]'")
    from transformers.models.qwen3_next import modeling_qwen3_next

    return modeling_qwen3_next


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def draw(*widths: int) -> list[Tensor]:
    return [torch.randn(B, T, H, width) for width in widths]


def draw_writes() -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Queries and keys of length 1, values, strengths, log decays, and the matrix before."""
    q, k, v, write, log_decay = draw(K, K, V, 1, 1)
    before = torch.randn(B, H, K, V)
    return F.normalize(q, dim=-1), F.normalize(k, dim=-1), v, write.sigmoid(), F.logsigmoid(2 * log_decay), before


def close(found: Tensor | tuple[Tensor, Tensor], expected: Tensor | tuple[Tensor, Tensor]) -> None:
    torch.testing.assert_close(found, expected, **TOLERANCE)


def head_first(*parts: Tensor) -> list[Tensor]:
    return [part.transpose(1, 2) for part in parts]


def test_a_decay_for_each_channel_is_that_of_gla(naive) -> None:
    q, k, v, log_decay = draw(K, K, V, K)
    log_decay, before = F.logsigmoid(log_decay) / 4, torch.randn(B, H, K, V)
    expected = naive("gla").naive_recurrent_gla(q, k, v, log_decay, before, output_final_state=True)
    close(linear_attention(q * K**-0.5, k, v, log_decay, before), expected)


def test_a_decay_for_each_head_is_that_of_simple_gla(naive) -> None:
    q, k, v, log_decay = draw(K, K, V, 1)
    log_decay, before = F.logsigmoid(log_decay), torch.randn(B, H, K, V)
    found = linear_attention(q * K**-0.5, k, v, log_decay, before)
    module = naive("simple_gla")
    for form in (module.naive_recurrent_simple_gla, module.naive_chunk_simple_gla):
        close(found, form(q, k, v, log_decay[..., 0], initial_state=before, output_final_state=True))


def test_the_rates_of_the_heads_are_those_of_retention(naive) -> None:
    q, k, v = draw(K, K, V)
    log_decay = LinearAttention(H * K, heads=H, decay="head")._log_decay(q.flatten(2))
    found, _ = linear_attention(q * K**-0.5, k, v, log_decay, torch.zeros(B, H, K, V))
    close(found.transpose(1, 2), naive("retention").naive_retention(*head_first(q, k, v)))


def test_no_decay_is_linear_attention(naive) -> None:
    q, k, v = draw(K, K, V)
    before = torch.randn(B, H, K, V)
    expected = naive("linear_attn").naive_recurrent_linear_attn(q, k, v, initial_state=before, output_final_state=True)
    torch.testing.assert_close(linear_attention(q * K**-0.5, k, v, None, before), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("negative", [False, True])
def test_without_a_decay_it_is_the_delta_rule_of_fla(negative: bool, naive) -> None:
    q, k, v, write, _, before = draw_writes()
    write = write * (1 + negative)
    expected, state = naive("delta_rule").delta_rule_recurrence(*head_first(q, k, v, write), before)
    close(delta_rule(q * K**-0.5, k, v, write, None, before), (expected.transpose(1, 2), state))


@pytest.mark.parametrize("form", ["naive_recurrent_gated_delta_rule", "naive_chunk_gated_delta_rule"])
def test_with_a_decay_it_is_the_gated_delta_rule_of_fla(form: str, naive) -> None:
    q, k, v, write, log_decay, before = draw_writes()
    expected = getattr(naive("gated_delta_rule"), form)(
        q=q, k=k, v=v, beta=write[..., 0], g=log_decay[..., 0], initial_state=before, output_final_state=True
    )
    close(delta_rule(q * K**-0.5, k, v, write, log_decay, before), expected)


@pytest.mark.parametrize("form", ["torch_recurrent_gated_delta_rule", "torch_chunk_gated_delta_rule"])
def test_with_a_decay_it_is_the_gated_delta_rule_of_qwen3_next(form: str, qwen) -> None:
    q, k, v, write, log_decay, before = draw_writes()
    expected = getattr(qwen, form)(
        q, k, v, log_decay[..., 0], write[..., 0], initial_state=before, output_final_state=True
    )
    close(delta_rule(q * K**-0.5, k, v, write, log_decay, before), expected)
