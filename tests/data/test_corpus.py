import math
from collections.abc import Callable
from pathlib import Path

import pytest

from zoo.config import Call, DataConfig
from zoo.data import invented
from zoo.data.corpus import Corpus
from zoo.data.load import load_corpus
from zoo.data.splits import SPLITS
from zoo.data.vocabulary import Vocabulary
from zoo.errors import UsageError, ZooError

Load = Callable[..., Corpus]
Write = Callable[[bytes], Path]

SMALL = {"documents": 4000}


@pytest.mark.slow
def test_names_split_into_the_lectures_own_numbers_of_targets(zoo_data: Path, load: Load) -> None:
    corpus = load("names")
    assert [corpus.targets[split] for split in SPLITS] == [182_625, 22_655, 22_866]
    assert [corpus.rows(split, length=8).targets for split in SPLITS] == [182_625, 22_655, 22_866]
    assert len(corpus.vocabulary) == 27
    assert "% of validation documents also occur in training" in corpus.summary()


@pytest.mark.slow
def test_shakespeare_is_one_stream(zoo_data: Path, load: Load) -> None:
    corpus = load("shakespeare")
    assert corpus.is_stream
    assert sum(corpus.targets[split] for split in SPLITS) == 1_115_394


def test_targets_are_the_tokens_and_one_end_a_document(load: Load) -> None:
    corpus = load("invented", SMALL)
    for split in SPLITS:
        words = corpus.text[split]
        assert corpus.targets[split] == corpus.rows(split, length=8).targets == sum(map(len, words)) + len(words)


def test_every_character_of_a_stream_is_one_target(load: Load, text_file: Write) -> None:
    text = "One stream, no more.\n\nAnd another paragraph.\n" * 5
    corpus = load(text_file(text.encode()))
    assert corpus.is_stream
    assert sum(corpus.targets[split] for split in SPLITS) == len(text)
    assert [corpus.rows(split, length=7).targets for split in SPLITS] == [corpus.targets[split] for split in SPLITS]


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("tokens", ["characters", "bytes"])
def test_the_floor_is_the_sources_own_loss_on_the_very_split(load: Load, split: str, tokens: str) -> None:
    corpus = load("invented", SMALL, tokens=tokens)
    words = load("invented", SMALL).text[split]
    expected = -math.fsum(invented.log_likelihood(words)) / (sum(map(len, words)) + len(words))
    assert corpus.floor[split] == pytest.approx(expected, rel=1e-12)


def test_dedupe_removes_what_stands_in_an_earlier_split_and_the_floor_with_it(load: Load) -> None:
    corpus, deduped = load("invented", SMALL), load("invented", SMALL, dedupe=True)
    for split in SPLITS[1:]:
        assert len(corpus.text[split]) - len(deduped.text[split]) == corpus.overlap[split] > 0
        assert not set(deduped.text[split]) & set(deduped.text.train)
    assert corpus.floor["test"] is not None
    assert deduped.floor["test"] is None
    assert deduped.text.train == corpus.text.train
    assert f"removed {corpus.overlap.validation:,} / {corpus.overlap.test:,} repeated" in deduped.summary()


def test_a_file_has_no_floor(load: Load, text_file: Write) -> None:
    assert load(text_file(b"a\nbc\nd\n" * 10)).floor["validation"] is None


def test_the_summary_is_one_line_that_says_what_was_taken(load: Load) -> None:
    corpus = load("invented", SMALL)
    line = corpus.summary()
    share = corpus.overlap.validation / len(corpus.text.validation)
    assert "\n" not in line
    for words in (
        "invented",
        "4,000 documents",
        f"{corpus.targets['train']:,}",
        f"{share:.0%} of validation documents",
    ):
        assert words in line


@pytest.mark.parametrize("dedupe", [False, True])
def test_without_a_test_split_validation_stands_in_for_it(load: Load, dedupe: bool) -> None:
    corpus = load("invented", SMALL, split="90/10/0", dedupe=dedupe)
    assert corpus.text.test == corpus.text.validation
    assert len(corpus.text.train) == 3600
    assert len(corpus.text.validation) == 400 - (corpus.overlap.validation if dedupe else 0)
    assert corpus.overlap.test == 0
    assert "no test split: validation stands in for it" in corpus.summary()
    assert "test documents" not in corpus.summary()
    assert f" {3600 + len(corpus.text.validation):,} documents" in corpus.summary()


def test_the_digest_depends_on_the_text_and_on_the_split(load: Load) -> None:
    options = [{"split_seed": 42}, {"split_seed": 43}, {"dedupe": True}, {"split": "70/20/10"}, {"split": "90/10/0"}]
    digests = [load("invented", SMALL, **option).digest for option in options]
    digests.append(load("invented", {"documents": 4001}).digest)
    assert len(set(digests)) == len(digests)
    assert load("invented", SMALL).digest == digests[0]


def test_a_fixed_vocabulary_refuses_text_with_other_characters(load: Load) -> None:
    config = DataConfig(corpus=Call(name="invented", options=SMALL))
    corpus = load_corpus(config, Vocabulary("aeiou"))
    with pytest.raises(UsageError, match="not in the vocabulary"):
        _ = corpus.tokens


def test_an_unknown_option_of_a_corpus_lists_its_options(load: Load) -> None:
    with pytest.raises(UsageError, match=r"documnets.*Its options: documents, seed"):
        load("invented", {"documnets": 3})


@pytest.mark.parametrize("options", [{"documents": -1}, {"documents": 0}, {"documents": "many"}, {"seed": -1}])
def test_an_option_of_invented_that_is_out_of_range_is_told(load: Load, options: dict[str, object]) -> None:
    with pytest.raises(ZooError):
        load("invented", options)
