"""Several splits of one text: their settings, and verdicts that err as rarely as promised."""

from typing import Any, TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from zoo.config import DataConfig
from zoo.experiments.judge.analysis import analyse
from zoo.experiments.judge.overlap import overlap_inflation
from zoo.experiments.study.config import StudyConfig

Array: TypeAlias = NDArray[np.float64]

PARTS = {"train": 800, "validation": 100, "test": 100}
OVERLAP = PARTS["test"] / (PARTS["test"] + PARTS["train"])
"""The correlation of two splits that Nadeau and Bengio assume."""


def study(**settings: Any) -> StudyConfig:
    return StudyConfig.model_validate({"name": "s", "models": ["mlp", "gru"], **settings})


def test_every_model_runs_under_every_seed_on_every_split_and_the_first_split_is_done_first() -> None:
    runs = study(seeds=[4, 7], splits=3).runs()
    assert [(run.data.turn, run.seed, run.label) for run in runs] == [
        (turn, seed, label) for turn in ((1, 1), (2, 3), (3, 3)) for seed in (4, 7) for label in ("mlp", "gru")
    ]
    first = [run for run in runs if run.data == runs[0].data]
    assert first == study(seeds=[4, 7]).runs()


def test_learning_rates_are_tried_on_the_first_split_alone() -> None:
    grid = {"seeds": [1, 2, 3], "lr_grid": [0.01, 0.1]}
    assert study(splits=5, **grid).trials() == study(**grid).trials()


def test_a_study_on_one_split_is_recorded_as_before_there_were_several() -> None:
    assert "splits" not in study().model_dump(mode="json")
    assert "rotation" not in study().data.model_dump(mode="json")
    assert study(splits=4).model_dump(mode="json")["splits"] == 4
    again = StudyConfig.model_validate_json(study(splits=4).model_dump_json())
    assert again == study(splits=4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"splits": 2}, "2 splits are too few to estimate how much splits differ: give 1, or 3 or more"),
        ({"splits": 11}, "11 splits with 10% for test each would overlap: give at most 10"),
        ({"splits": 4, "data": {"split": "60/30/10"}}, None),
        ({"splits": 4, "data": {"split": "60/10/30"}}, "30% for test each would overlap: give at most 3"),
        ({"splits": 6, "data": {"split": "80/20/0"}}, "20% for validation each would overlap: give at most 5"),
        ({"splits": 3, "data": {"rotation": "2/3"}}, "rotation=2/3 selects one split, but splits=3"),
        ({"data": {"rotation": "4/3"}}, "'4/3' is not one of several splits"),
        ({"data": {"rotation": "2/11"}}, "11 splits with 10% for test each would overlap"),
        ({"splits": 0}, "greater than or equal to 1"),
    ],
)
def test_splits_that_cannot_be_are_refused_with_what_can_be(settings: dict[str, Any], message: str | None) -> None:
    if message is None:
        assert len(study(**settings).in_splits()) == 4
        return
    with pytest.raises(ValidationError, match="splits" if message is None else message.replace("(", r"\(")):
        study(**settings)


def test_a_rotation_keeps_what_was_asked_and_the_first_is_the_only_one() -> None:
    assert DataConfig(rotation="1/5") == DataConfig()
    assert DataConfig.model_validate(DataConfig(rotation="2/5").model_dump()).turn == (2, 5)
    assert study(data={"rotation": "2/5"}).in_splits() == [DataConfig(rotation="2/5")]


def test_the_inflation_is_that_of_nadeau_and_bengio() -> None:
    assert overlap_inflation([PARTS] * 5) == pytest.approx(1 + 5 / 8)
    uneven = [PARTS, {"train": 700, "validation": 100, "test": 200}]
    assert overlap_inflation(uneven) == pytest.approx(1 + 2 * 300 / 1500)


