"""Byte pairs: every text comes back, trained on the training split alone, in pieces as in one."""

import random
from pathlib import Path

import pytest

from zoo.byte_level import BYTE_OF, read_token_bytes
from zoo.config import Call, DataConfig
from zoo.data import byte_pairs
from zoo.data.byte_pairs import BytePairs, train_byte_pairs
from zoo.data.load import load_corpus
from zoo.data.vocabulary import Vocabulary
from zoo.errors import UsageError

WORDS = ["the", "there", "then", "hello", "wörld", "∑um", "a", "\u2028x", "tab\tbed", "🜂"]


def text(seed: int, words: int = 3000) -> str:
    draw = random.Random(seed)
    return "".join(draw.choice(WORDS) + draw.choice([" ", "  ", "\n", "\n\n", " \n", ", "]) for _ in range(words))


@pytest.fixture(scope="module")
def pairs() -> BytePairs:
    return train_byte_pairs([text(0)], 300)


def test_every_text_comes_back_also_one_with_bytes_never_seen(pairs: BytePairs) -> None:
    vocabulary = Vocabulary(None, pairs)
    for own in (text(1), "zebra Ünïcödé 漢字 \x00\x7f", "", "  lead", "trail  "):
        tokens = vocabulary.encode(own)
        assert vocabulary.decode(tokens.tolist()) == own
        assert int(vocabulary.byte_lengths[tokens].sum()) == len(own.encode())
        assert len(own) == 0 or tokens.min() >= 1
    assert 257 < len(vocabulary) == len(pairs.token_bytes) + 1 <= 301


def test_a_text_in_pieces_has_the_tokens_of_the_whole(pairs: BytePairs, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = pairs.encode_all([text(2)])[0]
    for size in (1, 7, 100):
        monkeypatch.setattr(byte_pairs, "PIECE", size)
        assert list(byte_pairs.cut_at_words(text(2)))[1:]
        assert pairs.encode_all([text(2)])[0].tolist() == whole.tolist()
    assert train_byte_pairs([text(0)], 300).token_bytes == pairs.token_bytes


def test_the_bytes_of_tokens_are_those_of_the_library(pairs: BytePairs) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    library = tokenizers.Tokenizer.from_str(pairs.text)
    assert len(BYTE_OF) == 256
    assert set(BYTE_OF) == set(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    for number, own in enumerate(read_token_bytes(pairs.text)):
        assert library.decode([number]) == own.decode(errors="replace")


def test_only_the_training_split_makes_the_tokens(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("".join(f"{word}\n" for word in ["abab"] * 80 + ["zqzq"] * 20), encoding="utf-8")
    config = DataConfig(corpus=Call(name=str(path)), tokens="bpe:300", documents="none")
    corpus = load_corpus(config)
    assert corpus.vocabulary.pairs is not None
    merged = {own for own in corpus.vocabulary.pairs.token_bytes if len(own) > 1}
    assert any(b"ab" in own for own in merged)
    assert not any(b"zq" in own for own in merged)
    assert sum(corpus.bytes.values()) == len(path.read_bytes())


def test_a_floor_is_the_same_in_bits_a_byte_whatever_a_token_is() -> None:
    found = {}
    for tokens in ("characters", "bytes", "bpe:300"):
        corpus = load_corpus(DataConfig(corpus=Call(name="invented", options={"documents": 2000}), tokens=tokens))
        floor = corpus.floor["test"]
        assert floor is not None
        found[tokens] = floor * corpus.targets["test"] / corpus.bytes["test"]
    assert len({round(value, 9) for value in found.values()}) == 1


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"tokens": "bpe:300", "rotation": "2/5"}, "leave out --splits"), ({"tokens": "bpe:9"}, "from 256"),
     ({"tokens": "words"}, "characters, bytes, or bpe:512")],
)  # fmt: skip
def test_settings_that_byte_pairs_cannot_have_are_told(settings: dict[str, str], said: str) -> None:
    with pytest.raises((UsageError, ValueError), match=said):
        load_corpus(DataConfig(corpus=Call(name="invented", options={"documents": 100}), **settings))


@pytest.mark.parametrize(
    "broken", ["{}", "[]", '{"model": {"vocab": {"a": 1}}}', '{"model": {"vocab": {"漢": 0}}}', "x"]
)
def test_a_file_that_is_no_byte_level_tokenizer_is_told(broken: str) -> None:
    with pytest.raises(ValueError, match=r"no byte-level|not numbered|Expecting"):
        read_token_bytes(broken)


@pytest.mark.parametrize("layout", ["line", "none"])
def test_a_prepared_text_has_the_tokens_and_the_tokenizer_of_the_text_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    path = tmp_path / "words.txt"
    path.write_text("".join(f"{own}\n" for own in text(3, 4000).splitlines()), encoding="utf-8")
    config = DataConfig(corpus=Call(name=str(path)), tokens="bpe:300", documents=layout)
    held = load_corpus(config)
    monkeypatch.setattr("zoo.data.load.LARGE", 0)
    monkeypatch.setattr("zoo.data.large.read_file.PIECE", 4096)
    monkeypatch.setenv("ZOO_CACHE_DIR", str(tmp_path / "cache"))
    for _ in range(2):  # written, then read from the cache
        found = load_corpus(config)
        assert found.prepared is not None
        assert found.vocabulary == held.vocabulary
        assert found.bytes == held.bytes
        for split in ("train", "validation", "test"):
            assert [own.tolist() for own in found.tokens[split]] == [own.tolist() for own in held.tokens[split]]
    other = load_corpus(config, Vocabulary(None, train_byte_pairs(["other words"], 260)))
    assert other.vocabulary != held.vocabulary
    assert len(other.tokens.test.flat) > len(held.tokens.test.flat)
