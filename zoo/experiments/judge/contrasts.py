"""Find the passages of the test split on which two models differ most, token by token."""

import codecs
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from zoo.byte_level import read_token_bytes
from zoo.config import Frozen
from zoo.errors import RunError
from zoo.experiments.records.detail import Kept, read_kept
from zoo.experiments.records.run import DataRecord, Run
from zoo.experiments.records.tokenizer import read_tokenizer

LENGTH = 120
"""Most tokens of a passage; longer documents, and a stream, are cut."""
EACH_WAY = 3
"""Passages shown for each of the two models."""
OTHERS = 3
"""Models that the best one is compared with, in the order of the ranking."""
DIGITS = 4
BYTES = [bytes([byte]) for byte in range(256)]

Array = NDArray[np.float64]


class Passage(Frozen):
    """A document, or a part of a document or stream: its characters, and their losses under two models.

    Losses are nats, means over the seeds. A character of several tokens (bytes) has the sum of their losses; "" is the
    end of a document.
    """

    document: int | None
    """Number of the document in the split, from 1; None for a stream."""
    begins: bool
    """Whether the document, or the stream, begins with this passage."""
    ends: bool
    """Whether the kept tokens of the document, or stream, end with this passage."""
    text: tuple[str, ...]
    a: tuple[float, ...]
    b: tuple[float, ...]

    @property
    def difference(self) -> float:
        """Loss of `a` minus loss of `b` on the whole passage, nats."""
        return sum(self.a) - sum(self.b)


class Contrast(Frozen):
    """Two models, the better one first, and the passages on which each does best against the other."""

    a: str
    b: str
    tokens: int
    """Number of tokens compared, from the beginning of the test split."""
    passages: tuple[Passage, ...]


def find_contrasts(runs: Mapping[str, Sequence[Run]], data: DataRecord) -> tuple[Contrast, ...]:
    """Compare the best model with each of the next ones.

    Args:
        runs: label -> the runs of a model on one split, the best model first.

    Raises:
        RunError: a record is damaged, or the runs recorded different tokens.
    """
    kept: Kept | None = None
    means: dict[str, Array] = {}
    for label, own in list(runs.items())[: OTHERS + 1]:
        losses = []
        for run in own:
            found = read_kept(run.directory)
            if found is None or not len(found.nats):
                return ()
            if kept and not (np.array_equal(kept.tokens, found.tokens) and np.array_equal(kept.targets, found.targets)):
                raise RunError("The runs of the comparison have not kept the losses of the same tokens.")
            kept = found
            losses.append(found.nats.astype(np.float64))
        means[label] = np.mean(losses, axis=0)
    if kept is None:
        return ()
    cuts = list(_cut(kept.tokens, data.is_stream))
    best, *others = means
    tokenizer = read_tokenizer(next(iter(runs.values()))[0].directory, data)
    pieces = read_token_bytes(tokenizer) if tokenizer else BYTES
    return tuple(_contrast((best, other), means, kept, cuts, data, pieces) for other in others)


def _contrast(
    pair: tuple[str, str],
    means: Mapping[str, Array],
    kept: Kept,
    cuts: Sequence[tuple[int, int, int]],
    data: DataRecord,
    pieces: Sequence[bytes],
) -> Contrast:
    (a, b), (one, other) = pair, (means[label] for label in pair)
    apart = np.add.reduceat(one - other, [start for _, start, _ in cuts])
    order = np.argsort(apart, kind="stable").tolist()
    chosen = [index for index in order[:EACH_WAY] if apart[index] < 0]
    chosen += [index for index in order[::-1][:EACH_WAY] if apart[index] > 0]
    passages = tuple(_passage(cuts[index], one, other, kept, data, pieces) for index in chosen)
    return Contrast(a=a, b=b, tokens=len(kept.nats), passages=passages)


def _cut(tokens: NDArray[np.int64], is_stream: bool) -> Iterator[tuple[int, int, int]]:
    """Yield document (from 0), start and end of every passage."""
    ends = np.cumsum(tokens)
    for number, end in enumerate([int(ends[-1])] if is_stream else ends.tolist()):
        first = 0 if number == 0 else int(ends[number - 1])
        for start in range(first, end, LENGTH):
            yield number, start, min(start + LENGTH, end)


def _passage(
    cut: tuple[int, int, int], one: Array, other: Array, kept: Kept, data: DataRecord, pieces: Sequence[bytes]
) -> Passage:
    number, start, end = cut
    bounds = np.cumsum(kept.tokens)
    first, last = (
        (0, len(kept.nats)) if data.is_stream else (int(bounds[number] - kept.tokens[number]), int(bounds[number]))
    )
    parts = list(_characters(kept.targets[start:end].tolist(), data.characters, pieces))
    heads = [place for _, place in parts]
    a, b = (
        tuple(round(float(value), DIGITS) for value in np.add.reduceat(part[start:end], heads)) for part in (one, other)
    )
    return Passage(document=None if data.is_stream else number + 1, begins=start == first, ends=end == last,
                   text=tuple(text for text, _ in parts), a=a, b=b)  # fmt: skip


def _characters(targets: Sequence[int], characters: str | None, pieces: Sequence[bytes]) -> Iterator[tuple[str, int]]:
    """Yield every character of the tokens, or the characters that end with a token, and the index of its first token.

    "" is the end of a document. `pieces` has the bytes of the tokens 1, 2, ... where there are no characters.
    """
    if characters is not None:
        for place, token in enumerate(targets):
            yield "" if token == 0 else characters[token - 1] if token <= len(characters) else "\ufffd", place
        return
    decoder, began = codecs.getincrementaldecoder("utf-8")(errors="replace"), 0
    for place, token in enumerate(targets):
        last = place + 1 == len(targets) or targets[place + 1] == 0
        text = decoder.decode(pieces[token - 1] if 0 < token <= len(pieces) else b"", final=last)
        if text or token == 0:
            yield text, began
            began = place + 1
