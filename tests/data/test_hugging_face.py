import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo.data.corpus import Corpus
from zoo.errors import DataError, UsageError

pytest.importorskip("datasets")
pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
Load = Callable[..., Corpus]

TEXTS = ["2024-01-02", "2024-01-03", "1e3", "007", "null", "a\nb", "\u2028\r\ny\x85", "日本 🦒", " b ", '"{}']


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with the data sets `lines` and `columns`, each with a train and a test split."""
    monkeypatch.setenv("ZOO_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    for split, texts in (("train", TEXTS), ("test", ["one", "two", "three", "four"])):
        for name in ("lines", "columns"):
            Path(name).mkdir(exist_ok=True)
        rows = [{"text": text, "body": text[::-1]} | ({"n": 1} if split == "test" else {}) for text in texts]
        Path(f"lines/{split}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        parquet.write_table(pyarrow.Table.from_pylist(rows), f"columns/{split}.parquet")
    return tmp_path


def documents(corpus: Corpus) -> list[str]:
    return sorted(document for split in ("train", "validation", "test") for document in corpus.text[split])


@pytest.mark.parametrize("name", ["lines", "columns"])
def test_every_row_is_a_document_as_it_is_in_the_file(load: Load, place: Path, name: str) -> None:
    assert documents(load(f"hf:{name}")) == sorted(TEXTS)
    assert documents(load(f"hf:{name}:train", field="body")) == sorted(text[::-1] for text in TEXTS)
    corpus = load(f"hf:./{name}:test", documents="none", split="34/33/33")
    assert "".join(map("".join, (corpus.text[split] for split in ("train", "validation", "test")))) == (
        "one\ntwo\nthree\nfour\n"
    )
    assert corpus.name == f"hf:./{name}:test"
    assert not list((place / "cache").iterdir()), "the stored rows are removed"


@pytest.mark.parametrize("name", ["lines", "columns"])
def test_a_large_data_set_is_prepared(load: Load, place: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = load(f"hf:{name}")
    monkeypatch.setattr("zoo.data.load.LARGE", 0)
    corpus = load(f"hf:{name}")
    assert corpus.prepared
    for split in ("train", "validation", "test"):
        assert [own.tolist() for own in corpus.tokens[split]] == [own.tolist() for own in expected.tokens[split]]
    assert [path.name for path in (place / "cache").iterdir()] == ["prepared"]


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("hf:nowhere/at-all/here", {}, "Cannot read hf:nowhere/at-all/here: "),
        ("hf:lines:validation", {}, "lines has no split 'validation'. It has: train, test."),
        ("hf:lines", {"field": "title"}, "hf:lines, line 1 has no key 'title' (its keys: text, body)"),
        ("hf:columns", {"field": "title"}, "hf:columns, row 1 has no column 'title' (its columns: text, body)"),
        ("hf:columns:test", {"field": "n"}, "hf:columns:test, row 1: 'n' is of type int"),
        ("hf:lines:test", {"field": "n"}, "hf:lines:test, row 1: 'n' is of type int"),
    ],
)
def test_what_cannot_be_read_gets_one_line(
    load: Load, place: Path, name: str, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(DataError) as error:
        load(name, **options)
    assert str(error.value).startswith(said)
    assert "\n" not in str(error.value)
    assert not list((place / "cache").iterdir())


@pytest.mark.parametrize(("name", "options"), [("hf:", {}), ("hf:lines", {"token": "x"})])
def test_a_faulty_name_or_option_is_a_usage_error(load: Load, place: Path, name: str, options: dict[str, str]) -> None:
    with pytest.raises(UsageError, match=r"not written as hf:NAME|no option 'token'. Its options: config, revision"):
        load(name, options)


def test_without_datasets_one_line_says_what_to_install(
    load: Load, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r"hf:lines needs datasets .*pip install 'sequence-zoo\[hf\]'\.$"):
        load("hf:lines")
