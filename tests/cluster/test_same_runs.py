"""A study on a cluster has the runs that it has on one machine, to the last bit."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest

import zoo
from tests.cluster.conftest import Study, list_rest, losses_of, power_off

pytestmark = pytest.mark.slow

MODELS = ["bigram", "mlp", "gru"]


def test_a_study_whose_node_dies_in_the_middle_keeps_every_cell_once_and_every_bit(
    study: Study, cluster: Any, on_ray: dict[str, Any]
) -> None:
    here = study(MODELS, seeds=4, steps=60, out="here")
    node = cluster.list_all_nodes()[1]
    folder = Path("there") / here.directory.name

    def kill() -> None:
        while len(list(folder.glob("*-seed*/result.json"))) < 2:
            time.sleep(0.02)
        power_off(cluster, node)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        there = study(MODELS, seeds=4, steps=60, out="there", **on_ray)
    finally:
        killer.join()
        cluster.add_node(num_cpus=1)
    assert len(losses_of(there)) == 12
    assert losses_of(there) == losses_of(here)
    assert there.comparison.models[0].test == here.comparison.models[0].test
    assert len(list(folder.glob("*-seed*"))) == 12
    assert list_rest(folder) == []


def test_a_search_and_a_stack_are_those_of_one_machine(study: Study, on_ray: dict[str, Any]) -> None:
    searched = {"tune": 3, "seeds": 2}
    stacked = {"seeds": 3, "execution": "stacked"}
    for models, settings in ((["bigram"], searched), (["gru(hidden=8)"], stacked)):
        here, there = study(models, **settings, out="here"), study(models, **settings, out="there", **on_ray)
        assert losses_of(there) == losses_of(here)
        assert [own.trials for own in there.comparison.tuned] == [own.trials for own in here.comparison.tuned]


def test_a_series_of_sizes_is_that_of_one_machine(study: Study, on_ray: dict[str, Any]) -> None:
    settings: dict[str, Any] = {"data": "words.txt", "steps": 20, "threads": 1, "seeds": 2, "progress": False}
    here, there = (
        zoo.compare_sizes(["bow", "mlp"], [500, 900], out=out, **settings, **engine)
        for out, engine in (("here", {}), ("there", on_ray))
    )
    for one, other in zip(here.comparisons, there.comparisons, strict=True):
        assert losses_of(other) == losses_of(one)


@pytest.fixture
def _far_away(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let workers see neither the study's folder nor the driver's: all paths there begin with /elsewhere."""
    from dataclasses import replace

    from zoo.experiments.runs.engines import journey as engine

    load = engine.load_shipment

    def load_elsewhere(unit: Any, mark: str) -> Any:
        shipment = load(unit, mark)
        files = {f"/elsewhere{path}": content for path, content in shipment.files.items()}
        return replace(
            shipment, folder=f"/elsewhere{shipment.folder}", files=files, study=f"/elsewhere{shipment.study}"
        )

    monkeypatch.setattr(engine, "load_shipment", load_elsewhere)


MINE = """
from torch import nn

from beside import WIDTH
from zoo import SequenceModel


class Mine(SequenceModel):
    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.table = nn.Embedding(vocab_size, vocab_size)
        self.scale = WIDTH

    def forward(self, tokens):
        return self.scale * self.table(tokens)
"""


@pytest.mark.usefixtures("_far_away")
def test_a_model_in_a_file_and_what_it_imports_travel_to_a_worker_that_never_saw_them(
    study: Study, on_ray: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "beside.py").write_text("WIDTH = 0.5\n")
    settings: dict[str, Any] = {"data": "invented(documents=200)", "seeds": 2}
    here = study(["./mine.py:Mine"], **settings, out="here")
    there = study(["./mine.py:Mine"], **settings, out="there", **on_ray)
    assert losses_of(there) == losses_of(here)
    assert there.comparison.runs[0].status == "finished"


@pytest.mark.usefixtures("_far_away")
def test_a_worker_without_the_text_says_so_in_a_line(study: Study, on_ray: dict[str, Any]) -> None:
    from zoo.errors import RunError

    with pytest.raises(RunError, match=r"^Node \S+: .*No file or directory 'words.txt' either\.") as error:
        study(["bigram"], **on_ray)
    assert "\n" not in str(error.value)
