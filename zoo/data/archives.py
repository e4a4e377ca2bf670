"""The corpora `text8` and `enwik8`: published archives, downloaded once, kept packed, and unpacked while they are read.

Archives are searched in the directory ZOO_DATA, packed or not, then in the cache, then on the network.
"""

import os
from pathlib import Path

from zoo.cache import cache_directory
from zoo.data.compressed import read_unpacked
from zoo.data.files import parse
from zoo.data.source import Source
from zoo.data.text_files import TextFiles
from zoo.data.transfer import download
from zoo.errors import DataError

ARCHIVES = {
    "text8": "6e890197040d37d85beb962ae1f041ff1d9a9ca8d20c7d99c85027eebf51dca7",
    "enwik8": "2b49720ec4d78c3c9fabaee6e4179a5e997302b3a70029f30f2d582218c024a8",
}
"""Name -> SHA-256 of the unpacked text."""
URLS = {name: f"http://mattmahoney.net/dc/{name}.zip" for name in ARCHIVES}
SIZE = 100_000_000
"""Bytes of each text, unpacked."""


def text8() -> Source:
    """A hundred million characters of Wikipedia: letters and spaces (Mahoney 2006)."""
    return parse(_read("text8"), "text8", layout="none", as_bytes=False)


def enwik8() -> Source:
    """The first hundred million bytes of Wikipedia of March 2006, as XML (Mahoney 2006)."""
    return parse(_read("enwik8"), "enwik8", layout="none", as_bytes=True)


def _read(name: str) -> bytes:
    return read_unpacked(open_archive(name).files[0], SIZE)


def open_archive(name: str) -> TextFiles:
    """The archive, whose digest has been checked; downloaded if there is no copy.

    Raises:
        DataError: there is no copy and the download fails, or a file is not the published one.
    """
    for path in _list_own(name):
        if path.is_file():
            return _require_published(path, name, "Remove it, or fetch it again.")
    cached = cache_directory() / f"{name}.zip"
    if cached.is_file():
        try:
            return _require_published(cached, name, "")
        except DataError:
            cached.unlink(missing_ok=True)  # a damaged copy is downloaded again
    try:
        download(URLS[name], cached, SIZE)
    except DataError as error:
        raise DataError(
            f"{error} Or put {name}.zip, or {name} itself, into a directory and name the directory in ZOO_DATA."
        ) from None
    try:
        return _require_published(cached, name, f"Try again later, or look at {URLS[name]}.")
    except DataError:
        cached.unlink(missing_ok=True)
        raise


def _list_own(name: str) -> list[Path]:
    directory = os.environ.get("ZOO_DATA")
    return [Path(directory) / name, Path(directory) / f"{name}.zip"] if directory else []


def _require_published(path: Path, name: str, advice: str) -> TextFiles:
    text = TextFiles(name, (path,))
    try:
        digest = text.digest
    except DataError as error:
        raise DataError(f"This is not the published {name}: {error} {advice}") from None
    if digest != ARCHIVES[name]:
        raise DataError(
            f"'{path}' is not the published {name}: SHA-256 {digest[:12]}… instead of {ARCHIVES[name][:12]}…. {advice}"
        )
    return text
