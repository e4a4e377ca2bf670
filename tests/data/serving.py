"""A server that misbehaves as servers do."""

from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Behaviour:
    """How a server answers.

    Args:
        body: the file.
        etag, modified: signs of the file, "" for none.
        break_after: number of bytes after which each of the first answers breaks off.
        announce: body length -> announced length.
        ignores_range: whether every answer is the whole file.
        redirect: address to send on to, "" for an answer.
        begin: offset asked for -> offset sent.
        status: of an answer with the whole file.
    """

    body: bytes = b""
    etag: str = '"1"'
    modified: str = ""
    break_after: list[int] = field(default_factory=list)
    announce: Callable[[int], int | None] = lambda length: length
    ignores_range: bool = False
    redirect: str = ""
    begin: Callable[[int], int] = lambda offset: offset
    status: int = 200


class Server(ThreadingHTTPServer):
    """Serve `behaviour`; `ranges` lists what was asked for, "" for everything."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.behaviour = Behaviour()
        self.ranges: list[str] = []

    def handle_error(self, *_: object) -> None:
        """Nothing on standard error when a client has heard enough."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/text8.zip"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        own, asked = self.server.behaviour, self.headers.get("Range", "")
        self.server.ranges.append(asked)
        if own.redirect and self.path != "/moved":
            self.send_response(302)
            self.send_header("Location", own.redirect)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        offset = 0
        if asked and not own.ignores_range and self.headers.get("If-Range") in (own.etag, own.modified):
            offset = int(asked.removeprefix("bytes=").removesuffix("-"))
        if offset and offset >= len(own.body):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(own.body)}")
            self.end_headers()
            return
        self.send_response(206 if offset else own.status)
        begin = own.begin(offset) if offset else 0
        if offset:
            self.send_header("Content-Range", f"bytes {begin}-{len(own.body) - 1}/{len(own.body)}")
        for name, value in (("ETag", own.etag), ("Last-Modified", own.modified)):
            if value:
                self.send_header(name, value)
        rest = own.body[begin:]
        if (length := own.announce(len(rest))) is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(rest[: own.break_after.pop(0)] if own.break_after else rest)

    def log_message(self, *_: object) -> None:
        """Nothing on standard error."""
