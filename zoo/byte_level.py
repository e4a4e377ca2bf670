"""Read the tokens of a byte-level tokenizer, a tokenizer.json of the library `tokenizers`, without that library.

Byte-level tokens are spelled in 256 printable characters, one for each byte (Radford et al. 2019, GPT-2).
"""

import json
from collections.abc import Mapping
from functools import lru_cache

PREFIX = "bpe:"
"""Begins the name of a tokenizer of byte pairs, before its number of tokens."""
LEAST_TOKENS, MOST_TOKENS = 256, 65_000
"""The bytes themselves, of which all other tokens are merged; with the boundary tokens fit into 16 bits."""


def parse_size(text: str) -> int | None:
    """Return the number of tokens of `bpe:512`; None if the text does not begin so.

    Raises:
        ValueError: it is no number, or out of range.
    """
    if not text.startswith(PREFIX):
        return None
    size = text.removeprefix(PREFIX)
    if not (size.isascii() and size.isdigit() and LEAST_TOKENS <= int(size[:9]) <= MOST_TOKENS):
        raise ValueError(
            f"'{text:.40}' has no number of tokens from {LEAST_TOKENS} (the bytes) to {MOST_TOKENS:,}, as bpe:512 has"
        )
    return int(size)


def _spell_bytes() -> Mapping[str, int]:
    """Character -> byte: printable ones of Latin-1 stand for themselves, the others for U+0100 and following."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + place): byte for place, byte in enumerate(others)}


BYTE_OF = _spell_bytes()


@lru_cache(maxsize=8)
def read_token_bytes(text: str) -> tuple[bytes, ...]:
    """Return the bytes of every token, in order of their numbers.

    Raises:
        ValueError: the text is no byte-level tokenizer, or its tokens are not numbered from 0.
    """
    try:
        numbers: dict[str, int] = json.loads(text)["model"]["vocab"]
        spelled = sorted(numbers, key=lambda token: numbers[token])
        found = tuple(bytes(BYTE_OF[sign] for sign in token) for token in spelled)
    except (KeyError, TypeError, AttributeError, RecursionError):
        raise ValueError("it is no byte-level tokenizer") from None
    if [numbers[token] for token in spelled] != list(range(len(spelled))) or not 0 < len(spelled) <= MOST_TOKENS:
        raise ValueError(f"its tokens are not numbered from 0, or more than {MOST_TOKENS:,}")
    return found
