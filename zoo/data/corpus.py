"""A corpus, text or a task, as tokens in three splits."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from zoo.data.endless import EndlessRows, hold
from zoo.data.large.prepared import Prepared
from zoo.data.rows import DocumentRows, Rows, StreamRows
from zoo.data.source import Document, LogLikelihood
from zoo.data.splits import SPLITS, Split
from zoo.data.task import TEST, TRAIN, VALIDATION, Task
from zoo.data.tokens import Tokens
from zoo.data.vocabulary import Vocabulary
from zoo.errors import DataError

ROUNDING = 1e-6
"""Largest log probability above 0 that is accepted as a rounding error."""


@dataclass(frozen=True)
class Corpus:
    """A text, its vocabulary and its splits.

    Args:
        name: name in reports.
        is_stream: whether the text is one stream rather than documents.
        vocabulary: encodes the text.
        text: documents of each split, or its piece of the stream as a list of one; None for a `prepared` text.
        overlap: number of documents of each split that also occur in an earlier one, before removal; None if unknown.
        deduped: whether these documents were removed.
        has_test: whether there is a test split; otherwise validation serves as test.
        log_likelihood: exact log probabilities of the source, or None.
        prepared: tokens of a text that is too large for memory.
        remark: note for the user on how the text was read.
        answers: targets of the documents of each split, where these are not the next tokens.
        unscored: the sign in `answers` for no target.
        task: the task that draws all documents; there is no text.
    """

    name: str
    is_stream: bool
    vocabulary: Vocabulary
    text: Split[list[Document]] | None
    overlap: Split[int] | None
    deduped: bool = False
    has_test: bool = True
    log_likelihood: LogLikelihood | None = None
    prepared: Prepared | None = None
    remark: str = ""
    answers: Split[list[Document]] | None = None
    unscored: str = "_"
    task: Task | None = None

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the text of the splits, or of a task's documents; for a large file, of bytes and split."""
        if self.prepared:
            return self.prepared.digest
        digest = hashlib.sha256()
        if self.task:
            digest.update(repr([self.task.symbols, self.task.seed]).encode())
            for name in SPLITS:
                digest.update(
                    self.tokens[name].flat.tobytes() + np.ascontiguousarray(self.tokens[name].answers).tobytes()
                )
            return digest.hexdigest()
        if self.answers:
            digest.update(f"answers without {self.unscored!r}".encode())
        for name in SPLITS:
            for document in [*self._text(name), *(self.answers[name] if self.answers else ())]:
                data = document.encode() if isinstance(document, str) else document
                digest.update(len(data).to_bytes(8, "little") + data)
            digest.update(b"\xff" * 8)
        return digest.hexdigest()

    @cached_property
    def tokens(self) -> Split[Tokens]:
        """The splits as tokens; of the training documents of a task, the first ones of seed 0."""
        if self.prepared:
            return self.prepared.tokens
        if self.task:
            found = (self.task.block(TRAIN, 0, 0), *map(self.task.held_out, (VALIDATION, TEST)))
            return Split(*(hold(documents, self.task.vocab_size) for documents in found))
        if self.answers:
            return Split(*(self._with_answers(self._text(name), self.answers[name]) for name in SPLITS))
        return Split(*(Tokens.split(*self.vocabulary.encode_all(self._text(name))) for name in SPLITS))

    def _with_answers(self, texts: Sequence[Document], answers: Sequence[Document]) -> Tokens:
        text, lengths = self.vocabulary.encode_all(texts)
        return Tokens.with_answers(text, self.vocabulary.encode_answers(answers, self.unscored), lengths)

    def _text(self, split: str) -> list[Document]:
        assert self.text is not None
        return self.text[split]

    @cached_property
    def targets(self) -> dict[str, int]:
        """Split -> number of scored tokens, with the ends of documents; 0 for a training split without end."""
        targets = {split: self.tokens[split].targets - self.is_stream for split in SPLITS}
        return targets | {"train": 0} if self.task else targets

    @cached_property
    def bytes(self) -> dict[str, int]:
        """Split -> number of bytes that its targets stand for; the end of a document is one. Empty for answers."""
        if self.has_answers:
            return {}
        if self.prepared:
            return self.prepared.bytes
        lengths = self.vocabulary.byte_lengths
        ends = int(self.is_stream)  # the end of a stream is no target
        return {split: self.tokens[split].count_bytes(lengths) - ends for split in SPLITS}

    @property
    def task_length(self) -> int | None:
        """T of a task, the default of `context`; None for text."""
        return self.task.length if self.task else None

    @property
    def has_answers(self) -> bool:
        """Whether documents have targets of their own, other than the next token."""
        return self.answers is not None or self.task is not None

    @property
    def has_equal_rows(self) -> bool:
        """Whether all rows have one length, so that batches are dense: those of a stream, or of a task."""
        return self.is_stream or self.task is not None

    def rows(self, split: str, *, length: int, device: torch.device | str = "cpu") -> Rows:
        """Rows of a split on a device; `length` (T) is the row length of a stream."""
        device = torch.device(device)
        if self.task and split == "train":
            return EndlessRows(self.task, device)
        if self.is_stream:
            return StreamRows(self.tokens[split], length, device)
        return DocumentRows(self.tokens[split], device)

    def row_targets(self, length: int) -> float:
        """Mean number of target tokens of a training row; unscored ones count too."""
        if self.task:
            return float(self.task.length)
        if self.is_stream:
            return float(min(length, self.targets["train"]))
        return float(self.tokens.train.starts[-1]) / len(self.tokens.train)

    @cached_property
    def floor(self) -> dict[str, float | None]:
        """Split -> loss (nats per token) of a perfect model on this split; None if unknown.

        Raises:
            DataError: the source gives no valid log probability for a document.
        """
        if self.task:
            held = {"validation": VALIDATION, "test": TEST}
            known = {split: self.task.measure_floor(self.task.held_out(number)).loss for split, number in held.items()}
            return {"train": None, **known}
        if self.log_likelihood is None or self.deduped:
            return dict.fromkeys(SPLITS)
        return {split: -sum(self._log_likelihoods(split)) / self.targets[split] for split in SPLITS}

    def _log_likelihoods(self, split: str) -> list[float]:
        documents = self._text(split)
        nats = self.log_likelihood(documents) if self.log_likelihood else []
        odd = [value for value in nats if not -math.inf < value < ROUNDING]
        if odd or len(nats) != len(documents):
            gives = f"{odd[0]:g} for one of" if odd else f"{len(nats)} numbers for"
            raise DataError(
                f"Corpus '{self.name}': log_likelihood gives {gives} {len(documents)} documents. Each needs its log "
                "probability, finite and at most 0."
            )
        return nats

    def summary(self) -> str:
        """Describe the corpus in one line: name, size, vocabulary, splits, and repeated documents or a task's lines."""
        if self.task:
            return f"{self.name}: {self.task.summary()}"
        own = SPLITS if self.has_test else SPLITS[:2]
        size = "{:,} / {:,} / {:,} tokens".format(*self.targets.values())
        if self.is_stream:
            what = f"one stream, {sum(self.targets[name] for name in own):,} {self.vocabulary.unit}"
        else:
            what = f"{sum(len(self.tokens[name]) for name in own):,} documents"
        line = f"{self.name}: {what}, vocabulary {len(self.vocabulary)}, train / validation / test {size}"
        line += f"; {self.remark}" if self.remark else ""
        if not self.has_test:
            line += "; no test split: validation stands in for it"
        if self.overlap is None:
            return line if self.is_stream else line + "; repeated documents are not counted"
        if self.deduped:
            test = f" / {self.overlap.test:,}" if self.has_test else ""
            line += f"; removed {self.overlap.validation:,}{test} repeated documents"
        elif self.overlap.validation or self.overlap.test:
            seen, count = self.overlap, self.tokens
            line += f"; {seen.validation / len(count.validation):.0%} of validation documents also occur in training"
            line += f", {seen.test / len(count.test):.0%} of test documents in either" if self.has_test else ""
        return line
