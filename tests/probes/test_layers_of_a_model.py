"""A trace lists every layer in the order of its calls, with named shapes, parameters, FLOPs and memory."""

import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from zoo.catalog import MODELS
from zoo.errors import StrangerError
from zoo.models.build import build, model_config
from zoo.models.interface import SequenceModel
from zoo.probes.axes import name_size
from zoo.probes.flops import FlopCounter
from zoo.probes.nonfinite import find_nonfinite
from zoo.probes.signals import measure_signals
from zoo.probes.trace import record_pass, trace_model
from zoo.probes.values import FORMS, Trace

BUILT_IN = ["bigram", "bow", "dilated-wavenet", "gru", "lstm", "mlp", "rnn", "transformer", "wavenet"]


def make(name: str, vocab_size: int = 27, context: int = 8, **options: Any) -> SequenceModel:
    kind = MODELS.get(name)
    return build(kind, model_config(kind, options, name), vocab_size=vocab_size, context=context, seed=0)


def tokens(rows: int = 4, length: int = 8, vocab_size: int = 27) -> Tensor:
    return torch.randint(vocab_size, (rows, length), generator=torch.Generator().manual_seed(3))


def listed(trace: Trace) -> list[tuple[str, str]]:
    return [(layer.name, layer.text) for layer in trace.layers]


LECTURE = [
    ("", "b 8 -> b c27"),
    ("embedding", "b 8 -> b 8 c10"),
    ("group", "b 8 c10 -> b 4 (2 c10)"),
    ("levels.0", "b 4 c20 -> b 4 c200"),
    ("levels.0.linear", "b 4 c20 -> b 4 c200"),
    ("levels.0.norm", "b 4 c200"),
    ("levels.0.tanh", "b 4 c200"),
    ("group", "b 4 c200 -> b 2 (2 c200)"),
    ("levels.1", "b 2 c400 -> b 2 c200"),
    ("levels.1.linear", "b 2 c400 -> b 2 c200"),
    ("levels.1.norm", "b 2 c200"),
    ("levels.1.tanh", "b 2 c200"),
    ("group", "b 2 c200 -> b 1 (2 c200)"),
    ("levels.2", "b 1 c400 -> b 1 c200"),
    ("levels.2.linear", "b 1 c400 -> b 1 c200"),
    ("levels.2.norm", "b 1 c200"),
    ("levels.2.tanh", "b 1 c200"),
    ("drop", "b c200"),
    ("head", "b c200 -> b c27"),
]
"""The network of the lecture, 4x8 -> 4x8x10 -> 4x4x20 -> 4x4x200 -> ... -> 4x27."""


def test_the_network_of_the_lecture_has_its_shapes() -> None:
    trace = trace_model(make("wavenet", embedding=10, hidden=200, tree=True), tokens())
    assert listed(trace) == LECTURE
    sizes = ["x".join(map(str, layer.made[0].shape)) for layer in trace.layers[1:]]
    assert sizes[:4] == ["4x8x10", "4x4x20", "4x4x200", "4x4x200"]
    assert sizes[-1] == "4x27"
    assert trace.form == "tree"


def test_the_76579_parameters_of_the_lecture_are_where_it_has_them() -> None:
    trace = trace_model(make("wavenet", embedding=24, hidden=128, tree=True), tokens())
    own = {layer.name: layer.parameters for layer in trace.layers}
    assert trace.parameters == own[""] == 76_579
    assert own["embedding"] == 27 * 24
    assert own["levels.0.linear"] == 48 * 128
    assert own["levels.1.linear"] == own["levels.2.linear"] == 256 * 128
    assert own["levels.2.norm"] == 256
    assert own["head"] == 128 * 27 + 27


@pytest.mark.parametrize("name", BUILT_IN)
@pytest.mark.parametrize("form", FORMS)
def test_every_built_in_model_can_be_traced_in_every_form(name: str, form: Any) -> None:
    model = make(name)
    trace = trace_model(model, tokens(), form)
    made = {"rows": "b t c27", "tree": "b c27", "packed": "m c27", "step": "b c27"}
    assert trace.layers[0].made[0].text == made[form]
    assert not any("?" in side.text for layer in trace.layers for side in (*layer.given, *layer.made))
    assert trace.layers[0].parameters == trace.parameters == sum(own.numel() for own in model.parameters())


