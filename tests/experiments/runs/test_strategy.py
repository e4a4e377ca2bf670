"""The choice of how runs are executed, and its record."""

import json
from pathlib import Path

import pytest

from zoo.calls import parse_call
from zoo.config import DataConfig, RunConfig, TrainingConfig, Way
from zoo.data.corpus import Corpus
from zoo.data.load import load_corpus
from zoo.errors import RunError, UsageError
from zoo.experiments.runs import fastest, strategy
from zoo.experiments.runs.resolve import resolve, resolve_all
from zoo.experiments.runs.strategy import Choice, agree_on_ways, list_ways, place, read_ways


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return load_corpus(DataConfig(corpus=parse_call("invented(documents=200)")))


def runs(*models: str, seeds: int = 2, **training: object) -> list[RunConfig]:
    settings = TrainingConfig(**{"steps": 3, "batch_size": 4, "length": 8, "device": "cpu", **training})
    return [
        RunConfig(model=parse_call(model), label=model, training=settings, seed=seed)
        for seed in range(seeds)
        for model in models
    ]


def choose_ways(configs: list[RunConfig], corpus: Corpus, study: Path) -> dict[str, Choice]:
    """Choose the ways of these runs on one split."""
    return strategy.choose_ways(resolve_all(configs, {"1/1": corpus}, study), {"1/1": corpus}, read_ways(study))


def write_ways(study: Path, configs: list[RunConfig], choices: dict[str, Choice]) -> None:
    """Store choices as the only command on this folder."""
    assert agree_on_ways(study, configs, choices, read_ways(study)) == choices


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strategy, "count_cores", lambda: 2)
    monkeypatch.setattr(fastest, "count_cores", lambda: 2)


def test_runs_that_are_soon_over_are_executed_the_plainest_way_without_a_probe(corpus, tmp_path) -> None:
    choices = choose_ways(runs("gru", "bigram"), corpus, tmp_path)
    assert {label: choice.way for label, choice in choices.items()} == {"gru": Way(), "bigram": Way()}
    assert all(choice.steps_per_second == {} for choice in choices.values())


@pytest.mark.parametrize("fast", ["sequential, 1 thread", "side-by-side, 1 thread", "sequential, 2 threads"])
def test_the_fastest_way_is_taken_and_kept(fast: str, corpus, tmp_path, monkeypatch) -> None:
    def rate(way: Way, *_: object) -> float:
        return 100 if f"{way.how}, {way.threads} thread{'s' * (way.threads > 1)}" == fast else 50

    monkeypatch.setattr(strategy, "WORTH", 0)
    monkeypatch.setattr(fastest, "_measure_rate", rate)
    choices = choose_ways(runs("gru"), corpus, tmp_path)
    assert choices["gru"].steps_per_second[fast] == 100
    assert fast.startswith(choices["gru"].way.how)
    write_ways(tmp_path, runs("gru"), choices)
    monkeypatch.setattr(fastest, "_measure_rate", lambda *_: pytest.fail("probed again"))
    assert choose_ways(runs("gru", seeds=5, steps=9), corpus, tmp_path) == choices
    monkeypatch.setattr(strategy, "WORTH", 1e9)
    assert choose_ways(runs("gru", batch_size=5), corpus, tmp_path)["gru"].way == Way(), "another question"


def test_of_two_commands_that_choose_at_once_the_first_to_write_decides_for_both(corpus, tmp_path) -> None:
    mine, theirs = ({"gru": Choice(label="gru", way=Way(threads=n), steps_per_second={})} for n in (1, 2))
    kept = read_ways(tmp_path)
    assert agree_on_ways(tmp_path, runs("gru"), theirs, kept) == theirs
    assert agree_on_ways(tmp_path, runs("gru"), mine, kept) == theirs
    assert choose_ways(runs("gru"), corpus, tmp_path) == theirs
    timed = {"gru": theirs["gru"].model_copy(update={"steps_per_second": {"a": 1.0}})}
    assert agree_on_ways(tmp_path, runs("gru"), timed, read_ways(tmp_path)) == timed, "it knew the earlier choice"


