"""Suggestions by Optuna: the same whether a search is interrupted or not; pruning held to Optuna's own."""

import os
import random
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import optuna
import pytest

from zoo.errors import RunError
from zoo.experiments.runs.tuning.importances import measure_importances
from zoo.experiments.runs.tuning.pruning import FEWEST, prune_limits
from zoo.experiments.runs.tuning.suggest import Suggestions, quiet
from zoo.experiments.study.space import parse_dimension

SPACE = {name: parse_dimension(text) for name, text in {
    "lr": "log(0.001,0.1)", "warmup": "uniform(0,0.3)", "optimizer": "choice(adamw,muon)"}.items()}  # fmt: skip
FIRST = {"lr": 0.02, "warmup": 0.1, "optimizer": "adamw"}


def ended(loss: float | None, status: str = "finished"):
    """What `tell` reads of a run."""
    curve = [SimpleNamespace(validation_loss=value) for value in (3.0, 2.0)]
    return SimpleNamespace(curve=curve, result=SimpleNamespace(status=status, validation_loss=loss))


def advance(place: Path, sampler: str, trials: int) -> list[dict]:
    """Open the search, suggest and tell trials until it has as many; return the settings of all."""
    search = Suggestions(f"sqlite:///{place}", "search", SPACE, sampler, FIRST)
    while len(known := search.trials()) < trials:
        search.ask((), 0)
        (trial,) = search.trials()[len(known) :]
        search.tell(trial, ended(abs(trial.chosen["lr"] - 0.03)))
    return [dict(trial.chosen) for trial in search.trials()]


@pytest.mark.parametrize("sampler", ["tpe", "qmc"])
def test_a_search_in_pieces_suggests_what_it_suggests_in_one(tmp_path: Path, sampler: str) -> None:
    for trials in (1, 5, 8):
        pieces = advance(tmp_path / "pieces", sampler, trials)
    whole = advance(tmp_path / "whole", sampler, 8)
    assert pieces == whole
    assert whole[0] == FIRST
    assert len({str(point) for point in whole}) == 8
    assert all(SPACE[name].has(value) for point in whole for name, value in point.items())


def test_a_suggestion_that_was_cut_short_is_left_out_and_made_again(tmp_path: Path) -> None:
    whole = advance(tmp_path / "whole", "tpe", 3)
    advance(tmp_path / "cut", "tpe", 2)
    with quiet():
        optuna.load_study(study_name="search", storage=f"sqlite:///{tmp_path / 'cut'}").ask()  # and nothing more
    assert advance(tmp_path / "cut", "tpe", 3) == whole


def test_every_point_of_a_grid_is_suggested_once(tmp_path: Path) -> None:
    space = {"lr": parse_dimension("log(0.001,0.1,3)"), "clip": parse_dimension("choice(0,1)")}
    search = Suggestions(f"sqlite:///{tmp_path / 'grid'}", "search", space, "grid", None)
    for _ in range(6):
        search.ask((), 0)
    assert len({str(trial.chosen) for trial in search.trials()}) == 6
    again = Suggestions(f"sqlite:///{tmp_path / 'grid'}", "search", space, "grid", None)
    assert len(again.study.trials) == 6  # and none is enqueued once more


def test_a_grid_that_was_cut_short_when_it_was_enqueued_is_completed(tmp_path: Path) -> None:
    space, storage = {"clip": parse_dimension("choice(0,1,2)")}, f"sqlite:///{tmp_path / 'grid'}"
    with quiet():
        optuna.create_study(storage=storage, study_name="search").enqueue_trial({"clip": 0})
    search = Suggestions(storage, "search", space, "grid", None)
    with quiet():
        search.study.ask()  # a point that is taken, and no suggestion made of it
    for _ in range(3):
        search.ask((), 0)
    assert [trial.chosen["clip"] for trial in search.trials()] == [0, 1, 2]


def test_equal_settings_keep_the_limits_that_they_had_so_that_they_share_a_run(tmp_path: Path) -> None:
    space = {"clip": parse_dimension("choice(0,1)")}
    search = Suggestions(f"sqlite:///{tmp_path / 'x'}", "search", space, "tpe", None)
    for number in range(8):
        search.ask((float(number),), 0)
    limits = {trial.chosen["clip"]: trial.prune_above for trial in reversed(search.trials())}
    assert all(trial.prune_above == limits[trial.chosen["clip"]] for trial in search.trials())


