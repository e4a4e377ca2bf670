"""What a general compressor makes of the test text after it has seen the training text: a number to compare with.

    xz(training text + test text) - xz(training text), over the bytes of the test text

xz -9 remembers the last 64 MiB, so it sees all of a text that is measured here. Documents end with a newline each.
"""

import lzma
import math
from dataclasses import dataclass

from zoo.data.corpus import Corpus

MOST = 4 << 20
"""Most bytes of training and test text that are compressed: a core takes a second for each megabyte or two."""
PRESET = 9


@dataclass(frozen=True)
class Compressed:
    """Compressed size of the test text: bits for each of its bytes, and nats for each of its targets."""

    bits_per_byte: float
    nats_per_token: float


def compress_test(corpus: Corpus) -> Compressed | None:
    """Compress a corpus; None if its text is not in memory, is too large, or has answers instead of next tokens."""
    if corpus.text is None or corpus.has_answers:
        return None
    train, test = (_join(corpus.text[split], stream=corpus.is_stream) for split in ("train", "test"))
    if len(train) + len(test) > MOST:
        return None
    bits = 8 * max(0, _measure(train + test) - _measure(train))
    return Compressed(bits / len(test), bits * math.log(2) / corpus.targets["test"])


def _join(documents: list[str | bytes], *, stream: bool) -> bytes:
    end = b"" if stream else b"\n"
    return b"".join((text.encode() if isinstance(text, str) else text) + end for text in documents)


def _measure(data: bytes) -> int:
    return len(lzma.compress(data, preset=PRESET))
