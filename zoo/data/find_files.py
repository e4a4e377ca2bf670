"""Find the files of a text: one file, those of a directory, or those that match a pattern."""

import glob
import os
from collections.abc import Sequence
from pathlib import Path

from zoo.data.compressed import find_suffix, is_compressed
from zoo.data.text_files import TextFiles, find_kind
from zoo.errors import DataError

PROSE = ".txt .text .md .rst .csv .tsv .json .html .xml .tex .toml .yaml .yml"
CODE = ".py .c .h .cpp .rs .go .java .js .ts .sh"
TEXT_SUFFIXES = frozenset(("", *PROSE.split(), *CODE.split()))


def find_files(where: str, field: str) -> TextFiles | None:
    """Find the files of a path or a pattern; None if nothing of that name exists.

    Raises:
        DataError: a directory has no text, or files of different kinds; or a pattern matches such.
    """
    if os.path.isdir(where):
        return _name_several(Path(where).resolve().name, where, _list_directory(Path(where)), field)
    if os.path.exists(where):  # unlike Path.exists, takes any text
        return TextFiles(Path(where).name, (Path(where),), field=field)
    if not glob.has_magic(where):
        return None
    try:
        matching = sorted(Path(path) for path in glob.iglob(where, recursive=True) if os.path.isfile(path))
    except (OSError, ValueError) as error:
        raise DataError(f"'{where}' is no pattern of files: {error}.") from None
    if not matching:
        raise DataError(f"No file matches '{where}'.")
    return _name_several(Path(where).name, where, matching, field)


def _name_several(name: str, where: str, files: Sequence[Path], field: str) -> TextFiles:
    kinds = {find_kind(file): file for file in reversed(files)}
    texts = {"plain text", "compressed text"}
    if len(kinds) > 1 and (os.path.isdir(where) or not kinds.keys() <= texts):
        examples = ", ".join(f"{kind} ({file.name})" for kind, file in sorted(kinds.items()))
        example = f"'{Path(where)}/**/*{''.join(files[0].suffixes[-2:])}'"
        pattern = f"pattern in quotes, such as {example}" if os.path.isdir(where) else "narrower one"
        raise DataError(f"'{where}' has files of different kinds: {examples}. Give a {pattern}.")
    return TextFiles(name, files, several=True, field=field)


def _list_directory(directory: Path) -> list[Path]:
    files = sorted(
        path
        for path in directory.rglob("*")
        if _is_read(path)
        and not any(part.startswith(".") for part in path.relative_to(directory).parts)
        and path.is_file()
    )
    if not files:
        raise DataError(f"Directory '{directory}' has no text files (such as .txt or .md).")
    return files


def _is_read(path: Path) -> bool:
    """Whether a file of a directory is read; of compressed files those that name what is inside."""
    suffix = find_suffix(path)
    if find_kind(path) in ("JSON lines", "Parquet"):
        return True
    return suffix in TEXT_SUFFIXES and (not is_compressed(path) or (suffix != "" and path.suffix.lower() != ".zip"))
