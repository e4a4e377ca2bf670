"""Activation functions by name, and their gates, against plain arithmetic, with gradients."""

import pickle
from typing import get_args

import pytest
import torch
from scipy.special import expit, ndtr

from zoo.layers import Activation, ActivationName
from zoo.layers.activation import ACTIVATIONS

PLAIN = {
    "none": lambda x: x,
    "tanh": lambda x: 2 * expit(2 * x) - 1,
    "sigmoid": expit,
    "relu": lambda x: x * (x > 0),
    "gelu": lambda x: x * ndtr(x),
    "silu": lambda x: x * expit(x),
}
STEP = 1e-6


@pytest.mark.parametrize("gate", [None, "none", "sigmoid"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_is_its_function_times_its_gate(name: str, gate: str | None) -> None:
    activation = Activation(name, gate)
    x = torch.linspace(-3, 3, 24, dtype=torch.float64).view(2, 12).requires_grad_()

    def plain(values):
        if gate is None:
            return PLAIN[name](values)
        return PLAIN[name](values[:, :6]) * PLAIN[gate](values[:, 6:])

    made, values = activation(x), x.detach().numpy()
    torch.testing.assert_close(made, torch.from_numpy(plain(values)))
    assert made.shape[-1] * activation.inputs == x.shape[-1]
    made.sum().backward()
    for place in ((0, 1), (1, 10)):
        moved = values.copy()
        moved[place] += STEP
        slope = (plain(moved).sum() - plain(values).sum()) / STEP
        assert x.grad[place].item() == pytest.approx(slope, abs=1e-5)


def test_the_type_of_the_option_names_what_the_table_has() -> None:
    assert set(get_args(ActivationName)) == set(ACTIVATIONS)


def test_an_activation_can_be_sent_to_another_process() -> None:
    assert pickle.loads(pickle.dumps(Activation("gelu", "none"))) == Activation("gelu", "none")


@pytest.mark.parametrize("names", [("softmax", None), ("tanh", "softmax")])
def test_a_name_that_no_function_has_is_refused(names: tuple[str, str | None]) -> None:
    with pytest.raises(ValueError, match="one of none, tanh, sigmoid, relu, gelu, silu, not 'softmax'"):
        Activation(*names)
