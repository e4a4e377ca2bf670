"""What makes two runs the same: everything that can change a number, hashed.

The source of a model counts, and of what it imports from its own file's folder, from its own distribution or from
the zoo, so that an edited `mine.py` is another run. So does the source of the harness that every run passes through.
"""

import ast
import hashlib
import inspect
import json
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import zoo
from registry.files import is_file_reference, split_file_reference

ZOO = Path(zoo.__file__).resolve().parent
HARNESS = (
    "tokens.py",
    "data",
    "layers",
    "models/interface.py",
    "models/build.py",
    "training",
    "experiments/run.py",
)

Place = tuple[Path, frozenset[str] | None]
"""A folder that modules are looked for in, and the top-level packages that count there (None: all)."""


def fingerprint(parts: dict[str, Any]) -> str:
    """Ten hexadecimal digits over the parts, keys sorted."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:10]


@cache
def harness_digest() -> str:
    """The source of what every run passes through."""
    files = [ZOO / name for name in HARNESS]
    return _digest(path for file in files for path in ([file] if file.is_file() else sorted(file.rglob("*.py"))))


def model_digest(model: type, name: str) -> str:
    """The source behind a model: of its modules, or of its class alone where it was typed into a notebook."""
    if is_file_reference(name):
        path = split_file_reference(name)[0].resolve()
        return _digest(imported_files(path, (path.parent, None)))
    file = getattr(sys.modules.get(model.__module__), "__file__", None)
    if file is None:
        return hashlib.sha256("\0".join(_class_source(model)).encode()).hexdigest()
    path = Path(file).resolve()
    root = path.parents[model.__module__.count(".") + (path.name == "__init__.py")]
    return _digest(imported_files(path, (root, _distribution(model.__module__.partition(".")[0]))))


def imported_files(start: Path, place: Place) -> list[Path]:
    """`start` and every file that it imports, directly or not, from `place` or from the zoo; sorted."""
    places = [place, (ZOO.parent, frozenset({"zoo"}))]
    found: set[Path] = set()
    waiting = [start]
    while waiting:
        current = waiting.pop()
        if current in found:
            continue
        found.add(current)
        for parts in _imports(current, places):
            for root, packages in places:
                if packages is None or parts[0] in packages:
                    waiting += _module_files(root, parts)
    return sorted(found)


def _distribution(package: str) -> frozenset[str]:
    """The top-level packages of the distribution that `package` belongs to."""
    owners = packages_distributions()
    own = set(owners.get(package, ()))
    return frozenset({package, *(name for name, distributions in owners.items() if own & set(distributions))})


def _imports(path: Path, places: list[Place]) -> Iterator[tuple[str, ...]]:
    """Dotted names, absolute, that running the file may import; what only a type checker reads is left out."""
    try:
        tree = ast.parse(path.read_bytes())
    except SyntaxError:
        return
    root = max((root for root, _ in places if path.is_relative_to(root)), key=lambda root: len(root.parts))
    here = path.relative_to(root).parts[:-1]
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
            continue
        waiting += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            yield from (tuple(alias.name.split(".")) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] if node.level else ()
            base += tuple(node.module.split(".")) if node.module else ()
            yield from ((*base, alias.name) for alias in node.names)


def _module_files(root: Path, parts: tuple[str, ...]) -> list[Path]:
    """The files that importing a dotted name runs: each package on the way, and the module."""
    files = []
    for end in range(1, len(parts) + 1):
        stem = root.joinpath(*parts[:end])
        files += [path for path in (stem.with_name(stem.name + ".py"), stem / "__init__.py") if path.is_file()]
    return files


def _class_source(model: type) -> list[str]:
    """The text of a class's functions and the values of the rest; a function without text gives its code."""
    source = []
    for name, value in sorted(vars(model).items()):
        function = inspect.unwrap(getattr(value, "fget", None) or getattr(value, "__func__", value))
        if inspect.isfunction(function):
            try:
                source.append(inspect.getsource(function))
            except (OSError, TypeError):
                source.append(f"{name} {function.__code__.co_code.hex()} {function.__code__.co_consts!r}")
        elif isinstance(value, type):
            source += [name, *_class_source(value)]
        elif not name.startswith("_"):
            source.append(f"{name} = {value!r}")
    return source


def _digest(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
