"""Any study file gives a study with all its runs and trials, or one of our errors."""

import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from tests.fuzz.generated import DOCUMENT_CHANGES, TEXT, VALUES, Change, damage_bytes, generate
from zoo.config import DataConfig, TrainingConfig
from zoo.errors import ZooError
from zoo.experiments.study.parse import build_study

ROOT = Path(__file__).resolve().parents[2]
(RECORD,) = (ROOT / "tests/cli/older/stored").glob("study-*.json")
TOML = [path.read_bytes() for path in sorted(ROOT.glob("studies/*.toml"))]
DATA = st.sampled_from([*DataConfig.model_fields]) | TEXT
TRAINING = st.sampled_from([*TrainingConfig.model_fields]) | TEXT
MODELS = st.lists(
    st.sampled_from(["mlp", "gru(hidden=3)"])
    | st.dictionaries(st.sampled_from(["label", "model", "context", "published"]), VALUES, max_size=4)
    | VALUES,
    max_size=4,
)
STUDIES = st.fixed_dictionaries(
    {},
    optional={
        "name": TEXT,
        "models": MODELS | VALUES,
        "data": st.dictionaries(DATA, VALUES, max_size=3) | VALUES,
        "training": st.dictionaries(TRAINING, VALUES, max_size=3) | VALUES,
        "seeds": st.lists(st.integers(0, 2**64), max_size=4) | VALUES,
        "recipes": st.dictionaries(TEXT, st.dictionaries(TRAINING, VALUES, max_size=2), max_size=2) | VALUES,
        **dict.fromkeys(["context", "splits", "match", "lr_grid", "start", "study", "title", "odd"], VALUES),
    },
)
DEEP = st.builds(
    lambda unit, times: unit * times, st.sampled_from(["[", "a.", '{"a":', "[[", "a={"]), st.integers(0, 9000)
)


def as_json(document: Any) -> bytes:
    return json.dumps(document).encode()


def change_record(changes: list[Change]) -> bytes:
    """Change values of a comparison's record, which is a study file too."""
    data = RECORD.read_bytes()
    for change in changes:
        data = change(data)
    return data


FILES = (
    st.tuples(st.just(".json"), st.lists(DOCUMENT_CHANGES, max_size=3).map(change_record))
    | st.tuples(st.just(".json"), STUDIES.map(as_json) | VALUES.map(as_json) | DEEP.map(str.encode))
    | st.tuples(st.just(".toml"), st.builds(damage_bytes, st.sampled_from(TOML), st.integers(0)))
    | st.tuples(st.just(".toml"), DEEP.map(lambda text: f"{text}a=1\nx={text}".encode()) | st.binary(max_size=60))
)


@generate(FILES, st.none() | TEXT)
def test_a_study_file_is_read_or_refused(tmp_path_factory: Any, file: tuple[str, bytes], recipe: str | None) -> None:
    suffix, data = file
    path = tmp_path_factory.getbasetemp() / f"study{suffix}"
    path.write_bytes(data)
    try:
        study = build_study({}, models=None, seeds=None, file=str(path), recipe=recipe)
    except ZooError:
        return
    assert study.runs()
    study.trials()
