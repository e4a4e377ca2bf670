import io
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from zoo.data.corpus import Corpus
from zoo.data.files import LONGEST_DOCUMENT, parse, read_source
from zoo.data.find_files import find_files
from zoo.data.text_files import TextFiles
from zoo.errors import DataError, UsageError, ZooError

Load = Callable[..., Corpus]
Write = Callable[[bytes], Path]

NAMES = b"emma\nolivia\nava\nisabella\nsophia\nmia\ncharlotte\namelia\nharper\nevelyn\n"
PROSE = b"The first paragraph\nhas two lines.\n\nThe second one has one.\n"


@pytest.mark.parametrize(
    ("content", "layout", "is_stream"),
    [
        (NAMES, "auto", False),
        (NAMES, "none", True),
        (PROSE, "auto", True),
        (PROSE, "line", False),
        (b"one line\n", "auto", True),
        (b"a\n" * 5 + b"x" * 1001, "auto", True),
        (NAMES + b"\n\n\n", "auto", False),
    ],
)
def test_documents_or_a_stream_is_judged_from_the_text_unless_it_is_said(
    content: bytes, layout: str, is_stream: bool
) -> None:
    assert parse(content, "x", layout=layout, as_bytes=False).is_stream is is_stream
    assert parse(content, "x", layout=layout, as_bytes=True).is_stream is is_stream


@pytest.mark.parametrize("as_bytes", [False, True])
@pytest.mark.parametrize("content", [b"ann\r\nbo\r\ncy\r\n", b"\nann\n\n  \nbo\ncy", b"ann\nbo\ncy\n\n\n"])
def test_line_ends_and_blank_lines_are_no_part_of_documents(content: bytes, as_bytes: bool) -> None:
    expected = [b"ann", b"bo", b"cy"] if as_bytes else ["ann", "bo", "cy"]
    assert parse(content, "x", layout="line", as_bytes=as_bytes).text == expected


def test_a_byte_order_mark_is_no_character_and_a_byte_as_others() -> None:
    content = b"\xef\xbb\xbfann\nbo\ncy\n"
    assert parse(content, "x", layout="line", as_bytes=False).text[0] == "ann"
    assert parse(content, "x", layout="line", as_bytes=True).text[0] == b"\xef\xbb\xbfann"


@pytest.mark.parametrize("separator", ["\u2028", "\x0b", "\x85", "\x1c"])
def test_only_a_newline_ends_a_document(separator: str) -> None:
    content = f"a{separator}b\nc\nd\n".encode()
    assert parse(content, "x", layout="line", as_bytes=False).text == [f"a{separator}b", "c", "d"]


@pytest.mark.parametrize(
    ("content", "options", "said"),
    [
        (b"", {}, ["corpus", "no text"]),
        (b" \n\r\n\t\n", {}, ["corpus", "no text"]),
        (b"\xef\xbb\xbf", {}, ["corpus", "no text"]),
        (b"emma\n", {"documents": "line"}, ["corpus", "1 document,", "--documents none"]),
        (b"a\nb\nc\n", {}, ["corpus", "3 documents,", "--documents none"]),
        (b"tiny", {}, ["corpus", "4", "too few"]),
        (
            NAMES + b"x" * 5000,
            {"documents": "line"},
            ["Document 11", "corpus.txt", "5,000", f"{LONGEST_DOCUMENT:,}", "none"],
        ),
        (b"emma\nav\xe9\n", {}, ["corpus", "not UTF-8", "0xe9", "line 2", "offset 7", "--tokenizer bytes"]),
        (b"emma\nav\0a\n", {}, ["corpus", "NUL", "offset 7", "--tokenizer bytes"]),
        (b"same\n" * 20, {"dedupe": True}, ["corpus.txt has 20 documents, but --dedupe leaves a split empty"]),
    ],
)
def test_text_that_cannot_be_used_gets_one_line_that_says_why(
    load: Load, text_file: Write, content: bytes, options: dict[str, str], said: list[str]
) -> None:
    with pytest.raises(DataError) as error:
        load(text_file(content), **options)
    message = str(error.value)
    assert "\n" not in message
    for words in said:
        assert words in message


@pytest.mark.parametrize("content", [b"\xff\xfe\x00\x01" * 30, b"a\0b\n" * 30, bytes(range(256))])
def test_bytes_take_any_content(load: Load, text_file: Write, content: bytes) -> None:
    corpus = load(text_file(content), tokens="bytes", documents="none")
    assert len(corpus.vocabulary) == 257
    assert b"".join(corpus.text[split][0] for split in ("train", "validation", "test")) == content


