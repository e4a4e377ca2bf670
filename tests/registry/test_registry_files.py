"""A user's file, `./mine.py:Mine`, is accepted in place of a name."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry import ProviderError, Registry, UnknownNameError


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working directory, whose modules are removed from `sys.modules` afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def things() -> Registry[type]:
    return Registry("thing", "test.things", {}, lambda loaded: None if isinstance(loaded, type) else "is not a class")


def test_a_class_in_a_file_is_loaded(folder: Path, things: Registry[type]) -> None:
    (folder / "mine.py").write_text("class Mine:\n    width = 8\n")
    assert things.get("./mine.py:Mine").width == 8
    assert things.get("mine.py:Mine").width == 8
    assert things.get(f"{folder}/mine.py:Mine").width == 8


def test_finding_a_file_does_not_run_it(folder: Path, things: Registry[type]) -> None:
    (folder / "mine.py").write_text("raise RuntimeError('imported')\n")
    assert things.find("./mine.py:Mine").origin == "file mine.py"


def test_a_file_read_twice_gives_the_same_class(folder: Path, things: Registry[type]) -> None:
    (folder / "mine.py").write_text("class Mine: pass\n")
    assert things.get("./mine.py:Mine") is things.get("./mine.py:Mine")


def test_an_edited_file_is_loaded_anew(folder: Path, things: Registry[type]) -> None:
    (folder / "mine.py").write_text("class Mine:\n    width = 8\n")
    before = things.get("./mine.py:Mine")
    (folder / "mine.py").write_text("class Mine:\n    width = 9\n")
    assert (before.width, things.get("./mine.py:Mine").width) == (8, 9)


def test_a_file_imports_its_sibling(folder: Path, things: Registry[type]) -> None:
    (folder / "lib").mkdir()
    (folder / "lib" / "sibling_parts.py").write_text("WIDTH = 5\n")
    (folder / "lib" / "mine.py").write_text("from sibling_parts import WIDTH\nclass Mine:\n    width = WIDTH\n")
    assert things.get("./lib/mine.py:Mine").width == 5


def test_files_in_two_folders_each_import_their_own_sibling(folder: Path, things: Registry[type]) -> None:
    for name, width in (("a", 1), ("b", 2)):
        (folder / name).mkdir()
        (folder / name / "twin_parts.py").write_text(f"WIDTH = {width}\n")
        (folder / name / "mine.py").write_text("from twin_parts import WIDTH\nclass Mine:\n    width = WIDTH\n")
    assert [things.get(f"./{name}/mine.py:Mine").width for name in "ab"] == [1, 2]


def test_a_file_never_replaces_a_module_of_its_name(folder: Path, things: Registry[type]) -> None:
    import json

    (folder / "json.py").write_text("class Mine: pass\n")
    things.get("./json.py:Mine")
    assert sys.modules["json"] is json


def test_a_library_below_the_folder_is_not_taken_for_a_neighbour(folder: Path, things: Registry[type]) -> None:
    library = folder / ".venv" / "lib"
    library.mkdir(parents=True)
    (library / "heavy_library.py").write_text("")
    sys.path.append(str(library))
    for name in ("a", "b"):
        (folder / name).mkdir()
        (folder / name / "mine.py").write_text("import heavy_library\n\nclass Mine:\n    used = heavy_library\n")
    assert things.get("./a/mine.py:Mine").used is things.get("./b/mine.py:Mine").used is sys.modules["heavy_library"]


def test_modules_that_python_finds_anyway_are_everybody_s(folder: Path, things: Registry[type]) -> None:
    sys.path.append(str(folder))
    (folder / "common_base.py").write_text("class Base:\n    pass\n")
    for name in ("a", "b"):
        (folder / f"{name}.py").write_text("from common_base import Base\n\nclass Mine(Base):\n    pass\n")
    first, second = things.get("./a.py:Mine"), things.get("./b.py:Mine")
    assert first.__mro__[1] is second.__mro__[1]


def test_a_missing_file_is_named(things: Registry[type]) -> None:
    with pytest.raises(ProviderError, match=r"No file 'absent\.py' for thing './absent\.py:Mine'"):
        things.get("./absent.py:Mine")


def test_a_file_without_its_class_says_how_to_write_it(folder: Path, things: Registry[type]) -> None:
    (folder / "mine.py").write_text("class Mine: pass\n")
    with pytest.raises(ProviderError, match=r"write \./mine\.py:Name"):
        things.get("./mine.py")


def test_a_class_that_the_file_lacks_is_named(folder: Path, things: Registry[type]) -> None:
    (folder / "mine.py").write_text("class Other: pass\n")
    with pytest.raises(ProviderError, match="Mine"):
        things.get("./mine.py:Mine")


@pytest.mark.parametrize("text", ["raise SystemExit(1)", "def (", "import no_such_module"])
def test_a_file_that_fails_can_be_mended_and_loaded(folder: Path, things: Registry[type], text: str) -> None:
    (folder / "mine.py").write_text(text)
    with pytest.raises(ProviderError, match=r"mine\.py"):
        things.get("./mine.py:Mine")
    (folder / "mine.py").write_text("class Mine: pass\n")
    assert things.get("./mine.py:Mine").__name__ == "Mine"


def test_a_file_whose_object_is_no_such_thing_is_reported(folder: Path, things: Registry[type]) -> None:
    (folder / "mine.py").write_text("Mine = 3\n")
    with pytest.raises(ProviderError, match="is not a class"):
        things.get("./mine.py:Mine")


def test_an_unknown_name_says_how_a_file_is_written(things: Registry[type]) -> None:
    with pytest.raises(UnknownNameError, match=r"\./file\.py:Name"):
        things.get("mine")
