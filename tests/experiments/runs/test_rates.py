"""The next rates of an extended grid."""

import pytest

from zoo.experiments.runs.rates import extend_grid
from zoo.experiments.study.parse import make_study


@pytest.mark.parametrize(
    ("best", "beyond"),
    [
        ({0.01}, ()),
        ({0.001, 0.01}, (0.000316,)),
        ({0.1}, (0.316,)),
        ({0.001, 0.1}, (0.000316, 0.316)),
        (set(), ()),
    ],
)
def test_a_grid_grows_by_its_own_factor_beyond_each_edge_where_a_best_rate_lies(
    best: set[float], beyond: tuple[float, ...]
) -> None:
    start = (0.001, 0.00316, 0.01, 0.0316, 0.1)
    assert extend_grid(start, start, best) == beyond


def test_the_factor_is_that_of_the_first_grid_however_far_it_has_grown() -> None:
    tried = [0.01, 0.02, 0.04, 0.08]
    assert extend_grid((0.01, 0.02), tried, {0.08, 0.01}) == (0.005, 0.16)


def test_a_grid_of_rates_that_differ_in_the_fourth_digit_grows_too() -> None:
    (beyond,) = extend_grid((0.01, 0.010001), (0.01, 0.010001), {0.010001})
    assert 0.010001 < beyond < 0.010003


@pytest.mark.parametrize(
    ("given", "grid"), [("auto", (0.003, 0.01, 0.03)), (["auto", 1e-3, 1e-2], (1e-3, 1e-2)), ((1e-3, 1e-2), None)]
)
def test_auto_stands_alone_or_before_the_rates_to_begin_with(given: object, grid: tuple[float, ...] | None) -> None:
    study = make_study({}, {"models": ["bow"], "data": {}, "lr_grid": given})
    assert (study.lr_grid, study.lr_grid_extends) == (grid or given, grid is not None)
    assert type(study).model_validate_json(study.model_dump_json()) == study


@pytest.mark.parametrize("overrides", [{"lr_grid": [1e-3, 1e-2]}, {"training": {"lr": 1e-3}}])
def test_a_grid_or_a_rate_of_its_own_takes_the_place_of_one_that_is_extended(overrides: dict[str, object]) -> None:
    base = {"models": ["bow"], "data": {}, "lr_grid": (1e-3, 1e-2), "lr_grid_extends": True}
    assert not make_study(base, overrides).lr_grid_extends
