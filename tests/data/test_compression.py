"""What a compressor takes for the test text."""

import lzma
import math

import pytest

from zoo.config import DataConfig
from zoo.data import compression
from zoo.data.compression import compress_test
from zoo.data.corpus import Corpus
from zoo.data.load import load_corpus


def load(tmp_path, text: str, documents: str) -> Corpus:
    path = tmp_path / "text.txt"
    path.write_text(text)
    return load_corpus(DataConfig.model_validate({"corpus": str(path), "documents": documents}))


@pytest.mark.parametrize(("documents", "end"), [("line", b"\n"), ("none", b"")])
def test_it_is_what_the_test_text_adds_to_the_compressed_training_text(tmp_path, documents, end):
    corpus = load(tmp_path, "".join(f"line {number} of many ä\n" for number in range(300)), documents)
    train, test = (b"".join(text.encode() + end for text in corpus.text[split]) for split in ("train", "test"))
    added = len(lzma.compress(train + test, preset=9)) - len(lzma.compress(train, preset=9))
    found = compress_test(corpus)
    assert found.bits_per_byte == 8 * added / len(test)
    assert found.nats_per_token == pytest.approx(8 * added * math.log(2) / corpus.targets["test"])


def test_a_repeated_text_costs_almost_nothing(tmp_path):
    corpus = load(tmp_path, "".join(f"{number % 7} and so on\n" for number in range(2000)), "line")
    assert compress_test(corpus).bits_per_byte < 0.5


def test_a_large_text_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(compression, "MOST", 1000)
    assert compress_test(load(tmp_path, "word\n" * 300, "line")) is None
