"""examples/notebook.ipynb, executed by a kernel: tables, a display of progress that ends, nothing on standard error."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "examples" / "notebook.ipynb"
QUICK = """
import zoo.experiments.runs.cost, zoo.experiments.runs.timing
zoo.experiments.runs.timing.SECONDS_A_TURN = 0.0  # short probes of speed
zoo.experiments.runs.cost.FLOP_BATCHES = 2
STEPS, SEEDS, DATA = 4, 3, "invented(documents=200)"
"""
"""The cell of parameters."""


class Client(NotebookClient):
    """A client that keeps all displays, which a notebook replaces by the last update."""

    displays: list[dict[str, Any]]

    def process_message(self, message: dict[str, Any], cell: Any, cell_index: int) -> Any:
        if message["msg_type"] in ("display_data", "update_display_data"):
            self.displays.append({"cell": cell.get("id"), "kind": message["msg_type"], **message["content"]})
        return super().process_message(message, cell, cell_index)


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """The notebook after a kernel of this interpreter has executed it, in an empty folder."""
    place = tmp_path_factory.mktemp("notebook")
    spec = {"argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"], "display_name": "this",
            "language": "python"}  # fmt: skip
    (place / "kernels" / "this").mkdir(parents=True)
    (place / "kernels" / "this" / "kernel.json").write_text(json.dumps(spec))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(place))
        patch.setenv("IPYTHONDIR", str(place / "ipython"))
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]))
        patch.setenv("PYTHONWARNINGS", "default")
        (folder := place / "work").mkdir()
        notebook = nbformat.read(NOTEBOOK, as_version=4)
        cell(notebook, "parameters").source = QUICK
        search = "from zoo.experiments.runs.tuning.suggest import require_optuna\nrequire_optuna()"
        notebook.cells.append(nbformat.v4.new_code_cell(search, id="search"))
        # Sockets of files: a kernel over TCP warns that others could listen.
        manager = AsyncKernelManager(kernel_name="this", transport="ipc", ip=str(place / "k"))
        client = Client(notebook, km=manager, timeout=120, resources={"metadata": {"path": str(folder)}})
        client.displays = []
        client.execute(cleanup_kc=True)  # otherwise a kernel of our own goes on
        yield client


def cell(notebook: Any, name: str) -> Any:
    (found,) = (cell for cell in notebook.cells if cell.get("id") == name)
    return found


def test_it_is_stored_valid_and_without_outputs() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    for own in notebook.cells:
        assert own.cell_type == "markdown" or (own.outputs, own.execution_count) == ([], None)


@pytest.mark.slow
def test_no_cell_warns_or_writes_to_standard_error_not_even_for_want_of_widgets(executed: Client) -> None:
    outputs = [output for own in executed.nb.cells for output in own.get("outputs", [])]
    assert [output for output in outputs if output.output_type in ("stream", "error")] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["compare", "mine", "run", "trace", "check", "plot"])
def test_a_result_is_shown_as_table_and_as_text(executed: Client, name: str) -> None:
    shown = cell(executed.nb, name).outputs[-1]
    assert shown.output_type == "execute_result"
    assert shown.data["text/html"].startswith('<div class="zoo-display')
    assert ("<table" in shown.data["text/html"]) == (name != "plot")
    assert "zoo-display" not in shown.data["text/plain"]


@pytest.mark.slow
def test_a_comparison_shows_every_model_and_its_verdict(executed: Client) -> None:
    html = cell(executed.nb, "mine").outputs[-1].data["text/html"]
    table = html.partition("<tbody>")[2].partition("</tbody>")[0]
    assert {name for name in ("Mine", "mlp", "wavenet") if f">{name}</span>" in table} == {"Mine", "mlp", "wavenet"}
    assert "after 4 steps" in html.partition('class="verdict"')[2].partition("</p>")[0]


@pytest.mark.slow
def test_progress_is_one_display_that_is_updated_and_ends_in_a_line(executed: Client) -> None:
    for name, end in {"compare": "6 runs in ", "mine": "9 runs, 6 of them already there, in "}.items():
        own = [shown for shown in executed.displays if shown["cell"] == name]
        assert [shown["kind"] for shown in own] == ["display_data", *["update_display_data"] * (len(own) - 1)]
        assert len(own) > 2
        assert len({shown["transient"]["display_id"] for shown in own}) == 1
        assert any("%" in shown["data"]["text/plain"] for shown in own[:-1])
        progress, _ = cell(executed.nb, name).outputs
        assert progress.data["text/plain"].startswith(end)
        assert "wavenet seed 3: test " in progress.data["text/html"]


@pytest.mark.slow
def test_frame_samples_and_chances_are_there(executed: Client) -> None:
    frame, samples, chances = (cell(executed.nb, name).outputs[0].data for name in ("frame", "sample", "model"))
    assert "<table" in frame["text/html"]
    assert samples["text/plain"].count("'ma") == 6
    assert chances["text/plain"].count(":") == 5
