import random

import pytest

from zoo.data.splits import SPLITS, Split, dedupe, seen_before, split_documents, split_stream


@pytest.mark.parametrize(
    ("count", "sizes"),
    [(10, (8, 1, 1)), (11, (8, 1, 2)), (32_033, (25626, 3203, 3204)), (99, (79, 10, 10)), (0, (0, 0, 0))],
)
def test_documents_and_streams_are_cut_at_80_and_90_percent(count: int, sizes: tuple[int, int, int]) -> None:
    everything = list(range(count))
    for split in (split_documents(everything, 42), split_stream(everything, count)):
        assert tuple(len(split[name]) for name in SPLITS) == sizes


@pytest.mark.parametrize("seed", [42, 7])
def test_documents_are_shuffled_as_random_shuffle_does(seed: int) -> None:
    documents = [str(number) for number in range(1000)]
    shuffled = documents.copy()
    random.Random(seed).shuffle(shuffled)
    split = split_documents(documents, seed)
    assert split.train + split.validation + split.test == shuffled
    assert documents == [str(number) for number in range(1000)], "the caller's list is left as it was"


def test_a_stream_is_cut_into_contiguous_blocks_in_order() -> None:
    stream = "the quick brown fox jumps over the lazy dog"
    split = split_stream(stream, len(stream))
    assert split.train + split.validation + split.test == stream


REPEATED = Split(["a", "b", "b"], ["a", "c", "c", "d"], ["b", "c", "e", "e"])


def test_documents_that_stand_in_an_earlier_split_are_counted() -> None:
    assert seen_before(REPEATED) == Split(0, 1, 2)


def test_dedupe_leaves_no_document_in_two_splits_and_removes_nothing_else() -> None:
    assert dedupe(REPEATED) == Split(["a", "b", "b"], ["c", "c", "d"], ["e", "e"])
