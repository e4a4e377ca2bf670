"""What makes two runs the same: everything that can change a number, hashed.

The source of a model counts, and of what it imports from its own file's folder, from its own distribution or from
the zoo, so that an edited `mine.py` is another run; of other libraries that a stranger's model imports, the version. So
does the source of the harness that every run passes through.
"""

import ast
import hashlib
import inspect
import json
import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

import zoo
from registry.files import is_file_reference, split_file_reference

ZOO = Path(zoo.__file__).resolve().parent
HARNESS = (
    "tokens.py",
    "packing.py",
    "data",
    "layers",
    "surroundings",
    "models/adapt.py",
    "models/interface.py",
    "models/build.py",
    "training",
    "experiments/runs/resolve.py",
    "experiments/runs/train.py",
    "experiments/runs/score.py",
    "experiments/runs/floor.py",
)

Place = tuple[Path, frozenset[str] | None]
"""A folder that modules are looked for in, and the top-level packages that count there (None: all)."""


def fingerprint(parts: dict[str, Any], *, digits: int = 10) -> str:
    """Hexadecimal digits of SHA-256 over the parts, keys sorted."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:digits]


@cache
def harness_digest() -> str:
    """The source of what every run passes through."""
    files = [ZOO / name for name in HARNESS]
    return _digest(path for file in files for path in ([file] if file.is_file() else sorted(file.rglob("*.py"))))


def model_digest(model: type, target: str) -> str:
    """The source behind a model.

    Args:
        model: its class.
        target: where it was found, "module:attribute" or "./file.py:Name"; its class may stand elsewhere.

    Of classes of modules in files: those files and all that they import from their own place. Of classes that were
    typed into a notebook: their own text, and of the functions and classes that they use by name, in the notebook or
    in files that no distribution owns. Of the libraries that these files import: their versions.
    """
    files: set[Path] = set()
    typed: list[str] = []
    sources = cache(_module_sources)  # for this once: an edit counts the next time
    if is_file_reference(target):
        path = split_file_reference(target)[0].resolve()
        files.update(imported_files(path, (path.parent, None)))
    else:
        files.update(sources(target.partition(":")[0]))
    for ancestor in model.__mro__:
        if ancestor.__module__.partition(".")[0] in ("builtins", "torch", "typing") or is_file_reference(target):
            continue
        own = sources(ancestor.__module__)
        files.update(own)
        if not own:
            typed += _typed_source(ancestor, set())
    parts = {"files": _digest(sorted(files)), "typed": typed, "libraries": _libraries(files)}
    return fingerprint(parts, digits=64)


def _module_sources(module_name: str) -> list[Path]:
    """The file of an imported module and what it imports; nothing for a notebook."""
    file = getattr(sys.modules.get(module_name), "__file__", None)
    if file is None or not file.endswith(".py"):
        return []
    path = Path(file).resolve()
    depth = module_name.count(".") + (path.name == "__init__.py")
    top = module_name.partition(".")[0]
    return imported_files(path, (path.parents[depth], None if _is_loose(top, path) else _distribution(top)))


def _is_loose(package: str, path: Path) -> bool:
    """Whether a file stands in a folder of the user's own: no distribution's, no library's, and not the zoo's."""
    libraries = {Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "purelib", "platlib")}
    within_a_library = any(path.is_relative_to(folder) for folder in libraries)
    return package not in _owners() and not within_a_library and not path.is_relative_to(ZOO)


def _libraries(files: Iterable[Path]) -> dict[str, str]:
    """Distribution -> version, of all that files outside of the zoo import by name; torch stands elsewhere."""
    strangers = [path for path in files if not path.is_relative_to(ZOO)]
    names = {name[0] for path in strangers for dots, name in _import_statements(path.read_bytes()) if not dots and name}
    found = {distribution for name in names for distribution in _owners().get(name, ())} - {"torch", "sequence-zoo"}
    return {distribution: version(distribution) for distribution in sorted(found)}


@cache
def _owners() -> Mapping[str, list[str]]:
    """Top-level package -> the distributions that have it (looked up once: it reads all metadata)."""
    return packages_distributions()


def imported_files(start: Path, place: Place) -> list[Path]:
    """`start` and every file that it imports, directly or not, from `place` or from the zoo; sorted."""
    places = [place, (ZOO.parent, frozenset({"zoo"}))]
    found: set[Path] = set()
    looked_for: set[str] = set()
    waiting = [start]
    while waiting:
        current = waiting.pop()
        if current in found:
            continue
        found.add(current)
        for parts in _imports(current, places):
            for root, packages in places:
                if packages is None or parts[0] in packages:
                    waiting += _module_files(root, parts, looked_for)
    return sorted(found)


@cache
def _distribution(package: str) -> frozenset[str]:
    """The top-level packages of the distribution that `package` belongs to."""
    own = set(_owners().get(package, ()))
    return frozenset({package, *(name for name, distributions in _owners().items() if own & set(distributions))})


def _imports(path: Path, places: list[Place]) -> Iterator[tuple[str, ...]]:
    """Dotted names, absolute, that running the file may import."""
    root = max((root for root, _ in places if path.is_relative_to(root)), key=lambda root: len(root.parts))
    here = path.relative_to(root).parts[:-1]
    for level, name in _import_statements(path.read_bytes()):
        yield (*here[: len(here) - level + 1], *name) if level else name


@cache
def _import_statements(source: bytes) -> list[tuple[int, tuple[str, ...]]]:
    """(dots, dotted name) of every import of a text; what only a type checker reads is left out."""
    try:
        waiting: list[ast.AST] = [ast.parse(source)]
    except SyntaxError:
        return []
    found: list[tuple[int, tuple[str, ...]]] = []
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
            continue
        waiting += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            found += [(0, tuple(alias.name.split("."))) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = tuple(node.module.split(".")) if node.module else ()
            found += [(node.level, (*base, alias.name)) for alias in node.names]
    return found


def _module_files(root: Path, parts: tuple[str, ...], looked_for: set[str]) -> list[Path]:
    """The files that importing a dotted name runs: each package on the way, and the module; `looked_for` gains what
    was looked for, and none of it is looked for again."""
    files = []
    stem = str(root)
    for part in parts:
        stem = os.path.join(stem, part)
        if stem not in looked_for:
            looked_for.add(stem)
            files += [Path(name) for name in (f"{stem}.py", os.path.join(stem, "__init__.py")) if os.path.isfile(name)]
    return files


def _typed_source(value: Any, seen: set[int]) -> list[str]:
    """The text of a class or function without a file, and of the others without one that it uses by name."""
    if id(value) in seen:
        return []
    seen.add(id(value))
    if isinstance(value, type):
        source = [value.__qualname__]
        for name, member in sorted(vars(value).items()):
            function = inspect.unwrap(getattr(member, "fget", None) or getattr(member, "__func__", member))
            if inspect.isfunction(function) or isinstance(member, type):
                source += _typed_source(function, seen)
            elif not name.startswith("_"):
                source.append(f"{name} = {member!r}")
        return source + [text for base in value.__bases__ for text in _used_source(base, seen)]
    code = value.__code__
    try:
        source = [inspect.getsource(value)]
    except (OSError, TypeError):
        source = [
            f"{value.__qualname__} {code.co_code.hex()} {[c for c in code.co_consts if not hasattr(c, 'co_code')]!r}"
        ]
    for name in code.co_names:
        used = value.__globals__.get(name)
        if inspect.isfunction(used) or isinstance(used, type) or inspect.ismodule(used):
            source += _used_source(used, seen)
        elif isinstance(used, bool | int | float | str):
            source.append(f"{name} = {used!r}")
    return source


def _used_source(value: Any, seen: set[int]) -> list[str]:
    """What counts of a class, function or module that is used by name: its text, or its files; of a library nothing."""
    home = value.__name__ if inspect.ismodule(value) else value.__module__
    file = getattr(sys.modules.get(home), "__file__", None)
    if file is None:
        return [] if home in sys.builtin_module_names or inspect.ismodule(value) else _typed_source(value, seen)
    if not _is_loose(home.partition(".")[0], Path(file).resolve()):
        return []
    return [f"{home} {_digest(_module_sources(home))}"]


def _digest(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
