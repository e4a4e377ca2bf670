"""What is sent of a run and of a study is what their records say."""

import json
import math
from pathlib import Path

import pytest

from zoo.errors import RunError
from zoo.experiments.records.run import read_run
from zoo.experiments.records.signals import read_signals
from zoo.experiments.records.study import find_study, read_study
from zoo.trackers.contents import collect_run, collect_study, list_contents, locate_run


def values_of(content, key: str) -> dict[int, float]:
    return {point.step: point.values[key] for point in content.points if key in point.values}


def test_the_curve_of_a_run_is_sent_with_all_digits(study: Path) -> None:
    place = study / read_study(find_study(study)).runs[-1]
    content, run = collect_run(place), read_run(place)
    assert values_of(content, "loss/validation") == {point.step: point.validation_loss for point in run.curve}
    assert values_of(content, "spent/tokens") == {point.step: point.tokens for point in run.curve}
    assert content.ending.numbers["test_loss"] == run.result.test_loss
    assert f"| test_loss | {run.result.test_loss!r} |" in content.ending.texts["result"]


def test_the_signals_of_a_watched_run_are_sent(study: Path) -> None:
    place = study / read_study(find_study(study)).runs[-1]
    content, signals = collect_run(place), read_signals(place)
    layer = signals[0].layers[1]
    assert values_of(content, f"activations/{layer.name}/std")[signals[0].step] == layer.std
    weight = signals[0].weights[0]
    assert values_of(content, f"weights/{weight.name}/update")[signals[0].step] == weight.update


def test_settings_have_the_names_of_a_study_file(study: Path) -> None:
    run = collect_run(study / read_study(find_study(study)).runs[-1]).run
    recorded = read_run(study / run.name).recorded
    assert run.settings["training.steps"] == 12
    assert run.settings["settings.lr"] == recorded.settings["lr"]
    assert (run.settings["seed"], run.settings["label"]) == (recorded.run.seed, "mlp")
    assert (run.group, run.kind) == (study.name, "run")


def test_a_study_is_sent_with_intervals_samples_figures_and_page(study: Path) -> None:
    path = find_study(study)
    ending, comparison = collect_study(path).ending, json.loads((study / "comparison.json").read_text())
    assert ending.tags["verdict"] == comparison["verdict"]
    for row in comparison["models"]:
        assert ending.numbers[f"{row['label']}/test_loss"] == row["test"]["mean"]
        assert f"samples/{row['label']}" in ending.texts
    assert ending.files["report.html"] == (study / "report.html").read_text()
    assert ending.files["figures/curves-tokens.svg"] == (study / "figures" / "curves-tokens.svg").read_text()


def test_everything_sent_as_a_number_is_finite(study: Path) -> None:
    contents = [collect_study(find_study(study)), *(collect_run(run) for run in list_contents(study)[0])]
    numbers = [value for content in contents for value in content.ending.numbers.values()]
    numbers += [value for content in contents for point in content.points for value in point.values.values()]
    assert len(numbers) > 100
    assert all(map(math.isfinite, numbers))


def test_the_digest_changes_with_the_record(study: Path, tmp_path: Path) -> None:
    place = study / read_study(find_study(study)).runs[0]
    copy = tmp_path / study.name / place.name
    copy.mkdir(parents=True)
    for file in place.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    assert collect_run(copy).ending.digest == collect_run(place).ending.digest
    result = json.loads((copy / "result.json").read_text())
    (copy / "result.json").write_text(json.dumps({**result, "test_loss": result["test_loss"] + 1e-12}))
    assert collect_run(copy).ending.digest != collect_run(place).ending.digest


def test_a_trial_belongs_to_the_study_around_its_folder(tmp_path: Path) -> None:
    assert locate_run(tmp_path / "study" / "lr-grid" / "a") == (tmp_path / "study", "lr-grid/a")
    assert locate_run(tmp_path / "study" / "a") == (tmp_path / "study", "a")


def test_a_run_of_a_larger_study_is_sent_alone(study: Path) -> None:
    place = study / read_study(find_study(study)).runs[0]
    assert list_contents(place) == ([place], None)


def test_a_folder_without_records_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="has no record of a comparison"):
        list_contents(tmp_path)
