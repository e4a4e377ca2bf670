import numpy as np
import pytest

from zoo.data.vocabulary import Vocabulary
from zoo.errors import UsageError

TEXTS = ["emma", "naïve café", "日本語", "a🦒b\U0001f9ec", "tab\tand\nline"]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("as_bytes", [False, True])
def test_decoding_what_was_encoded_gives_the_text_back(text: str, as_bytes: bool) -> None:
    vocabulary = Vocabulary.of([text.encode() if as_bytes else text])
    tokens = vocabulary.encode(text)
    assert tokens.dtype == (np.uint16 if as_bytes else np.uint8)
    assert len(tokens) == (len(text.encode()) if as_bytes else len(text))
    assert tokens.min() >= 1
    assert tokens.max() < len(vocabulary)
    assert vocabulary.decode(tokens.tolist()) == text


def test_tokens_are_the_sorted_characters_after_the_boundary() -> None:
    vocabulary = Vocabulary.of(["cab🦒", "abd"])
    assert vocabulary.characters == "abcd🦒"
    assert len(vocabulary) == 6
    assert vocabulary.encode("abcd🦒").tolist() == [1, 2, 3, 4, 5]


def test_the_lecture_has_27_tokens_for_26_letters() -> None:
    vocabulary = Vocabulary.of(["abcdefghijklm", "nopqrstuvwxyz"])
    assert len(vocabulary) == 27
    assert vocabulary.encode("az").tolist() == [1, 26]


def test_bytes_have_257_tokens_whatever_occurs() -> None:
    vocabulary = Vocabulary.of([b"ab"])
    assert len(vocabulary) == 257
    assert vocabulary.encode(b"\x00\xff").tolist() == [1, 256]


@pytest.mark.parametrize("as_bytes", [False, True])
def test_boundaries_are_left_out_of_decoded_text(as_bytes: bool) -> None:
    vocabulary = Vocabulary.of([b"ab" if as_bytes else "ab"])
    first, second = vocabulary.encode("ab").tolist()
    assert vocabulary.decode([0, first, 0, second, 0]) == "ab"


def test_bytes_that_are_not_utf8_decode_to_the_replacement_sign() -> None:
    assert Vocabulary(None).decode([0xFF + 1, ord("a") + 1]) == "\N{REPLACEMENT CHARACTER}a"


@pytest.mark.parametrize("characters", ["abd", "bd", "d🦒", ""])
@pytest.mark.parametrize("unknown", ["c", "\n", "é", "🦉", "\U0010ffff", "\0"])
def test_an_unknown_character_is_an_error_that_names_it(characters: str, unknown: str) -> None:
    vocabulary = Vocabulary(characters)
    with pytest.raises(UsageError) as error:
        vocabulary.encode(characters + unknown + characters)
    assert repr(unknown) in str(error.value)
    assert "\n" not in str(error.value)


def test_an_undecodable_byte_of_an_argument_is_an_unknown_character_and_a_known_byte() -> None:
    with pytest.raises(UsageError, match="udcff"):
        Vocabulary("ab").encode("a\udcff")
    assert Vocabulary(None).encode("a\udcff").tolist() == [ord("a") + 1, 256]


def test_no_text_is_no_tokens() -> None:
    assert Vocabulary("ab").encode("").tolist() == []
    assert Vocabulary("ab").decode([]) == ""
