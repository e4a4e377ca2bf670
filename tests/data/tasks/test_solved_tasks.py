"""Reference models solve easy settings: an answer that a model can learn is learnt."""

from typing import Any

import pytest

import zoo

EASY: list[tuple[str, str, dict[str, Any]]] = [
    ("mlp(hidden=64)", "memorize(keys=8,values=8,length=8,documents=200)", {"steps": 300, "context": 4}),
    ("gru(hidden=32)", "parity(length=8,documents=200)", {"steps": 1500}),
    ("gru(hidden=64)", "copy(length=5,copied=3,documents=200)", {"steps": 1500}),
    ("transformer", "recall(pairs=2,length=16,keys=4,values=4,documents=200)", {"steps": 1500}),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "task", "settings"), EASY, ids=lambda value: value if isinstance(value, str) else None
)
def test_a_reference_model_solves_an_easy_setting(
    model: str, task: str, settings: dict[str, Any], tmp_path: Any
) -> None:
    run = zoo.train(
        model,
        data=task,
        batch_size=64,
        lr=3e-3,
        evaluations=4,
        threads=1,
        out=tmp_path,
        report=False,
        progress=False,
        **settings,
    )
    assert run.result.accuracy is not None
    assert run.result.accuracy > 0.99
