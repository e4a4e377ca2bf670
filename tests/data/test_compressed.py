import gzip
import io
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from zoo.data import compressed, files
from zoo.data.compressed import read_blocks
from zoo.data.corpus import Corpus
from zoo.errors import DataError

zstandard = pytest.importorskip("zstandard")
Load = Callable[..., Corpus]

NAMES = b"emma\nolivia\nava\nisabella\nsophia\nmia\ncharlotte\namelia\nharper\nevelyn\n"
NOISE = bytes(range(256)) * 3000


def pack_zip(data: bytes, *names: str) -> bytes:
    """A .zip that holds the data under each name."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names or ("inside.txt",):
            archive.writestr(name, data)
    return file.getvalue()


PACKED = {".gz": gzip.compress, ".zst": zstandard.ZstdCompressor().compress, ".zip": pack_zip}


@pytest.mark.parametrize("suffix", PACKED)
@pytest.mark.parametrize("tokens", ["characters", "bytes"])
def test_a_compressed_text_is_the_text(load: Load, tmp_path: Path, suffix: str, tokens: str) -> None:
    (tmp_path / "names.txt").write_bytes(NAMES)
    (tmp_path / f"names.txt{suffix}").write_bytes(PACKED[suffix](NAMES))
    plain, packed = (load(tmp_path / name, tokens=tokens) for name in ("names.txt", f"names.txt{suffix}"))
    assert packed.text == plain.text
    assert packed.digest == plain.digest
    assert packed.name == f"names.txt{suffix}"


@pytest.mark.parametrize("suffix", PACKED)
@pytest.mark.parametrize("size", [1, 1000, 1 << 20])
def test_blocks_are_the_content_and_never_larger_than_asked_for(tmp_path: Path, suffix: str, size: int) -> None:
    data = NOISE if size > 1 else NAMES
    (tmp_path / f"x{suffix}").write_bytes(PACKED[suffix](data))
    blocks = list(read_blocks(tmp_path / f"x{suffix}", size))
    assert b"".join(blocks) == data
    assert 0 < min(map(len, blocks)) <= max(map(len, blocks)) <= size


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
@pytest.mark.parametrize("parts", [[NAMES, NAMES], [NAMES, b"", NOISE], [b"", b""], [NOISE, NAMES, NOISE]])
def test_appended_compressed_files_are_all_read(tmp_path: Path, suffix: str, parts: list[bytes]) -> None:
    (tmp_path / f"x{suffix}").write_bytes(b"".join(map(PACKED[suffix], parts)))
    assert b"".join(read_blocks(tmp_path / f"x{suffix}", 1 << 16)) == b"".join(parts)


@pytest.mark.parametrize("suffix", PACKED)
@pytest.mark.parametrize("whole", [0, 1])
def test_a_file_that_is_cut_off_anywhere_is_refused(tmp_path: Path, suffix: str, whole: int) -> None:
    packed = PACKED[suffix](NAMES)
    before = packed * whole if suffix != ".zip" else b""
    for length in range(1, len(packed)):
        (tmp_path / f"x{suffix}").write_bytes(before + packed[:length])
        with pytest.raises(DataError, match=rf"Cannot unpack '.*x{suffix}': ") as error:
            list(read_blocks(tmp_path / f"x{suffix}", 1 << 16))
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("suffix", PACKED)
def test_a_file_of_another_kind_or_with_a_damaged_byte_is_refused(tmp_path: Path, suffix: str) -> None:
    packed = bytearray(PACKED[suffix](NOISE))
    packed[len(packed) // 2] ^= 0xFF
    for content in (NAMES, bytes(packed) if suffix != ".zst" else b"(\xb5/\xfd" + NAMES):
        (tmp_path / f"x{suffix}").write_bytes(content)
        with pytest.raises(DataError, match="Cannot unpack"):
            list(read_blocks(tmp_path / f"x{suffix}", 1 << 16))


@pytest.mark.parametrize("suffix", PACKED)
@pytest.mark.parametrize("dedupe", [False, True])
def test_a_small_file_that_unpacks_to_a_huge_one_is_refused_before_it_is_in_memory(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, dedupe: bool
) -> None:
    monkeypatch.setattr(files, "LARGEST_TEXT", 1 << 20)
    taken = []

    def count(path: Path, size: int) -> object:
        for block in read_blocks(path, size):
            taken.append(len(block))
            yield block

    monkeypatch.setattr(compressed, "read_blocks", count)
    (tmp_path / f"x.txt{suffix}").write_bytes(PACKED[suffix](b"\0" * (50 << 20)))
    with pytest.raises(DataError, match=r"x\.txt.* unpacks to more than 1 MiB, the most that is held in memory"):
        load(tmp_path / f"x.txt{suffix}", tokens="bytes", documents="none", dedupe=dedupe)
    assert sum(taken) <= 3 << 20


def test_a_zip_with_several_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(pack_zip(NAMES, "a.txt", "b.txt"))
    with pytest.raises(DataError, match=r"x\.zip' has 2 files, and a \.zip is read if it has one"):
        list(read_blocks(tmp_path / "x.zip", 100))


def test_without_zstandard_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    (tmp_path / "x.zst").write_bytes(PACKED[".zst"](NAMES))
    with pytest.raises(DataError, match=r"x\.zst' needs zstandard to be read: pip install 'sequence-zoo\[zstd\]'\.$"):
        list(read_blocks(tmp_path / "x.zst", 100))


def test_a_missing_file_and_a_directory_are_refused_as_plain_files_are(tmp_path: Path) -> None:
    (tmp_path / "d.gz").mkdir()
    for name, reason in (("none.gz", "No such file"), ("d.gz", "it is a directory")):
        with pytest.raises(DataError, match=rf"Cannot read '.*{name}': {reason}"):
            list(read_blocks(tmp_path / name, 100))
