"""A large file gives the same corpus as in memory; here every file counts as large, and pieces are tiny."""

import errno
import hashlib
import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from zoo.config import Call, DataConfig
from zoo.data.corpus import Corpus
from zoo.data.large.permutation import STORED
from zoo.data.large.prepared import FORMAT
from zoo.data.load import load_corpus
from zoo.data.splits import SPLITS
from zoo.data.vocabulary import Vocabulary
from zoo.errors import DataError, UsageError

Load = Callable[..., Corpus]
Write = Callable[[bytes], Path]

WORDS = "".join(
    f"{word}\n" for word in random.Random(1).choices(["emma", "ava", "mia", "o k", "zoë", "日本", "🦒"], k=90)
)
ASCII = "".join(f"{number * number:x}\n" for number in range(100))
PROSE = "One café, naïve.\n\n  日本語 🦒 line\r\nand \r one\n\n" * 4 + "end"
TEXTS = {
    "ascii": ASCII.encode(),
    "words": WORDS.encode(),
    "crlf": WORDS.replace("\n", "\r\n").encode(),
    "byte-order mark": b"\xef\xbb\xbf" + WORDS.encode(),
    "no newline at the end": WORDS.encode() + b"  last\r",
    "blank lines at the end": WORDS.encode() + b"\n \t\n\r\n \n",
    "blank lines inside": (
        "\n\n" + WORDS[:200] + " \n\u3000\u2003\n\r\n\x1c\n" + WORDS[200:] + "   indented\n\n"
    ).encode(),
    "prose": PROSE.encode(),
    "one line": b"abcdefghij" * 5,
    "not utf-8": bytes(range(256)) * 2 + b"\r\n\r\r\n" + bytes(range(256)),
    "wide": "".join(chr(0x4E00 + number) for number in range(700)).encode(),
}
ONE_LINE = ("one line", "wide", "not utf-8")
CASES = [
    (name, tokens, documents)
    for name in TEXTS
    for tokens in ("characters", "bytes")
    for documents in ("auto", "line", "none")
    if not (name in ONE_LINE and documents == "line") and (name, tokens) != ("not utf-8", "characters")
]


@pytest.mark.parametrize("piece", [3, 1 << 20])
@pytest.mark.parametrize(("name", "tokens", "documents"), CASES)
def test_a_large_file_gives_token_for_token_what_it_gives_in_memory(
    load: Load, text_file: Write, large: Callable[..., object], name: str, tokens: str, documents: str, piece: int
) -> None:
    path = text_file(TEXTS[name])
    expected = load(path, tokens=tokens, documents=documents)
    with large(piece):
        corpus = load(path, tokens=tokens, documents=documents)
    assert corpus.text is None
    assert (corpus.is_stream, corpus.vocabulary) == (expected.is_stream, expected.vocabulary)
    for split in SPLITS:
        own, others = corpus.tokens[split], expected.tokens[split]
        assert own.flat.dtype == others.flat.dtype
        assert [document.tolist() for document in own] == [document.tolist() for document in others]
    assert corpus.targets == expected.targets
    assert corpus.row_targets(8) == expected.row_targets(8)
    assert corpus.floor == expected.floor


@pytest.mark.parametrize("name", ["words", "prose"])
def test_without_a_test_split_validation_stands_in_for_it(
    load: Load, text_file: Write, large: Callable[..., object], name: str
) -> None:
    path = text_file(TEXTS[name])
    expected = load(path, split="90/10/0")
    with large():
        corpus, usual = load(path, split="90/10/0"), load(path)
    for split in SPLITS:
        own, others = corpus.tokens[split], expected.tokens[split]
        assert [document.tolist() for document in own] == [document.tolist() for document in others]
    assert corpus.tokens.test.flat.tolist() == corpus.tokens.validation.flat.tolist()
    assert corpus.digest != usual.digest
    assert corpus.targets["train"] > usual.targets["train"]
    assert "no test split: validation stands in for it" in corpus.summary()


