import hashlib
import itertools
import math
import re
import time
from collections import Counter
from functools import cache

import numpy as np
import pytest

from zoo.data.invented import AGREEMENT, MORE, ONSETS, _grammar, load, log_likelihood, sample

ARCS = _grammar()
LETTERS = sorted({letter for arcs in ARCS.values() for letter, _, _ in arcs if letter})


@cache
def brute_force(word: str, state: str = "start") -> float:
    """Probability of the rest of a word: the sum over every hidden path, one arc at a time."""
    total = 0.0
    for letter, following, probability in ARCS[state]:
        if letter == "":
            total += probability * (word == "")
        elif word.startswith(letter):
            total += probability * brute_force(word[1:], following)
    return total


def test_the_arcs_of_every_state_sum_to_one() -> None:
    for state, arcs in ARCS.items():
        assert math.isclose(math.fsum(probability for _, _, probability in arcs), 1.0, abs_tol=1e-12), state
        assert all(probability > 0 for _, _, probability in arcs), state


def test_probabilities_of_all_short_strings_are_the_sum_over_all_paths() -> None:
    words = ["".join(letters) for length in range(4) for letters in itertools.product(LETTERS, repeat=length)]
    np.testing.assert_allclose(np.exp(log_likelihood(words)), [brute_force(word) for word in words], rtol=1e-12)


def test_probabilities_of_long_words_are_the_sum_over_all_paths() -> None:
    words = sorted(sample(3000, seed=5), key=len)[-300:]
    assert len(words[-1]) >= 12
    np.testing.assert_allclose(log_likelihood(words), [math.log(brute_force(word)) for word in words], rtol=1e-12)


def test_all_words_together_have_probability_one() -> None:
    states, ended = {"start": 1.0}, 0.0
    for _ in range(20):  # letters: four syllables of three at the most, and the ending
        after: Counter[str] = Counter()
        for state, weight in states.items():
            for letter, following, probability in ARCS[state]:
                if letter:
                    after[following] += weight * probability
                else:
                    ended += weight * probability
        states = dict(after)
    assert not states
    assert ended == pytest.approx(1.0, abs=1e-12)


def test_words_occur_as_often_as_their_probability_says() -> None:
    count = 50_000
    words = sorted(set(sample(count, seed=12)))
    expected = np.exp(log_likelihood(words)) * count
    common = expected > 10  # chosen by a separate sample, not by the tested one
    occurrences = Counter(sample(count, seed=11))
    drawn = np.array([occurrences[word] for word in words])
    deviation = (drawn - expected)[common] / np.sqrt(expected[common])
    assert common.sum() > 30
    assert abs(deviation).max() < 4.5
    assert (deviation**2).mean() < 1.8


def test_the_loss_on_one_sample_is_that_on_another_but_for_chance() -> None:
    samples = [-np.array(log_likelihood(sample(20_000, seed))) for seed in (1, 2)]
    error = math.sqrt(sum(nats.var() / len(nats) for nats in samples))
    assert abs(samples[0].mean() - samples[1].mean()) < 4 * error


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("", "no syllable"),
        ("t", "no vowel"),
        ("xa", "a letter that no word has"),
        ("tä", "a letter outside of ASCII"),
        ("take", "back and front vowels"),
        ("tete" + "mak", "harmony broken at the end"),
        ("takam", "m at the end after a coronal"),
        ("mutak", "k at the end after a labial"),
        ("kakakakakaka", "six syllables"),
    ],
)
def test_an_impossible_word_has_probability_zero(word: str, why: str) -> None:
    possible = sample(1, seed=0)[0]
    impossible, unharmed = log_likelihood([word, possible])
    assert impossible == -math.inf, why
    assert unharmed == log_likelihood([possible])[0]


def test_no_words_have_no_probabilities() -> None:
    assert log_likelihood([]) == []


def test_harmony_and_agreement_hold_in_every_word() -> None:
    consonants = "".join(letter for group in ONSETS.values() for letter in group)
    patterns = []
    for first, agreement in AGREEMENT.items():
        onset = f"[{''.join(ONSETS[first])}]" if first in ONSETS else ""
        for vowels, ending in (("[aoui]", "[au]"), ("[eyi]", "[ey]")):
            syllables = f"{onset}{vowels}[lrns]?([{consonants}]{vowels}[lrns]?){{0,{len(MORE) - 1}}}"
            patterns.append(f"{syllables}({agreement}{ending}{agreement}?)?")
    valid = re.compile("|".join(patterns))
    assert [word for word in sample(20_000, seed=3) if not valid.fullmatch(word)] == []


def test_the_same_count_and_seed_give_the_same_words_on_every_machine() -> None:
    words = sample(1000, seed=0)
    assert words == sample(1000, seed=0)
    assert words != sample(1000, seed=1)
    assert hashlib.sha256("\n".join(words).encode()).hexdigest()[:16] == "c517d25313e4d645"


def test_the_default_number_of_words_takes_little_time() -> None:
    start = time.perf_counter()
    source = load()
    assert len(source.text) == 32_000
    assert time.perf_counter() - start < 5


def test_the_source_carries_its_own_probabilities() -> None:
    source = load(documents=10, seed=4)
    assert source.text == sample(10, 4)
    assert source.log_likelihood is not None
    assert source.log_likelihood(["ta"]) == log_likelihood(["ta"])
