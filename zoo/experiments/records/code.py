"""Digest the project's own code that a run depends on.

A run depends on every module of ours that its execution imports, except those in `EXCLUDED`. The digest covers tokens
without comments, docstrings and the module that an import names. So new words, line breaks or file names do not change
the digest; a new constant does.
"""

import hashlib
import io
import re
import token
import tokenize
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

import zoo
from zoo.cache import cache_directory
from zoo.errors import RunError
from zoo.experiments.records.imports import find_files, find_imported_files, list_imports
from zoo.regular_file import read_regular
from zoo.whole_file import write_whole

ROOT = Path(zoo.__file__).resolve().parents[1]
OURS = ("zoo", "registry")
STARTS = ("zoo/experiments/runs/train.py", "zoo/data/load.py", "zoo/models/adapt.py")
"""The module that executes a run, that which loads its text, and one that foreign models get by lazy import."""
EXCLUDED = {
    "registry": "gives an object for a name; the object's own source is digested",
    "zoo/__init__.py": "public names, and a version that changes with every release",
    "zoo/catalog.py": "names of what is built in; another model changes no number of this one",
    "zoo/calls.py": "parses what a user wrote; the values are in the fingerprint",
    "zoo/config.py": "declares what can be asked; the values are in the fingerprint",
    "zoo/settings": "declares what can be asked; the values are in the fingerprint",
    "zoo/errors.py": "words of errors",
    "zoo/blame.py": "words of errors",
    "zoo/experiments/runs/workers.py": "starts processes; threads are in the fingerprint",
    "zoo/experiments/records": "how results are written and read, not what they are",
}
"""Module or folder of ours -> why it does not affect the numbers of a run."""

_SKIPPED = {token.COMMENT, token.NL, token.ENCODING, token.ENDMARKER}
_NOTHING = hashlib.sha256().hexdigest()
_OPENING, _CLOSING = (
    {getattr(token, f"{letter}STRING_{end}", None) for letter in "FT"} - {None} for end in ("START", "END")
)


@cache
def digest_harness() -> str:
    """Return the SHA-256 of the code that executes every run.

    Splitting it into tokens takes a third of the time from `import torch` to the first step, so the digest is kept in
    the cache directory, under a digest of every source file as it is.
    """
    kept = cache_directory() / "code" / _digest_tree(ROOT)
    with suppress(OSError):
        text = read_regular(kept, 64).decode(errors="replace")
        if re.fullmatch("[0-9a-f]{64}", text):
            return text
    digest = compute_harness(ROOT)
    with suppress(OSError, RunError):  # it is computed again
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_whole(kept, digest)
    return digest


def compute_harness(root: Path) -> str:
    """Return the SHA-256 of the code that executes every run, in the source tree `root`."""
    return digest_ours(list_covered([root / start for start in STARTS], root), root)


def _digest_tree(root: Path) -> str:
    """Return the SHA-256 of the names and contents of all our source files below `root`."""
    digest = hashlib.sha256()
    for path in sorted(path for package in OURS for path in (root / package).rglob("*.py")):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(root).as_posix()} {content}\n".encode())
    return digest.hexdigest()


def list_covered(starts: Sequence[Path], root: Path = ROOT) -> list[Path]:
    """List the files `starts` and our modules that they import, without `EXCLUDED`."""
    found = find_imported_files(starts, [(root, frozenset(OURS))])
    return [path for path in found if not is_excluded(path.relative_to(root).as_posix())]


def is_excluded(name: str) -> bool:
    """Return whether a module, given by its path below the root, is in `EXCLUDED`."""
    return any(name == part or name.startswith(f"{part}/") for part in EXCLUDED)


def digest_ours(files: Sequence[Path], root: Path = ROOT) -> str:
    """Return the SHA-256 of the code of our modules, independent of their paths; modules without code do not count."""
    modules = [[_digest_file(path), *_digest_imports(path, root)] for path in files]
    lines = sorted(" ".join(module) for module in modules if module[0] != _NOTHING)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _digest_imports(path: Path, root: Path) -> list[str]:
    """Return digests of our modules that a module imports: the same name from another module is another import."""
    names = [name for name in list_imports(path, [(root, frozenset(OURS))]) if name[0] in OURS]
    found = {files[-1] for name in names if (files := find_files(root, name, set()))}
    return sorted(_digest_file(file) for file in found if not is_excluded(file.relative_to(root).as_posix()))


def _digest_file(path: Path) -> str:
    return digest_code(path.read_bytes())


@cache
def digest_code(source: bytes) -> str:
    """Return the SHA-256 of the tokens of a module, without comments, docstrings and the modules of our own imports."""
    digest = hashlib.sha256()
    for statement in split_statements(source):
        digest.update("\0".join(statement).encode() + b"\n")
    return digest.hexdigest()


def split_statements(source: bytes) -> Iterator[list[str]]:
    """Yield the tokens of every statement but docstrings, the same in every Python version from 3.11."""
    statement: list[tuple[int, str]] = []
    for kind, text in _list_tokens(source):
        if kind in (token.INDENT, token.DEDENT):
            yield [token.tok_name[kind]]
        elif kind != token.NEWLINE:
            statement.append((kind, text))
        elif any(kind != token.STRING for kind, _ in statement):  # a docstring is only strings
            yield _without_place([text for _, text in statement])
            statement = []
        else:
            statement = []


def _without_place(words: list[str]) -> list[str]:
    """Return the statement; `from zoo.place import name` loses its place."""
    if words[0] == "from" and words[1] in OURS:
        return ["from", *words[words.index("import") :]]
    return words


def _list_tokens(source: bytes) -> Iterator[tuple[int, str]]:
    """Yield kind and text of every token except comments and blank lines; f-strings are single, as in Python 3.11."""
    lines = io.BytesIO(source).readline
    text, opened, begun = [f"{line}\n" for line in source.decode().split("\n")], 0, (0, 0)
    for kind, word, start, end, _ in tokenize.tokenize(lines):
        if kind in _OPENING:
            opened, begun = opened + 1, begun if opened else start
        elif kind in _CLOSING:
            opened -= 1
            if not opened:
                yield token.STRING, _text_between(text, begun, end)
        elif not opened and kind not in _SKIPPED:
            yield kind, word


def _text_between(lines: Sequence[str], start: tuple[int, int], end: tuple[int, int]) -> str:
    """Return the text from (line, column) to (line, column); lines count from 1."""
    (first, left), (last, right) = start, end
    if first == last:
        return lines[first - 1][left:right]
    return "".join([lines[first - 1][left:], *lines[first : last - 1], lines[last - 1][:right]])
