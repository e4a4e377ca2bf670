"""Only regular files are read, up to a limit of bytes."""

import os
import socket
from pathlib import Path

import pytest

from zoo.regular_file import describe_size, open_regular, read_regular


def test_a_regular_file_is_read_whole_up_to_the_limit_also_through_a_link(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"12345")
    (tmp_path / "link").symlink_to(file)
    assert read_regular(file, 5) == read_regular(tmp_path / "link", 5) == b"12345"
    with open_regular(file) as opened:
        assert opened.read() == b"12345"
    with pytest.raises(OSError, match="it has 5 bytes, and at most 4 bytes are read"):
        read_regular(file, 4)


def test_what_is_no_regular_file_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for place, said in {"/dev/zero": "a device", tmp_path / "link": "a pipe", tmp_path: "a directory"}.items():
        for read in (open_regular, lambda path: read_regular(path, 10)):
            with pytest.raises(OSError, match=f"it is {said}, and only a regular file is read"):
                read(Path(place))


def test_a_socket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path has a limit of about a hundred characters
    with socket.socket(socket.AF_UNIX) as own:
        own.bind("socket")
        with pytest.raises(OSError, match="it is a socket"):
            read_regular(Path("socket"), 10)


def test_a_file_that_is_larger_than_it_says_is_refused_too() -> None:
    assert Path("/proc/self/maps").stat().st_size == 0
    with pytest.raises(OSError, match="it has 11 bytes"):
        read_regular(Path("/proc/self/maps"), 10)


@pytest.mark.parametrize(
    ("size", "said"), [(1, "1 bytes"), (2048, "2 KiB"), (64 << 20, "64 MiB"), (1 << 30, "1 GiB"), (1500, "1,500 bytes")]
)
def test_a_size_is_told_in_the_largest_whole_unit(size: int, said: str) -> None:
    assert describe_size(size) == said
