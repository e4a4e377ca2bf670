"""Lines of known predictors: which models do no better, and which are below the floor by more than chance."""

import math

import numpy as np
import pytest

from zoo.experiments.judge.answers import solves, summarise_answers
from zoo.experiments.judge.leaks import CHANCE, find_leaks
from zoo.experiments.judge.references import Reference, find_unbeaten, list_references, say_unbeaten
from zoo.experiments.judge.rows import Interval, ModelRow
from zoo.experiments.judge.solved import parse_goal
from zoo.experiments.records.run import DataRecord, Line, Recorded, Result, Run, TaskRecord

TASK = TaskRecord(length=4, documents=50, floor=Line(loss=0.5, accuracy=0.9), memoryless=Line(loss=2.0),
                  lines={"seen": Line(loss=1.0)}, goal="answers>=0.99", averaged=8)  # fmt: skip
LINES = (
    Reference(name="floor", loss=0.5),
    Reference(name="seen", loss=1.0),
    Reference(name="without memory", loss=2.0),
)


def data(task: TaskRecord | None = TASK, floor: float | None = 0.5) -> DataRecord:
    return DataRecord(name="t", digest="00", is_stream=False, characters="ab", has_answers=task is not None, task=task,
                      targets={"train": 0, "validation": 100, "test": 100}, floor={"test": floor})  # fmt: skip


def run(
    label: str = "m", seed: int = 1, *, loss: float | None = 0.6, answers: float | None = 1.0, status: str = "finished",
    known: DataRecord | None = None,
) -> Run:  # fmt: skip
    recorded = Recorded.model_construct(data=known or data())
    recorded.__dict__["run"] = type("Config", (), {"seed": seed, "label": label})()
    result = Result.model_construct(status=status, test_loss=loss, answers=answers, accuracy=answers)
    return Run.model_construct(directory=None, recorded=recorded, result=result, curve=(), environment=None)


class Labelled:
    """A model of a table."""

    def __init__(self, mean: float, high: float | None = None) -> None:
        self.test = Interval(mean=mean, sd=None, low=None, high=high, seeds_se=None, documents_se=None)


@pytest.mark.parametrize(
    ("mean", "high", "line"),
    [(0.7, 0.8, None), (0.7, 1.2, "seen"), (1.5, None, "seen"), (1.9, 2.1, "without memory"),
     (2.5, None, "without memory"), (0.4, 0.45, None), (0.99, None, None), (1.0, None, "seen")],
)  # fmt: skip
def test_a_model_is_below_a_line_if_its_interval_is(mean: float, high: float | None, line: str | None) -> None:
    found = find_unbeaten(Labelled(mean, high), LINES)  # type: ignore[arg-type]
    assert (found and found.name) == line


def test_lines_come_in_the_order_of_their_losses_and_text_has_its_floor_alone() -> None:
    assert [own.name for own in list_references(data(), 0.5)] == ["floor", "seen", "without memory"]
    assert list_references(data(None), 0.5) == (Reference(name="floor", loss=0.5),)
    assert list_references(data(None), None) == ()
    assert [own.name for own in list_references(data(None), 0.5, 0.9)] == ["floor", "xz -9"]


def test_a_model_whose_interval_reaches_a_line_is_not_called_no_better() -> None:
    models = [ModelRow.model_construct(label=label, test=Labelled(mean, high).test)
              for label, mean, high in (("a", 0.9, 1.1), ("b", 1.1, 1.2), ("c", 0.6, 5.0))]  # fmt: skip
    assert say_unbeaten(models, LINES) == [
        "c is not shown to be better than a model without memory (2.0000 nats).",
        "b does no better than the line 'seen' (1.0000 nats).",
        "a is not shown to be better than the line 'seen' (1.0000 nats).",
    ]


def test_a_model_that_a_compressor_beats_is_told_so() -> None:
    model = ModelRow.model_construct(label="m", test=Labelled(1.0).test)
    lines = list_references(data(None), 0.5, 0.9)
    assert say_unbeaten([model], lines) == ["m does no better than xz -9, a general compressor (0.9000 nats)."]
    unsure = ModelRow.model_construct(label="m", test=Labelled(0.8, 1.2).test)
    assert say_unbeaten([unsure], lines) == []  # the compressor was measured on this very text
    assert say_unbeaten([model.model_copy(update={"test": Labelled(0.8).test})], lines) == []


@pytest.mark.parametrize(
    ("goal", "loss", "share", "met"),
    [("answers>=0.99", 0.6, 0.99, True), ("answers>=0.99", 0.6, 0.98, False), ("accuracy>=0.5", 0.6, 0.5, True),
     ("excess<=0.2", 0.6, 0.0, True), ("excess<=0.05", 0.6, 1.0, False), ("answers>=0.99", None, None, False)],
)  # fmt: skip
def test_what_solves_a_task_is_what_its_goal_declares(goal: str, loss: float | None, share: float | None, met) -> None:
    assert solves(run(loss=loss, answers=share), parse_goal(goal)) == met


def test_a_diverged_run_does_not_solve_and_a_failed_one_is_not_judged() -> None:
    runs = [run(seed=1), run(seed=2, loss=None, answers=None, status="diverged"),
            run(seed=3, loss=None, answers=None, status="failed")]  # fmt: skip
    found = summarise_answers(runs, 0.05)
    assert found is not None
    assert (found.solved, found.seeds) == (1, 2)
    assert found.accuracy is None
    assert (found.low, found.high) == pytest.approx((0.0126, 0.9874), abs=1e-4)  # Clopper and Pearson's table, 1 of 2


def test_a_loss_over_all_positions_counts_those_that_ask_for_blanks() -> None:
    found = summarise_answers([run(loss=0.6), run(seed=2, loss=0.8)], 0.05)
    assert found is not None
    assert found.averaged == pytest.approx(0.7 * 100 / (50 * 8))
    assert summarise_answers([run(known=data(None))], 0.05) is None


def test_an_honest_study_raises_the_alarm_less_often_than_promised() -> None:
    draw, alarms, studies = np.random.default_rng(0), 0, 4000
    for _ in range(studies):
        p = 0.3
        outcomes = draw.random((3, 100)) < p  # three runs on 100 binary answers
        floor = -np.where(outcomes, math.log(p), math.log(1 - p)).mean(1)
        near = draw.uniform(0.25, 0.35, 3)[:, None]  # models close to perfect, where luck is largest
        losses = -np.where(outcomes, np.log(near), np.log(1 - near)).mean(1)
        runs = [run(seed=seed, loss=float(loss), known=data(floor=float(own)))
                for seed, (loss, own) in enumerate(zip(losses, floor, strict=True))]  # fmt: skip
        alarms += bool(find_leaks(runs))
    assert alarms <= 3 * CHANCE * studies


def test_a_model_that_has_seen_the_answers_is_named_with_what_is_wrong() -> None:
    found = find_leaks([run("honest", loss=0.55), run("peeks", loss=0.3), run("lucky", loss=0.47)])
    assert list(found) == ["peeks"]
    assert "20.0 nats less in all than that of a perfect model" in found["peeks"]
