"""The cells of docs/python.md run like cells of a notebook, with budgets of a step and a small corpus."""

import linecache
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

import zoo
from zoo.data.invented import load

ROOT = Path(__file__).resolve().parents[1]
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", (ROOT / "docs" / "python.md").read_text(), re.DOTALL)
CELLS = [
    re.sub(r"\b(steps|tokens)=[\d_]+", r"threads=1, \1=1", text) for language, text in BLOCKS if language == "python"
]
SHOWN = [text for language, text in BLOCKS if not language]


@pytest.fixture
def _small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start in a folder with the studies, nothing registered, few documents and no probe of costs."""
    for folder in ("studies", "examples"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(load.__kwdefaults__ or {}, "documents", 80)
    monkeypatch.setattr("zoo.experiments.compare.add_probes", lambda plan, path, record: record)
    for registry in (zoo.MODELS, zoo.CORPORA):
        monkeypatch.setattr(registry, "_registered", {})


@pytest.mark.usefixtures("_small")
def test_the_cells_of_the_page_run_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    notebook = ModuleType("notebook_kernel")
    monkeypatch.setitem(sys.modules, "notebook_kernel", notebook)
    for number, source in enumerate(CELLS):
        name = f"<cell {number}>"
        monkeypatch.setitem(linecache.cache, name, (len(source), None, source.splitlines(keepends=True), name))
        exec(compile(source, name, "exec"), vars(notebook))
    table = next(text for text in SHOWN if text.startswith("model "))
    assert str(notebook.compared).split()[:9] == table.split()[:9]
    assert repr(notebook.run).startswith("TrainedRun(Mine on invented, seed 1, validation ")
    assert Path("curves.svg").is_file()
    assert capsys.readouterr().out.startswith(SHOWN[-1].partition(" ...")[0])
