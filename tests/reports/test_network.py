"""The picture of a network shows what is connected: a tree of windows, residual branches, gates."""

import re

import pytest
import torch

from zoo.catalog import MODELS
from zoo.models.build import build, model_config
from zoo.probes.trace import trace_model
from zoo.probes.values import Trace
from zoo.reports.figures.network import MOST_LAYERS, make_nodes, network


def trace_of(name: str, **options: object) -> Trace:
    kind = MODELS.get(name)
    model = build(kind, model_config(kind, options, name), vocab_size=27, context=8, seed=0)
    return trace_model(model, torch.randint(27, (4, 8)))


def joins_of(trace: Trace) -> list[list[str]]:
    """The names of what every join takes; an earlier join is +."""
    nodes = make_nodes(trace)
    names = [node.layer.name if node.layer else "+" for node in nodes]
    return [[names[source] for source in node.sources] for node in nodes if node.layer is None]


def test_residual_branches_of_a_transformer_join_one_after_the_other() -> None:
    joins = joins_of(trace_of("transformer", layers=2))
    assert joins == [
        ["drop", "blocks.0.drop"],
        ["+", "blocks.0.drop"],
        ["+", "blocks.1.drop"],
        ["+", "blocks.1.drop"],
    ]


def test_gates_residuals_and_skips_of_a_dilated_wavenet_join_where_its_layers_do() -> None:
    joins = joins_of(trace_of("dilated-wavenet"))
    assert joins[:2] == [["layers.0.tanh", "layers.0.sigmoid"], ["embedding", "layers.0.residual"]]
    assert joins[-1] == ["layers.0.skip", "layers.1.skip", "layers.2.skip"]


def test_a_tree_has_a_square_for_every_position_of_its_windows() -> None:
    picture = network(trace_of("wavenet", tree=True))
    assert picture.count("<rect") == 8 + 4 * 4 + 4 * 2  # the embedding, and four layers of two levels
    assert picture.count('class="wire"') == 8 + 4 * 3 + 4 + 2 * 3 + 2 + 3 + 2


@pytest.mark.parametrize("width", [350.0, 860.0])
@pytest.mark.parametrize("name", ["gru", "transformer", "dilated-wavenet"])
def test_nothing_is_drawn_outside_of_the_picture(name: str, width: float) -> None:
    picture = network(trace_of(name), width=width)
    numbers = [float(x) for x in re.findall(r'(?:\bx|cx|x1|x2)="(-?[\d.]+)"', picture)]
    numbers += [
        float(x) for path in re.findall(r'd="M([^"]+)"', picture) for x in re.findall(r"(-?[\d.]+) -?[\d.]+", path)
    ]
    assert min(numbers) >= 0
    assert max(numbers) <= width


def test_a_network_of_thousands_of_layers_is_cut() -> None:
    trace = trace_of("gru")
    many = trace.model_copy(update={"layers": trace.layers * 100})
    assert network(many).count('class="number"') < 5 * MOST_LAYERS
