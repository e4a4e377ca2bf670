"""The verdict sentence claims no more than the pairs show."""

import pytest

from zoo.experiments.judge.rows import Interval, ModelRow, PairRow, Used
from zoo.experiments.judge.sentence import verdict_sentence
from zoo.experiments.judge.verdict import format_chance, pair_words
from zoo.experiments.study.config import StudyConfig
from zoo.experiments.study.parse import make_study


def model(label: str, mean: float | None, *, seeds: int = 5, diverged: int = 0) -> ModelRow:
    return ModelRow(
        label=label,
        model=label,
        context=8,
        letters="",
        seeds=seeds,
        diverged=diverged,
        untrained=0,
        losses={},
        test=None
        if mean is None
        else Interval(mean=mean, sd=0.01, low=mean - 0.1, high=mean + 0.1, seeds_se=0.01, documents_se=0.01),
        validation=None,
        train=None,
        floor=None,
        above_floor=None,
        parameters=1,
        receptive_field=1,
        off_size=None,
        used=Used(steps=1, tokens=1, seconds=1, flops=1),
        off_budget=0,
        tokens_per_second=1,
        lr=0.01,
        lr_from="recipe",
        lr_trials={},
        lr_at_edge=False,
        published=None,
        cost=None,
        curve=(),
        samples=(),
    )


def pair(a: str, b: str, difference: float, verdict: str, *, p: float = 0.01, needed: int | None = None) -> PairRow:
    return PairRow(
        a=a,
        b=b,
        difference=difference,
        low=difference - 0.05,
        high=difference + 0.05,
        p=None if verdict == "none" else p,
        p_permutation=None,
        seeds_se=0.01,
        documents_se=0.01,
        verdict=verdict,
        seeds_needed=needed,
    )


def test_of_two_the_better_is_named_with_its_margin_and_how_sure_it_is() -> None:
    said = verdict_sentence([model("gru", 1.0), model("mlp", 1.1)], [pair("gru", "mlp", -0.1, "better")])
    assert said == (
        "gru is better than mlp by 0.1000 nats per token (95% interval 0.0500 to 0.1500, p = 0.010, 5 seeds)."
    )


def test_in_bits_every_number_is_divided_by_log_two() -> None:
    models, pairs = [model("gru", 1.0), model("mlp", 1.1)], [pair("gru", "mlp", -0.0693147, "better")]
    assert "by 0.1000 bits per token" in verdict_sentence(models, pairs, bits=True)


def test_two_that_cannot_be_told_apart_are_told_what_it_would_take() -> None:
    models = [model("gru", 1.0), model("mlp", 1.1)]
    said = verdict_sentence(models, [pair("gru", "mlp", -0.1, "undecided", needed=14)])
    assert said == "gru and mlp cannot be told apart with these 5 seeds (it would take about 14)."
    assert "would take" not in verdict_sentence(models, [pair("gru", "mlp", -0.1, "undecided")])


def test_of_many_the_best_is_named_with_those_that_it_does_not_beat_and_its_least_margin_over_the_others() -> None:
    models = [model(label, loss) for label, loss in (("a", 1.0), ("b", 1.1), ("c", 1.2), ("d", 1.3))]
    pairs = [pair("a", "b", -0.1, "undecided"), pair("a", "c", -0.2, "better", p=0.03), pair("a", "d", -0.3, "better")]
    assert verdict_sentence(models, [*pairs, pair("c", "d", -0.1, "better")]) == (
        "a and b cannot be told apart with these 5 seeds. a is better than both others; the nearest is c, by 0.2000 "
        "nats per token (95% interval 0.1500 to 0.2500; all p ≤ 0.030, 5 seeds)."
    )


def test_models_that_differ_from_one_another_are_never_said_not_to_though_each_may_equal_the_best() -> None:
    models = [model(label, loss) for label, loss in (("wild", 1.0), ("quiet", 1.1), ("worse", 1.2))]
    pairs = [
        pair("wild", "quiet", -0.1, "undecided"),
        pair("wild", "worse", -0.2, "undecided"),
        pair("quiet", "worse", -0.1, "better"),
    ]
    assert verdict_sentence(models, pairs) == "quiet and worse cannot be told from wild with these 5 seeds."
    pairs[2] = pair("quiet", "worse", -0.1, "undecided")
    assert verdict_sentence(models, pairs) == "wild, quiet and worse cannot be told apart with these 5 seeds."


def test_the_best_of_many_that_beats_all() -> None:
    models = [model(label, loss) for label, loss in (("a", 1.0), ("b", 1.1), ("c", 1.2))]
    pairs = [pair("a", "b", -0.1, "better", p=1e-9), pair("a", "c", -0.2, "better", p=1e-9)]
    assert verdict_sentence(models, pairs) == (
        "a is better than both others; the nearest is b, by 0.1000 nats per token (95% interval 0.0500 to 0.1500; all "
        "p < 0.001, 5 seeds)."
    )


@pytest.mark.parametrize("seeds", [1, 2])
def test_fewer_than_three_seeds_have_no_verdict(seeds: int) -> None:
    models = [model("gru", 1.0, seeds=seeds), model("mlp", 1.1, seeds=seeds)]
    said = verdict_sentence(models, [pair("gru", "mlp", -0.1, "none")])
    assert said.startswith(f"No verdict: {seeds} seed")
    assert "better" not in said


def test_seeds_that_were_added_after_a_look_are_told() -> None:
    models, pairs = [model("gru", 1.0), model("mlp", 1.1)], [pair("gru", "mlp", -0.1, "better")]
    said = verdict_sentence(models, pairs, looked=(3, 4))
    assert said.endswith("Seeds were added after a look at 3 and 4: the p-values are too small.")


