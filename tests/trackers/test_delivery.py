"""What a tracker has in the end depends on the records alone, whatever was sent while a run trained."""

from pathlib import Path

import pytest

from zoo.experiments.records.run import read_run
from zoo.experiments.records.signals import SIGNALS, read_signals, write_signals
from zoo.experiments.records.study import find_study, read_study
from zoo.trackers import Ending, Point, TrackedRun, Tracker, TrackerOptions
from zoo.trackers.contents import collect_run
from zoo.trackers.delivery import Delivery


class Store(Tracker):
    """Keeps what it gets in memory."""

    def __init__(self) -> None:
        super().__init__(TrackerOptions(), Path())
        self.begun: list[str] = []
        self.numbers: dict[str, list[tuple[int, float]]] = {}
        self.ending: Ending | None = None
        self.fails = False

    def has(self, run: TrackedRun, digest: str) -> bool:
        return self.ending is not None and self.ending.digest == digest

    def begin(self, run: TrackedRun) -> None:
        self.begun.append(run.name)
        self.numbers, self.ending = {}, None

    def log(self, run: TrackedRun, points) -> None:
        if self.fails:
            raise OSError("no disk")
        for point in points:
            for key, value in point.values.items():
                self.numbers.setdefault(key, []).append((point.step, value))

    def end(self, run: TrackedRun, ending: Ending) -> None:
        self.ending = ending


@pytest.fixture
def place(study: Path) -> Path:
    return study / read_study(find_study(study)).runs[-1]


def begin(delivery: Delivery, place: Path, working: Path | None = None) -> None:
    delivery.begin(read_run(place).recorded, place.parent.name, place.name, working or place / "nowhere")


def losses(place: Path) -> list[Point]:
    return [Point(point.step, {"loss/validation": point.validation_loss}) for point in read_run(place).curve]


def whole(place: Path) -> dict[str, list[tuple[int, float]]]:
    """The numbers of a run that is sent when it has ended."""
    store = Store()
    assert Delivery(store).send_run(place)
    return store.numbers


def test_points_that_were_sent_before_are_not_sent_again(place: Path) -> None:
    store = Store()
    delivery = Delivery(store)
    begin(delivery, place)
    for point in losses(place)[:4]:
        delivery.add_point(place.name, point)
    assert [step for step, _ in store.numbers["loss/validation"]] == [point.step for point in losses(place)[:4]]
    assert delivery.send_run(place)
    assert store.begun == [place.name]
    assert store.numbers == whole(place)
    assert store.ending == collect_run(place).ending


@pytest.mark.parametrize(
    "change",
    [lambda points: points[1:], lambda points: [Point(points[0].step, {"loss/validation": 99.0}), *points[1:]]],
    ids=["continued from a checkpoint", "another loss"],
)
def test_points_that_the_record_contradicts_begin_the_run_again(place: Path, change) -> None:
    store = Store()
    delivery = Delivery(store)
    begin(delivery, place)
    for point in change(losses(place)):
        delivery.add_point(place.name, point)
    delivery.send_run(place)
    assert store.begun == [place.name] * 2
    assert store.numbers == whole(place)


def test_signals_are_sent_while_a_run_trains_but_for_the_last_which_lacks_its_updates(
    place: Path, tmp_path: Path
) -> None:
    store, signals = Store(), read_signals(place)
    delivery = Delivery(store)
    begin(delivery, place, tmp_path)
    assert not (tmp_path / SIGNALS).exists()
    for number, point in enumerate(losses(place)[:3], 1):
        write_signals(tmp_path, signals[:number])
        delivery.add_point(place.name, point)
    assert [step for step, _ in store.numbers["watch/loss"]] == [point.step for point in signals[:2]]
    delivery.send_run(place)
    assert (store.begun, store.numbers) == ([place.name], whole(place))


def test_a_run_that_is_there_is_not_sent(place: Path) -> None:
    store = Store()
    assert Delivery(store).send_run(place)
    assert not Delivery(store).send_run(place)
    assert store.begun == [place.name]


def test_after_an_error_the_run_is_sent_as_a_whole(place: Path) -> None:
    store = Store()
    delivery = Delivery(store)
    begin(delivery, place)
    store.fails = True
    with pytest.raises(OSError, match="no disk"):
        delivery.add_point(place.name, losses(place)[0])
    store.fails = False
    delivery.add_point(place.name, losses(place)[1])
    assert store.numbers == {}
    delivery.send_run(place)
    assert store.numbers == whole(place)


def test_a_run_that_has_not_ended_is_interrupted(place: Path) -> None:
    store = Store()
    delivery = Delivery(store)
    begin(delivery, place)
    delivery.close()
    assert store.ending == Ending("interrupted")
