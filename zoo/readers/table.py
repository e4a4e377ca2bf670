"""Read a table of scores, one score a row: CSV, TSV, JSON lines, or Parquet."""

import csv
import io
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from zoo.errors import DataError, shorten
from zoo.readers.columns import find_columns, higher_is_better
from zoo.readers.interface import Columns, Names, Scores
from zoo.readers.json_object import parse_object
from zoo.regular_file import read_regular

MOST_BYTES = 1 << 30
DELIMITERS = ",;\t"
LINES = (".jsonl", ".ndjson")
ENDINGS = (".csv", ".tsv", *LINES, ".parquet")
WORDS = {"true": 1.0, "false": 0.0}

Row: TypeAlias = tuple[int, list[Any]]
"""Number of the line, from 1, and the cells."""


class Table:
    """A table with a header. A file without a column for the model has one model, its own name."""

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return path.suffix.lower() in ENDINGS

    @classmethod
    def read(cls, path: Path, columns: Columns) -> Scores:
        """Read the scores.

        Raises:
            DataError: no such file, a column is missing, or a cell is not what its column holds.
        """
        header, rows = _read(path)
        found, guesses = find_columns(header, columns, path)
        places = {what: header.index(name) for what, name in found.items()}
        gathered: dict[str, list[Any]] = {what: [] for what in places}
        for line, cells in rows:
            if len(cells) != len(header):
                raise DataError(f"'{path}', line {line}: {len(cells)} cells, and {len(header)} columns in the header.")
            for what, place in places.items():
                where = f"'{path}', line {line}, column '{header[place]}'"
                gathered[what].append(_parse(what, cells[place], where))
        if not gathered["score"]:
            raise DataError(f"'{path}' has a header and no rows.")
        scores, higher = np.array(gathered["score"]), higher_is_better(found["score"])
        weights = np.array(gathered.get("weight", np.ones(len(scores))))
        names = {what: np.array(cells) for what, cells in gathered.items() if what not in ("score", "weight")}
        if "model" not in names:
            guesses.append(f"no column is the model, which is the file's name, {path.stem}")
        models: Names = names.get("model", np.full(len(scores), path.stem))
        return Scores(
            models=models,
            totals=scores * weights,
            weights=weights,
            measure=found["score"],
            higher=higher,
            seeds=names.get("seed"),
            items=names.get("item"),
            tasks=names.get("task"),
            clusters=names.get("cluster"),
            notes=(f"Columns of {path.name}: {', '.join(guesses)}.",) if guesses else (),
        )


def _parse(what: str, cell: Any, where: str) -> Any:
    """The value of a cell: a number for scores and weights, else text.

    Raises:
        DataError: a number is none, or not finite; a weight is not above 0; a name is empty.
    """
    if what not in ("score", "weight"):
        text = "" if cell is None else str(cell).strip()
        if not text:
            raise DataError(f"{where}: the {what} is empty. Give it, or remove the row.")
        return text
    try:
        number = WORDS[str(cell).strip().lower()] if str(cell).strip().lower() in WORDS else float(cell)
    except (ValueError, TypeError, OverflowError):  # JSON has integers beyond any float
        number = math.nan
    if not math.isfinite(number):
        comma = isinstance(cell, str) and re.fullmatch(r"\s*[+-]?\d*,\d+(e[+-]?\d+)?\s*", cell, re.IGNORECASE)
        hint = " Write a decimal point." if comma else " Give the number, or remove the row."
        raise DataError(f"{where}: '{shorten(cell, 40)}' is not a finite number.{hint}")
    if what == "weight" and number <= 0:
        raise DataError(f"{where}: a weight of {number:g}; it must be above 0. Remove rows that do not count.")
    return number


def _read(path: Path) -> tuple[list[str], Iterator[Row]]:
    """Header and rows of a table.

    Raises:
        DataError: it cannot be read, or has no header.
    """
    ending = path.suffix.lower()
    if ending == ".parquet":
        return _read_parquet(path)
    try:
        text = read_regular(path, MOST_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"'{path}' is not UTF-8 text (byte {error.start:,}). Convert it, for instance with iconv."
        ) from None
    except OSError as error:
        raise DataError(f"'{path}' cannot be read: {error.strerror}.") from None
    if ending in LINES:
        return _read_lines(text, path)
    first = text.lstrip("\r\n").partition("\n")[0]
    delimiter = "\t" if ending == ".tsv" else max(DELIMITERS, key=first.count)
    rows = _split(text, delimiter, path)
    _, header = next(rows, (0, []))
    if not any(header):
        raise DataError(f"'{path}' is empty: it needs a header, such as model,seed,item,loss.")
    return [name.strip() for name in header], rows


def _split(text: str, delimiter: str, path: Path) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        begins = 1
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield begins, cells
            begins = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"'{path}', line {reader.line_num}: {error}.") from None


def _read_lines(text: str, path: Path) -> tuple[list[str], Iterator[Row]]:
    """JSON lines: an object a row. The header is the names of the first one that hold a text, number or truth value."""
    rows = _parse_lines(text, path)
    line, first = next(rows, (0, {}))
    header = [name for name, value in first.items() if isinstance(value, str | int | float)]
    if not header:
        raise DataError(f'\'{path}\' has no JSON object with scores: a line such as {{"model": "a", "loss": 1.9}}.')

    def cells() -> Iterator[Row]:
        yield line, [first[name] for name in header]
        for number, row in rows:
            if missing := [name for name in header if name not in row]:
                raise DataError(f"'{path}', line {number}: '{missing[0]}' is missing, which line {line} has.")
            yield number, [row[name] for name in header]

    return header, cells()


def _parse_lines(text: str, path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        if (row := parse_object(line)) is None:
            raise DataError(f"'{path}', line {number} is not a JSON object.")
        yield number, row


def _read_parquet(path: Path) -> tuple[list[str], Iterator[Row]]:
    try:
        import pyarrow.lib
        import pyarrow.parquet
    except ModuleNotFoundError:
        raise DataError(f"'{path}' needs pyarrow to be read: pip install 'sequence-zoo[parquet]'.") from None
    try:
        data = read_regular(path, MOST_BYTES)
    except OSError as error:
        raise DataError(f"'{path}' cannot be read: {error.strerror}.") from None
    try:
        table = pyarrow.parquet.read_table(io.BytesIO(data))
    except (OSError, pyarrow.lib.ArrowException) as error:
        raise DataError(f"'{path}' cannot be read as Parquet: {str(error).partition(chr(10))[0]}.") from None
    columns: Sequence[list[Any]] = [column.to_pylist() for column in table.columns]
    return list(table.column_names), ((row, list(cells)) for row, cells in enumerate(zip(*columns, strict=True), 1))
