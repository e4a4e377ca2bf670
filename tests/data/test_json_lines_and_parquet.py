import gzip
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo.data.corpus import Corpus
from zoo.data.files import read_source
from zoo.data.find_files import find_files
from zoo.data.source import Source
from zoo.errors import DataError, UsageError

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
Load = Callable[..., Corpus]

TEXTS = [
    "2024-01-02",
    "2024-01-02T03:04:05Z",
    "1e3",
    "007",
    "null",
    "a\nb",
    "\u2028 x\r\ny\x85",
    "日本 🦒",
    " b ",
    '"{}',
]


def write_lines(path: Path, rows: list[Any]) -> Path:
    content = "".join(f"{json.dumps(row)}\n" for row in rows).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def write_parquet(path: Path, rows: list[Any], **options: Any) -> Path:
    columns = {key: [row.get(key) for row in rows] for key in rows[0]}
    parquet.write_table(pyarrow.table(columns), path, **options)
    return path


def read(path: Path, field: str = "text", layout: Any = "auto", *, as_bytes: bool = False) -> Source:
    return read_source(find_files(str(path), field), layout=layout, as_bytes=as_bytes)


WRITERS = {"x.jsonl": write_lines, "x.ndjson": write_lines, "x.jsonl.gz": write_lines, "x.parquet": write_parquet}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("field", ["text", "body", "a.b"])
def test_every_row_is_a_document_as_it_is_in_the_file(tmp_path: Path, name: str, field: str) -> None:
    path = WRITERS[name](tmp_path / name, [{"id": number, field: text} for number, text in enumerate(TEXTS)])
    for layout in ("auto", "line"):
        source = read(path, field, layout)
        assert source.text == TEXTS
        assert source.name == name
    assert read(path, field, as_bytes=True).text == [text.encode() for text in TEXTS]


@pytest.mark.parametrize("name", WRITERS)
def test_as_one_stream_every_document_ends_in_one_newline(tmp_path: Path, name: str) -> None:
    path = WRITERS[name](tmp_path / name, [{"text": text} for text in ("a\nb\n", "c", "d\n\n")])
    assert read(path, layout="none").text == "a\nb\nc\nd\n\n"
    assert read(path, layout="none", as_bytes=True).text == b"a\nb\nc\nd\n\n"


@pytest.mark.parametrize("name", WRITERS)
def test_blank_documents_are_left_out(tmp_path: Path, name: str) -> None:
    path = WRITERS[name](tmp_path / name, [{"text": text} for text in ("a", "", " \n", "b")])
    assert read(path).text == ["a", "b"]


def test_blank_lines_a_byte_order_mark_and_crlf_are_no_part_of_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"text": "a"}\r\n\r\n  \n{"text": "b", "text": "c"}')
    assert read(path).text == ["a", "c"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"body": "a"}', ["x.jsonl, line 3 has no key 'text' (its keys: body)", "--field"]),
        (b"{}", ["line 3 has no key 'text' (it is empty)"]),
        (b'{"text": null}', ["x.jsonl, line 3: 'text' is null"]),
        (b'{"text": 7}', ["line 3: 'text' is of type int"]),
        (b'{"text": ["a"]}', ["line 3: 'text' is of type list"]),
        (b'["a"]', ["line 3 is a JSON array"]),
        (b'"a"', ["line 3 is a JSON string"]),
        (b"1", ["line 3 is a JSON number"]),
        (b'{"text": "a"', ["line 3 is not JSON"]),
        (b'{"text": "a"} {"text": "b"}', ["line 3 is not JSON"]),
        (b"[" * 100_000, ["line 3 is not JSON: nested too deep"]),
        (b'{"n": ' + b"1" * 5000 + b"}", ["line 3 is not JSON"]),
        (b'{"text": "\xe9"}', ["line 3 is not UTF-8: byte 0xe9"]),
        (b'{"text": "a\\u0000"}', ["line 3 has a NUL character", "--tokenizer bytes"]),
        (b'{"text": "\\ud800"}', ["line 3 has half of a surrogate pair"]),
    ],
)
def test_a_line_that_holds_no_document_is_named(tmp_path: Path, line: bytes, said: list[str]) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"text": "a"}\n\n' + line + b'\n{"text": "b"}\n')
    with pytest.raises(DataError) as error:
        read(path)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400
    for words in said:
        assert words in str(error.value)


