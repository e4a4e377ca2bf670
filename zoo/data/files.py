"""Read the user's own text into memory: its files, or standard input."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from zoo.data.compressed import cannot_read_error, is_compressed, read_unpacked, too_large_error
from zoo.data.documents import read_documents
from zoo.data.source import Document, Source
from zoo.data.text_files import TextFiles
from zoo.errors import DataError
from zoo.regular_file import describe_size, read_regular

LONGEST_DOCUMENT = 4096
"""Maximum tokens of a document, which is one row of a batch; a longer text can be read as a stream."""

LARGEST_TEXT = 1 << 30
"""Maximum bytes of a text read into memory: standard input, a file of a directory, or a text to be deduped."""

LONGEST_LISTED = 1000
"""Maximum characters of a line if `auto` is to take lines for documents."""

Layout = Literal["auto", "line", "none"]


def read_source(text: TextFiles | None, *, layout: Layout, as_bytes: bool) -> Source:
    """Read a text into memory; None is standard input.

    Args:
        layout: one document per line (`line`), one stream (`none`), or judge by the lines (`auto`). Files that hold
            documents are a stream only for `none`.
        as_bytes: keep bytes instead of decoding UTF-8.

    Raises:
        DataError: the text is missing, not in a regular file, empty, not text, too large for memory, or has a document
            too long for a row.
    """
    if text is None:
        return parse(_read_standard_input(), "standard input", layout=layout, as_bytes=as_bytes)
    if text.hold_documents:
        return _read_documents(text, layout=layout, as_bytes=as_bytes)
    if not text.several:
        return parse(_read(text.files[0]), text.name, layout=layout, as_bytes=as_bytes)
    texts = [
        content for file in text.files if (content := decode_text(_read(file), str(file), as_bytes=as_bytes)).strip()
    ]
    if not texts:
        raise no_text_error(text.name)
    return arrange(join_lines(texts), text.name_with(len(texts)), layout)


def _read_documents(text: TextFiles, *, layout: Layout, as_bytes: bool) -> Source:
    documents: list[Document] = []
    size = 0
    for document in read_documents(text, as_bytes=as_bytes):
        documents.append(document.encode() if as_bytes else document)
        size += len(document) + 1
        if size > LARGEST_TEXT:
            raise too_large_error(text.name, LARGEST_TEXT)
    if not documents:
        raise no_text_error(text.name)
    if layout == "none":
        return Source(text.name, join_lines(documents))
    _require_short(documents, text.name)
    return Source(text.name, documents)


def join_lines(texts: Sequence[Document]) -> Document:
    """Concatenate texts, after adding a newline to each that does not end in one."""
    if isinstance(texts[0], bytes):
        return b"".join(text.removesuffix(b"\n") + b"\n" for text in texts if isinstance(text, bytes))
    return "".join(text.removesuffix("\n") + "\n" for text in texts if isinstance(text, str))


def parse(raw: bytes, name: str, *, layout: Layout, as_bytes: bool) -> Source:
    """Turn raw bytes into documents or a stream; arguments as for `read_source`.

    Raises:
        DataError: the text is empty, not text, or has a document too long for a row.
    """
    return arrange(decode_text(raw, name, as_bytes=as_bytes), name, layout)


def decode_text(raw: bytes, name: str, *, as_bytes: bool, offset: int = 0, line: int = 0) -> Document:
    """Decode UTF-8, drop a byte-order mark and replace CRLF by LF; `as_bytes` returns the bytes unchanged.

    Args:
        offset, line: number of bytes and lines of the file before `raw`.

    Raises:
        DataError: there is a NUL byte, or bytes that are not UTF-8; the message has their place in the file.
    """
    if as_bytes:
        return raw
    if b"\0" in raw:
        raise DataError(
            f"{name} has a NUL byte at offset {offset + raw.index(0):,}: not text; --tokenizer bytes takes it as it is."
        )
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line += raw.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{name} is not UTF-8: byte 0x{raw[error.start]:02x} on line {line:,} (offset {offset + error.start:,}); "
            "convert it, or use --tokenizer bytes."
        ) from None
    text = text if offset else text.removeprefix("\ufeff")
    return text.replace("\r\n", "\n") if "\r" in text else text


def arrange(text: Document, name: str, layout: Layout) -> Source:
    """Turn a text into one document per line, without blank lines, or into one stream; `auto` judges by the lines.

    Raises:
        DataError: the text is empty, or a document is too long for a row.
    """
    if not text.strip():
        raise no_text_error(name)
    text, remark = settle_line_ends(text)
    lines: Sequence[Document] = _split_lines(text) if isinstance(text, bytes) else text.split("\n")
    if layout == "none" or (layout == "auto" and not _looks_like_documents(lines)):
        return Source(name, text, remark=remark)
    documents = [line for line in lines if line.strip()]
    _require_short(documents, name)
    return Source(name, documents, remark=remark)


def _require_short(documents: Sequence[Document], name: str) -> None:
    longest = max(range(len(documents)), key=lambda index: len(documents[index]))
    if len(documents[longest]) > LONGEST_DOCUMENT:
        raise too_long_error(name, longest + 1, len(documents[longest]))


def settle_line_ends(text: Document) -> tuple[Document, str]:
    """Replace CR by LF in a text without LF, as in old files; returns the text and a note on its line ends.

    Bytes stay unchanged.
    """
    if isinstance(text, bytes):
        is_one_line = b"\r" in text and b"\n" not in text
        return text, "it is one line: it has CR, and only LF ends a line" if is_one_line else ""
    if "\r" in text and "\n" not in text:
        return text.replace("\r", "\n"), "CR is read as LF; --tokenizer bytes keeps it"
    inside = [f"{text.count(sign):,} U+{ord(sign):04X}" for sign in "\r\x85\u2028\u2029" if sign in text]
    return text, f"only LF ends a line: {', '.join(inside)} stay inside lines" if inside else ""


def no_text_error(name: str) -> DataError:
    """Error for an empty text."""
    return DataError(f"{name} holds no text.")


def too_few_error(name: str, documents: int, why: str) -> DataError:
    """Error for documents that leave a split empty."""
    return DataError(
        f"{name} has {documents} document{'s' * (documents != 1)}, {why}; --documents none reads one stream."
    )


def too_long_error(name: str, document: int, tokens: int) -> DataError:
    """Error for a document that is too long for a row."""
    return DataError(
        f"Document {document:,} of {name} has {tokens:,} tokens, and a document is one row of "
        f"at most {LONGEST_DOCUMENT:,}: split it, or read {name} as one stream with --documents none."
    )


def _split_lines(text: bytes) -> list[bytes]:
    return [line.removesuffix(b"\r") for line in text.split(b"\n")]


def _looks_like_documents(lines: Sequence[Document]) -> bool:
    """Whether lines are documents: at least three, none blank inside, none very long. Prose and code fail this."""
    body = list(lines)
    while body and not body[-1].strip():
        body.pop()
    return len(body) >= 3 and all(line.strip() for line in body) and max(map(len, body)) <= LONGEST_LISTED


def _read(path: Path) -> bytes:
    try:
        return read_unpacked(path, LARGEST_TEXT) if is_compressed(path) else read_regular(path, LARGEST_TEXT)
    except OSError as error:
        raise cannot_read_error(path, error) from None


def _read_standard_input() -> bytes:
    data = sys.stdin.buffer.read(LARGEST_TEXT + 1)
    if len(data) > LARGEST_TEXT:
        raise DataError(
            f"Standard input has more than {describe_size(LARGEST_TEXT)}, the most that is held in memory: write it to "
            "a file and give that."
        )
    return data
