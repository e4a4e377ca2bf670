"""A damaged or hostile record is refused in a line that names its file; the others are read."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from zoo.commands import draw_report
from zoo.errors import RunError, ZooError
from zoo.experiments.records.listing import list_runs
from zoo.experiments.records.reading import LONGEST_CURVE
from zoo.experiments.records.run import read_losses, read_run
from zoo.experiments.records.study import read_study
from zoo.experiments.runs.strategy import read_ways

Damage = Callable[[Path], object]
DEEP = "[" * 100_000
LONGEST_LINE = 1500


def edit(place: str, value: Any) -> Damage:
    """Set a value of a JSON file, or remove it (None)."""

    def apply(file: Path) -> None:
        document = json.loads(file.read_text())
        *way, last = place.split("/")
        table = document
        for key in way:
            table = table[key]
        if value is None:
            del table[last]
        else:
            table[last] = value
        file.write_text(json.dumps(document))

    return apply


def write(text: str | bytes) -> Damage:
    return lambda file: file.write_bytes(text if isinstance(text, bytes) else text.encode())


def make_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def link_to(target: str) -> Damage:
    def apply(file: Path) -> None:
        file.unlink()
        file.symlink_to(target)

    return apply


def grow(file: Path) -> None:
    """Extend a file by a hole of 100 GB, which takes no space."""
    os.truncate(file, 100_000_000_000)


def repeat(line: int, times: int) -> Damage:
    return lambda file: file.write_text((file.read_text().splitlines()[line] + "\n") * times)


ANY_FILE = {
    "nested": (write(DEEP), "it is no JSON: recursion limit"),
    "half": (write('{"status": "fin'), "it is no JSON"),
    "latin-1": (write(b'{"status": "\xff"}'), "it is no JSON"),
    "half a character": (write(r'{"status": "\ud800"}'), "it is no JSON"),
    "half a character in a name": (write(r'{"\uD800": 1}'), "it is no JSON"),
    "half a character in bytes": (write(b'{"status": "\xed\xa0\x80"}'), "it is no JSON"),
    "digits": (write("9" * 5000), "it is no JSON"),
    "number": (write("3"), "input should be"),
    "pipe": (make_pipe, "it is a pipe"),
    "device": (link_to("/dev/zero"), "it is a device"),
    "hole": (grow, "at most 64 MiB are read"),
    "another version": (edit("schema_version", 2), "schema version 2"),
    "a version of many": (edit("schema_version", ["9" * 100_000]), "schema version"),
    "unknown field": (edit("\x1b[2Jodd" * 100_000, 1), "unknown option"),
}
CONFIG = {
    **ANY_FILE,
    "no settings": (edit("settings", None), "'settings' is missing"),
    "settings of another type": (edit("settings", ["lr"]), "settings"),
    "no lr": (edit("settings/lr", None), "settings lack 'lr'"),
    "lr of another type": (edit("settings/lr", "fast"), "lr=fast"),
    "lr of 0": (edit("settings/lr", 0.0), "lr=0.0"),
    "batches of none": (edit("settings/batch_size", -1), "batch_size=-1"),
    "evaluations for years": (edit("settings/evaluations", 10**9), "evaluations=1000000000"),
    "steps for ever": (edit("settings/steps", 10**30), "steps=1000"),
    "targets of no split": (edit("data/targets", {}), "'targets' has numbers of train, validation and test"),
    "a floor of no split": (edit("data/floor", {"rest": 1.0}), "'floor' has numbers of train"),
    "negative targets": (edit("data/targets/test", -3), "data.targets.test=-3"),
    "no characters": (edit("data/characters", ""), "data.characters"),
    "characters twice": (edit("data/characters", "aa"), "each once and in order"),
    "context of none": (edit("run/context", 0), "run.context=0"),
    "negative seed": (edit("run/seed", -1), "run.seed=-1"),
}
RESULT = {
    **ANY_FILE,
    "negative steps": (edit("steps", -1), "steps=-1"),
    "tokens without end": (edit("tokens", 10**400), "tokens=1000"),
    "tokens of too many digits": (edit("tokens", 10**4000), "tokens"),
    "negative parameters": (edit("parameters", -1), "parameters=-1"),
    "negative seconds": (edit("seconds", -1.0), "seconds=-1.0"),
    "a loss of 1e300": (edit("validation_loss", 1e300), "validation_loss=1e+300"),
    "a reason of megabytes": (edit("reason", "x" * 1_000_000), "at most 10000 characters"),
    "escapes for a status": (edit("status", "\x1b]0;owned\x07" * 1000), "status="),
}
CURVE = {
    "nested": (write(DEEP), "line 1"),
    "pipe": (make_pipe, "it is a pipe"),
    "long": (repeat(0, LONGEST_CURVE + 1), "100,002 lines, and at most 100,001 are read"),
    "negative": (write('{"step":-1,"tokens":0,"seconds":0,"train_loss":null,"validation_loss":1}'), "step=-1"),
    "NaN": (write('{"step":0,"tokens":0,"seconds":0,"train_loss":null,"validation_loss":NaN}'), "line 1"),
}
RUN = [
    pytest.param(file, *damage, id=f"{file}: {name}")
    for file, damages in {
        "config.json": CONFIG,
        "result.json": RESULT,
        "environment.json": {name: ANY_FILE[name] for name in ("nested", "pipe", "number")},
        "curve.jsonl": CURVE,
    }.items()
    for name, damage in damages.items()
]


def first_run(study: Path) -> Path:
    return sorted(study.glob("*/result.json"))[0].parent


@pytest.mark.parametrize(("file", "damage", "said"), RUN)
def test_a_damaged_file_of_a_run_is_named_in_a_line_and_the_other_runs_are_listed(
    study: Path, file: str, damage: Damage, said: str
) -> None:
    run = first_run(study)
    damage(run / file)
    if (run / "result.json").is_file():  # else it is no run
        with pytest.raises(RunError) as error:
            read_run(run)
        line = str(error.value)
        assert f"is damaged: {file}: " in line
        assert said in line
        assert len(line) < LONGEST_LINE
    rows = list_runs(str(study.parent), "*")
    assert [row["status"] for row in rows].count("finished") == 5
    with pytest.raises(ZooError, match=run.name):
        draw_report(study)


def scores(**arrays: Any) -> Damage:
    return lambda file: save_file({name.replace("_", "."): array for name, array in arrays.items()}, file)


NATS, TOKENS = np.ones(6), np.ones(6, np.int64)
LOSSES: Mapping[str, tuple[Damage, str]] = {
    "of another type": (scores(test_nats=NATS.astype(np.float32), test_tokens=TOKENS), "'test.nats' is float32"),
    "whole numbers": (scores(test_nats=TOKENS, test_tokens=TOKENS), "'test.nats' is int64"),
    "a matrix": (scores(test_nats=NATS.reshape(2, 3), test_tokens=TOKENS), r"shape \(2, 3\)"),
    "fewer": (scores(test_nats=NATS[:-1], test_tokens=TOKENS), "as many losses as tokens"),
    "none": (scores(test_nats=NATS[:0], test_tokens=TOKENS[:0]), r"shape \(0,\)"),
    "without tokens": (scores(test_nats=NATS), "as many losses as tokens"),
    "of another split": (scores(validation_nats=NATS, validation_tokens=TOKENS), "no losses of test"),
    "not a number": (scores(test_nats=NATS * np.nan, test_tokens=TOKENS), "not finite"),
    "infinite": (scores(test_nats=NATS * np.inf, test_tokens=TOKENS), "not finite"),
    "so large that its square is infinite": (scores(test_nats=NATS * 1e200, test_tokens=TOKENS), "beyond 1e"),
    "negative tokens": (scores(test_nats=NATS, test_tokens=-TOKENS), "fewer than 1 tokens"),
    "tokens without end": (scores(test_nats=NATS, test_tokens=TOKENS * 2**62), "more than a split can have"),
    "other names": (scores(x=NATS), "'x' is float64"),
    "no tensors": (write(b"\x05\0\0\0\0\0\0\0{]   "), "no safetensors file"),
    "a header without end": (write(b"\xff" * 8), "no safetensors file"),
    "a type that numpy lacks": (
        write(
            b"\x46\0\0\0\0\0\0\0"
            + b'{"test.nats":{"dtype":"F8_E8M0","shape":[1],"data_offsets":[0,1]}}'.ljust(70)
            + b"\0"
        ),
        "safetensors",
    ),
    "nested": (write(b"\xa0\x86\x01\0\0\0\0\0" + DEEP.encode()), "no safetensors file"),
    "pipe": (make_pipe, "it is a pipe"),
    "hole": (grow, "at most 64 MiB are read"),
}


@pytest.mark.parametrize(("damage", "said"), LOSSES.values(), ids=LOSSES)
def test_damaged_losses_are_named_in_a_line(study: Path, damage: Damage, said: str) -> None:
    run = first_run(study)
    damage(run / "losses.safetensors")
    with pytest.raises(RunError, match=said) as error:
        read_losses(run, "test")
    assert "losses.safetensors' is damaged" in str(error.value)
    with pytest.raises(RunError, match=run.name):
        draw_report(study)


STUDY = {
    **ANY_FILE,
    "no runs": (edit("runs", []), "runs"),
    "an absolute path": (edit("runs", ["/etc"]), "below the folder of the study"),
    "a path that leads outside": (edit("trials", ["lr-grid/../../elsewhere"]), "below the folder of the study"),
    "a path of Windows": (edit("runs", ["C:\\runs"]), "below the folder of the study"),
    "its own folder": (edit("runs", ["."]), "below the folder of the study"),
    "a path with NUL": (edit("runs", ["a\0b"]), "below the folder of the study"),
    "runs for a number": (edit("runs", 3), "runs=3"),
    "a run twice": (edit("runs", ["a", "a"]), "lists a run twice"),
    "negative looks": (edit("looked", [-1]), "looked.0.seeds.0=-1"),
    "negative costs": (edit("costs/mlp/peak_bytes", -1), "costs.mlp.peak_bytes=-1"),
    "no seeds": (edit("study/seeds", []), "study.seeds"),
    "matched to nothing": (
        edit("matched", {"mlp": {"model": "mlp", "target": 0, "reached": 1}}),
        "matched.mlp.target=0",
    ),
}


@pytest.mark.parametrize(("damage", "said"), STUDY.values(), ids=STUDY)
def test_a_damaged_record_of_a_comparison_is_named_in_a_line(study: Path, damage: Damage, said: str) -> None:
    (record,) = study.glob("study-*.json")
    damage(record)
    with pytest.raises(RunError) as error:
        read_study(record)
    assert str(error.value).startswith(f"'{record}' is not a record of a comparison: ")
    assert said in str(error.value)
    assert len(str(error.value)) < LONGEST_LINE


def test_a_run_with_a_name_too_long_for_a_file_is_missed_in_a_line(study: Path) -> None:
    (record,) = study.glob("study-*.json")
    edit("runs", ["a" * 5000])(record)
    with pytest.raises(RunError, match="does not exist"):
        draw_report(study)


@pytest.mark.parametrize(
    ("damage", "said"),
    [*(ANY_FILE[name] for name in ("nested", "half", "number", "pipe", "device", "hole")), (write('{"a": 1}'), "a=1")],
)
def test_a_damaged_file_of_ways_is_named_in_a_line(study: Path, damage: Damage, said: str) -> None:
    damage(study / "ways.json")
    with pytest.raises(RunError, match=r"ways.json' is damaged: ") as error:
        read_ways(study)
    assert said in str(error.value)


@pytest.mark.parametrize("damage", [write(DEEP), write('{"record": 3}'), write("[]"), make_pipe])
def test_a_comparison_that_is_damaged_keeps_nobody_from_drawing_its_records(study: Path, damage: Damage) -> None:
    damage(study / "comparison.json")
    assert draw_report(study).comparison.models