def test_a_line_longer_than_any_document_is_not_held_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.data.json_lines.LONGEST", 1 << 10)
    monkeypatch.setattr("zoo.data.json_lines.BLOCK", 100)
    path = write_lines(tmp_path / "x.jsonl.gz", [{"text": "a"}, {"text": "b" * 990}, {"text": "c" * 10_000}])
    with pytest.raises(DataError, match=r"x\.jsonl\.gz, line 3 is longer than 1 KiB"):
        read(path)


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (["a", None, "b"], "x.parquet, row 2: 'text' is null"),
        ([1, 2, 3], "Column 'text' of x.parquet is int64, not text"),
        ([b"a", b"b", b"c"], "Column 'text' of x.parquet is binary, not text"),
        ([["a"], ["b"], []], "Column 'text' of x.parquet is list<"),
        ([{"a": "b"}] * 3, "Column 'text' of x.parquet is struct<"),
        ([None] * 3, "Column 'text' of x.parquet is null, not text"),
        (["a", "b\0", "c"], "x.parquet, row 2 has a NUL character"),
    ],
)
def test_a_column_that_is_no_text_is_named(tmp_path: Path, column: list[Any], said: str) -> None:
    path = write_parquet(tmp_path / "x.parquet", [{"text": value} for value in column])
    with pytest.raises(DataError) as error:
        read(path)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_column_says_which_there_are(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "x.parquet", [{"body": "a", "title": "b"}])
    with pytest.raises(DataError, match=r"x\.parquet has no column 'text' \(its columns: body, title\).*--field"):
        read(path)


@pytest.mark.parametrize("kind", ["string", "large_string", "string_view", "dictionary"])
@pytest.mark.parametrize("groups", [3, 100])
def test_every_type_of_text_and_row_groups_are_read(tmp_path: Path, kind: str, groups: int) -> None:
    texts = [f"{number % 7} {TEXTS[number % len(TEXTS)]}" for number in range(200)]
    column = pyarrow.array(texts)
    column = column.dictionary_encode() if kind == "dictionary" else column.cast(getattr(pyarrow, kind)())
    parquet.write_table(pyarrow.table({"text": column}), tmp_path / "x.parquet", row_group_size=groups)
    assert read(tmp_path / "x.parquet").text == texts


def test_a_parquet_file_that_repeats_a_long_value_is_refused_before_it_is_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.data.files.LARGEST_TEXT", 1 << 20)
    column = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * 100_000, pyarrow.int32()), ["z" * 100_000])
    parquet.write_table(pyarrow.table({"text": column}), tmp_path / "x.parquet")
    with pytest.raises(DataError, match=r"x\.parquet unpacks to more than 1 MiB"):
        read(tmp_path / "x.parquet")


def test_a_damaged_parquet_file_gives_texts_or_one_line(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "x.parquet", [{"text": f"{number} é"} for number in range(40)])
    content = path.read_bytes()
    refusals = []
    for place in range(4, len(content) - 8, 5):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        try:
            assert read(path).text
        except DataError as error:
            refusals.append(str(error))
    assert refusals
    assert all("x.parquet" in refusal and "\n" not in refusal for refusal in refusals)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no parquet at all" * 10])
def test_what_is_no_parquet_file_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.parquet").write_bytes(content)
    with pytest.raises(DataError, match=r"Cannot read '.*x\.parquet'") as error:
        read(tmp_path / "x.parquet")
    assert "\n" not in str(error.value)


def test_without_pyarrow_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_parquet(tmp_path / "x.parquet", [{"text": "a"}])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DataError, match=r"x\.parquet' needs pyarrow .*sequence-zoo\[parquet\]'\.$"):
        read(path)


@pytest.mark.parametrize("name", WRITERS)
def test_a_document_too_long_for_a_row_and_no_document_are_refused(tmp_path: Path, name: str) -> None:
    path = WRITERS[name](tmp_path / name, [{"text": "a"}, {"text": "b" * 5000}])
    with pytest.raises(DataError, match=rf"Document 2 of {name} has 5,000 tokens.*--documents none"):
        read(path)
    path = WRITERS[name](tmp_path / name, [{"text": " "}])
    with pytest.raises(DataError, match=f"{name} holds no text"):
        read(path)


@pytest.mark.parametrize("name", ["names.txt", "data.json", "invented", "-"])
def test_a_field_is_refused_where_no_file_has_fields(
    load: Load, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for file in ("names.txt", "data.json"):
        Path(file).write_text('{"body": "a"}\n' * 20)
    with pytest.raises(UsageError, match=f"--field is the key or column .*'{name}' is none of them"):
        load(name, field="body")
