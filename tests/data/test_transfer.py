import threading
from pathlib import Path

import pytest

from tests.data.serving import Behaviour, Server
from zoo.data.transfer import download, open_url
from zoo.errors import DataError

BODY = bytes(range(256)) * 4000
OTHER = BODY[::-1]
MOST = 2 * len(BODY)


@pytest.fixture
def server(publisher: Server) -> Server:
    """A real server that serves BODY."""
    publisher.behaviour.body = BODY
    return publisher


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "text8.zip"


def names(path: Path) -> list[str]:
    return sorted(file.name for file in path.parent.iterdir())


def test_a_file_is_received_in_one_request(server: Server, path: Path) -> None:
    download(server.url, path, MOST)
    assert path.read_bytes() == BODY
    assert server.ranges == [""]
    assert names(path) == ["text8.zip"]


@pytest.mark.parametrize("sign", [{"etag": '"1"'}, {"etag": "", "modified": "Sun, 22 Oct 2006 08:00:00 GMT"}])
@pytest.mark.parametrize("announced", [True, False])
def test_after_breaks_only_the_rest_is_asked_for(
    server: Server, path: Path, sign: dict[str, str], announced: bool
) -> None:
    server.behaviour = Behaviour(body=BODY, break_after=[1000, 5000], **sign)
    if not announced:
        server.behaviour.break_after = []
        server.behaviour.announce = lambda length: None
    download(server.url, path, MOST)
    assert path.read_bytes() == BODY
    assert server.ranges == (["", "bytes=1000-", "bytes=6000-"] if announced else [""])


@pytest.mark.parametrize("etag", ["", 'W/"1"'])
def test_without_a_strong_sign_everything_is_asked_for_again(server: Server, path: Path, etag: str) -> None:
    server.behaviour = Behaviour(body=BODY, etag=etag, break_after=[1000])
    download(server.url, path, MOST)
    assert path.read_bytes() == BODY
    assert server.ranges == ["", ""]


def test_the_next_call_goes_on_where_the_last_one_was_interrupted(server: Server, path: Path) -> None:
    server.behaviour.break_after = [1000, 0]
    with pytest.raises(DataError, match=r"1,000 bytes have been received, and the same command goes on from there"):
        download(server.url, path, MOST)
    assert not path.exists()
    download(server.url, path, MOST)
    assert path.read_bytes() == BODY
    assert server.ranges == ["", "bytes=1000-", "bytes=1000-"]
    assert names(path) == ["text8.zip"]


def test_a_file_that_has_changed_is_never_spliced(server: Server, path: Path) -> None:
    server.behaviour.break_after = [1000, 0]
    with pytest.raises(DataError):
        download(server.url, path, MOST)
    server.behaviour = Behaviour(body=OTHER, etag='"2"')
    download(server.url, path, MOST)
    assert path.read_bytes() == OTHER


def test_what_was_received_from_another_address_is_not_taken(server: Server, path: Path) -> None:
    server.behaviour.break_after = [1000, 0]
    with pytest.raises(DataError):
        download(server.url, path, MOST)
    server.behaviour = Behaviour(body=OTHER)
    download(f"{server.url}?other", path, MOST)
    assert path.read_bytes() == OTHER


@pytest.mark.parametrize("note", [b"", b"[]", b'{"sign": 1}', b"\xff", b"x" * 100_000])
def test_without_a_note_about_what_was_received_it_is_received_again(server: Server, path: Path, note: bytes) -> None:
    path.parent.mkdir()
    path.with_name(".text8.zip.partial").write_bytes(OTHER[:500])
    path.with_name(".text8.zip.partial.json").write_bytes(note)
    download(server.url, path, MOST)
    assert path.read_bytes() == BODY
    assert server.ranges == [""]


def test_a_server_that_ignores_ranges_sends_everything_again(server: Server, path: Path) -> None:
    server.behaviour.ignores_range = True
    server.behaviour.break_after = [1000, 2000]
    download(server.url, path, MOST)
    assert path.read_bytes() == BODY
    assert server.ranges == ["", "bytes=1000-", "bytes=2000-"]


