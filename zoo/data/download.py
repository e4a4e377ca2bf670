"""The corpora `names` and `shakespeare`: downloaded from their authors, checked by digest and cached.

Files are searched in the directory ZOO_DATA, then in the cache (ZOO_CACHE_DIR or the platform's), then on the network.
"""

import contextlib
import hashlib
import http.client
import os
import tempfile
from pathlib import Path

from zoo.cache import cache_directory
from zoo.data.files import parse
from zoo.data.source import Source
from zoo.data.transfer import describe_failure, open_url
from zoo.errors import DataError

URLS = {
    "names.txt": "https://raw.githubusercontent.com/karpathy/makemore/master/names.txt",
    "shakespeare.txt": "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
}
SHA256 = {
    "names.txt": "0a30b5557f192f32ab962680889aac5f6fda0f4cecf40a6d0b5694f58ea8cc4d",
    "shakespeare.txt": "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
}


def names() -> Source:
    """32,033 given names, one per line (karpathy/makemore)."""
    return parse(fetch("names.txt"), "names", layout="line", as_bytes=False)


def shakespeare() -> Source:
    """A million characters of Shakespeare's plays, as one stream (karpathy/char-rnn)."""
    return parse(fetch("shakespeare.txt"), "shakespeare", layout="none", as_bytes=False)


def fetch(filename: str, *, url: str | None = None, timeout: float = 30.0) -> bytes:
    """Bytes of a known file, checked by digest.

    Args:
        filename: a key of `URLS`.
        url: address to download from; None: the one in `URLS`.
        timeout: seconds to wait for the network.

    Raises:
        DataError: there is no copy and the download fails, or the file is not the published one.
    """
    if directory := os.environ.get("ZOO_DATA"):
        path = Path(directory) / filename
        if path.is_file():
            return _check_digest(path.read_bytes(), filename, str(path))
    cached = cache_directory() / filename
    if cached.is_file():
        copy = cached.read_bytes()
        if hashlib.sha256(copy).hexdigest() == SHA256[filename]:
            return copy  # a damaged copy is downloaded again
    url = url or URLS[filename]
    try:
        with open_url(url, timeout=timeout) as response:
            data: bytes = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise DataError(
            f"Cannot download {filename} from {url} ({describe_failure(error)}). Put the file into a directory and "
            f"name the directory in ZOO_DATA, or use --data invented, which needs no network."
        ) from None
    _check_digest(data, filename, url)
    with contextlib.suppress(OSError):  # a cache that cannot be written only costs another download
        cached.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cached.parent, prefix=".partial-") as partial:
            (Path(partial) / filename).write_bytes(data)
            os.replace(Path(partial) / filename, cached)
    return data


def _check_digest(data: bytes, filename: str, where: str) -> bytes:
    digest = hashlib.sha256(data).hexdigest()
    if digest != SHA256[filename]:
        raise DataError(
            f"{where} is not the published {filename}: SHA-256 {digest[:12]}… instead of {SHA256[filename][:12]}…. "
            "Remove it, or fetch it again."
        )
    return data
