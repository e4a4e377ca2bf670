import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from zoo.data import download
from zoo.errors import DataError

PUBLISHED = b"emma\nolivia\nava\nisabella\n"


class Server(ThreadingHTTPServer):
    """A server of `body`; `requests` lists the requests."""

    body = PUBLISHED
    announced: int | None = None
    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[str] = []


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(self.server.announced or len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: object) -> None:
        """Nothing on standard error."""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, no ZOO_DATA, and names.txt published as PUBLISHED."""
    monkeypatch.delenv("ZOO_DATA", raising=False)
    monkeypatch.setenv("ZOO_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setitem(download.SHA256, "names.txt", hashlib.sha256(PUBLISHED).hexdigest())
    return tmp_path / "cache"


@pytest.fixture
def server(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A real local server in place of the one of names.txt."""
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setitem(download.URLS, "names.txt", f"http://127.0.0.1:{server.server_port}/names.txt")
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_file_is_downloaded_once_and_then_comes_from_the_cache(server: Server, cache: Path) -> None:
    assert download.fetch("names.txt") == PUBLISHED
    assert download.fetch("names.txt") == PUBLISHED
    assert server.requests == ["/names.txt"]
    assert [path.name for path in cache.iterdir()] == ["names.txt"], "no half-written file is left"
    assert (cache / "names.txt").read_bytes() == PUBLISHED


def test_the_corpus_is_what_was_downloaded(server: Server) -> None:
    assert download.names().text == ["emma", "olivia", "ava", "isabella"]


def test_another_file_than_the_published_one_is_refused_and_not_cached(server: Server, cache: Path) -> None:
    server.body = b"<html>Log in to this network</html>"
    with pytest.raises(DataError, match=r"127\.0\.0\.1.* is not the published names\.txt: SHA-256 ") as error:
        download.fetch("names.txt")
    assert "\n" not in str(error.value)
    assert not cache.exists() or not list(cache.iterdir())


@pytest.mark.parametrize("damaged", [b"", PUBLISHED[:-3], PUBLISHED + b"x"])
def test_a_damaged_copy_in_the_cache_is_fetched_again(server: Server, cache: Path, damaged: bytes) -> None:
    cache.mkdir()
    (cache / "names.txt").write_bytes(damaged)
    assert download.fetch("names.txt") == PUBLISHED
    assert (cache / "names.txt").read_bytes() == PUBLISHED
    assert len(server.requests) == 1


def test_a_cache_that_cannot_be_written_costs_nothing_but_another_download(server: Server, cache: Path) -> None:
    cache.write_text("a file where the directory should be")
    assert download.fetch("names.txt") == download.fetch("names.txt") == PUBLISHED
    assert len(server.requests) == 2


def test_the_directory_in_zoo_data_is_looked_at_first(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_DATA", str(tmp_path))
    (tmp_path / "names.txt").write_bytes(PUBLISHED)
    assert download.fetch("names.txt") == PUBLISHED
    assert server.requests == []


def test_a_wrong_file_in_zoo_data_is_refused_by_its_path(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_DATA", str(tmp_path))
    (tmp_path / "names.txt").write_bytes(b"something else")
    with pytest.raises(DataError, match="is not the published") as error:
        download.fetch("names.txt")
    assert str(tmp_path / "names.txt") in str(error.value)
    assert server.requests == []


def test_zoo_data_without_the_file_falls_back_to_the_network(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_DATA", str(tmp_path))
    assert download.fetch("names.txt") == PUBLISHED


def _says_what_to_do(error: DataError) -> bool:
    return all(words in str(error) for words in ("names.txt", "ZOO_DATA", "invented")) and "\n" not in str(error)


def test_without_a_network_one_line_says_what_to_do(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = Server()  # a port without a listener
    nobody.server_close()
    monkeypatch.setitem(download.URLS, "names.txt", f"http://127.0.0.1:{nobody.server_port}/names.txt")
    with pytest.raises(DataError) as error:
        download.fetch("names.txt")
    assert _says_what_to_do(error.value)


@pytest.mark.parametrize(("status", "announced"), [(404, None), (200, len(PUBLISHED) + 100)])
def test_a_download_that_fails_or_breaks_off_says_what_to_do(
    server: Server, cache: Path, status: int, announced: int | None
) -> None:
    server.status, server.announced = status, announced
    with pytest.raises(DataError) as error:
        download.fetch("names.txt")
    assert _says_what_to_do(error.value)
    assert not (cache / "names.txt").exists()
