import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from zoo.data.corpus import Corpus
from zoo.errors import DataError, UsageError

Load = Callable[..., Corpus]

CONTENTS = {
    "a.txt": b"ann\nabe\nava\n",
    "b.txt.gz": gzip.compress(b"bo\nbill\nbea"),
    "deep/c.txt": b"cy\ncid\ncleo\n",
    "deep/d.md": b"dan\ndee\ndora\n",
    "rows/e.jsonl": b'{"text": "eve"}\n{"text": "ed"}\n{"text": "ella"}\n',
    "rows/f.jsonl.gz": gzip.compress(b'{"text": "flo"}\n{"text": "fay"}\n{"text": "finn"}\n'),
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with files of several kinds, which is the current one."""
    for name, content in CONTENTS.items():
        path = tmp_path / "texts" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "texts"


def documents(corpus: Corpus) -> list[str]:
    return sorted(document for split in ("train", "validation", "test") for document in corpus.text[split])


@pytest.mark.parametrize(
    ("pattern", "initials", "name"),
    [
        ("texts/*.txt", "a", "*.txt (1 files)"),
        ("texts/*.txt*", "ab", "*.txt* (2 files)"),
        ("texts/**/*.txt", "ac", "*.txt (2 files)"),
        ("texts/deep/?.*", "cd", "?.* (2 files)"),
        ("texts/[bc]*", "b", "[bc]* (1 files)"),
        ("texts/**/*.jsonl*", "ef", "*.jsonl* (2 files)"),
        ("texts/rows", "ef", "rows (2 files)"),
        ("texts/deep", "cd", "deep (2 files)"),
    ],
)
def test_a_pattern_and_a_directory_are_all_their_files(
    load: Load, place: Path, pattern: str, initials: str, name: str
) -> None:
    corpus = load(pattern, documents="line", split="34/33/33")
    assert {document[0] for document in documents(corpus)} == set(initials)
    assert len(documents(corpus)) == 3 * len(initials)
    assert corpus.name == name


def test_a_file_whose_name_is_a_pattern_is_that_file(load: Load, place: Path) -> None:
    (place / "[a].txt").write_bytes(b"x\ny\nz\n")
    assert documents(load(place / "[a].txt", split="34/33/33")) == ["x", "y", "z"]


@pytest.mark.parametrize(
    ("where", "advice"),
    [("texts", "Give a pattern in quotes, such as 'texts/**/*.txt'."), ("texts/**/*", "Give a narrower one.")],
)
def test_files_of_different_kinds_are_refused(load: Load, place: Path, where: str, advice: str) -> None:
    with pytest.raises(DataError) as error:
        load(where)
    assert "different kinds: JSON lines (e.jsonl), compressed text (b.txt.gz), plain text (a.txt)" in str(error.value)
    assert str(error.value).endswith(advice)
    assert "\n" not in str(error.value)


def test_a_pattern_without_files_is_refused_by_its_name(load: Load, place: Path) -> None:
    with pytest.raises(DataError, match=r"No file matches 'texts/\*\.tex'\."):
        load("texts/*.tex")
    with pytest.raises(UsageError, match="no options"):
        load("texts/*.txt", {"seed": 1})


def test_archives_and_compressed_files_of_unknown_content_are_no_text_of_a_directory(load: Load, place: Path) -> None:
    for name in ("x.zip", "x.tar.gz", "backup.gz", "x.png.gz"):
        (place / "deep" / name).write_bytes(b"\0\1")
    assert load("texts/deep", documents="line").name == "deep (2 files)"


def test_a_directory_of_compressed_text_is_read(load: Load, place: Path) -> None:
    (place / "packed").mkdir()
    for name, content in (("a.txt.gz", b"ann\nabe"), ("b.txt.gz", b"bo\nbill\n"), ("c.txt.gz", b" \n")):
        (place / "packed" / name).write_bytes(gzip.compress(content))
    corpus = load("texts/packed", split="34/33/33", documents="line")
    assert documents(corpus) == ["abe", "ann", "bill", "bo"]
    assert corpus.name == "packed (2 files)", "a file without text does not count"
