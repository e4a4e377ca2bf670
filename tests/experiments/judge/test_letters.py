"""Two models share a letter exactly when they are not told apart."""

from itertools import combinations

import numpy as np
import pytest

from zoo.experiments.judge.letters import compact_letters


@pytest.mark.parametrize(
    ("different", "letters"),
    [
        ("", {"w": "a", "x": "a", "y": "a", "z": "a"}),
        ("wx wy wz xy xz yz", {"w": "a", "x": "b", "y": "c", "z": "d"}),
        ("wz", {"w": "a", "x": "ab", "y": "ab", "z": "b"}),
        ("wy wz xz", {"w": "a", "x": "ab", "y": "bc", "z": "c"}),
        ("wy wz xy xz", {"w": "a", "x": "a", "y": "b", "z": "b"}),
    ],
    ids=["none", "all", "the-ends", "a-chain", "two-groups"],
)
def test_the_display_is_the_textbook_one(different: str, letters: dict[str, str]) -> None:
    assert compact_letters("wxyz", [(pair[0], pair[1]) for pair in different.split()]) == letters


@pytest.mark.parametrize("seed", range(40))
def test_two_models_share_a_letter_exactly_when_they_are_not_different(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = [f"model {place}" for place in range(rng.integers(1, 13))]
    pairs = list(combinations(labels, 2))
    different = {pair for pair in pairs if rng.random() < seed / 40}
    letters = compact_letters(labels, different)
    assert "a" in letters[labels[0]]
    for a, b in pairs:
        assert bool(set(letters[a]) & set(letters[b])) != ((a, b) in different)


def test_more_groups_than_the_alphabet_has_letters_are_still_told_apart() -> None:
    labels = [f"{place:02}" for place in range(60)]
    letters = compact_letters(labels, combinations(labels, 2))
    assert len(set(letters.values())) == 60


def test_models_that_would_have_dozens_of_letters_have_none() -> None:
    """Of 60 models each differs from the one opposite alone: 2^30 groups, and none of them says anything."""
    labels = [f"{place:02}" for place in range(60)]
    letters = compact_letters(labels, [(labels[place], labels[place + 30]) for place in range(30)])
    assert set(letters.values()) == {""}