@pytest.mark.parametrize("name", BUILT_IN)
def test_flops_are_those_of_the_counter_and_those_of_a_container_include_its_layers(name: str) -> None:
    trace = trace_model(make(name), tokens(), "rows")
    assert trace.layers[0].flops == pytest.approx(4 * FlopCounter(make(name)).forward(8))
    for place, layer in enumerate(trace.layers):
        inner = []
        for other in trace.layers[place + 1 :]:
            if other.depth <= layer.depth:
                break
            inner += [other] if other.depth == layer.depth + 1 else []
        assert sum(own.flops for own in inner) <= layer.flops
        assert sum(own.saved_bytes for own in inner) <= layer.saved_bytes


def test_memory_is_what_the_graph_keeps_alive() -> None:
    """A linear layer keeps its input, tanh its output; both once, and no weights."""
    model = Plain(nn.Sequential(nn.Embedding(27, 16), nn.Linear(16, 32), nn.Tanh(), nn.Linear(32, 27)))
    saved = {layer.name: layer.saved_bytes for layer in trace_model(model, tokens(), "rows").layers}
    assert saved["layers.1"] == 4 * 8 * 16 * 4
    assert saved["layers.2"] == 4 * 8 * 32 * 4
    assert saved["layers.3"] == 0


class Plain(SequenceModel):
    """A model around layers that are given."""

    def __init__(self, layers: nn.Module, vocab_size: int = 27) -> None:
        super().__init__(self.Config(), vocab_size=vocab_size, context=8)
        self.layers = layers

    def forward(self, tokens: Tensor) -> Tensor:
        return self.layers(tokens)


def test_a_module_that_is_called_twice_has_two_rows_with_their_own_shapes() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.shared, self.head = nn.Embedding(27, 6), nn.Linear(6, 6), nn.Linear(6, 27)

        def forward(self, tokens: Tensor) -> Tensor:
            x = self.shared(self.table(tokens))
            return self.head(x + self.shared(x[:, :1]))

    trace = trace_model(Plain(Twice()), tokens(), "rows")
    assert [text for name, text in listed(trace) if name == "layers.shared"] == ["b t c6", "b 1 c6"]
    assert trace.parameters == trace.layers[0].parameters == 27 * 6 + 42 + 6 * 27 + 27


def test_methods_and_functions_between_layers_are_rows_and_leave_nothing_behind() -> None:
    model = make("transformer")
    before = [sorted(vars(module)) for module in model.modules()]
    names = [name for name, _ in listed(trace_model(model, tokens(), "step"))]
    assert "blocks.0.attention.stream" in names
    assert "blocks.0.gelu" in names
    assert "blocks.0.attention.sdpa" in names
    assert [sorted(vars(module)) for module in model.modules()] == before
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_an_activation_that_is_a_module_is_one_row() -> None:
    trace = trace_model(Plain(nn.Sequential(nn.Embedding(27, 27), nn.Tanh())), tokens(), "rows")
    assert [name for name, _ in listed(trace)] == ["", "layers", "layers.0", "layers.1"]


def test_a_trace_runs_the_model_forward_at_most_four_times() -> None:
    calls = []

    class Counted(nn.Embedding):
        def forward(self, tokens: Tensor) -> Tensor:
            calls.append(tuple(tokens.shape))
            return super().forward(tokens)

    trace_model(Plain(Counted(27, 27)), tokens(), "rows")
    assert len(calls) <= 4


def test_a_model_of_one_length_alone_is_traced_without_names_for_its_tokens() -> None:
    class Fixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(27, 27)

        def forward(self, tokens: Tensor) -> Tensor:
            if tokens.shape[1] != 8:
                raise ValueError("8 tokens")
            return self.table(tokens)

    assert trace_model(Plain(Fixed()), tokens(), "rows").layers[0].text == "4 8 -> 4 8 c27"


@pytest.mark.parametrize(
    ("sizes", "name"),
    [
        ((4, 5), "b"),
        ((8, 16), "t"),
        ((9, 17), "t+1"),
        ((7, 15), "t-1"),
        ((32, 80), "(b t)"),
        ((12, 15), "(3 b)"),
        ((2, 4), "t/4"),
        ((6, 6), "6"),
        ((3, 20), "3?"),
    ],
)
def test_a_size_is_named_by_how_it_changes(sizes: tuple[int, int], name: str) -> None:
    assert name_size(*sizes, {"b": (4, 5), "t": (8, 16)}) == name