def test_a_missing_file_is_an_error_that_names_it_and_lists_the_corpora(load: Load, tmp_path: Path) -> None:
    missing = tmp_path / "nowhere.txt"
    with pytest.raises(UsageError) as error:
        load(missing)
    for words in ("nowhere.txt", "No file or directory", "invented", "names", "shakespeare"):
        assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_vanishes_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Cannot read '.*gone\.txt': No such file"):
        read_source(TextFiles("gone.txt", [tmp_path / "gone.txt"]), layout="auto", as_bytes=False)


def test_a_name_longer_than_any_file_name_is_an_error_in_one_line(load: Load) -> None:
    with pytest.raises(ZooError):
        load("x" * 5000)


def test_a_file_has_no_options(load: Load, text_file: Write) -> None:
    with pytest.raises(UsageError, match="no options"):
        load(text_file(NAMES), {"seed": 3})


def test_standard_input_is_read_as_a_file_is(load: Load, text_file: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(NAMES)))
    piped = load("-")
    assert piped.text == load(text_file(NAMES)).text
    assert piped.name == "standard input"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory with two documents in each of three files; hidden files, and files without text, contain a 'z'."""
    files = {
        "a.txt": b"ann\nabe\n",
        "deep/er/b.md": b"bo\r\nbill",  # no newline at the end
        "c.TXT": b"cy\ncid\n",
        ".hidden.txt": b"z\n",
        ".git/config.txt": b"z\n",
        "picture.png": b"z\0\xff\n",
    }
    for name, content in files.items():
        path = tmp_path / "texts" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "texts"


def test_a_directory_is_its_visible_text_files_in_order_of_their_paths(directory: Path) -> None:
    source = read_source(find_files(str(directory), "text"), layout="line", as_bytes=False)
    assert source.name == "texts (3 files)"
    assert source.text == ["ann", "abe", "cy", "cid", "bo", "bill"]


def test_a_byte_order_mark_is_dropped_in_every_file_of_a_directory(directory: Path) -> None:
    for name in ("a.txt", "c.TXT"):
        (directory / name).write_bytes(b"\xef\xbb\xbf" + (directory / name).read_bytes())
    assert "\ufeff" not in "".join(read_source(find_files(str(directory), "text"), layout="line", as_bytes=False).text)


@pytest.mark.parametrize("content", [b"a\xe9\n", b"a\0\n"])
def test_the_file_of_a_directory_that_is_no_text_is_named(directory: Path, content: bytes) -> None:
    (directory / "c.TXT").write_bytes(content)
    with pytest.raises(DataError, match=r"c\.TXT"):
        read_source(find_files(str(directory), "text"), layout="line", as_bytes=False)


def test_a_directory_without_text_says_what_it_would_take(tmp_path: Path) -> None:
    (tmp_path / "picture.png").write_bytes(b"\0")
    (tmp_path / ".hidden.txt").write_text("words")
    with pytest.raises(DataError, match=r"no text files \(such as \.txt"):
        read_source(find_files(str(tmp_path), "text"), layout="auto", as_bytes=False)


@pytest.mark.parametrize(
    ("text", "options", "documents", "remark"),
    [
        ("emma\rolivia\rava\r", {}, ["emma", "olivia", "ava"], "CR is read as LF; --tokenizer bytes keeps it"),
        ("emma\r\nolivia\r\nava\r\n", {}, ["emma", "olivia", "ava"], ""),
        ("emma\u2028olivia\u2028ava", {}, None, "only LF ends a line: 2 U+2028 stay inside lines"),
        ("em\rma\nolivia\nava\x85\n", {}, ["em\rma", "olivia", "ava\x85"],
         "only LF ends a line: 1 U+000D, 1 U+0085 stay inside lines"),
        ("emma\rolivia\rava\r", {"as_bytes": True}, None, "it is one line: it has CR, and only LF ends a line"),
        ("emma\nolivia\nava\n", {}, ["emma", "olivia", "ava"], ""),
    ],
)  # fmt: skip
def test_what_was_taken_for_lines_is_told(
    text: str, options: dict[str, Any], documents: list[str] | None, remark: str
) -> None:
    source = parse(text.encode(), "text", layout="auto", **{"as_bytes": False, **options})
    assert source.remark == remark
    assert source.is_stream == (documents is None)
    if documents:
        assert source.text == documents
