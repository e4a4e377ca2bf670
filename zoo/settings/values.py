"""Parsers of flag values; each raises a ValueError whose message says what the flag takes."""

import math

from zoo.byte_level import parse_size

AUTO = "auto"
"""Word in place of a grid of learning rates, or before one: extend the grid where it is too narrow."""


def parse_seed(text: str) -> int:
    """A seed: a whole number from 0 to 2^63 - 1."""
    if not text.isascii() or not text.isdigit() or len(text.lstrip("0")) > 19 or int(text) >= 2**63:
        raise ValueError(f"'{text}' is not a whole number from 0 to 2^63 - 1.")
    return int(text)


def parse_finite(text: str) -> float:
    """A finite number."""
    number = _parse_float(text)
    if not math.isfinite(number):
        raise ValueError(f"'{text}' is not a number.")
    return number


def parse_not_negative(text: str) -> float:
    """A finite number of 0 or more."""
    number = _parse_float(text)
    if not 0 <= number < math.inf:
        raise ValueError(f"'{text}' is not a number of 0 or more.")
    return number


def parse_positive(text: str) -> float:
    """A finite number greater than 0."""
    number = _parse_float(text)
    if not 0 < number < math.inf:
        raise ValueError(f"'{text}' is not a number greater than 0.")
    return number


def parse_share(text: str) -> float:
    """A number above 0 and up to 1."""
    number = parse_positive(text)
    if number > 1:
        raise ValueError(f"'{text}' is not a share: give a number above 0 and up to 1, such as 0.9.")
    return number


def parse_tokens(text: str) -> str | int:
    """Value of the older flag `--tokens`: a unit of tokens (`bytes`, `bpe:512`) or a budget (`6.4M`)."""
    if parse_size(text):
        return text
    kind = {"chars": "characters", "characters": "characters", "bytes": "bytes"}.get(text.lower())
    if kind:
        return kind
    count = _parse_with_suffix(text)
    if not 1 <= count < math.inf:
        raise ValueError(f"'{text}' is neither a number of tokens (6400000, 6.4M) nor characters, bytes or bpe:512.")
    return round(count)


def parse_count(text: str) -> int:
    """A whole number of 1 or more, such as 2000 or 200k."""
    count = _parse_with_suffix(text)
    if not 1 <= count < math.inf or count != round(count):
        raise ValueError(f"'{text}' is not a whole number of 1 or more, such as 2000, 200k or 6.4M.")
    return round(count)


def parse_split(text: str) -> str:
    """Value of `--split` in `evaluate`: the name of a split (`test`) or shares (`90/10/0`)."""
    if "/" not in text and text not in ("train", "validation", "test"):
        raise ValueError(f"'{text}' is neither train, validation nor test, nor shares such as 90/10/0.")
    return text


def parse_large(text: str) -> float:
    """A finite number greater than 0, such as 2e12, 2T or 76k."""
    number = _parse_with_suffix(text)
    if not 0 < number < math.inf:
        raise ValueError(f"'{text}' is not a number greater than 0, such as 2e12, 2T or 76k.")
    return number


def parse_rates(text: str) -> list[float | str]:
    """At least two different learning rates in ascending order; or `auto`, alone or before its first rates."""
    parts = text.split(",")
    extends = [AUTO] if AUTO in parts else []
    grid = sorted({parse_positive(part) for part in parts if part != AUTO})
    if len(grid) < 2 and (grid or not extends):
        raise ValueError(f"'{text}' is no grid: give at least two learning rates, such as 1e-3,3e-3,1e-2, or {AUTO}.")
    return [*extends, *grid]


def parse_match(text: str) -> dict[str, float | int]:
    """`parameters=76k` or `flops=150k`."""
    kind, equals, size = text.partition("=")
    if not equals or kind not in ("parameters", "flops"):
        raise ValueError(f"'{text}' is not a size: write parameters=76k or flops=150k.")
    return {kind: round(parse_large(size)) if kind == "parameters" else parse_large(size)}


def parse_targets(text: str) -> list[float]:
    """One or more losses: 1.993, or 2.1,2.0,1.993."""
    return [parse_positive(part) for part in text.split(",")]


def parse_lengths(text: str) -> list[int]:
    """One or more factors of a length, 2 or more: 2x,4x,8x."""
    factors = [part.strip().removesuffix("x") for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and 2 <= int(part) <= 1000 for part in factors):
        raise ValueError(f"'{text}' is not a list of factors, each 2x to 1000x: give some such as 2x,4x,8x.")
    return [int(part) for part in factors]


DECIDED, LOOKS = "decided", (3, 5, 8, 12, 20)
"""Word for a comparison that stops when it is decided, and the numbers of seeds at which it then looks."""


def parse_looks(text: str) -> list[int]:
    """`decided`, for the usual numbers of seeds, or at least two of 3 or more in ascending order: 3,5,8."""
    if text == DECIDED:
        return list(LOOKS)
    looks = [int(part) for part in text.split(",") if part.strip().isdecimal()]
    if len(looks) < len(text.split(",")) or len(looks) < 2 or looks != sorted(set(looks)) or looks[0] < LOOKS[0]:
        raise ValueError(f"'{text}' is neither {DECIDED} nor numbers of seeds to look at, 3 or more, such as 3,5,8.")
    return looks


def parse_seeds(text: str) -> int | tuple[int, int]:
    """A number of seeds, or the least and the largest: 3..20."""
    low, dots, high = text.partition("..")
    numbers = [int(part) for part in (low, high if dots else low) if part.isascii() and part.isdigit()]
    if len(numbers) < 2 or not 1 <= numbers[0] <= numbers[1]:
        raise ValueError(f"'{text}' is not a number of seeds: give 5, or 3..20 with --until decided.")
    return (numbers[0], numbers[1]) if dots else numbers[0]


def parse_sizes(text: str) -> list[int]:
    """At least two different numbers of parameters in ascending order."""
    sizes = sorted({round(parse_large(part)) for part in text.split(",")})
    if len(sizes) < 2 or sizes[0] < 1:
        raise ValueError(f"'{text}' is not a list of sizes: give at least two numbers of parameters, such as 10k,30k.")
    return sizes


def _parse_float(text: str) -> float:
    """The number, or NaN."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def _parse_with_suffix(text: str) -> float:
    """A number with an optional suffix k, M, G or T; NaN if the text is none."""
    factor = {"k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12}.get(text[-1:].lower(), 1.0)
    return _parse_float(text[:-1] if factor > 1 else text) * factor