def test_a_way_that_is_hardly_faster_is_not_taken(corpus, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(strategy, "WORTH", 0)
    monkeypatch.setattr(fastest, "_measure_rate", lambda way, *_: 100 + 4 * way.threads)
    assert choose_ways(runs("gru"), corpus, tmp_path)["gru"].way == Way()


@pytest.mark.slow
def test_the_probe_times_real_steps_every_way(corpus, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(strategy, "WORTH", 0)
    (choice,) = choose_ways(runs("gru"), corpus, tmp_path).values()
    beside = ["sequential, 1 thread", "side-by-side, 1 thread", "sequential, 2 threads", "stacked, 2 threads"]
    assert list(choice.steps_per_second) == beside
    assert all(rate > 1 for rate in choice.steps_per_second.values())


def test_a_damaged_file_of_choices_is_told(corpus, tmp_path) -> None:
    (tmp_path / "ways.json").write_text("{")
    with pytest.raises(RunError, match=r"ways.json' is damaged: it is no JSON.* Remove it"):
        choose_ways(runs("gru"), corpus, tmp_path)


def test_threads_that_are_given_are_taken() -> None:
    assert list_ways(runs("gru", threads=2), beside=True) == [Way(threads=2), Way(how="stacked", threads=2)]
    assert list_ways(runs("gru", threads=1), beside=True) == [Way(), Way(how="side-by-side"), Way(how="stacked")]


def test_a_budget_in_seconds_has_the_machine_to_itself() -> None:
    timed = runs("gru", steps=None, seconds=1.0)
    assert list_ways(timed, beside=True) == [Way(), Way(threads=2)]


def test_a_single_run_has_nothing_beside_it() -> None:
    assert list_ways(runs("gru", seeds=1), beside=False) == [Way(), Way(threads=2)]


def test_a_way_that_cannot_be_is_refused() -> None:
    with pytest.raises(UsageError, match="side-by-side needs several runs"):
        list_ways(runs("gru", seeds=1, execution="side-by-side"), beside=False)


def test_threads_make_another_run_and_side_by_side_does_not(corpus, tmp_path) -> None:
    def key(way: Way) -> str:
        (cell,) = place([resolve(*runs("gru", seeds=1), corpus, tmp_path)], {"gru": way})
        return cell.recorded.fingerprint

    assert key(Way()) == key(Way(how="side-by-side")) != key(Way(threads=2))


def test_choices_for_other_runs_stay_in_the_file(corpus, tmp_path: Path) -> None:
    for models in (runs("gru"), runs("bigram"), runs("gru", batch_size=5)):
        write_ways(tmp_path, models, choose_ways(models, corpus, tmp_path))
    kept = json.loads((tmp_path / "ways.json").read_text())
    assert sorted(choice["label"] for choice in kept.values()) == ["bigram", "gru", "gru"]


def test_a_choice_that_was_not_worth_a_probe_is_made_again_for_longer_runs(corpus, tmp_path, monkeypatch) -> None:
    write_ways(tmp_path, runs("gru"), choose_ways(runs("gru"), corpus, tmp_path))
    monkeypatch.setattr(strategy, "WORTH", 0)
    monkeypatch.setattr(fastest, "_measure_rate", lambda way, *_: 100 * way.threads)
    assert choose_ways(runs("gru"), corpus, tmp_path)["gru"].way == Way(threads=2)


@pytest.mark.parametrize(
    ("model", "dtype", "stacks"),
    [
        ("bow(hidden=4)", "float32", True),
        ("bow(hidden=4)", "bfloat16", False),
        ("gru", "float32", True),
        ("mlp", "float32", False),
        ("lstm(dropout=0.1)", "float32", False),
    ],
)
def test_a_stack_that_would_compute_something_else_is_never_chosen(
    model: str, dtype: str, stacks: bool, corpus, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(strategy, "WORTH", 0)
    monkeypatch.setattr(fastest, "_measure_rate", lambda way, *_: 100 if way.how == "stacked" else 50)
    (choice,) = choose_ways(runs(model, dtype=dtype), corpus, tmp_path).values()
    assert (choice.way.how == "stacked") == stacks
    earlier = Choice(label=model, way=Way(how="stacked"), steps_per_second={"stacked, 1 thread": 9})
    write_ways(tmp_path, runs(model, dtype=dtype), {model: earlier})
    assert (choose_ways(runs(model, dtype=dtype), corpus, tmp_path)[model].way.how == "stacked") == stacks, "nor kept"
    asked = runs(model, dtype=dtype, execution="stacked")
    assert choose_ways(asked, corpus, tmp_path)[model].way.how == "stacked", "but where it is asked for"
