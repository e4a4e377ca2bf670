"""Read JSON lines: a file with one JSON object per line, each with a document under one key."""

import json
from collections.abc import Iterator
from pathlib import Path

from zoo.data.compressed import read_blocks
from zoo.errors import DataError, shorten
from zoo.regular_file import describe_size

SUFFIXES = (".jsonl", ".ndjson")
BLOCK = 1 << 19
LONGEST = 1 << 26
"""Maximum bytes of a line."""


def read_field(path: Path, field: str) -> Iterator[tuple[int, object]]:
    """Yield number of the line, from 1, and the value under the key `field`; blank lines are skipped.

    Raises:
        DataError: the file cannot be read, or a line is not UTF-8, too long, no JSON object, or lacks the key.
    """
    for number, line in enumerate(_split_lines(path), 1):
        if line.strip():
            yield number, parse_line(line, field, path.name, number)


def parse_line(line: bytes, field: str, name: str, number: int) -> object:
    """Value under the key `field` of one line, which is line `number` of the file `name`.

    Raises:
        DataError: the line is not UTF-8, no JSON object, or lacks the key.
    """
    where = f"{name}, line {number:,}"
    try:
        row = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
    except UnicodeDecodeError as error:
        raise DataError(f"{where} is not UTF-8: byte 0x{line[error.start]:02x}; convert it.") from None
    except (ValueError, RecursionError) as error:
        reason = shorten(error) if isinstance(error, ValueError) else "nested too deep"
        raise DataError(f"{where} is not JSON: {reason}. JSON lines have one JSON object per line.") from None
    if not isinstance(row, dict):
        raise DataError(f"{where} is a JSON {_kind(row)}, and JSON lines have one object per line.")
    if field not in row:
        has = f"its keys: {shorten(', '.join(row))}" if row else "it is empty"
        raise DataError(f"{where} has no key '{shorten(field)}' ({has}): name the key of the text with --field.")
    return row[field]


def _kind(value: object) -> str:
    names = {list: "array", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")


def _split_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file, which only LF ends."""
    rest: list[bytes] = []
    held = number = 0
    for block in read_blocks(path, BLOCK):
        first, *others = block.split(b"\n")
        rest.append(first)
        held += len(first)
        if others:
            yield b"".join(rest)
            yield from others[:-1]
            number += len(others)
            rest, held = [others[-1]], len(others[-1])
        if held > LONGEST:
            raise DataError(f"{path.name}, line {number + 1:,} is longer than {describe_size(LONGEST)}: split it.")
    yield b"".join(rest)
