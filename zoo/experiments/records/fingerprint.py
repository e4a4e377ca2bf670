"""Fingerprint everything that can change a number: two runs with the same fingerprint are the same run.

The source of a model counts. Of a foreign model, these are the bytes of its file and of what it imports from its own
folder or distribution, so an edited `mine.py` is another run, and the versions of other libraries that it imports. Of
our models it is the code (`zoo.experiments.records.code`).
"""

import hashlib
import inspect
import json
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

from registry.files import is_file_reference, split_file_reference
from zoo.experiments.records.code import ROOT, digest_ours, is_excluded
from zoo.experiments.records.imports import Place, find_imported_files, parse_imports

ZOO = ROOT / "zoo"
DIGITS = 10


def fingerprint(parts: dict[str, Any], *, digits: int = DIGITS) -> str:
    """Return hexadecimal digits of the SHA-256 of the parts as JSON with sorted keys."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:digits]


def digest_model(model: type | None, target: str) -> str:
    """Return the SHA-256 of the source of a model.

    For classes in files it covers these files and all that they import from their own place. For classes defined in a
    notebook it covers their text and that of the functions and classes they use by name, if these come from the
    notebook or from files outside of distributions. For libraries that these files import it covers the versions.

    Args:
        model: class of the model; not needed if `target` is a file.
        target: reference to the model, "module:attribute" or "./file.py:Name"; its class may be elsewhere.
    """
    files: set[Path] = set()
    typed: list[str] = []
    sources = cache(_module_sources)  # only for this call: a later edit must count
    if is_file_reference(target):
        path = split_file_reference(target)[0].resolve()
        files.update(_find_with_ours(path, (path.parent, None)))
    else:
        files.update(sources(target.partition(":")[0]))
    for ancestor in model.__mro__ if model else ():
        if ancestor.__module__.partition(".")[0] in ("builtins", "torch", "typing") or is_file_reference(target):
            continue
        own = sources(ancestor.__module__)
        files.update(own)
        if not own:
            typed += _typed_source(ancestor, set())
    ours = {path for path in files if path.is_relative_to(ZOO)}
    parts = {
        "files": _digest(sorted(files - ours)),
        "ours": _digest_covered(ours),
        "typed": typed,
        "libraries": _libraries(files - ours),
    }
    return fingerprint(parts, digits=64)


def _find_with_ours(start: Path, place: Place) -> list[Path]:
    """Return a file and what it imports from its own place or from the zoo."""
    return find_imported_files([start], [place, (ROOT, frozenset({"zoo"}))])


def _module_sources(module_name: str) -> list[Path]:
    """Return the file of an imported module and what it imports; nothing for a notebook."""
    file = getattr(sys.modules.get(module_name), "__file__", None)
    if file is None or not file.endswith(".py"):
        return []
    path = Path(file).resolve()
    depth = module_name.count(".") + (path.name == "__init__.py")
    top = module_name.partition(".")[0]
    if path.is_relative_to(ZOO):
        return find_imported_files([path], [(ROOT, frozenset({"zoo"}))])
    return _find_with_ours(path, (path.parents[depth], None if _is_loose(top, path) else _distribution(top)))


def _is_loose(package: str, path: Path) -> bool:
    """Return whether a file is the user's own: outside of distributions, libraries and the zoo."""
    libraries = {Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "purelib", "platlib")}
    within_a_library = any(path.is_relative_to(folder) for folder in libraries)
    return not path.is_relative_to(ZOO) and not within_a_library and package not in _owners()


def _libraries(files: Iterable[Path]) -> dict[str, str]:
    """Map the distributions that foreign files import by name to versions, without torch (recorded separately)."""
    names = {name[0] for path in files for dots, name in parse_imports(path.read_bytes()) if not dots and name}
    found = {distribution for name in names for distribution in _owners().get(name, ())} - {"torch", "sequence-zoo"}
    return {distribution: version(distribution) for distribution in sorted(found)}


@cache
def _owners() -> Mapping[str, list[str]]:
    """Map each top-level package to its distributions; cached, because it reads all metadata."""
    return packages_distributions()


@cache
def _distribution(package: str) -> frozenset[str]:
    """Return the top-level packages of the distributions that contain `package`."""
    own = set(_owners().get(package, ()))
    return frozenset({package, *(name for name, distributions in _owners().items() if own & set(distributions))})


def _typed_source(value: Any, seen: set[int]) -> list[str]:
    """Return the text of a class or function without a file, and of those without a file that it uses by name."""
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
    """Return the source of a class, function or module used by name: its text or its files; nothing for a library."""
    home = value.__name__ if inspect.ismodule(value) else value.__module__
    file = getattr(sys.modules.get(home), "__file__", None)
    if file is None:
        return [] if home in sys.builtin_module_names or inspect.ismodule(value) else _typed_source(value, seen)
    if Path(file).resolve().is_relative_to(ZOO):
        return [f"{home} {_digest_covered(_module_sources(home))}"]
    if not _is_loose(home.partition(".")[0], Path(file).resolve()):
        return []
    return [f"{home} {_digest(_module_sources(home))}"]


def _digest_covered(files: Iterable[Path]) -> str:
    """Digest the code of modules of the zoo, without those that do not affect numbers."""
    return digest_ours([path for path in files if not is_excluded(path.relative_to(ROOT).as_posix())])


def _digest(files: Iterable[Path]) -> str:
    """Return the SHA-256 of file names and contents."""
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