def test_a_diverged_trial_is_told_as_pruned_and_is_never_the_best(tmp_path: Path) -> None:
    search = Suggestions(f"sqlite:///{tmp_path / 'x'}", "search", SPACE, "tpe", None)
    for status, loss in (("diverged", None), ("finished", 2.0), ("pruned", 1.0), ("failed", None)):
        search.ask((), 0)
        search.tell(search.trials()[-1], ended(loss, status))
    stored = search.study.trials
    assert [trial.state.name for trial in stored] == ["PRUNED", "COMPLETE", "PRUNED", "FAIL"]
    assert stored[0].intermediate_values == {0: 3.0, 1: 2.0}
    assert search.study.best_trial.number == 1


def test_trials_are_pruned_where_optuna_would_prune_them() -> None:
    draw, points = random.Random(0), 11
    curves = [[3 - index * draw.random() / 4 for index in range(points)] for _ in range(9)]
    limits = prune_limits(curves)
    assert [index for index, limit in enumerate(limits) if limit is not None] == [6, 7, 8, 9]
    pruner = optuna.pruners.MedianPruner(n_startup_trials=FEWEST, n_warmup_steps=6)
    with quiet():
        study = optuna.create_study(pruner=pruner)
        for curve in curves:
            trial = study.ask()
            for index, loss in enumerate(curve):
                trial.report(loss, index)
            study.tell(trial, curve[-1])
        decisions = set()
        for _ in range(60):
            trial, best = study.ask(), float("inf")
            for index in range(points - 1):
                loss = 3 - index * draw.random() / 4
                best = min(best, loss)
                trial.report(loss, index)
                ours = limits[index] is not None and best > limits[index]
                assert trial.should_prune() == ours
                decisions.add(ours)
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
    assert decisions == {True, False}
    assert prune_limits(curves[: FEWEST - 1]) == ()


def test_the_setting_that_decides_the_loss_has_nearly_all_of_its_variance() -> None:
    draw = random.Random(1)
    chosen = [
        {"lr": 10 ** draw.uniform(-3, -1), "warmup": draw.uniform(0, 0.3), "optimizer": draw.choice(["adamw", "muon"])}
        for _ in range(40)
    ]
    finished = [(point, 2.0 + (point["optimizer"] == "muon") + 0.01 * point["warmup"]) for point in chosen]
    shares, why = measure_importances(SPACE, finished)
    assert why == ""
    assert next(iter(shares)) == "optimizer"
    assert shares["optimizer"] > 0.95
    assert sum(shares.values()) == pytest.approx(1)
    assert measure_importances(SPACE, finished) == (shares, "")
    none, why = measure_importances(SPACE, [(point, 2.0) for point, _ in finished])
    assert none == {}
    assert "variance" in why
    assert measure_importances(SPACE, finished[:3]) == ({}, "fewer than 4 trials finished")


def test_a_database_that_cannot_be_opened_is_told_without_its_password() -> None:
    with pytest.raises(RunError) as error:
        Suggestions("sqlite:////no/such/folder/x.db", "search", SPACE, "tpe", None)
    assert "cannot be opened" in str(error.value)
    with pytest.raises(RunError) as error:
        Suggestions("nosuch://me:secret@host/x", "search", SPACE, "tpe", None)
    assert "nosuch://host/x" in str(error.value)
    assert "secret" not in str(error.value)


def test_without_optuna_a_search_says_what_to_install_and_nothing_else_needs_it(tmp_path: Path) -> None:
    (tmp_path / "optuna.py").write_text("raise ModuleNotFoundError(\"No module named 'optuna'\")\n")
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{root}", "COLUMNS": "80"}
    words = [sys.executable, str(root / "cli.py"), "compare", "--models", "bigram", "--tune", "2", "--dry-run"]
    done = subprocess.run(words, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install 'sequence-zoo[tune]'" in done.stderr
    assert "Traceback" not in done.stderr
