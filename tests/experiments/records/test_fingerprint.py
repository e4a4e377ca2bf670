"""The source of a model is part of a run's fingerprint."""

import importlib
import linecache
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from types import ModuleType

import pytest

import zoo
from registry.files import import_file
from zoo.config import DataConfig
from zoo.experiments.records.fingerprint import digest_model, fingerprint
from zoo.experiments.records.imports import find_imported_files


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An importable folder, whose modules are removed from `sys.modules` afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def file_digest(folder: Path) -> str:
    """The digest of ./mine.py:Mine, as a run computes it."""
    model = import_file(folder / "mine.py").Mine  # type: ignore[attr-defined]
    return digest_model(model, f"{folder}/mine.py:Mine")


FILES = {
    "mine.py": "from near_parts import A\n\nclass Mine:\n    a = A\n",
    "near_parts.py": "def late():\n    import far_parts\n\nA = 1\n",
    "far_parts.py": "B = 1\n",
    "unrelated_parts.py": "C = 1\n",
}


def test_the_same_sources_have_the_same_digest(folder: Path) -> None:
    write(folder, FILES)
    assert file_digest(folder) == file_digest(folder)


@pytest.mark.parametrize("edited", ["mine.py", "near_parts.py", "far_parts.py"])
def test_an_edited_file_or_what_it_imports_from_its_folder_changes_the_digest(folder: Path, edited: str) -> None:
    write(folder, FILES)
    before = file_digest(folder)
    write(folder, {edited: FILES[edited] + "# edited\n"})
    assert file_digest(folder) != before


def test_an_unrelated_file_of_the_folder_does_not_change_the_digest(folder: Path) -> None:
    write(folder, FILES)
    before = file_digest(folder)
    write(folder, {"unrelated_parts.py": "C = 2\n", "new_parts.py": "D = 1\n"})
    assert file_digest(folder) == before


def test_a_file_whose_class_is_made_by_a_sibling_is_covered(folder: Path) -> None:
    factory = "def make(width):\n    class Made:\n        size = width\n    return Made\n"
    write(folder, {"factory_parts.py": factory, "mine.py": "from factory_parts import make\nMine = make(8)\n"})
    before = file_digest(folder)
    write(folder, {"mine.py": "from factory_parts import make\nMine = make(9)\n"})
    assert file_digest(folder) != before


PACKAGE = {
    "pack/__init__.py": "",
    "pack/models/__init__.py": "",
    "pack/models/mine.py": "from . import near\nfrom ..parts import A\nimport pack.dotted\n\nclass Mine:\n    a = A\n",
    "pack/models/near.py": "",
    "pack/models/other.py": "",
    "pack/parts.py": "A = 1\n",
    "pack/dotted.py": "",
    "stranger.py": "",
}


def package_digest() -> str:
    return digest_model(importlib.import_module("pack.models.mine").Mine, "mine")


@pytest.mark.parametrize("edited", [name for name in PACKAGE if "other" not in name and "stranger" not in name])
def test_the_digest_of_a_package_s_model_covers_what_it_imports_from_its_package(folder: Path, edited: str) -> None:
    write(folder, PACKAGE)
    before = package_digest()
    write(folder, {edited: PACKAGE[edited] + "# edited\n"})
    assert package_digest() != before


@pytest.mark.parametrize("edited", ["pack/models/other.py", "stranger.py"])
def test_the_digest_of_a_package_s_model_covers_nothing_else(folder: Path, edited: str) -> None:
    write(folder, PACKAGE)
    before = package_digest()
    write(folder, {edited: "# edited\n"})
    assert package_digest() == before


def test_a_built_in_model_s_digest_covers_its_layers_and_no_other_model() -> None:
    root = Path(zoo.__file__).parents[1]
    covered = {
        path.relative_to(root).as_posix()
        for path in find_imported_files([root / "zoo/models/wavenet.py"], [(root, frozenset({"zoo"}))])
    }
    assert {"zoo/models/wavenet.py", "zoo/models/interface.py", "zoo/layers/batch_norm.py"} <= covered
    assert not {"zoo/models/mlp.py", "zoo/models/transformer.py"} & covered


def test_the_module_that_an_entry_point_names_counts_wherever_the_class_was_made(folder: Path) -> None:
    write(folder, {"plug_factory.py": "def make(n):\n    class Made:\n        size = n\n    return Made\n"})
    digests = []
    for width in (8, 9):
        write(folder, {"plug_in.py": f"from plug_factory import make\n\nMine = make({width})\n"})
        sys.modules.pop("plug_in", None)
        importlib.invalidate_caches()
        digests.append(digest_model(importlib.import_module("plug_in").Mine, "plug_in:Mine"))
    assert digests[0] != digests[1]