def test_signals_equal_those_of_a_pass_by_hand() -> None:
    torch.manual_seed(1)
    model = Plain(nn.Sequential(nn.Embedding(27, 16), nn.Linear(16, 12), nn.Tanh(), nn.Linear(12, 27)))
    model.layers[1].weight.data *= 12  # saturates
    model.layers[1].bias.data[0] = 1e3  # a dead unit
    given, targets = tokens(), tokens().roll(-1, 1)
    found = measure_signals(model, given, targets, trace_model(model, given, "rows"))
    trace = trace_model(model, given, "rows")
    place = [layer.name for layer in trace.layers].index("layers.2")
    hidden = model.layers[1](model.layers[0](given))
    active = torch.tanh(hidden)
    active.retain_grad()
    loss = nn.functional.cross_entropy(model.layers[3](active).flatten(0, 1), targets.flatten())
    loss.backward()
    own = found.layers[place]
    assert own is not None
    assert found.loss == pytest.approx(loss.item())
    assert own.mean == pytest.approx(active.mean().item(), abs=1e-6)
    assert own.std == pytest.approx(active.std(correction=0).item())
    assert own.saturated == pytest.approx((active.abs() > 0.97).double().mean().item())
    assert own.dead == int((active.abs() > 0.97).flatten(0, 1).all(0).sum()) >= 1
    assert own.gradient_std == pytest.approx(active.grad.std(correction=0).item())
    weights = {weight.name: weight for weight in found.weights}
    weight = model.layers[3].weight
    assert weights["layers.3.weight"].ratio == pytest.approx(
        (weight.grad.std(correction=0) / weight.std(correction=0)).item()
    )
    assert {finding.rule for finding in found.findings} >= {"saturation", "dead units"}


def test_a_first_loss_far_above_that_of_a_uniform_guess_is_told_unless_the_model_is_trained() -> None:
    torch.manual_seed(0)
    model = Plain(nn.Embedding(27, 27))
    model.layers.weight.data *= 10
    targets = tokens().roll(-1, 1)
    found = measure_signals(model, tokens(), targets, trace_model(model, tokens(), "rows"))
    assert found.loss > 1.1 * math.log(27)
    assert [finding.rule for finding in found.findings] == ["first loss"]
    assert measure_signals(model, tokens(), targets, trace_model(model, tokens(), "rows"), trained=True).findings == ()


class Norm(nn.Module):
    """Divides by a norm that has no gradient at zero."""

    def forward(self, x: Tensor) -> Tensor:
        return x / (x.norm(dim=-1, keepdim=True) + 1)


