"""Read files block by block, and unpack compressed ones meanwhile: .gz and .zst, also appended ones, and .zip.

A block is never larger than asked for, whatever a compressed file unpacks to.
"""

import gzip
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from zoo.errors import DataError
from zoo.regular_file import describe_size, open_regular, require_regular

Value = TypeVar("Value")

ZSTD_PIECE = 1 << 10
"""Compressed bytes given to zstandard at a time: it returns all they unpack to, at most 32 MiB."""


def is_compressed(path: Path) -> bool:
    """Whether the name says that the file is compressed."""
    return path.suffix.lower() in _READERS


def find_suffix(path: Path) -> str:
    """Suffix in lower case, of the file inside if it is compressed: `.jsonl` for a.jsonl.gz."""
    return Path(path.stem).suffix.lower() if is_compressed(path) else path.suffix.lower()


def read_blocks(path: Path, size: int) -> Iterator[bytes]:
    """Yield the unpacked content in blocks of at most `size` bytes.

    Raises:
        DataError: the file cannot be read, is not a regular file, is damaged, cut off or not of its kind, or needs a
            package that is not installed.
    """
    try:
        yield from _READERS.get(path.suffix.lower(), _read_plain)(path, size)
    except OSError as error:
        raise cannot_read_error(path, error) from None


def read_unpacked(path: Path, most: int) -> bytes:
    """The unpacked content.

    Raises:
        DataError: as `read_blocks`, or it is larger than `most` bytes.
    """
    blocks, count = [], 0
    for block in read_blocks(path, 1 << 20):
        count += len(block)
        if count > most:
            raise too_large_error(str(path), most)
        blocks.append(block)
    return b"".join(blocks)


def cannot_read_error(path: Path, error: OSError) -> DataError:
    """Error for a file that cannot be read; for a pipe it points to standard input."""
    hint = "" if path.is_file() or not path.exists() else " Text from a pipe is read with --data -."
    return DataError(f"Cannot read '{path}': {error.strerror or error}.{hint}")


def too_large_error(name: str, most: int) -> DataError:
    """Error for a text that is too large to be held in memory."""
    return DataError(
        f"{name} unpacks to more than {describe_size(most)}, the most that is held in memory: leave --dedupe out, or "
        "give a smaller text."
    )


def _read_plain(path: Path, size: int) -> Iterator[bytes]:
    require_regular(path)
    with path.open("rb", buffering=0) as file:
        while block := file.read(size):
            yield block


def _read_gzip(path: Path, size: int) -> Iterator[bytes]:
    with open_regular(path) as file, gzip.GzipFile(fileobj=file) as unpacked:
        while block := _read_or_blame(path, lambda: unpacked.read(size)):
            yield block


def _read_zip(path: Path, size: int) -> Iterator[bytes]:
    with open_regular(path) as file:
        archive = _read_or_blame(path, lambda: zipfile.ZipFile(file))
        names = [info.filename for info in archive.infolist() if not info.is_dir()]
        if len(names) != 1:
            raise DataError(f"'{path}' has {len(names):,} files, and a .zip is read if it has one: unpack it.")
        with _read_or_blame(path, lambda: archive.open(names[0])) as unpacked:
            while block := _read_or_blame(path, lambda: unpacked.read(size)):
                yield block


def _read_or_blame(path: Path, read: Callable[[], Value]) -> Value:
    try:
        return read()
    except EOFError:
        raise _damage(path, "it is cut off") from None
    except (gzip.BadGzipFile, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise _damage(path, str(error)) from None


def _read_zstandard(path: Path, size: int) -> Iterator[bytes]:
    """Read frame by frame: zstandard's own reader takes the beginning of a frame that is cut off for all of it."""
    try:
        import zstandard
    except ImportError:
        raise DataError(f"'{path}' needs zstandard to be read: pip install 'sequence-zoo[zstd]'.") from None
    frame = None
    with open_regular(path) as file:
        while piece := file.read(ZSTD_PIECE):
            while piece:
                frame = frame or zstandard.ZstdDecompressor().decompressobj()
                try:
                    block = frame.decompress(piece)
                except zstandard.ZstdError as error:
                    raise _damage(path, str(error)) from None
                for start in range(0, len(block), size):
                    yield block[start : start + size]
                piece, frame = (frame.unused_data, None) if frame.eof else (b"", frame)
    if frame:
        raise _damage(path, "it is cut off")


def _damage(path: Path, reason: str) -> DataError:
    return DataError(f"Cannot unpack '{path}': {reason}.")


_READERS = {".gz": _read_gzip, ".zst": _read_zstandard, ".zip": _read_zip}
