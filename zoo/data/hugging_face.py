"""Read a data set that the package `datasets` finds, `hf:NAME` or `hf:NAME:SPLIT`, row by row."""

import json
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from zoo.cache import cache_directory
from zoo.config import DataConfig
from zoo.data.documents import check_characters, not_text_error
from zoo.data.json_lines import parse_line
from zoo.data.text_files import TextFiles
from zoo.errors import DataError, UsageError, shorten

PREFIX = "hf:"
OPTIONS = ("config", "revision")
_REFERENCE = re.compile(rf"{PREFIX}(?P<name>[^:]+)(:(?P<split>[\w.-]+))?")


def is_hugging_face(name: str) -> bool:
    """Whether a corpus is named as `hf:NAME`."""
    return name.startswith(PREFIX)


@contextmanager
def store_rows(config: DataConfig) -> Iterator[TextFiles]:
    """Yield a file of JSON lines with the documents of a data set; it is removed afterwards.

    Raises:
        DataError: the data set cannot be found or read, a document is not text, or `datasets` is not installed.
        UsageError: the name or an option is faulty.
    """
    with ExitStack() as stack:
        try:
            cache_directory().mkdir(parents=True, exist_ok=True)
            place = tempfile.TemporaryDirectory(dir=cache_directory(), prefix=".partial-")
            path = Path(stack.enter_context(place)) / "rows.jsonl"
            with path.open("w") as file:
                for document in read_documents(config):
                    file.write(json.dumps({config.field: document}) + "\n")
        except OSError as error:
            raise DataError(
                f"Cannot store the rows of {config.corpus.name} in '{cache_directory()}': {error.strerror}. Set "
                "ZOO_CACHE_DIR to a directory with thrice the space of the text."
            ) from None
        yield TextFiles(config.corpus.name, (path,), field=config.field)


def read_documents(config: DataConfig) -> Iterator[str]:
    """Yield the documents of a data set.

    Raises:
        DataError, UsageError: as `store_rows`.
    """
    match = _REFERENCE.fullmatch(config.corpus.name)
    if match is None:
        raise UsageError(f"'{config.corpus.name}' is not written as hf:NAME or hf:NAME:SPLIT.")
    if odd := set(config.corpus.options) - set(OPTIONS):
        raise UsageError(f"{config.corpus.name} has no option '{odd.pop()}'. Its options: {', '.join(OPTIONS)}.")
    for number, value in _read_values(match["name"], match["split"] or "train", config):
        where = f"{config.corpus.name}, row {number:,}"
        if not isinstance(value, str):
            raise not_text_error(where, config.field, value)
        check_characters(value, where, as_bytes=config.tokens == "bytes")
        yield value


def _read_values(name: str, split: str, config: DataConfig) -> Iterator[tuple[int, object]]:
    """Yield number of the row and value of the field."""
    try:
        import datasets
    except ImportError:
        raise DataError(f"{config.corpus.name} needs datasets to be read: pip install 'sequence-zoo[hf]'.") from None
    before = datasets.logging.get_verbosity()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)  # it logs what it raises, in several lines
    try:
        kind, rows = _load(name, split, config)
        for number, row in enumerate(rows, 1):
            if kind != "json":
                yield number, _find_value(row, config, number)
            elif row["text"].strip():
                line = row["text"].removeprefix("\ufeff").encode()
                yield number, parse_line(line, config.field, config.corpus.name, number)
    except DataError:
        raise
    except Exception as error:  # datasets raises whatever its readers and the network raise
        reason = shorten(" ".join(f"{type(error).__name__}: {error}".split()), 300)
        raise DataError(f"Cannot read {config.corpus.name}: {reason}") from None
    finally:
        datasets.logging.set_verbosity(before)


def _load(name: str, split: str, config: DataConfig) -> tuple[str, Iterable[dict[str, Any]]]:
    """Kind of the files, and rows of a split; of JSON lines the lines as they are.

    Without this, `datasets` makes times of strings that look like dates, and refuses a split that has other columns
    than the first one.
    """
    import datasets

    options = {"name": config.corpus.options.get("config"), "revision": config.corpus.options.get("revision")}
    builder = datasets.load_dataset_builder(name, **options)
    files = builder.config.data_files
    if builder.name not in ("json", "parquet") or not files:
        return builder.name, datasets.load_dataset(name, split=split, streaming=True, **options)
    if split not in files:
        raise DataError(f"{name} has no split '{split}'. It has: {', '.join(map(str, files))}.")
    reader = "text" if builder.name == "json" else "parquet"
    return builder.name, datasets.load_dataset(reader, data_files={split: files[split]}, split=split, streaming=True)


def _find_value(row: dict[str, Any], config: DataConfig, number: int) -> object:
    if config.field not in row:
        raise DataError(
            f"{config.corpus.name}, row {number:,} has no column '{shorten(config.field)}' (its columns: "
            f"{shorten(', '.join(row))}): name the column of the text with --field."
        )
    return row[config.field]
