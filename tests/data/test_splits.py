import random

import pytest

from zoo.data.splits import SPLITS, Split, can_split, count_repeats, dedupe, split_documents, split_stream


@pytest.mark.parametrize(
    ("count", "sizes"),
    [(10, (8, 1, 1)), (11, (8, 1, 2)), (32_033, (25626, 3203, 3204)), (99, (79, 10, 10)), (0, (0, 0, 0))],
)
def test_documents_and_streams_are_cut_at_80_and_90_percent(count: int, sizes: tuple[int, int, int]) -> None:
    everything = list(range(count))
    for split in (split_documents(everything, 42), split_stream(everything, count)):
        assert tuple(len(split[name]) for name in SPLITS) == sizes


@pytest.mark.parametrize(("shares", "sizes"), [((90, 10, 0), (180, 21, 0)), ((60, 39, 1), (120, 78, 3))])
def test_other_shares_cut_elsewhere(shares: tuple[int, int, int], sizes: tuple[int, int, int]) -> None:
    everything = list(range(201))
    for split in (split_documents(everything, 42, shares), split_stream(everything, 201, shares)):
        assert tuple(len(split[name]) for name in SPLITS) == sizes
    assert split_documents(everything, 42, shares).train[:120] == split_documents(everything, 42).train[:120]


@pytest.mark.parametrize("count", range(2, 30))
@pytest.mark.parametrize("shares", [(80, 10, 10), (90, 10, 0), (98, 1, 1)])
def test_it_is_known_beforehand_whether_a_split_stays_empty(count: int, shares: tuple[int, int, int]) -> None:
    split = split_documents(list(range(count)), 1, shares)
    wanted = SPLITS if shares[2] else SPLITS[:2]
    assert can_split(count, shares) == all(split[name] for name in wanted)


@pytest.mark.parametrize("seed", [42, 7])
def test_documents_are_shuffled_as_random_shuffle_does(seed: int) -> None:
    documents = [str(number) for number in range(1000)]
    shuffled = documents.copy()
    random.Random(seed).shuffle(shuffled)
    split = split_documents(documents, seed)
    assert split.train + split.validation + split.test == shuffled
    assert documents == [str(number) for number in range(1000)], "the caller's list is left as it was"


SEVERAL = [(10, 10, (80, 10, 10)), (32_033, 10, (80, 10, 10)), (999, 5, (80, 10, 10)), (101, 3, (60, 10, 30)),
           (37, 8, (75, 13, 12)), (203, 7, (86, 14, 0))]  # fmt: skip


@pytest.mark.parametrize(("count", "of", "shares"), SEVERAL)
def test_several_splits_score_disjoint_parts_and_each_uses_everything_once(count, of, shares) -> None:
    everything = list(range(count))
    scored: list[int] = []
    for number in range(1, of + 1):
        split = split_stream(everything, count, shares, (number, of))
        assert sorted(split.train + split.validation + split.test) == everything
        scored += split.test or split.validation
        assert split.train
        assert split.validation
    assert len(set(scored)) == len(scored) >= count * (shares[2] or shares[1]) // 100 * of


@pytest.mark.parametrize(("count", "of", "shares"), SEVERAL)
def test_no_scored_region_of_a_stream_holds_the_seam(count, of, shares) -> None:
    for number in range(1, of + 1):
        split = split_stream(list(range(count)), count, shares, (number, of))
        region = split.test or split.validation
        assert region == list(range(region[0], region[-1] + 1))


def test_the_first_of_several_splits_is_the_only_one_and_the_others_begin_evenly_further_on() -> None:
    documents = [str(number) for number in range(100)]
    assert split_documents(documents, 7, turn=(1, 5)) == split_documents(documents, 7)
    order = [*split_documents(documents, 7).train, *split_documents(documents, 7).validation]
    order += split_documents(documents, 7).test
    third = split_documents(documents, 7, turn=(3, 5))
    assert third.train + third.validation + third.test == order[40:] + order[:40]


def test_a_stream_is_cut_into_contiguous_blocks_in_order() -> None:
    stream = "the quick brown fox jumps over the lazy dog"
    split = split_stream(stream, len(stream))
    assert split.train + split.validation + split.test == stream


REPEATED = Split(["a", "b", "b"], ["a", "c", "c", "d"], ["b", "c", "e", "e"])


def test_documents_that_stand_in_an_earlier_split_are_counted() -> None:
    assert count_repeats(REPEATED) == Split(0, 1, 2)


def test_dedupe_leaves_no_document_in_two_splits_and_removes_nothing_else() -> None:
    assert dedupe(REPEATED) == Split(["a", "b", "b"], ["c", "c", "d"], ["e", "e"])
