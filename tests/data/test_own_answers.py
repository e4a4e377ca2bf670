"""Documents with answers of their own: `Source(name, text, answers=...)` through splits, digests and batches."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from zoo.catalog import CORPORA
from zoo.config import Call, DataConfig
from zoo.data.corpus import Corpus
from zoo.data.load import load_corpus
from zoo.data.rows import DocumentRows
from zoo.data.source import Source
from zoo.data.splits import SPLITS
from zoo.data.vocabulary import Vocabulary
from zoo.errors import DataError, UsageError
from zoo.tokens import IGNORED

Load = Callable[..., Corpus]
LoadAnswers = Callable[..., Corpus]
WORDS = ["ab" * (1 + n % 4) + "c" * (n % 3) + "d" * (n % 7) for n in range(120)]
"""Documents of different lengths; 84 different ones, so that some are repeated."""
SHOUTED = ["".join("_" if place % 3 == 1 else sign.upper() for place, sign in enumerate(word)) for word in WORDS]
"""The answers are the characters in upper case, but for every third."""


@pytest.fixture
def load_answers(load: Load) -> LoadAnswers:
    """Load a corpus of these documents with these answers: `load_answers(WORDS, SHOUTED, "_", dedupe=True)`."""

    def from_lists(
        text: Sequence[str | bytes], answers: Sequence[str | bytes] | None, unscored: str = "_", **config: Any
    ) -> Corpus:
        CORPORA.register("answered")(lambda: Source("answered", text, answers=answers, unscored=unscored))
        try:
            return load("answered", **config)
        finally:
            CORPORA.unregister("answered")

    return from_lists


def pairs_of(corpus: Corpus, split: str) -> list[tuple[str, str]]:
    """Documents and answers of a split, from its tokens."""
    tokens, signs = corpus.tokens[split], corpus.vocabulary
    assert tokens.answers is not None
    found = []
    for row in range(len(tokens)):
        start, end = tokens.starts[row : row + 2]
        own = tokens.answers[start:end]
        found.append((signs.decode(tokens[row]), "".join("_" if it == IGNORED else signs.decode([it]) for it in own)))
    return found


@pytest.mark.parametrize("kind", ["characters", "bytes", "as bytes"])
@pytest.mark.parametrize("unscored", ["_", " ", "c"])
def test_every_split_has_its_documents_with_their_answers(load_answers: LoadAnswers, kind: str, unscored: str) -> None:
    answers: list[Any] = [own.replace("_", unscored) for own in SHOUTED]
    text: list[Any] = WORDS
    if kind == "bytes":
        text, answers = [word.encode() for word in text], [own.encode() for own in answers]
    corpus = load_answers(text, answers, unscored, tokens="bytes" if kind == "as bytes" else "characters")
    assert corpus.has_answers
    assert len(corpus.vocabulary) == (1 + len("abcdABCD") if kind == "characters" else 257)
    expected = dict(zip(WORDS, SHOUTED, strict=True))
    found = [pairs_of(corpus, split) for split in SPLITS]
    assert [len(part) for part in found] == [96, 12, 12]
    assert sorted(word for part in found for word, _ in part) == sorted(WORDS)
    assert all(answers == expected[word] for part in found for word, answers in part)
    for split, part in zip(SPLITS, found, strict=True):
        assert corpus.targets[split] == sum(len(own.replace("_", "")) for _, own in part)
    assert corpus.floor == dict.fromkeys(SPLITS)


def test_the_split_is_that_of_the_documents_alone(load_answers: LoadAnswers) -> None:
    with_answers, alone = load_answers(WORDS, SHOUTED), load_answers(WORDS, None)
    assert with_answers.text == alone.text


def test_the_digest_depends_on_documents_answers_and_what_is_scored(load_answers: LoadAnswers) -> None:
    other = [*SHOUTED[:-1], SHOUTED[-1].replace("B", "A")]
    digests = [
        load_answers(WORDS, SHOUTED).digest,
        load_answers(WORDS, other).digest,
        load_answers(WORDS, SHOUTED, "B").digest,
        load_answers(WORDS[::-1], SHOUTED[::-1]).digest,
        load_answers(WORDS, None).digest,
        load_answers(WORDS + SHOUTED, None).digest,
    ]
    assert len(set(digests)) == len(digests)
    assert load_answers(list(WORDS), list(SHOUTED)).digest == digests[0]


def test_a_document_is_repeated_only_with_its_answers(load_answers: LoadAnswers) -> None:
    text, answers = ["ab"] * 40 + ["ba"] * 40, ["_a"] * 20 + ["_b"] * 20 + ["a_"] * 20 + ["b_"] * 20
    corpus, deduped = load_answers(text, answers), load_answers(text + WORDS, answers + SHOUTED, dedupe=True)
    assert corpus.overlap
    assert (corpus.overlap.validation, corpus.overlap.test) == (8, 8)
    train, validation, test = (set(pairs_of(deduped, split)) for split in SPLITS)
    assert not train & validation
    assert not (train | validation) & test
    assert not {("ab", "_a"), ("ab", "_b")} - train


@pytest.mark.parametrize("number", [1, 2, 3])
def test_splits_turn_documents_and_answers_together(load_answers: LoadAnswers, number: int) -> None:
    corpus = load_answers(WORDS, SHOUTED, rotation=f"{number}/3")
    expected = set(zip(WORDS, SHOUTED, strict=True))
    assert all(set(pairs_of(corpus, split)) <= expected for split in SPLITS)


def rows_of(corpus: Corpus, split: str = "train") -> DocumentRows:
    rows = corpus.rows(split, length=8)
    assert isinstance(rows, DocumentRows)
    return rows


def test_a_packed_batch_has_each_document_with_its_targets(load_answers: LoadAnswers) -> None:
    corpus = load_answers(WORDS, SHOUTED)
    rows, documents = rows_of(corpus), pairs_of(corpus, "train")
    seen = []
    for step in range(12):  # an epoch
        batch = rows.batch(3, step, 8)
        assert batch.packing is not None
        assert batch.tokens.shape == batch.targets.shape
        tokens, targets = batch.pad()
        for own, answers in zip(tokens, targets, strict=True):
            length = int((own != 0).sum())
            assert (own[length:] == 0).all()
            assert (answers[length:] == IGNORED).all()
            shown = ["_" if it == IGNORED else corpus.vocabulary.decode([it]) for it in answers[:length].tolist()]
            seen.append((corpus.vocabulary.decode(own.tolist()), "".join(shown)))
    assert sorted(seen) == sorted(documents)


@pytest.mark.parametrize("width", [1, 3, 30])
def test_windows_end_at_scored_tokens_each_equally_likely(load_answers: LoadAnswers, width: int) -> None:
    """Every token of a document is another here, so a window tells its place."""
    signs = "".join(map(chr, range(0x4E00, 0x4E00 + 40)))
    text = [signs[:3], signs[3:10], signs[10:40]] * 4
    answers = [(own[0] + "_" * (len(own) - 2) + own[-1]) for own in text[:3]] * 4
    corpus = load_answers(text, answers, split="90/10/0", split_seed=1)
    rows = rows_of(corpus)
    documents, counts = [own for own, _ in pairs_of(corpus, "train")], dict[str, int]()
    assert rows.targets == 2 * len(documents)
    for step in range(20):
        batch = rows.windows(1, step, 500, width)
        for window, target in zip(batch.tokens, batch.targets, strict=True):
            last, answer = corpus.vocabulary.decode([int(window[-1])]), corpus.vocabulary.decode(target.tolist())
            assert last == answer  # a scored place
            document = next(own for own in documents if last in own)
            before = document[: document.index(last) + 1][-width:]
            assert corpus.vocabulary.decode(window.tolist()) == before
            assert (window[: width - len(before)] == 0).all()
            counts[last] = counts.get(last, 0) + 1
    for last, count in counts.items():
        share = sum(last in own for own in documents) / rows.targets
        assert abs(count - 10_000 * share) < 4.5 * np.sqrt(10_000 * share * (1 - share))
    assert len(counts) == 6


@pytest.mark.parametrize("max_tokens", [1, 37, 100_000])
def test_an_evaluation_scores_every_answer_once(load_answers: LoadAnswers, max_tokens: int) -> None:
    corpus = load_answers(WORDS, SHOUTED)
    rows, documents = rows_of(corpus, "test"), pairs_of(corpus, "test")
    seen = {}
    for batch in rows.evaluation_batches(max_tokens):
        assert torch.equal(batch.targets, batch.following)
        for own, targets, number in zip(batch.tokens, batch.targets, batch.row.tolist(), strict=True):
            length = len(documents[number][0])
            shown = ["_" if it == IGNORED else corpus.vocabulary.decode([it]) for it in targets[:length].tolist()]
            assert (targets[length:] == IGNORED).all()
            assert number not in seen
            seen[number] = (corpus.vocabulary.decode(own.tolist()), "".join(shown))
    assert [seen[number] for number in range(len(documents))] == documents
    counts = [len(own.replace("_", "")) for _, own in documents]
    assert rows.count_targets(1000).tolist() == counts
    assert rows.count_targets(5).tolist() == counts[:5]
    assert rows.targets == sum(counts)
    assert rows.count == len(counts)


def test_the_first_documents_keep_their_answers(load_answers: LoadAnswers) -> None:
    corpus = load_answers(WORDS, SHOUTED)
    few = corpus.tokens.train.take_first(5)
    assert few.answers is not None
    end = corpus.tokens.train.starts[5]
    assert few.flat.tolist() == corpus.tokens.train.flat[:end].tolist()
    assert few.answers.tolist() == corpus.tokens.train.answers[:end].tolist()
    assert [own.tolist() for own in few] == [own.tolist() for own in corpus.tokens.train[:5]]


def test_a_given_vocabulary_must_have_the_answers_too(load_answers: LoadAnswers) -> None:
    CORPORA.register("answered")(lambda: Source("answered", WORDS, answers=SHOUTED))
    config = DataConfig(corpus=Call(name="answered", options={}))
    try:
        assert pairs_of(load_corpus(config, Vocabulary("ABCDabcdxyz")), "train")
        with pytest.raises(UsageError, match=r"Character '[A-D]' is not in the vocabulary of 7 characters"):
            _ = load_corpus(config, Vocabulary("abcdxyz")).tokens
    finally:
        CORPORA.unregister("answered")


MISFITS: list[tuple[dict[str, Any], str]] = [
    ({"text": "abcd", "answers": ["abcd"]}, "answers need documents, without log probabilities"),
    ({"log_likelihood": lambda documents: [0.0]}, "answers need documents, without log probabilities"),
    ({"answers": ["a_"]}, "1 answers for 2 documents"),
    ({"answers": []}, "0 answers for 2 documents"),
    ({"answers": ["a_", "a"]}, "document 2 and its answers must be text of one kind and length"),
    ({"answers": ["a_", "abc"]}, "document 2 and its answers must be text of one kind and length"),
    ({"answers": ["a_", b"a_"]}, "document 2 and its answers must be text of one kind and length"),
    ({"answers": ["a_", None]}, "document 2 and its answers must be text of one kind and length"),
    ({"answers": ["a_", "__"]}, "document 2 has no answer"),
    ({"answers": ["a_", "bb"], "unscored": "b"}, "document 2 has no answer"),
    ({"text": ["ab", ""], "answers": ["a_", ""]}, "document 2 has no answer"),
    ({"unscored": ""}, "unscored='' must be one character"),
    ({"unscored": "__"}, "unscored='__' must be one character"),
    ({"text": [b"ab", b"cd"], "answers": [b"a_", b"a_"], "unscored": "·"}, "unscored='·' must be a character of one"),
]


@pytest.mark.parametrize(("changed", "said"), MISFITS, ids=lambda value: value if isinstance(value, str) else None)
def test_answers_that_do_not_fit_are_told_in_one_line(changed: dict[str, Any], said: str) -> None:
    arguments: dict[str, Any] = {"name": "answered", "text": ["ab", "cd"], "answers": ["a_", "_b"]}
    with pytest.raises(DataError) as caught:
        Source(**(arguments | changed))
    assert str(caught.value).startswith(f"Corpus 'answered': {said}")
    assert "\n" not in str(caught.value)


def test_a_character_of_several_bytes_has_no_answer_as_bytes(load_answers: LoadAnswers) -> None:
    text, answers = ["äb"] * 20, ["_b"] * 20
    assert load_answers(text, answers).has_answers
    for own in ((text, answers, "_"), (["ab"] * 20, ["·b"] * 20, "·")):
        with pytest.raises(
            UsageError, match=r"^Corpus 'answered' has an answer for each character, .*: leave out --tok"
        ):
            load_answers(*own, tokens="bytes")
    assert load_answers([own.encode() for own in text], [b"__b"] * 20).has_answers


def test_documents_with_answers_are_no_stream(load_answers: LoadAnswers) -> None:
    with pytest.raises(UsageError, match="has documents with answers: they cannot be one stream"):
        load_answers(WORDS, SHOUTED, documents="none")
    assert load_answers(WORDS, SHOUTED, documents="line").has_answers
