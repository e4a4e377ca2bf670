"""Import objects from the user's own files, named as `./mine.py:Mine`."""

import hashlib
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

_REFERENCE = re.compile(r"(?P<path>.*\.py)(?::(?P<attribute>[A-Za-z_]\w*))?")

_loaded: dict[Path, tuple[ModuleType, dict[Path, str]]] = {}
"""File -> its module, and digests of the file and of the modules that it imported from its folder."""
_added: set[str] = set()
"""Folders appended to sys.path because a file in them was imported."""
_neighbours: set[str] = set()
"""Names in sys.modules that came from the folder of the last imported file."""


def is_file_reference(name: str) -> bool:
    """True for `./mine.py:Mine`, and for `./mine.py`, whose missing class gets its own error later."""
    return _REFERENCE.fullmatch(name) is not None


def split_file_reference(name: str) -> tuple[Path, str | None]:
    """`./mine.py:Mine` -> (the path as written, "Mine").

    Raises:
        ValueError: the name is not a file reference.
    """
    match = _REFERENCE.fullmatch(name)
    if match is None:
        raise ValueError(f"{name!r} is not written as ./file.py:Name")
    return Path(match["path"]), match["attribute"]


def import_file(path: Path) -> ModuleType:
    """Import `path` as Python runs a script, with its folder first in sys.path; returns the module.

    Executes the file again if it changed, or a module that it imported from its folder. Files in two folders may import
    modules of the same name; each gets its own.

    Raises:
        ImportError: Python cannot import the file. An exception of the file's own code passes through.
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
    # Python searches this folder anyway, so its modules are shared
    shared = path.parent in {Path(entry or ".").resolve() for entry in sys.path if entry not in _added}
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
        if not shared:
            _neighbours.update(name for name in set(sys.modules) - before if _lies_in(path.parent, name))
    if not shared and folder not in _added:
        sys.path.append(folder)  # for imports inside its functions, which run later
        _added.add(folder)
    files = [path, *(Path(str(sys.modules[name].__file__)) for name in _neighbours)]
    _loaded[path] = module, {file: _digest(file) for file in files}
    return module


def _lies_in(folder: Path, name: str) -> bool:
    """Whether the module is `folder`/top.py, or is part of a package `folder`/top/."""
    file = Path(getattr(sys.modules[name], "__file__", None) or "")
    top = folder / name.partition(".")[0]
    return file.is_absolute() and (file == top.with_name(top.name + ".py") or file.is_relative_to(top))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
