"""Read several files of scores, each by the reader that recognises it, and join them."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zoo.catalog import READERS
from zoo.errors import DataError, UsageError
from zoo.experiments.judge.judgement import Source
from zoo.readers.interface import Columns, Names, Reader, Scores
from zoo.regular_file import open_regular

OPTIONAL = ("seeds", "items", "tasks", "clusters")


def read_scores(paths: Sequence[Path], *, reader: str | None = None, columns: Columns = Columns()) -> Scores:  # noqa: B008
    """Read and join the scores of all files.

    Args:
        reader: name of the reader of all files; None: for each file the first that recognises it, plug-ins before
            built-in ones.

    Raises:
        DataError, RunError: a file does not exist, no reader knows it, it is damaged, or two files do not fit together.
        RegistryError: no such reader.
    """
    if not paths:
        raise UsageError("Nothing to judge: give a file of scores.")
    parts = [(path, _find_reader(path, reader).read(path, columns)) for path in paths]
    joined = _join(parts)
    _check_duplicates(joined)
    return joined


def _find_reader(path: Path, name: str | None) -> type[Reader]:
    if not path.exists():
        raise DataError(f"'{path}' does not exist.")
    if name is not None:
        return READERS.get(name)
    for entry in sorted(READERS.entries(), key=lambda entry: entry.origin == "built in"):
        found = READERS.get(entry.name)
        if found.recognises(path):
            return found
    raise DataError(
        f"'{path}' is of no known kind. Readers: {', '.join(READERS.names())}; a table ends in .csv, .tsv, .jsonl or "
        ".parquet."
    )


def _join(parts: Sequence[tuple[Path, Scores]]) -> Scores:
    """Join the scores of all files.

    Raises:
        DataError: some have seeds, items, tasks or clusters and others not, or their measures differ.
    """
    (first_path, first), *others = parts
    for path, scores in others:
        known = {**first.by_task, **scores.by_task}
        if any(known[task] != own for task, own in first.by_task.items()) or (
            not known and (scores.measure, scores.ordered) != (first.measure, first.ordered)
        ):
            raise DataError(
                f"'{first_path}' has the score '{first.measure}', '{path}' has '{scores.measure}': judge them apart, "
                "or name one column that both have (--score)."
            )
        for what in OPTIONAL:
            with_it, without = getattr(first, what), getattr(scores, what)
            if (with_it is None) != (without is None):
                has, lacks = (first_path, path) if without is None else (path, first_path)
                raise DataError(
                    f"'{has}' has {what}, and '{lacks}' has none: files that are judged together need both."
                )

    def join(what: str) -> Any:
        arrays = [getattr(scores, what) for _, scores in parts]
        return None if arrays[0] is None else np.concatenate(arrays)

    return Scores(
        **{what: join(what) for what in ("models", "totals", "weights", *OPTIONAL)},
        measure=first.measure,
        higher=first.higher,
        by_task={task: own for _, scores in parts for task, own in scores.by_task.items()},
        ordered=first.ordered,
        notes=tuple(dict.fromkeys(note for _, scores in parts for note in scores.notes)),
    )


def _check_duplicates(scores: Scores) -> None:
    """Refuse a score that is there twice.

    Raises:
        DataError: names the first.
    """
    keys = {"model": scores.models, "seed": scores.seeds, "task": scores.tasks, "item": scores.items}
    there: dict[str, Names] = {what: values for what, values in keys.items() if values is not None}
    codes = np.stack([np.unique(values, return_inverse=True)[1] for values in there.values()])
    _, first, counts = np.unique(codes, axis=1, return_index=True, return_counts=True)
    if (counts > 1).any():
        place = int(first[counts > 1].min())
        where = ", ".join(f"{what} {values[place]}" for what, values in there.items())
        lacking = [what for what in ("seed", "item") if what not in there]
        hint = f" If a column tells them apart, name it (--{lacking[0]} COLUMN)." if lacking else ""
        raise DataError(f"Two scores are given for {where}: each counts once.{hint}")


def digest_files(paths: Sequence[Path]) -> tuple[Source, ...]:
    """The SHA-256 of every file; of a folder, of all its files and their names."""
    return tuple(Source(path=str(path), digest=_digest(path)) for path in paths)


def _digest(path: Path) -> str:
    found = hashlib.sha256()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            found.update(str(file.relative_to(path)).encode() if path.is_dir() else b"")
            with open_regular(file) as opened:
                while piece := opened.read(1 << 20):
                    found.update(piece)
    return found.hexdigest()
