"""The residual block against sums written out, around a mixer that adds up its past."""

import pytest
import torch
from torch import Tensor, nn

from zoo.layers import Activation, ResidualBlock
from zoo.layers.mixer import Mixer, State

C = 4


class Sums(Mixer):
    """y_t = w · (x_1 + ... + x_t)."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(C))

    def begin(self, batch_size: int) -> State:
        return {"sum": self.weight.new_zeros(batch_size, C)}

    def run(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        sums = state["sum"].unsqueeze(1) + x.cumsum(1)
        return self.weight * sums, {"sum": sums[:, -1]}


def block(**options) -> ResidualBlock:
    given = {"mlp": 2, "norm": "layer", "activation": Activation("gelu"), **options}
    made = ResidualBlock(C, Sums(), **given).double()
    for parameter in made.parameters():
        nn.init.normal_(parameter)
    return made


@pytest.fixture
def x() -> Tensor:
    return torch.randn(2, 7, C, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("mlp", [0, 2])
def test_mixer_and_mlp_are_added_to_the_stream_or_take_its_place(mlp, residual, x, assert_agree):
    layer = block(mlp=mlp, residual=residual)
    rest = float(residual)
    expected = rest * x + layer.mixer.weight * layer.norm1(x).cumsum(1)
    if mlp:
        expected = rest * expected + layer.down(nn.functional.gelu(layer.up(layer.norm2(expected))))
    assert_agree(layer(x), expected, [x, *layer.parameters()])


def test_a_row_in_pieces_is_the_whole_row(x):
    layer = block()
    state, made = layer.mixer.begin(2), []
    for piece in x.split([1, 4, 2], dim=1):
        y, state = layer.run(piece, state)
        made.append(y)
    torch.testing.assert_close(torch.cat(made, dim=1), layer(x))


def test_another_form_of_the_mixer_can_take_its_place(x):
    layer = block()
    torch.testing.assert_close(layer.around(x, layer.mixer), layer(x))
    torch.testing.assert_close(layer.around(x, torch.zeros_like), layer.around(0 * x + x, lambda given: 0 * given))
    assert not torch.allclose(layer.around(x, torch.zeros_like), layer(x))


def test_a_gated_activation_has_two_projections():
    assert block(activation=Activation("silu", "none")).up.out_features == 2 * block().up.out_features


def test_without_an_mlp_there_are_no_parameters_of_one():
    assert {name.partition(".")[0] for name, _ in block(mlp=0).named_parameters()} == {"norm1", "mixer"}


def test_dropout_acts_in_training_alone(x):
    layer = block(dropout=0.5).eval()
    assert torch.equal(layer(x), layer(x))
    layer.train()
    assert not torch.equal(layer(x), layer(x))


def test_the_gains_scale_the_initial_weights_of_the_mlp():
    torch.manual_seed(0)
    layer = ResidualBlock(64, Sums(), mlp=4, norm="layer", activation=Activation("gelu"), gain=2.0, out_gain=0.5)
    assert layer.up.weight.std().item() == pytest.approx(2.0 * 64**-0.5, rel=0.05)
    assert layer.down.weight.std().item() == pytest.approx(0.5 * 256**-0.5, rel=0.05)
