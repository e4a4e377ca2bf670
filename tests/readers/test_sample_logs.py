"""Sample logs of lm-evaluation-harness, written here as version 0.4.13 writes them."""

import json
from pathlib import Path
from typing import Any

import pytest

from zoo.errors import DataError
from zoo.readers import Columns
from zoo.readers.read import read_scores

WHEN = "2026-11-28T10-00-00.000001"


def write(
    folder: Path, model: str, rows: list[dict[str, Any]], *, task: str = "arc_easy", when: str = WHEN, **results: Any
) -> Path:
    """Write one log, and results beside it."""
    place = folder / model.replace("/", "__")
    place.mkdir(parents=True, exist_ok=True)
    log = place / f"samples_{task}_{when}.jsonl"
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (place / f"results_{when}.json").write_text(json.dumps({"model_name": model, **results}))
    return log


def sample(number: int, metrics: dict[str, Any], *, hashed: str = "a", filter: str = "none") -> dict[str, Any]:
    return {
        "doc_id": number, "doc": {"question": "?"}, "target": "A", "arguments": {}, "resps": [], "filtered_resps": [],
        "filter": filter, "metrics": list(metrics), "doc_hash": hashed * 64, **metrics,
    }  # fmt: skip


def test_every_document_of_every_model_is_a_score(tmp_path: Path) -> None:
    for model, answers in (("org/one", [1.0, 0.0]), ("org/two", [1.0, 1.0])):
        write(tmp_path, model, [sample(k, {"acc": v}) for k, v in enumerate(answers)],
              higher_is_better={"arc_easy": {"acc": True}})  # fmt: skip
    scores = read_scores([tmp_path])
    assert scores.models.tolist() == ["org/one", "org/one", "org/two", "org/two"]
    assert scores.totals.tolist() == [1, 0, 1, 1]
    assert scores.items is not None
    assert scores.items.tolist() == ["0#aaaaaaaa", "1#aaaaaaaa"] * 2
    assert scores.tasks is not None
    assert set(scores.tasks.tolist()) == {"arc_easy"}
    assert (scores.measure, scores.higher) == ("acc", True)


def test_another_document_of_the_same_number_is_another_item(tmp_path: Path) -> None:
    logs = [write(tmp_path, m, [sample(0, {"acc": 1.0}, hashed=h)]) for m, h in (("one", "a"), ("two", "b"))]
    scores = read_scores(logs)
    assert scores.items is not None
    assert len(set(scores.items.tolist())) == 2


def test_the_first_of_several_metrics_and_filters_is_told_and_another_can_be_chosen(tmp_path: Path) -> None:
    rows = [sample(0, {"exact_match": v, "f1": 0.5}, filter=f) for f, v in (("strict-match", 0.0), ("flexible", 1.0))]
    log = write(tmp_path, "one", rows)
    first = read_scores([log])
    assert first.totals.tolist() == [0.0]
    assert any("Of the filters of arc_easy (strict-match, flexible) the first" in note for note in first.notes)
    assert read_scores([log], columns=Columns(score="exact_match,flexible")).totals.tolist() == [1.0]
    assert read_scores([log], columns=Columns(score="f1")).totals.tolist() == [0.5]
    with pytest.raises(DataError, match=r"has no metric 'acc'\. There are: exact_match, f1\."):
        read_scores([log], columns=Columns(score="acc"))


@pytest.mark.parametrize(
    ("metric", "value", "total", "weight", "measure"),
    [
        ("perplexity", -3.5, 3.5, 1.0, "loss"),
        ("word_perplexity", [-30.0, 12], 30.0, 12.0, "loss per word"),
        ("bits_per_byte", [-30.0, 60], 30.0, 60.0, "loss per byte"),
    ],
)
def test_logged_likelihoods_are_losses_whatever_the_results_say_of_the_metric(
    tmp_path: Path, metric: str, value: Any, total: float, weight: float, measure: str
) -> None:
    log = write(tmp_path, "one", [sample(0, {metric: value})], higher_is_better={"arc_easy": {metric: True}})
    scores = read_scores([log])
    assert (scores.totals.tolist(), scores.weights.tolist()) == ([total], [weight])
    assert (scores.measure, scores.higher) == (measure, False)


def test_a_log_without_results_has_the_name_of_its_folder(tmp_path: Path) -> None:
    log = write(tmp_path, "one", [sample(0, {"acc": 1})])
    (log.parent / f"results_{WHEN}.json").unlink()
    assert read_scores([log]).models.tolist() == ["one"]


def test_models_that_share_a_folder_are_told_apart_by_the_results_of_the_same_time(tmp_path: Path) -> None:
    for day, model in enumerate(("org/one", "org/two"), 1):
        when = f"2026-11-0{day}T10-00-00.000001"
        log = write(tmp_path, "shared", [sample(0, {"acc": 1})], when=when)
        (log.parent / f"results_{when}.json").unlink()
        (log.parent / f"mine_{when}.json").write_text(json.dumps({"model_name": model}))
    assert read_scores([tmp_path]).models.tolist() == ["org/one", "org/two"]


def test_two_logs_of_one_task_and_model_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "one", [sample(0, {"acc": 1})])
    write(tmp_path, "one", [sample(0, {"acc": 0})], when="2026-11-29T10-00-00.000001")
    with pytest.raises(DataError, match="are two logs of arc_easy by one"):
        read_scores([tmp_path])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty"),
        ("{}\n", "line 1 is not a sample of lm-evaluation-harness"),
        ('{"doc_id": 0, "metrics": []}\n', "line 1 has no metric"),
        ('{"doc_id": 0, "metrics": ["acc"], "acc": "x"}\n', "'x' is not a finite number"),
    ],
)
def test_a_damaged_log_is_told_in_one_line(tmp_path: Path, content: str, said: str) -> None:
    log = write(tmp_path, "one", [])
    log.write_text(content)
    with pytest.raises(DataError, match=said):
        read_scores([log])


def test_a_column_of_a_log_is_known_and_cannot_be_named(tmp_path: Path) -> None:
    log = write(tmp_path, "one", [sample(0, {"acc": 1})])
    with pytest.raises(DataError, match="leave out --item"):
        read_scores([log], columns=Columns(item="doc_id"))


def test_tasks_of_different_metrics_are_judged_each_by_its_own(tmp_path: Path, zoo_json: Any) -> None:
    for k, model in enumerate(("one", "two")):
        write(tmp_path, model, [sample(i, {"acc": float(i % (k + 2) == 0)}) for i in range(12)])
        write(tmp_path, model, [sample(i, {"word_perplexity": [-3.0 - k - i, 4]}) for i in range(12)], task="wikitext")
    tasks = {task["task"]: task for task in zoo_json("judge", str(tmp_path))["tasks"]}
    assert {name: (task["measure"], task["higher"]) for name, task in tasks.items()} == {
        "arc_easy": ("acc", True), "wikitext": ("loss per word", False)
    }  # fmt: skip
    assert tasks["arc_easy"]["method"] == "exact McNemar"
    assert tasks["wikitext"]["models"][0]["label"] == "one"
