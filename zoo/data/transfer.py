"""Download a large file, and go on after a break where it stopped.

    .<name>.partial          what has been received; locked by the process that receives
    .<name>.partial.json     the server's sign that the file is the same (a strong ETag, or its date), and its address

The request for the rest carries the sign (If-Range, RFC 9110): if the file has changed, the server sends all of it.
"""

import http.client
import json
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from zoo.errors import DataError
from zoo.regular_file import describe_size, read_regular

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

ATTEMPTS = 20
"""Maximum requests for one file; each must bring something new, or find once that the file has changed."""
REDIRECTS = 5
BLOCK = 1 << 18
TIMEOUT = 30.0
"""Seconds to wait for the network."""

Response = Any


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follow few redirects, to any host, but only to http or https, and from https only to https."""

    max_redirections = REDIRECTS

    def redirect_request(self, req: urllib.request.Request, *others: Any) -> urllib.request.Request | None:
        scheme = str(others[-1]).partition(":")[0].lower()
        if scheme not in ("http", "https") or (req.type, scheme) == ("https", "http"):
            raise urllib.error.URLError(f"a redirect from {req.type} to {scheme} is not followed")
        return super().redirect_request(req, *others)


def open_url(url: str, headers: Mapping[str, str] = {}, *, timeout: float = TIMEOUT) -> Response:
    """Request an http or https address; returns the open response.

    Raises:
        OSError, http.client.HTTPException: there is no answer, or it is an error.
    """
    request = urllib.request.Request(url, headers=dict(headers))
    if request.type not in ("http", "https"):
        raise urllib.error.URLError("only http and https are read")
    return urllib.request.build_opener(_Redirects).open(request, timeout=timeout)


def describe_failure(error: Exception) -> str:
    """Why a request failed, in a few words; closes an answer that is an error."""
    if isinstance(error, urllib.error.HTTPError):
        error.close()  # an HTTPError is also the open response
    return str(getattr(error, "reason", error)) or type(error).__name__


def download(url: str, path: Path, most: int) -> None:
    """Download a file to `path`, from where an earlier call was interrupted.

    Raises:
        DataError: there is no answer, the connection breaks off without anything new, the file has more than `most`
            bytes, or cannot be written. What has been received stays for the next call.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("a+b") as file:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX)
            if not path.is_file():  # otherwise another process has received it meanwhile
                _Transfer(url, file, partial.with_name(f"{partial.name}.json"), most).receive_all()
                if fcntl is not None:
                    partial.replace(path)  # while locked, or another process might begin to receive into it
        if fcntl is None:
            partial.replace(path)  # Windows cannot rename an open file
    except OSError as error:
        raise DataError(f"Cannot write '{path}': {error.strerror}.") from None


class _Transfer:
    def __init__(self, url: str, file: BinaryIO, note: Path, most: int) -> None:
        self.url, self.file, self.note, self.most = url, file, note, most

    @property
    def size(self) -> int:
        return self.file.seek(0, 2)

    def receive_all(self) -> None:
        restarted = False
        for _ in range(ATTEMPTS):
            before = self.size
            reason = self._receive()
            if reason is None:
                self.file.flush()
                self.note.unlink(missing_ok=True)
                return
            if self.size == before or (self.size < before and restarted):
                break
            restarted |= self.size < before
        raise DataError(
            f"Cannot download {self.url} ({reason}); {self.size:,} bytes have been received, and the same command goes "
            "on from there."
        )

    def _receive(self) -> str | None:
        """Send one request and store what comes; returns None if the file is complete, else what went wrong."""
        sign = self._read_sign()
        if not sign:
            self.file.truncate(0)
        resume = {"Range": f"bytes={self.size}-", "If-Range": sign} if sign and self.size else {}
        try:
            response = open_url(self.url, {"Accept-Encoding": "identity", **resume})
        except urllib.error.HTTPError as error:
            length = re.fullmatch(r"bytes \*/(\d+)", error.headers.get("Content-Range", ""))
            if error.code == 416 and length and int(length[1]) == self.size:
                error.close()
                return None  # everything is there: an earlier answer announced more than there is
            if error.code == 416:
                self.file.truncate(0)
            return describe_failure(error)
        except (OSError, http.client.HTTPException) as error:
            return describe_failure(error)
        with response:
            return self._store(response, sign)

    def _store(self, response: Response, sign: str) -> str | None:
        begins = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
        if response.status == 206 and (not begins or int(begins[1]) != self.size or _sign(response) not in ("", sign)):
            self.file.truncate(0)
            return "the server sent another part than was asked for"
        if response.status != 206:
            self.file.truncate(0)
            self.note.write_text(json.dumps({"url": self.url, "sign": _sign(response)}))
        announced = response.headers.get("Content-Length", "")
        expected = self.size + int(announced) if announced.isdecimal() else None
        while self.size <= self.most:
            try:
                block = response.read(BLOCK)
            except (OSError, http.client.HTTPException) as error:
                return describe_failure(error)
            if not block:
                return "the connection broke off" if expected is not None and self.size < expected else None
            self.file.write(block)
        self.file.truncate(0)
        raise DataError(f"{self.url} has more than {describe_size(self.most)}, which is too much: not downloaded.")

    def _read_sign(self) -> str:
        """The sign of the file that the received bytes belong to; "" if there is none."""
        with suppress(OSError, ValueError, AttributeError):
            note = json.loads(read_regular(self.note, 1 << 16))
            if note.get("url") == self.url and isinstance(note.get("sign"), str):
                return note["sign"]
        return ""


def _sign(response: Response) -> str:
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified", "")