@pytest.mark.parametrize("name", ["words", "prose"])
def test_batches_of_mapped_files_are_those_of_memory(
    load: Load, text_file: Write, large: Callable[..., object], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.data.tokens.RELEASED_AFTER", 20)
    path = text_file(TEXTS[name])
    expected = load(path)
    with large():
        corpus = load(path)
    for split in SPLITS:
        own, others = corpus.rows(split, length=8), expected.rows(split, length=8)
        scored = list(zip(own.evaluation_batches(40), others.evaluation_batches(40), strict=True))
        assert all(np.array_equal(mine.row, theirs.row) for mine, theirs in scored)
        pairs = [(own.batch(1, step, 7), others.batch(1, step, 7)) for step in range(20)]
        pairs += [(own.windows(1, step, 7, 3), others.windows(1, step, 7, 3)) for step in range(20)]
        for mine, theirs in [*scored, *pairs]:
            assert torch.equal(mine.tokens, theirs.tokens)
            assert torch.equal(mine.targets, theirs.targets)


def test_past_the_orders_that_are_stored_documents_are_dealt_by_a_permutation(
    load: Load, text_file: Write, large: Callable[..., object]
) -> None:
    path = text_file(ASCII.encode())
    with large(STORED=99):
        dealt, again, other = (load(path, split_seed=seed) for seed in (42, 42, 43))
    texts = [[dealt.vocabulary.decode(document.tolist()) for document in dealt.tokens[split]] for split in SPLITS]
    lines = ASCII.split()
    assert [len(text) for text in texts] == [80, 10, 10]
    assert sorted(text for own in texts for text in own) == sorted(lines)
    assert all(text == [line for line in lines if line in text] for text in texts), "in the order of the file"
    assert texts[1] != lines[80:90]
    assert dealt.digest == again.digest != other.digest
    assert dealt.tokens.test.flat.tolist() != other.tokens.test.flat.tolist()
    rows = dealt.rows("train", length=8)
    assert rows.windows(0, 0, 50, 3).tokens.shape == (50, 3)


def test_documents_too_many_to_be_marked_are_dealt_the_same(
    load: Load, text_file: Write, large: Callable[..., object], tmp_path: Path
) -> None:
    path = text_file(ASCII.encode())
    with large(STORED=99):
        marked = load(path).tokens
        shutil.rmtree(tmp_path / "cache")
    with large(STORED=99, MARKED=99):
        computed = load(path).tokens
    for split in SPLITS:
        assert marked[split].flat.tolist() == computed[split].flat.tolist()
        assert marked[split].starts.tolist() == computed[split].starts.tolist()


def test_a_file_is_prepared_once(
    load: Load, text_file: Write, large: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    with large():
        first = load(text_file(WORDS.encode()))
        with monkeypatch.context() as patch:
            patch.setattr("zoo.data.large.prepared.write_tokens", None)
            again = load(text_file(WORDS.encode()))
        other = load(text_file(WORDS.encode()[:-9]))
    assert first.digest == again.digest != other.digest
    assert np.array_equal(first.tokens.train.flat, again.tokens.train.flat)
    assert again.summary().startswith("corpus.txt: 90 documents, vocabulary ")
    assert again.summary().endswith("; repeated documents are not counted")


def test_a_fixed_vocabulary_is_kept_or_refused(load: Load, text_file: Write, large: Callable[..., object]) -> None:
    config = DataConfig(corpus=Call(name=str(text_file(ASCII.encode()))))
    wide = Vocabulary("\n0123456789abcdefghi")
    expected = load_corpus(config, wide)
    with large():
        own = load_corpus(config)
        corpus = load_corpus(config, wide)
        assert np.array_equal(load_corpus(config, own.vocabulary).tokens.train.flat, own.tokens.train.flat)
        with pytest.raises(UsageError, match=r"vocabulary of 2 characters; the nearest of them: '1', '0'\."):
            load_corpus(config, Vocabulary("01"))
    assert corpus.vocabulary == wide
    assert [document.tolist() for document in corpus.tokens.test] == [d.tolist() for d in expected.tokens.test]


def test_a_text_that_is_to_be_deduped_is_read_into_memory(
    load: Load, text_file: Write, large: Callable[..., object]
) -> None:
    with large():
        corpus = load(text_file(WORDS.encode() + ASCII.encode()), dedupe=True)
    assert corpus.overlap.validation > 0


@pytest.mark.parametrize("piece", [3, 64, 1 << 20])
@pytest.mark.parametrize(
    ("content", "options"),
    [
        (b" \n\r\n\t\n", {}),
        (b"a\nb\nc\n", {}),
        (WORDS.encode() + b"x" * 5000 + b"\n", {"documents": "line"}),
        (WORDS.encode() + b"av\xe9\n", {}),
        (WORDS.encode() + "zoë".encode()[:-1], {}),
        (WORDS.encode() + b"av\0a\n", {}),
    ],
)
def test_what_is_said_of_a_text_that_cannot_be_used_is_the_same(
    load: Load, text_file: Write, large: Callable[..., object], content: bytes, options: dict[str, str], piece: int
) -> None:
    path = text_file(content)
    with pytest.raises(DataError) as expected:
        load(path, **options)
    with large(piece), pytest.raises(DataError) as error:
        load(path, **options)
    assert str(error.value) == str(expected.value)


def test_a_file_that_changes_while_it_is_read_is_refused(
    load: Load, text_file: Write, large: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = text_file(WORDS.encode())
    monkeypatch.setattr("zoo.data.large.prepared.write_tokens", lambda *_: os.utime(path, (1, 1)))
    with large(), pytest.raises(DataError, match=r"corpus\.txt' changed while it was read"):
        load(path)


def test_a_full_disk_is_told_in_one_line_and_nothing_stays(
    load: Load, text_file: Write, large: Callable[..., object], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("zoo.data.large.writer.Writer.add", full)
    with (
        large(),
        pytest.raises(
            DataError, match=r"^Cannot prepare corpus\.txt in '.*': No space left on device\. Set ZOO_CACHE_DIR"
        ),
    ):
        load(text_file(WORDS.encode()))
    assert not list((tmp_path / "cache" / "prepared").iterdir())


def test_the_digest_of_the_usual_split_is_older_than_the_choice(
    load: Load, text_file: Write, large: Callable[..., object]
) -> None:
    path = text_file(WORDS.encode())
    with large():
        usual = load(path)
    asked = [FORMAT, hashlib.sha256(WORDS.encode()).hexdigest(), "auto", "characters", 42, STORED]
    assert usual.digest == hashlib.sha256(json.dumps(asked).encode()).hexdigest()