CELL = """
SCALE = 2

def helper():
    return 3

class Base:
    def shared(self):
        return 4

class Mine(Base):
    width = 5

    class Config:
        hidden = 6

    def forward(self):
        return helper() * SCALE * 7
"""


@pytest.fixture
def run_cell(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], type]:
    """Execute a cell like a notebook: only `linecache` has its text."""
    notebook, number = ModuleType("notebook_kernel"), count()
    monkeypatch.setitem(sys.modules, "notebook_kernel", notebook)

    def run(source: str) -> type:
        name = f"<cell {next(number)}>"
        monkeypatch.setitem(linecache.cache, name, (len(source), None, source.splitlines(keepends=True), name))
        exec(compile(source, name, "exec"), vars(notebook))
        return notebook.Mine

    return run


def test_a_class_of_a_notebook_is_known_by_its_source(run_cell: Callable[[str], type]) -> None:
    assert digest_model(run_cell(CELL), "mine") == digest_model(run_cell(CELL), "mine")


@pytest.mark.parametrize("number", "234567")
def test_what_a_class_of_a_notebook_uses_is_part_of_its_source(run_cell: Callable[[str], type], number: str) -> None:
    assert digest_model(run_cell(CELL), "mine") != digest_model(run_cell(CELL.replace(number, "8")), "mine")


@pytest.mark.parametrize("edited", ["loose_script.py", "loose_parts.py"])
def test_a_script_s_model_is_known_by_the_script_and_what_it_imports_from_its_folder(folder: Path, edited: str) -> None:
    files = {"loose_script.py": "import loose_parts\n\nclass Mine:\n    pass\n", "loose_parts.py": "A = 1\n"}
    write(folder, files)
    mine = importlib.import_module("loose_script").Mine
    before = digest_model(mine, "loose_script:Mine")
    write(folder, {edited: files[edited] + "# edited\n"})
    assert digest_model(mine, "loose_script:Mine") != before


@pytest.mark.parametrize(
    "cell",
    [
        "from cell_parts import Block\n\nclass Mine:\n    def forward(self):\n        return Block()\n",
        "from cell_parts import helper\n\nclass Mine:\n    def forward(self):\n        return helper()\n",
        "import cell_parts\n\nclass Mine:\n    def forward(self):\n        return cell_parts.Block()\n",
        "from cell_parts import Block\n\nclass Helper(Block):\n    pass\n\n"
        "class Mine:\n    def forward(self):\n        return Helper()\n",
    ],
    ids=["class", "function", "module", "base"],
)
def test_a_file_that_a_class_of_a_notebook_uses_counts(
    folder: Path, run_cell: Callable[[str], type], cell: str
) -> None:
    parts = "class Block:\n    pass\n\ndef helper():\n    return 1\n"
    write(folder, {"cell_parts.py": parts})
    before = digest_model(run_cell(cell), "mine")
    write(folder, {"cell_parts.py": parts + "# edited\n"})
    assert digest_model(run_cell(cell), "mine") != before


def test_a_part_of_the_zoo_that_a_class_of_a_notebook_uses_counts(
    run_cell: Callable[[str], type], monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = "from zoo.layers.linear import linear\n\nclass Mine:\n    def forward(self):\n        return linear(1, 1)\n"
    before = digest_model(run_cell(cell), "mine")
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda p: read(p) + (b"\nA = 1\n" if p.name == "linear.py" else b""))
    assert digest_model(run_cell(cell), "mine") != before


def test_the_version_of_a_library_that_a_file_imports_counts_and_that_of_another_does_not(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, {"mine.py": "import einops.layers\n\nclass Mine:\n    pass\n"})
    before = file_digest(folder)
    installed = {"einops": "1.0", "click": "1.0"}
    monkeypatch.setattr("zoo.experiments.records.fingerprint.version", installed.__getitem__)
    other = file_digest(folder)
    installed["click"] = "2.0"
    assert file_digest(folder) == other != before


def test_a_fingerprint_depends_on_values_and_not_on_their_order() -> None:
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint({"a": 1, "b": 2}) != fingerprint({"a": 1, "b": 3})


def test_a_record_from_before_splits_could_be_chosen_keeps_its_name_and_its_contents():
    assert "split" not in DataConfig().model_dump()
    assert DataConfig(split="90/10/0").model_dump()["split"] == "90/10/0"
    assert DataConfig(**DataConfig(split="90/10/0").model_dump()).shares == (90, 10, 0)