class Log(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.log(x)


class Root(nn.Module):
    """Finite forward, an infinite gradient at zero."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.sqrt(x * x)


def spoil(place: str) -> SequenceModel:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Embedding(27, 8), nn.Linear(8, 8), Norm(), nn.Linear(8, 27))
    if place == "parameter":
        layers[3].bias.data[2] = float("nan")
    elif place == "forward":
        layers[2] = Log()
    elif place == "backward":
        layers[1].weight.data.zero_()
        layers[1].bias.data.zero_()
        layers[2] = Root()
    return Plain(layers)


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("nowhere", None),
        ("parameter", "parameter layers.3.bias has 1 NaN"),
        ("forward", "forward: layers.2 (Log) returns"),
        ("backward", "backward: layers.2 (Root) passes back"),
    ],
)
def test_the_first_layer_with_a_number_that_is_not_finite_is_named(place: str, said: str | None) -> None:
    found = find_nonfinite(spoil(place), tokens(), tokens().roll(-1, 1), "rows")
    assert (found is None) if said is None else (found or "").startswith(said)


def test_a_gradient_that_is_spoilt_between_layers_is_placed_in_the_layer_around_it() -> None:
    class Around(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(8, 8)
            nn.init.zeros_(self.inner.weight)
            nn.init.zeros_(self.inner.bias)

        def forward(self, x: Tensor) -> Tensor:
            y = self.inner(x)
            return (y * y).sqrt()

    model = Plain(nn.Sequential(nn.Embedding(27, 8), Around(), nn.Linear(8, 27)))
    found = find_nonfinite(model, tokens(), tokens().roll(-1, 1), "rows")
    assert found is not None
    assert found.startswith("backward: layers.1 (Around) passes back ")


def test_what_a_layer_changes_in_place_does_not_change_the_signals_of_the_one_before() -> None:
    model = Plain(nn.Sequential(nn.Embedding(27, 27), nn.LayerNorm(27), nn.ReLU(inplace=True)))
    found = measure_signals(model, tokens(), tokens().roll(-1, 1), trace_model(model, tokens(), "rows"))
    names = [call.name for call in record_pass(model, tokens(), "rows")[0].calls]
    before = found.layers[names.index("layers.1")]
    assert before is not None
    assert before.mean == pytest.approx(0, abs=1e-5)


class Body(nn.Module):
    """An embedding, a function of layers a and b, and a head."""

    def __init__(self, body: Callable[[nn.Module, Tensor], Tensor], width: int = 16) -> None:
        super().__init__()
        self.table, self.a, self.b = nn.Embedding(27, width), nn.Linear(width, width), nn.Linear(width, width)
        self.head, self.body = nn.Linear(width, 27), body

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.body(self, self.table(tokens)))


def with_body(body: Callable[[nn.Module, Tensor], Tensor]) -> SequenceModel:
    torch.manual_seed(0)
    return Plain(Body(body))


def sources_of(model: SequenceModel, name: str) -> set[str]:
    trace = trace_model(model, tokens(), "rows")
    (layer,) = [layer for layer in trace.layers if layer.name == f"layers.{name}"]
    return {trace.layers[place].name.removeprefix("layers.") for place in layer.sources}


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (lambda m, x: m.a(x) + m.b(x), {"a", "b"}),
        (lambda m, x: add_in_place(m.a(x), m.b), {"a", "b"}),
        (lambda m, x: nn.functional.scaled_dot_product_attention(m.a(x), m.b(x), x), {"sdpa"}),
    ],
    ids=["sum", "in place", "attention"],
)
def test_a_layer_names_all_layers_from_which_its_input_comes(body: Any, names: set[str]) -> None:
    assert sources_of(with_body(body), "head") == names


def add_in_place(x: Tensor, branch: nn.Module) -> Tensor:
    y = branch(x)
    y += x
    return y


def test_attention_takes_queries_keys_and_values_however_they_are_given() -> None:
    def attend(m: nn.Module, x: Tensor) -> Tensor:
        return nn.functional.scaled_dot_product_attention(query=m.a(x), key=m.b(x), value=torch.tanh(input=x))

    assert sources_of(with_body(attend), "sdpa") == {"a", "b", "tanh"}


SPOILT = {
    "a side branch": (lambda m, x: m.a(x) + (x - x).sqrt(), "layers (Body)"),
    "between layers": (lambda m, x: m.b((m.a(x) * 0).sqrt()), "layers (Body)"),
    "in place": (lambda m, x: m.b(m.a(x).mul_(0).sqrt_()), "layers (Body)"),
}


@pytest.mark.parametrize(("body", "where"), SPOILT.values(), ids=SPOILT)
def test_the_layer_whose_own_operation_spoils_a_gradient_is_named(body: Any, where: str) -> None:
    found = find_nonfinite(with_body(body), tokens(), tokens().roll(-1, 1), "rows")
    assert (found or "").startswith(f"backward: {where} passes back")


def test_a_mask_of_minus_infinity_is_no_fault_and_the_logarithm_of_zero_is() -> None:
    class Mask(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.masked_fill(x < x.median(), -torch.inf)

    masked = Plain(nn.Sequential(nn.Embedding(27, 8), Mask(), nn.Softmax(-1), nn.Linear(8, 27)))
    assert find_nonfinite(masked, tokens(), tokens().roll(-1, 1), "rows") is None
    log = Plain(nn.Sequential(nn.Embedding(27, 8), nn.ReLU(), Log(), nn.Linear(8, 27)))
    assert "layers.2 (Log)" in (find_nonfinite(log, tokens(), tokens().roll(-1, 1), "rows") or "")


class Balanced(Plain):
    """Puts what its auxiliary loss needs on itself, as the interface says."""

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.layers[0](tokens)
        self.balance = 5 + x.square().mean()
        return self.layers[1](x)

    def auxiliary_loss(self) -> Tensor:
        return self.balance


def test_an_auxiliary_loss_is_in_the_gradients_and_not_in_the_loss() -> None:
    torch.manual_seed(0)
    model = Balanced(nn.Sequential(nn.Embedding(27, 8), nn.Linear(8, 27)))
    model.layers[1].weight.data *= 0.1
    trace = trace_model(model, tokens(), "rows")
    found = measure_signals(model, tokens(), tokens().roll(-1, 1), trace)
    assert found.loss < 1.1 * math.log(27)
    assert not [finding for finding in found.findings if finding.rule == "first loss"]
    assert find_nonfinite(model, tokens(), tokens().roll(-1, 1), "rows") is None
    assert "balance" not in vars(model)


def test_dead_units_are_counted_along_the_channels_wherever_they_stand() -> None:
    class Across(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv1d(8, 16, 1)
            self.conv.weight.data[:5], self.conv.bias.data[:5] = 0, -1

        def forward(self, x: Tensor) -> Tensor:
            return torch.relu(self.conv(x.transpose(1, 2))).transpose(1, 2)

    model = Plain(nn.Sequential(nn.Embedding(27, 8), Across(), nn.Linear(16, 27)))
    trace = trace_model(model, tokens(), "rows")
    place = [layer.name for layer in trace.layers].index("layers.1.relu")
    found = measure_signals(model, tokens(), tokens().roll(-1, 1), trace).layers[place]
    assert found is not None
    assert found.dead is not None
    assert (found.dead >= 5, found.channels) == (True, 16)


def test_a_method_that_is_named_like_a_function_is_not_judged_as_one() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lin = nn.Linear(8, 8)

        def tanh(self, x: Tensor) -> Tensor:
            return self.lin(x) * 50

        def forward(self, x: Tensor) -> Tensor:
            return self.tanh(x)

    model = Plain(nn.Sequential(nn.Embedding(27, 8), Own(), nn.Linear(8, 27)))
    found = measure_signals(model, tokens(), tokens().roll(-1, 1), trace_model(model, tokens(), "rows"))
    assert {signal.saturated for signal in found.layers if signal} == {None}


def test_an_exception_that_a_model_catches_does_not_change_the_nesting() -> None:
    def attempt(m: nn.Module, x: Tensor) -> Tensor:
        with suppress(RuntimeError):
            m.a(x[..., :3])
        return m.b(x)

    trace = trace_model(with_body(attempt), tokens(), "rows")
    assert [(layer.name, layer.depth) for layer in trace.layers] == [
        ("", 0), ("layers", 1), ("layers.table", 2), ("layers.b", 2), ("layers.head", 2),
    ]  # fmt: skip


def test_operations_whose_flops_are_unknown_are_told() -> None:
    found = trace_model(with_body(lambda m, x: torch.fft.irfft(torch.fft.rfft(x), x.shape[-1])), tokens(), "rows")
    assert any("fft" in name for name in found.uncounted)


@pytest.mark.parametrize("name", [name for name in BUILT_IN if name != "bigram"])
def test_the_flops_of_built_in_models_are_whole(name: str) -> None:
    assert trace_model(make(name), tokens(), "rows").uncounted == ()


@pytest.mark.parametrize(("rows", "length"), [(1, 1), (1, 8), (2, 1), (8, 8)])
def test_axes_are_told_apart_in_batches_of_any_size(rows: int, length: int) -> None:
    trace = trace_model(make("transformer"), tokens(rows, length), "rows")
    assert trace.layers[1].text == "b t -> b t c32"
    assert trace.layers[0].made[0].shape == (rows, length, 27)


def test_weights_that_a_layer_is_given_are_no_neighbours() -> None:
    normed = nn.utils.parametrizations.weight_norm(nn.Linear(8, 16))
    trace = trace_model(Plain(nn.Sequential(nn.Embedding(27, 8), normed, nn.Linear(16, 27))), tokens(), "rows")
    assert not any("(" in layer.text for layer in trace.layers)


RETURNS = {
    "a tuple": lambda m, x: (m.head(x),),
    "too few": lambda m, x: m.head(x)[:, -1],
    "whole numbers": lambda m, x: m.head(x).long(),
}


@pytest.mark.parametrize("body", RETURNS.values(), ids=RETURNS)
def test_what_is_no_logits_is_refused_in_one_line(body: Any) -> None:
    class Odd(Body):
        def forward(self, tokens: Tensor) -> Any:
            return body(self, self.table(tokens))

    with pytest.raises(StrangerError, match=r"returns .*, not logits of shape \(4, 8, 27\)"):
        trace_model(Plain(Odd(lambda m, x: x)), tokens(), "rows")


def test_logits_without_a_gradient_are_traced_and_have_no_signals() -> None:
    model = with_body(lambda m, x: x)
    model.layers.requires_grad_(False)
    trace = trace_model(model, tokens(), "rows")
    with pytest.raises(StrangerError, match="without a gradient"):
        measure_signals(model, tokens(), tokens().roll(-1, 1), trace)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_scripted_modules_and_inputs_without_channels_are_traced_around() -> None:
    scripted = torch.jit.script(nn.Linear(8, 8))
    trace = trace_model(Plain(nn.Sequential(nn.Embedding(27, 8), scripted, nn.Linear(8, 27))), tokens(), "rows")
    assert trace.parameters == 27 * 8 + 72 + 9 * 27
    empty = with_body(lambda m, x: torch.cat([nn.Identity()(x[..., :0]), x], -1))
    assert trace_model(empty, tokens(), "rows").layers[0].text == "b t -> b t c27"
