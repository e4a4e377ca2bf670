"""Find the text that a `DataConfig` names, if it is in files: the user's own, published archives, or hf: data."""

from collections.abc import Iterator
from contextlib import contextmanager

from registry.files import is_file_reference
from zoo.catalog import CORPORA
from zoo.config import USUAL_FIELD, DataConfig
from zoo.data.archives import ARCHIVES, open_archive
from zoo.data.files import LARGEST_TEXT
from zoo.data.find_files import find_files
from zoo.data.hugging_face import is_hugging_face, store_rows
from zoo.data.text_files import TextFiles
from zoo.errors import UsageError


@contextmanager
def open_text(config: DataConfig) -> Iterator[TextFiles | None]:
    """Yield the files of the text; None for another corpus, for standard input, and for what does not exist.

    Raises:
        DataError: the files cannot be found, downloaded or read.
        UsageError: there are options that a text does not take.
    """
    name, options = config.corpus.name, config.corpus.options
    if is_hugging_face(name):
        with store_rows(config) as stored:
            yield stored
        return
    text = None
    is_file = name != "-" and name not in CORPORA.names() and not is_file_reference(name)
    if name in ARCHIVES and not options:
        text = open_archive(name)
    elif is_file:
        text = find_files(name, config.field)
        if text and options:
            raise UsageError(f"A file takes no options, but '{config.corpus}' gives some: name the file alone.")
    if config.field != USUAL_FIELD and (not text.hold_documents if text else not is_file):
        raise UsageError(
            f"--field is the key or column of a document in JSON lines, Parquet and hf: data, and '{name}' is none of "
            "them: leave it out."
        )
    yield text


def is_large(text: TextFiles | None, limit: int, config: DataConfig) -> bool:
    """Whether a text has more than `limit` bytes, or 1 GiB if it is several files that are not compressed.

    A text to be deduped is read into memory.

    Raises:
        DataError: a file cannot be read.
    """
    if text is None or config.dedupe:
        return False
    return text.exceed(max(limit, LARGEST_TEXT) if text.several and text.are_plain else limit)
