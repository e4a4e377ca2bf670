"""What makes two runs the same: everything that can change a number, hashed.

The source of a model counts, and of what it imports from its own file's folder or its own distribution, so that an
edited `mine.py` is another run. So does the source of the harness (data, layers, training).
"""

import ast
import hashlib
import inspect
import json
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import zoo
from registry.files import is_file_reference

HARNESS = ("tokens.py", "data", "layers", "models/interface.py", "training")


def fingerprint(parts: dict[str, Any]) -> str:
    """Ten hexadecimal digits over the parts, keys sorted."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:10]


@cache
def harness_digest() -> str:
    """The source of what every run passes through."""
    root = Path(zoo.__file__).parent
    files = [root / name for name in HARNESS]
    return _digest(path for file in files for path in ([file] if file.is_file() else sorted(file.rglob("*.py"))))


def model_digest(model: type, name: str) -> str:
    """The source of a model's class and of what it imports from its own place; of the class alone, in a notebook."""
    module = sys.modules.get(model.__module__)
    file = getattr(module, "__file__", None)
    if file is None:
        try:
            return hashlib.sha256(inspect.getsource(model).encode()).hexdigest()
        except (OSError, TypeError):
            return hashlib.sha256(repr(sorted(vars(model).items(), key=str)).encode()).hexdigest()
    path = Path(file).resolve()
    if is_file_reference(name):
        return _digest(sorted(imported_files(path, path.parent, package=None)))
    package = model.__module__.partition(".")[0]
    root = path.parents[model.__module__.count(".") + (path.name == "__init__.py")]
    return _digest(sorted(imported_files(path, root, package=package)))


def imported_files(path: Path, root: Path, *, package: str | None) -> set[Path]:
    """`path` and every file below `root` that it imports, directly or not; only of `package`, if one is given."""
    found: set[Path] = set()
    waiting = [path]
    while waiting:
        current = waiting.pop()
        if current in found:
            continue
        found.add(current)
        for parts in _imports(current, root):
            if package is None or parts[0] == package:
                waiting += _module_files(root, parts)
    return found


def _imports(path: Path, root: Path) -> Iterator[tuple[str, ...]]:
    """Dotted names, absolute from `root`, that the file imports."""
    try:
        tree = ast.parse(path.read_bytes())
    except SyntaxError:
        return
    here = path.relative_to(root).parts[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (tuple(alias.name.split(".")) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] if node.level else ()
            base += tuple(node.module.split(".")) if node.module else ()
            yield from (((*base, alias.name)) for alias in node.names)


def _module_files(root: Path, parts: tuple[str, ...]) -> list[Path]:
    """The files that importing a dotted name runs: each package on the way, and the module."""
    files = []
    for end in range(1, len(parts) + 1):
        stem = root.joinpath(*parts[:end])
        files += [path for path in (stem.with_name(stem.name + ".py"), stem / "__init__.py") if path.is_file()]
    return files


def _digest(files: Iterator[Path] | list[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
