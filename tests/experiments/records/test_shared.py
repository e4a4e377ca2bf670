"""Equal parts of records are held once; parts that differ are not mixed up."""

import json
import shutil
from pathlib import Path

import pytest

from zoo.experiments.records import listing, shared
from zoo.experiments.records.listing import list_runs
from zoo.experiments.records.run import CurvePoint, Result, find_runs, read_run
from zoo.experiments.records.shared import share_names


def test_runs_of_a_study_share_what_is_equal(study: Path) -> None:
    one, other = (read_run(path) for path in find_runs(study)[:2])
    assert one.recorded.run.seed != other.recorded.run.seed
    for name in ("training", "data", "model"):
        assert getattr(one.recorded.run, name) is getattr(other.recorded.run, name)
    assert one.recorded.data is other.recorded.data
    assert one.recorded.settings is other.recorded.settings
    assert one.environment is other.environment


def test_a_run_with_another_setting_has_it(study: Path) -> None:
    first, second = find_runs(study)[:2]
    path = second / "config.json"
    changed = json.loads(path.read_text())
    changed["run"]["training"]["batch_size"] += 1
    changed["data"]["name"] = "other"
    path.write_text(json.dumps(changed))
    one, other = read_run(first), read_run(second)
    assert other.recorded.run.training.batch_size == one.recorded.run.training.batch_size + 1
    assert other.recorded.data.name == "other"
    assert one.recorded.data.name != "other"


def test_what_is_held_is_bounded(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "MOST", 2)
    path = find_runs(study)[0] / "config.json"
    document = json.loads(path.read_text())
    for place in range(5):
        document["run"]["training"]["batch_size"] = place + 1
        path.write_text(json.dumps(document))
        assert read_run(path.parent).recorded.run.training.batch_size == place + 1


def test_records_with_a_common_set_of_names_stay_apart() -> None:
    points = [
        share_names(CurvePoint(step=step, tokens=9, seconds=1.0, train_loss=None, validation_loss=2.0))
        for step in (1, 2)
    ]
    assert points[0].model_fields_set is points[1].model_fields_set
    assert [point.model_dump(exclude_unset=True)["step"] for point in points] == [1, 2]
    copy = points[0].model_copy(update={"auxiliary_loss": 0.5})
    assert "auxiliary_loss" in copy.model_fields_set
    assert "auxiliary_loss" not in points[1].model_fields_set


def test_a_copy_of_a_result_leaves_the_others_as_they_are(study: Path) -> None:
    one, other = (read_run(path).result for path in find_runs(study)[:2])
    one.model_copy(update={"counted": "by hand"})
    assert other == Result.model_validate(other.model_dump())


def test_a_listing_passes_hidden_folders_and_names_runs_below_it(study: Path) -> None:
    found = find_runs(study)
    (study / ".hidden").mkdir()
    (study / ".hidden" / "result.json").write_text("{}")
    assert find_runs(study) == found == sorted(found)
    rows = list_runs(str(study), "*")
    assert [row["run"] for row in rows] == [str(path.relative_to(study)) for path in found]
    (study / ".hidden" / "result.json").unlink()
    (study / ".hidden").rmdir()


def test_all_cores_list_the_same(study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(study, tmp_path / "study")
    (find_runs(tmp_path)[1] / "curve.jsonl").write_text("{")
    rows = list_runs(str(tmp_path), "*")
    assert [row["status"] for row in rows].count("damaged") == 1
    monkeypatch.setattr(listing, "MANY", 1)
    monkeypatch.setattr(listing, "CHUNK", 1)
    assert list_runs(str(tmp_path), "*") == rows
