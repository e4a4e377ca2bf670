"""What is sent to a worker and what comes back, without a cluster."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import MINE, write_words
from tests.conftest import ROOT
from zoo.config import Call, DataConfig, RunConfig, TrainingConfig
from zoo.data.load import load_corpus
from zoo.errors import RunError, UsageError, ZooError
from zoo.experiments.records.run import read_run
from zoo.experiments.runs.engines.board import Board, Reporter
from zoo.experiments.runs.engines.choose import choose_engine
from zoo.experiments.runs.engines.demand import Demand, Node, find_demand
from zoo.experiments.runs.engines.local import LocalEngine
from zoo.experiments.runs.engines.returned import collect_files, receive
from zoo.experiments.runs.engines.scout import find_cluster
from zoo.experiments.runs.engines.shipment import check_travels, load_shipment, settle
from zoo.experiments.runs.engines.unit import is_finished
from zoo.experiments.runs.engines.worker import work
from zoo.experiments.runs.resolve import Cell, resolve

TRAINING = TrainingConfig(steps=3, batch_size=8, device="cpu", threads=1)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZOO_CACHE_DIR", str(tmp_path / "cache"))
    Path("mine.py").write_text("import beside\n" + MINE)
    Path("beside.py").write_text("")
    write_words(Path("words.txt"))


def make_cell(model: str = "./mine.py:Mine", corpus: str = "words.txt", **training: Any) -> Cell:
    data = DataConfig(corpus=Call(name=corpus))
    config = RunConfig(
        model=Call(name=model), label="mine", data=data, training=TRAINING.model_copy(update=training), seed=3
    )
    return resolve(config, load_corpus(data), Path("runs/study"))


def test_a_model_in_a_file_is_sent_with_what_it_imports_from_its_folder_and_nothing_of_ours() -> None:
    shipment = load_shipment((make_cell(),), "mark")
    assert {Path(name).name for name in shipment.files} == {"mine.py", "beside.py"}
    assert load_shipment((make_cell("bigram"),), "mark").files == {}


def test_a_worker_stands_in_the_drivers_folder_if_its_files_are_the_same_and_else_in_a_copy(tmp_path: Path) -> None:
    shipment = load_shipment((make_cell(),), "mark")
    assert settle(shipment) == tmp_path
    Path("beside.py").write_text("WIDTH = 2\n")
    copy = settle(shipment)
    assert copy.is_relative_to(tmp_path / "cache")
    assert {path.name: path.read_text() for path in copy.iterdir()} == {
        "mine.py": Path("mine.py").read_text(), "beside.py": ""
    }  # fmt: skip


def test_a_run_that_is_sent_is_written_as_it_was_and_news_of_it_arrive() -> None:
    cell, board = make_cell("bigram"), Board()
    unit = (cell,)
    returned = work(load_shipment(unit, "no such file"), 7, board.post)
    assert (returned.state, is_finished(unit)) == ("sent", False)
    receive(unit, returned)
    assert collect_files(cell.directory) == returned.runs[0]
    assert {key for key, _ in board.take().items()} == {(7, 0)}
    assert board.take() == {}


def test_a_worker_that_sees_the_study_writes_into_it() -> None:
    cell = make_cell("bigram")
    cell.study.mkdir(parents=True)
    (cell.study / "mark").touch()
    returned = work(load_shipment((cell,), "mark"), 0, lambda _: None)
    assert (returned.state, returned.runs) == ("written", ())
    receive((cell,), returned)
    assert read_run(cell.directory).result.status == "finished"


@pytest.mark.parametrize("fault", ["weights.safetensors", "config.json", "../outside"])
def test_a_run_that_is_not_the_one_asked_for_is_refused_and_leaves_nothing(fault: str) -> None:
    cell = make_cell("bigram")
    returned = work(load_shipment((cell,), "no such file"), 0, lambda _: None)
    files = dict(returned.runs[0])
    files[fault] = files.get(fault, b"").replace(cell.recorded.fingerprint.encode(), b"0" * 10)
    if fault == "weights.safetensors":
        files[fault] = files[fault][:-1] + bytes([files[fault][-1] ^ 1])
    with pytest.raises(RunError, match=r"gave another run|gave files that are not those of a run"):
        receive((cell,), replace(returned, runs=(files,)))
    assert not is_finished((cell,))
    assert not list(Path().rglob("outside"))


def test_a_worker_that_would_execute_another_run_refuses_and_names_the_difference() -> None:
    cell = make_cell("bigram")
    shipment = load_shipment((cell,), "no such file")
    document = json.loads(shipment.cells[0])
    document["recorded"]["harness"] = "0" * 64
    document["recorded"]["fingerprint"] = "0" * 10
    returned = work(replace(shipment, cells=(json.dumps(document),)), 0, lambda _: None)
    assert returned.state == "refused"
    assert "would be another run here: harness is 000" in returned.reason


def test_news_are_merged_and_sent_at_a_bounded_rate() -> None:
    sent: list[Any] = []
    reporter = Reporter(sent.append)
    for step in range(100):
        reporter.report(0, 0, {"spent": step / 100, "train_loss": 2.0, "validation_loss": None, "note": ""})
    assert [list(news) for news in sent] == [[(0, 0)]]


NODES = [Node("a", "10.0.0.1", 8.0, 0.0, True), Node("b", "10.0.0.2", 4.0, 2.0, False)]


def test_a_cell_demands_its_threads_and_all_cpus_if_its_budget_is_in_seconds() -> None:
    assert find_demand((make_cell("bigram", threads=2),), NODES, None, None) == Demand(2.0, 0.0, 2)
    assert find_demand((make_cell("bigram", steps=None, seconds=1.0),), NODES, None, None) == Demand(8.0, 0.0, 1)
    assert find_demand((make_cell("bigram"),), NODES, 0.5, None) == Demand(0.5, 0.0, 1)


@pytest.mark.parametrize(
    ("cpus", "gpus", "words"),
    [
        (9.0, None, "demands 9 CPUs, and no node of the cluster has more than 8"),
        (1.0, 1.0, "--cell-gpus asks for GPUs that they would not use"),
    ],
)
def test_what_no_node_has_is_refused(cpus: float, gpus: float | None, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        find_demand((make_cell("bigram"),), NODES, cpus, gpus)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"name": "dask"}, "Unknown engine 'dask'. Available: local, ray"),
        ({"address": "auto"}, "address is about a cluster: give engine=ray"),
        ({"name": "ray", "address": "somewhere"}, "is not auto, local, host:port or ray://host:port"),
        ({"name": "ray", "cell_cpus": 1.5}, "cell_cpus=1.5 is no amount"),
        ({"name": "ray", "cell_gpus": -1.0}, "cell_gpus=-1 is no amount"),
    ],
)
def test_an_engine_that_cannot_be_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        choose_engine(**given)
    assert isinstance(choose_engine(), LocalEngine)


def test_without_ray_a_line_says_how_to_install_it() -> None:
    words = ["zoo", "train", "bigram", "--engine", "ray"]
    code = f"import sys; sys.modules['ray'] = None; sys.argv = {words}; import cli; cli.main()"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "Error: --engine ray needs Ray: pip install 'sequence-zoo[cluster]'.\n"


def test_without_a_cluster_a_line_says_so_at_once() -> None:
    with pytest.raises(ZooError, match=r"^No Ray cluster: nothing answers at 127\.0\.0\.1:9: Connection refused"):
        find_cluster("127.0.0.1:9")


def test_what_this_process_alone_has_does_not_travel() -> None:
    cell = make_cell("bigram")
    data = cell.config.data.model_copy(update={"corpus": Call(name="-")})
    with pytest.raises(UsageError, match="Standard input is read here alone"):
        check_travels(replace(cell, config=cell.config.model_copy(update={"data": data})))


def test_a_text_is_prepared_once_by_several_processes(tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
import zoo.data.load as load
import zoo.data.large.prepared as prepared
from zoo.config import Call, DataConfig
from zoo.experiments.runs.engines.worker import load_once
load.LARGE = 10
write = prepared.write_tokens
def count(*given):
    with open({str(tmp_path / "written")!r}, "a") as file:
        file.write("x")
    write(*given)
prepared.write_tokens = count
print(load_once(DataConfig(corpus=Call(name="words.txt"))).digest)
"""
    processes = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    digests = {process.communicate(timeout=60)[0] for process in processes}
    assert (len(digests), [process.returncode for process in processes]) == (1, [0, 0])
    assert (tmp_path / "written").read_text() == "x"
