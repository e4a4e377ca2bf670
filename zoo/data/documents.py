"""Check the documents of JSON lines and Parquet files: each is text, as it is in the file."""

from collections.abc import Iterator

from zoo.data.text_files import TextFiles, find_kind, read_values
from zoo.errors import DataError


def read_documents(text: TextFiles, *, as_bytes: bool) -> Iterator[str]:
    """Yield the documents that are not blank.

    Args:
        as_bytes: whether NUL characters are allowed.

    Raises:
        DataError: a file cannot be read as what its name says, or a value is not text.
    """
    for file in text.files:
        unit = "row" if find_kind(file) == "Parquet" else "line"
        for number, value in read_values(file, text.field):
            if not isinstance(value, str):
                raise not_text_error(f"{file.name}, {unit} {number:,}", text.field, value)
            check_characters(value, f"{file.name}, {unit} {number:,}", as_bytes=as_bytes)
            if value and not value.isspace():
                yield value


def check_characters(value: str, where: str, *, as_bytes: bool) -> None:
    """Check that a document can be encoded.

    Raises:
        DataError: it has a lone surrogate, or a NUL character although it is not read as bytes.
    """
    if not as_bytes and "\0" in value:
        raise DataError(f"{where} has a NUL character: not text; --tokenizer bytes takes it as it is.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise DataError(f"{where} has half of a surrogate pair, which is no character: correct it.") from None


def not_text_error(where: str, field: str, value: object) -> DataError:
    """Error for a value that is not text; `where` is its file and line."""
    kind = "null" if value is None else f"of type {type(value).__name__}"
    return DataError(
        f"{where}: '{field}' is {kind}, and a document is text (a string): remove the line, or convert it."
    )