def test_a_p_value_near_the_level_shows_on_which_side_it_is() -> None:
    assert [format_chance(p) for p in (0.0503, 0.0496, 0.0312, 0.00001)] == ["0.0503", "0.0496", "0.031", "< 0.001"]


def test_diverged_models_are_told_beside_the_verdict_of_the_others() -> None:
    models = [model("gru", 1.0), model("mlp", 1.1), model("rnn", None, diverged=2)]
    said = verdict_sentence(models, [pair("gru", "mlp", -0.1, "better")])
    assert said.startswith("gru is better than mlp")
    assert said.endswith("rnn diverged under 2 of 5 seeds.")


def test_one_model_that_finished_beside_one_that_did_not_is_not_called_better() -> None:
    said = verdict_sentence([model("gru", 1.0), model("rnn", None, diverged=5)], [])
    assert said == "rnn diverged under 5 of 5 seeds."
    none = verdict_sentence([model("gru", None, diverged=1), model("rnn", None, diverged=5)], [])
    assert none.startswith("No model finished under every seed.")


def test_a_pair_in_words() -> None:
    assert pair_words(pair("a", "b", -1, "better")) == "better"
    assert pair_words(pair("a", "b", 1, "worse")) == "worse"
    assert pair_words(pair("a", "b", -1, "none")) == "no verdict"
    assert pair_words(pair("a", "b", -1, "undecided", needed=9)) == (
        "cannot be told apart (it would take about 9 seeds)"
    )


def test_a_pair_turned_is_the_same_pair_from_the_other_side() -> None:
    one = pair("a", "b", -0.2, "better")
    other = one.reverse()
    assert (other.a, other.b, other.difference, other.verdict) == ("b", "a", 0.2, "worse")
    assert (other.low, other.high) == pytest.approx((0.15, 0.25))
    assert other.reverse() == one


def withheld(a: str, b: str, verdict: str, why: str, difference: float = -0.1) -> PairRow:
    return pair(a, b, difference, verdict).model_copy(update={"low": None, "high": None, "withheld": why})


def test_of_a_pair_that_has_no_verdict_it_is_said_why() -> None:
    models = [model(label, loss) for label, loss in (("a", 1.0), ("b", 1.1), ("c", 1.2), ("d", 1.3))]
    split = [withheld("a", label, "none", "the seeds are split in two") for label in ("b", "c")]
    said = verdict_sentence(models, [*split, pair("a", "d", -0.3, "better")])
    assert said.endswith("No verdict on a against b and c: the seeds are split in two.")
    assert "a is better than d" in said
    assert pair_words(split[0]) == "no verdict: the seeds are split in two"


def test_a_verdict_without_an_interval_says_that_it_has_none() -> None:
    pairs = [withheld("gru", "mlp", "better", "the seeds are split in two")]
    assert verdict_sentence([model("gru", 1.0), model("mlp", 1.1)], pairs) == (
        "gru is better than mlp by 0.1000 nats per token (no interval: the seeds are split in two, p = 0.010, 5 seeds)."
    )


def study(match: dict[str, float] | None = None, **training: float) -> StudyConfig:
    return make_study({}, {"models": ["gru", "mlp"], "data": {}, "training": training, "match": match})


@pytest.mark.parametrize(
    ("training", "words"),
    [
        ({"steps": 2000}, "2,000 steps"),
        ({"tokens": 6_400_000}, "6,400,000 target tokens"),
        ({"seconds": 1.5}, "1.5 s of training"),
        ({"flops": 2e12}, "2e+12 FLOPs of training"),
    ],
)
def test_a_verdict_is_about_a_budget_and_names_it_once(training: dict[str, float], words: str) -> None:
    models = [model("gru", 1.0), model("mlp", 1.1), model("bow", 1.2)]
    better, tie = pair("gru", "mlp", -0.1, "better"), pair("gru", "mlp", -0.1, "undecided")
    said = verdict_sentence(models[:2], [better], study=study(**training))
    assert said.startswith(f"gru is better than mlp after {words}, by 0.1000 nats per token (95%")
    said = verdict_sentence(models[:2], [tie], study=study(**training))
    assert said == f"gru and mlp cannot be told apart after {words} with these 5 seeds."
    both = [tie, pair("gru", "bow", -0.2, "better")]
    assert verdict_sentence(models, both, study=study(**training)).count(words) == 1


def test_the_sentence_carries_missed_sizes_missed_budgets_and_edges_of_the_grid() -> None:
    models = [model(label, 1.0 + place / 10) for place, label in enumerate("abcd")]
    models = [own.model_copy(update={"lr_at_edge": True}) for own in models]
    models[0] = models[0].model_copy(update={"off_size": -0.49})
    models[1] = models[1].model_copy(update={"off_size": 0.34, "off_budget": 0.03})
    pairs = [pair("a", other, -0.1, "better") for other in "bcd"]
    said = verdict_sentence(models, pairs, study=study({"parameters": 20_000}))
    assert said.startswith("a is better than each of the 3 others after 1,000 steps; the nearest")
    assert said.endswith(
        " But sizes miss 20,000 parameters by up to 49% (a), and budgets are missed by up to 3% (b), and the best "
        "learning rate lies at the edge of the grid for 4 of 4 models."
    )


def test_a_size_within_two_percent_and_a_model_without_a_mean_weaken_nothing() -> None:
    models = [model("gru", 1.0), model("mlp", 1.1), model("bow", None, diverged=5)]
    models[0] = models[0].model_copy(update={"off_size": 0.02})
    models[2] = models[2].model_copy(update={"lr_at_edge": True, "off_size": 0.5})
    said = verdict_sentence(models, [pair("gru", "mlp", -0.1, "better")], study=study({"parameters": 20_000}))
    assert "But" not in said
