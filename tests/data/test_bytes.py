"""The bytes that the targets of a text stand for, by which losses become bits a byte."""

from pathlib import Path

import pytest

from zoo.config import Call, DataConfig
from zoo.data.large import prepared
from zoo.data.load import load_corpus


def write(path: Path, text: str) -> DataConfig:
    path.write_text(text, encoding="utf-8")
    return DataConfig(corpus=Call(name=str(path)))


@pytest.mark.parametrize("tokens", ["characters", "bytes"])
def test_the_splits_of_documents_have_the_bytes_of_the_file(tmp_path: Path, tokens: str) -> None:
    text = "".join(f"wörd {number} ∑\n" for number in range(100))
    corpus = load_corpus(write(tmp_path / "words.txt", text).model_copy(update={"tokens": tokens}))
    assert sum(corpus.bytes.values()) == len(text.encode())
    assert corpus.bytes["test"] == sum(len(str(own).encode() if isinstance(own, str) else own) + 1
                                       for own in corpus.text.test)  # fmt: skip


@pytest.mark.parametrize("tokens", ["characters", "bytes"])
def test_the_splits_of_a_stream_have_the_bytes_of_the_file(tmp_path: Path, tokens: str) -> None:
    text = "It was a dark and störmy night; the rain fell in torrents.\n\n" * 30
    corpus = load_corpus(write(tmp_path / "text.txt", text).model_copy(update={"tokens": tokens}))
    assert corpus.is_stream
    assert sum(corpus.bytes.values()) == len(text.encode())


def test_a_prepared_file_has_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "".join(f"wörd {number} ∑\n" for number in range(200))
    config = write(tmp_path / "words.txt", text)
    held = load_corpus(config).bytes
    monkeypatch.setattr("zoo.data.load.LARGE", 10)
    monkeypatch.setattr(prepared, "LARGE", 10)
    monkeypatch.setenv("ZOO_CACHE_DIR", str(tmp_path / "cache"))
    corpus = load_corpus(config)
    assert corpus.prepared
    assert corpus.bytes == held


def test_a_task_has_none() -> None:
    assert load_corpus(DataConfig(corpus=Call(name="parity"))).bytes == {}
