"""A trace lists every layer in the order of its calls, with named shapes, parameters, FLOPs and memory."""

from contextlib import suppress
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from traceable import BUILT_IN, Body, Plain, listed, make, tokens, with_body

from zoo.errors import StrangerError
from zoo.models.interface import SequenceModel
from zoo.probes.axes import name_size
from zoo.probes.flops import FlopCounter
from zoo.probes.trace import trace_model
from zoo.probes.values import FORMS

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
    assert "blocks.0.mixer.stream" in names
    assert "blocks.0.gelu" in names
    assert "blocks.0.mixer.sdpa" in names
    assert [sorted(vars(module)) for module in model.modules()] == before
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_an_activation_that_is_a_module_is_one_row() -> None:
    trace = trace_model(Plain(nn.Sequential(nn.Embedding(27, 27), nn.Tanh())), tokens(), "rows")
    assert [name for name, _ in listed(trace)] == ["", "layers", "layers.0", "layers.1"]


def test_an_identity_computes_nothing_and_is_no_row() -> None:
    names = [name for name, _ in listed(trace_model(make("dilated-wavenet"), tokens()))]
    assert "layers.0.norm" not in names
    assert "layers.0.norm" in [name for name, _ in listed(trace_model(make("dilated-wavenet", norm="rms"), tokens()))]


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


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_scripted_modules_and_inputs_without_channels_are_traced_around() -> None:
    scripted = torch.jit.script(nn.Linear(8, 8))
    trace = trace_model(Plain(nn.Sequential(nn.Embedding(27, 8), scripted, nn.Linear(8, 27))), tokens(), "rows")
    assert trace.parameters == 27 * 8 + 72 + 9 * 27
    empty = with_body(lambda m, x: torch.cat([nn.Identity()(x[..., :0]), x], -1))
    assert trace_model(empty, tokens(), "rows").layers[0].text == "b t -> b t c27"
