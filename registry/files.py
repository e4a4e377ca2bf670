"""Objects in a file of the user's own, named as `./mine.py:Mine`."""

import hashlib
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

_REFERENCE = re.compile(r"(?P<path>.*\.py)(?::(?P<attribute>[A-Za-z_]\w*))?")

_loaded: dict[Path, tuple[ModuleType, dict[Path, str]]] = {}
"""File -> its module, and the digests of it and of the neighbours that it imported."""
_added: set[str] = set()
"""Folders that stand in sys.path because a file in them was imported."""
_neighbours: set[str] = set()
"""Names in sys.modules that came from the folder of some file."""


def is_file_reference(name: str) -> bool:
    """True for `./mine.py:Mine`, and for `./mine.py`, which lacks its class and gets its own error."""
    return _REFERENCE.fullmatch(name) is not None


def split_file_reference(name: str) -> tuple[Path, str | None]:
    """`./mine.py:Mine` -> (the path as written, "Mine")."""
    match = _REFERENCE.fullmatch(name)
    if match is None:
        raise ValueError(f"{name!r} is not written as ./file.py:Name")
    return Path(match["path"]), match["attribute"]


def import_file(path: Path) -> ModuleType:
    """The module in `path`, imported as a script would be: its folder comes first where it looks for others.

    It is executed again when its text changed, or that of a neighbour; files in two folders that each import a
    neighbour of the same name get each their own.
    """
    path = path.resolve()
    if path in _loaded:
        module, digests = _loaded[path]
        if all(file.is_file() and _digest(file) == digest for file, digest in digests.items()):
            return module
    module_name = f"_zoo_file_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"Python cannot import {path}")
    for name in _neighbours:
        sys.modules.pop(name, None)
    _neighbours.clear()
    before, folder = set(sys.modules), str(path.parent)
    # a folder that Python looks into anyway: its modules are everybody's
    usual = path.parent in {Path(entry or ".").resolve() for entry in sys.path if entry not in _added}
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    sys.path.insert(0, folder)
    importlib.invalidate_caches()
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[module_name]
        raise
    finally:
        sys.path.remove(folder)
        if not usual:
            _neighbours.update(name for name in set(sys.modules) - before if _stands_in(path.parent, name))
    if not usual and folder not in _added:
        sys.path.append(folder)  # for what it imports later, inside a function
        _added.add(folder)
    files = [path, *(Path(str(sys.modules[name].__file__)) for name in _neighbours)]
    _loaded[path] = module, {file: _digest(file) for file in files}
    return module


def _stands_in(folder: Path, name: str) -> bool:
    """Whether the module is `folder`/top.py, or in a package `folder`/top/ (and not just anywhere below)."""
    file = Path(getattr(sys.modules[name], "__file__", None) or "")
    top = folder / name.partition(".")[0]
    return file.is_absolute() and (file == top.with_name(top.name + ".py") or file.is_relative_to(top))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