@pytest.mark.parametrize("begin", [0, 999, 1001])
def test_another_part_than_was_asked_for_is_not_taken(server: Server, path: Path, begin: int) -> None:
    server.behaviour.break_after = [1000]
    server.behaviour.begin = lambda offset: begin
    download(server.url, path, MOST)
    assert path.read_bytes() == BODY
    assert server.ranges == ["", "bytes=1000-", ""]


def test_a_length_that_is_too_long_ends_when_nothing_is_left(server: Server, path: Path) -> None:
    server.behaviour.announce = lambda length: length + 10
    download(server.url, path, MOST)
    assert path.read_bytes() == BODY
    assert server.ranges == ["", f"bytes={len(BODY)}-"]


def test_a_length_that_is_too_long_without_ranges_is_an_error(server: Server, path: Path) -> None:
    server.behaviour.announce = lambda length: length + 10
    server.behaviour.ignores_range = True
    with pytest.raises(DataError, match="broke off"):
        download(server.url, path, MOST)
    assert len(server.ranges) <= 3
    assert not path.exists()


def test_a_length_that_is_too_short_gives_that_many_bytes(server: Server, path: Path) -> None:
    server.behaviour.announce = lambda length: length - 10
    download(server.url, path, MOST)
    assert path.read_bytes() == BODY[:-10], "its digest is checked by those who know it"


@pytest.mark.parametrize("announced", [True, False])
def test_a_file_that_is_too_large_is_not_stored(server: Server, path: Path, announced: bool) -> None:
    if not announced:
        server.behaviour.announce = lambda length: None
    with pytest.raises(DataError, match="has more than 512 KiB, which is too much"):
        download(server.url, path, 1 << 19)
    assert path.with_name(".text8.zip.partial").stat().st_size == 0


@pytest.mark.parametrize("status", [404, 500, 503])
def test_an_answer_that_is_an_error_is_told_at_once(server: Server, path: Path, status: int) -> None:
    server.behaviour.status = status
    with pytest.raises(DataError, match=r"Cannot download http://127\.0\.0\.1.*text8\.zip \(") as error:
        download(server.url, path, MOST)
    assert server.ranges == [""]
    assert "\n" not in str(error.value)


def test_a_redirect_to_another_host_is_followed_with_the_range(server: Server, path: Path) -> None:
    server.behaviour.redirect = f"http://localhost:{server.server_port}/moved"
    server.behaviour.break_after = [1000]
    download(server.url, path, MOST)
    assert path.read_bytes() == BODY
    assert server.ranges == ["", "", "bytes=1000-", "bytes=1000-"]


@pytest.mark.parametrize("target", ["file:///etc/hostname", "ftp://127.0.0.1/x", "data:text/plain,x", "{own}"])
def test_a_redirect_to_another_scheme_or_in_a_circle_is_refused(server: Server, path: Path, target: str) -> None:
    server.behaviour.redirect = target.format(own=server.url)
    with pytest.raises(DataError, match="Cannot download"):
        download(server.url, path, MOST)
    assert len(server.ranges) <= 6
    assert not path.exists()


def test_a_chain_of_redirects_is_followed_five_times(server: Server, path: Path) -> None:
    server.behaviour.redirect = "/text8.zip?again"
    with pytest.raises(DataError, match="Cannot download"):
        download(server.url, path, MOST)
    assert len(server.ranges) <= 6


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/x", "data:text/plain,x"])
def test_only_http_and_https_are_read(url: str) -> None:
    with pytest.raises(OSError, match="only http and https are read"):
        open_url(url)


def test_two_processes_do_not_receive_into_one_file(server: Server, path: Path) -> None:
    def receive() -> None:
        download(server.url, path, MOST)

    threads = [threading.Thread(target=receive) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() == BODY
    assert server.ranges == [""]


def test_a_cache_that_cannot_be_written_is_told(server: Server, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(DataError, match=r"Cannot write '.*cache/text8\.zip': "):
        download(server.url, tmp_path / "cache" / "text8.zip", MOST)
