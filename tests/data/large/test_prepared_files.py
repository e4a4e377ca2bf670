"""Compressed files, several files, JSON lines and Parquet give the same tokens when prepared as in memory."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo.data.corpus import Corpus
from zoo.data.splits import SPLITS
from zoo.errors import DataError

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
zstandard = pytest.importorskip("zstandard")
Load = Callable[..., Corpus]

LINES = [f"{number * number:x} é" if number % 7 else f"{number} 日本" for number in range(120)]
PROSE = "One café.\n\n  日本語 line\r\nand \r one\n\nend"
DOCUMENTS = [*LINES, "two\nlines", "trailing\n", " ", "", "\n\n", "cr\r\n", "🦒"]


def write(place: Path, kind: str) -> str:
    """Write the texts as files of a kind; returns what --data takes."""
    text, raw = "".join(f"{line}\n" for line in LINES).encode(), [{"text": text} for text in DOCUMENTS]
    rows = "".join(f"{json.dumps(row)}\n" for row in raw).encode()
    contents = {
        "gzip": {"x.txt.gz": gzip.compress(text[:700]) + gzip.compress(text[700:])},
        "zstandard": {"x.txt.zst": zstandard.ZstdCompressor().compress(text)},
        "directory": {"a.txt": text[:-1], "b/c.md": b"\xef\xbb\xbf" + text, "d.txt": b" \r\n\n", "e.txt": text + b"\r"},
        "prose": {"a.txt": PROSE.encode(), "b.txt": b"\n\n", "c.txt": PROSE.encode() + b"\n"},
        "packed": {"a.txt.gz": gzip.compress(text[:-1]), "b.txt.gz": gzip.compress(text)},
        "json lines": {"x.jsonl": rows},
        "packed json lines": {"x.jsonl.gz": gzip.compress(rows)},
        "several": {"a.jsonl": rows, "b.jsonl.gz": gzip.compress(rows)},
    }
    if kind == "parquet":
        parquet.write_table(pyarrow.Table.from_pylist(raw), place / "x.parquet", row_group_size=50)
        return str(place / "x.parquet")
    for name, content in contents[kind].items():
        (place / "files" / name).parent.mkdir(parents=True, exist_ok=True)
        (place / "files" / name).write_bytes(content)
    return str(place / "files" / name if len(contents[kind]) == 1 else place / "files")


KINDS = ["gzip", "zstandard", "directory", "prose", "packed", "json lines", "packed json lines", "several", "parquet"]


@pytest.mark.parametrize("piece", [7, 1 << 20])
@pytest.mark.parametrize("tokens", ["characters", "bytes"])
@pytest.mark.parametrize("documents", ["auto", "line", "none"])
@pytest.mark.parametrize("kind", KINDS)
def test_prepared_files_give_token_for_token_what_they_give_in_memory(
    load: Load,
    tmp_path: Path,
    large: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    documents: str,
    tokens: str,
    piece: int,
) -> None:
    where = write(tmp_path, kind)
    expected = load(where, tokens=tokens, documents=documents)
    monkeypatch.setattr("zoo.data.open_text.LARGEST_TEXT", 0)
    monkeypatch.setattr("zoo.data.large.text.PIECE", piece)
    with large(piece):
        corpus = load(where, tokens=tokens, documents=documents)
    assert corpus.text is None
    assert (corpus.is_stream, corpus.vocabulary) == (expected.is_stream, expected.vocabulary)
    for split in SPLITS:
        own, others = corpus.tokens[split], expected.tokens[split]
        assert [document.tolist() for document in own] == [document.tolist() for document in others]
    assert corpus.targets == expected.targets


def test_a_compressed_text_has_the_digest_of_the_text_and_other_files_have_their_own(
    load: Load, tmp_path: Path, large: Callable[..., Any]
) -> None:
    text = "".join(f"{line}\n" for line in LINES).encode()
    rows = "".join(f"{json.dumps({'text': line, 'other': line})}\n" for line in LINES).encode()
    for name, content in (("x.txt", text), ("x.txt.gz", gzip.compress(text)), ("x.jsonl", rows)):
        (tmp_path / name).write_bytes(content)
    with large():
        plain, packed, lines = (load(tmp_path / name).digest for name in ("x.txt", "x.txt.gz", "x.jsonl"))
        other = load(tmp_path / "x.jsonl", field="other").digest
    assert plain == packed
    assert len({plain, lines, other}) == 3


def test_a_directory_of_plain_text_stays_in_memory_up_to_a_gibibyte(
    load: Load, tmp_path: Path, large: Callable[..., Any]
) -> None:
    plain, packed = write(tmp_path / "plain", "directory"), write(tmp_path / "packed", "packed")
    with large():
        assert load(plain).prepared is None, "its digest is older than the preparation of directories"
        assert load(packed).prepared is not None


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"text": "x" * 5000}, "Document 125 of x.jsonl has 5,000 tokens"),
        ({"text": None}, "x.jsonl, line 128: 'text' is null"),
        ({"body": "a"}, "x.jsonl, line 128 has no key 'text'"),
    ],
)
def test_what_is_said_of_documents_that_cannot_be_used_is_the_same(
    load: Load, tmp_path: Path, large: Callable[..., Any], row: dict[str, Any], said: str
) -> None:
    where = Path(write(tmp_path, "json lines"))
    where.write_bytes(where.read_bytes() + json.dumps(row).encode())
    with pytest.raises(DataError) as expected:
        load(where)
    with large(), pytest.raises(DataError) as error:
        load(where)
    assert str(error.value) == str(expected.value)
    assert said in str(error.value)
