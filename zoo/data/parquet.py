"""Read a column of text from a Parquet file, some thousand rows at a time."""

import re
from collections.abc import Iterator
from pathlib import Path

from zoo.data.compressed import cannot_read_error
from zoo.errors import DataError, shorten
from zoo.regular_file import require_regular

SUFFIX = ".parquet"
ROWS = 4096
"""Rows read at a time."""

_TEXT = re.compile("(dictionary<values=)?(string|large_string|string_view)(,|$)")


def read_column(path: Path, field: str) -> Iterator[tuple[int, object]]:
    """Yield number of the row, from 1, and its value in the column `field`; null is None.

    Columns are read as dictionaries: a value that a small file repeats many times is in memory once.

    Raises:
        DataError: the file cannot be read, is not a Parquet file, has no such column or no text in it, or
            pyarrow is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise DataError(f"'{path}' needs pyarrow to be read: pip install 'sequence-zoo[parquet]'.") from None
    number = 0
    try:
        require_regular(path)
        _check_column(path, field, {column.name: column.type for column in pyarrow.parquet.read_schema(path)})
        with pyarrow.parquet.ParquetFile(path, read_dictionary=[field], pre_buffer=False, memory_map=True) as file:
            for batch in file.iter_batches(batch_size=ROWS, columns=[field]):
                column = batch.column(0)
                column.validate(full=True)  # a damaged page may refer to values beyond the dictionary
                values = [*column.dictionary.to_pylist(), None]
                for index in column.indices.fill_null(len(values) - 1).to_numpy():
                    number += 1
                    yield number, values[index]
    except (OSError, pyarrow.ArrowException, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and error.strerror:
            raise cannot_read_error(path, error) from None
        reason = shorten(" ".join(str(error).split()))  # pyarrow's are of several lines
        raise DataError(f"Cannot read '{path}' as Parquet, after row {number:,}: {reason}") from None


def _check_column(path: Path, field: str, columns: dict[str, object]) -> None:
    if field not in columns:
        raise DataError(
            f"{path.name} has no column '{shorten(field)}' (its columns: {shorten(', '.join(columns))}): name the "
            "column of the text with --field."
        )
    if not _TEXT.match(str(columns[field])):
        raise DataError(f"Column '{shorten(field)}' of {path.name} is {columns[field]}, not text (string).")
