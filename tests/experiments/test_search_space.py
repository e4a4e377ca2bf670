"""Search spaces as they are written, and where a value lies in them."""

import pytest

from zoo.errors import UsageError
from zoo.experiments.study.parse import build_study
from zoo.experiments.study.space import Dimension, list_grid, parse_dimension, parse_space


def test_a_space_is_written_with_spaces_between_settings_and_may_hold_calls() -> None:
    written = "lr=log(1e-4, 1e-1)  hidden=choice(64,128) optimizer=choice(adamw,muon(rate=1,momentum=0.9))"
    assert parse_space(written) == {
        "lr": "log(0.0001,0.1)",
        "hidden": "choice(64,128)",
        "optimizer": "choice(adamw,muon(rate=1,momentum=0.9))",
    }
    assert parse_dimension(parse_space(written)["optimizer"]).values == ("adamw", "muon(rate=1,momentum=0.9)")


@pytest.mark.parametrize(
    "text", ["log(0.001,0.1)", "uniform(0,0.3)", "int(1,8)", "choice(true,false)", "log(1e-05,1,3)"]
)
def test_a_dimension_is_written_as_it_is_parsed(text: str) -> None:
    assert str(parse_dimension(text)) == text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("lr=log(0,1)", "greater than 0"),
        ("lr=log(1,0.1)", "highest value first"),
        ("lr=log(1)", "two numbers"),
        ("lr=log(a,b)", "two numbers"),
        ("lr=log(1e-3,nan)", "two numbers"),
        ("lr=int(0.5,2)", "whole"),
        ("lr=uniform(0,1,1)", "points of a grid"),
        ("lr=normal(0,1)", "is no range"),
        ("lr=choice()", "no values"),
        ("lr=choice(1,1)", "twice"),
        ("lr=choice(1,2", "is no range"),
        ("lr", "not written as"),
        ("", "names no setting"),
        ("lr=log(1,2) lr=log(1,3)", "given twice"),
    ],
)
def test_a_wrong_space_says_how_to_write_it(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_space(text)


def test_values_are_rounded_to_three_digits_and_stay_within_their_range() -> None:
    log, uniform = Dimension("log", (1e-4, 0.0123456)), Dimension("uniform", (0, 0.3))
    assert log.round(0.00123456) == 0.00123
    assert log.round(0.01234) == 0.0123
    assert log.round(0.01234559) <= log.high
    assert uniform.round(3.4e-5) == 0
    assert uniform.round(0.12345) == 0.123
    assert Dimension("choice", (0.123456, 1)).round(0.123456) == 0.123456


def test_the_ends_of_a_range_are_its_edges_but_no_choice_and_no_zero() -> None:
    log, uniform = Dimension("log", (1e-3, 1e-1)), Dimension("uniform", (0, 0.3))
    assert [log.is_edge(value) for value in (0.001, 0.00125, 0.0013, 0.01, 0.078, 0.081, 0.1)] == [
        *(True, True, False, False, False, True, True)
    ]
    assert [uniform.is_edge(value) for value in (0, 0.01, 0.2, 0.29)] == [False, False, False, True]
    assert not Dimension("choice", (1, 2)).is_edge(1)
    assert not Dimension("log", (1, 1)).is_edge(1)


def test_a_grid_has_every_combination_and_ranges_name_their_points() -> None:
    space = {"lr": parse_dimension("log(0.001,0.1,3)"), "layers": parse_dimension("int(1,2)")}
    assert list_grid(space) == [{"lr": lr, "layers": n} for lr in (0.001, 0.01, 0.1) for n in (1, 2)]
    with pytest.raises(UsageError, match="needs a number of points"):
        list_grid({"lr": parse_dimension("log(0.001,0.1)")})


def build(**given: object):
    return build_study(given, models=["mlp", "wavenet(hidden=8)"], seeds=[1, 2])


def test_a_space_of_a_flag_replaces_that_of_a_file_as_a_whole() -> None:
    base = {
        "models": ["mlp"],
        "name": "x",
        "search": {"space": {"lr": "log(0.01,0.1)", "clip": "choice(1,2)"}, "trials": 4},
    }
    study = build_study({"search": "lr=log(0.1,1)", "tune_flops": 1e9}, models=None, seeds=None, base=base)
    assert dict(study.search.space) == {"lr": "log(0.1,1)"}
    assert (study.search.trials, study.search.flops) == (None, 1e9)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"tune": 4, "lr_grid": [0.1, 0.2]}, "give only one of them"),
        ({"tune": 4, "tune_flops": 1e9}, "two budgets of a search"),
        ({"sampler": "grid", "tune": 4}, "needs a space"),
        ({"search": "gru.lr=log(0.1,1)"}, "names 'gru', which is no model of the comparison: mlp, wavenet"),
        ({"search": {"lr": "lg(0.1,1)"}}, "lr: 'lg"),
    ],
)
def test_a_search_that_cannot_be_is_refused_in_one_line(given: dict, says: str) -> None:
    with pytest.raises(UsageError, match=says) as error:
        build(**given)
    assert "\n" not in str(error.value)


def test_a_setting_of_one_model_alone_is_written_with_its_label() -> None:
    search = build(search="lr=log(0.01,1) wavenet(hidden=8).dropout=choice(0,0.1)").search
    assert list(search.dimensions("mlp")) == ["lr"]
    assert list(search.dimensions("wavenet(hidden=8)")) == ["lr", "dropout"]


def test_a_study_without_a_search_is_recorded_as_before_there_were_any() -> None:
    assert "search" not in build().model_dump(mode="json")


def test_trials_keep_their_seed_when_seeds_are_added() -> None:
    few, many = build(tune=4), build_study({"tune": 4}, models=["mlp"], seeds=list(range(1, 20)))
    assert few.trial_of("mlp", {}).seed == many.trial_of("mlp", {}).seed == 0
    assert build_study({"tune": 4}, models=["mlp"], seeds=[0, 1]).trial_of("mlp", {}).seed == 2
