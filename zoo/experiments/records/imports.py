"""Find the files that a Python file imports, by parsing its import statements without running it."""

import ast
import os
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

Place = tuple[Path, frozenset[str] | None]
"""A folder that holds modules, and the top-level packages that count there (None: all)."""


def find_imported_files(starts: Sequence[Path], places: Sequence[Place]) -> list[Path]:
    """Return the files `starts` and all that they import, directly or not, from one of the places; sorted."""
    found: set[Path] = set()
    searched: set[str] = set()
    waiting = list(starts)
    while waiting:
        current = waiting.pop()
        if current in found:
            continue
        found.add(current)
        for name in list_imports(current, places):
            for root, packages in places:
                if packages is None or name[0] in packages:
                    waiting += find_files(root, name, searched)
    return sorted(found)


def list_imports(path: Path, places: Sequence[Place]) -> Iterator[tuple[str, ...]]:
    """Yield the absolute dotted names that the file may import, in order."""
    root = max((root for root, _ in places if path.is_relative_to(root)), key=lambda root: len(root.parts))
    here = path.relative_to(root).parts[:-1]
    for level, name in parse_imports(path.read_bytes()):
        yield (*here[: len(here) - level + 1], *name) if level else name


@cache
def parse_imports(source: bytes) -> list[tuple[int, tuple[str, ...]]]:
    """Return (dots, dotted name) of every import statement in a text, except those under TYPE_CHECKING."""
    try:
        waiting: list[ast.AST] = [ast.parse(source)]
    except SyntaxError:
        return []
    found: list[tuple[int, tuple[str, ...]]] = []
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
        elif isinstance(node, ast.Import):
            found += [(0, tuple(alias.name.split("."))) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = tuple(node.module.split(".")) if node.module else ()
            found += [(node.level, (*base, alias.name)) for alias in node.names]
        elif not isinstance(node, ast.expr):  # expressions contain no statements
            waiting += ast.iter_child_nodes(node)
    return found


def find_files(root: Path, name: tuple[str, ...], searched: set[str]) -> list[Path]:
    """Return the files that importing a dotted name runs: each parent package, and the module.

    Names in `searched` are skipped; new ones are added to it.
    """
    files = []
    stem = str(root)
    for part in name:
        stem = os.path.join(stem, part)
        if stem not in searched:
            searched.add(stem)
            files += [Path(name) for name in (f"{stem}.py", os.path.join(stem, "__init__.py")) if os.path.isfile(name)]
    return files