def errors_and_coverage(
    models: int, seeds: int, splits: int, *, sds: tuple[float, float, float], overlap: float, wild: float = 1.0,
    studies: int,
) -> tuple[float, float]:  # fmt: skip
    """The share of studies that call any pair of equal models different, and the coverage of the pairs' intervals.

    Losses have three components of scatter: over seeds, over splits, and over both (`sds`). The losses of a model on
    two splits correlate by `overlap`, which the inflation has to correct.
    """
    rng = np.random.default_rng([models, seeds, splits])
    inflation = 1 + splits * overlap / (1 - overlap)
    scale = np.array([*[1.0] * (models - 1), wild])[:, None, None]
    called, held = [], []
    for _ in range(studies):
        shared, own = rng.standard_normal((models, 1, 1)), rng.standard_normal((models, 1, splits))
        regions = np.sqrt(overlap) * shared + np.sqrt(1 - overlap) * own
        scatter = sds[0] * rng.standard_normal((models, seeds, 1)) + sds[1] * regions
        scatter = scatter + sds[2] * rng.standard_normal((models, seeds, splits))
        hard = 0.3 * rng.standard_normal((1, seeds, 1)) + 0.3 * rng.standard_normal((1, 1, splits))
        tokens = rng.integers(990, 1011, splits)
        nats = (2 + hard + scale * scatter) * tokens
        analysis = analyse([f"m{place}" for place in range(models)], nats, tokens, inflation=inflation)
        called.append(any(pair.verdict in ("better", "worse") for pair in analysis.pairs))
        held += [pair.low is not None and pair.high is not None and pair.low <= 0 <= pair.high
                 for pair in analysis.pairs if not pair.withheld]  # fmt: skip
    return float(np.mean(called)), float(np.mean(held))


def check(*study: int, studies: int, **truth: Any) -> None:
    error, coverage = errors_and_coverage(*study, studies=studies, **truth)
    chance = 2.5 * np.sqrt(0.05 * 0.95 / studies)
    assert error <= 0.05 + chance
    assert coverage >= 0.95 - 0.015 - chance


REGIONS, BOTH, SEEDS = (0.01, 0.05, 0.02), (0.02, 0.02, 0.02), (0.05, 0.01, 0.02)


@pytest.mark.parametrize("overlap", [0.0, OVERLAP], ids=["apart", "overlapping"])
def test_regions_are_a_variance_of_their_own_whose_verdicts_err_in_5_percent_of_studies(overlap: float) -> None:
    check(2, 3, 5, sds=REGIONS, overlap=overlap, studies=150)


def test_the_correction_is_needed_where_splits_overlap() -> None:
    """Without it the variance over the splits is too small by a factor of 1.625."""
    splits, rng, missed = 5, np.random.default_rng(3), []
    for _ in range(100):
        regions = np.sqrt(0.4) * rng.standard_normal((2, 1, 1)) + np.sqrt(0.6) * rng.standard_normal((2, 1, splits))
        nats = (2 + 0.05 * regions + 0.001 * rng.standard_normal((2, 3, splits))) * 1000
        pair = analyse("ab", nats, np.full(splits, 1000)).pairs[0]
        missed.append(pair.low is None or pair.high is None or not pair.low <= 0 <= pair.high)
    assert np.mean(missed) > 0.15


@pytest.mark.slow
@pytest.mark.parametrize("sds", [REGIONS, BOTH, SEEDS, (0.0, 0.05, 0.0)], ids=["regions", "both", "seeds", "only"])
@pytest.mark.parametrize("wild", [1.0, 4.0])
@pytest.mark.parametrize(("models", "seeds", "splits"), [(2, 5, 10), (3, 3, 3), (6, 3, 5), (12, 5, 5)])
def test_the_same_holds_for_up_to_12_models_and_few_splits(models, seeds, splits, wild, sds) -> None:
    check(models, seeds, splits, sds=sds, overlap=OVERLAP, wild=wild, studies=200)
