"""Load a corpus that a `DataConfig` describes, as tokens in three splits: the entry point of `zoo.data`."""

import hashlib
import inspect
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from pydantic import ConfigDict, ValidationError, validate_call

from registry import RegistryError
from registry.files import is_file_reference
from zoo.blame import blame
from zoo.catalog import CORPORA
from zoo.config import ONLY_SPLIT, DataConfig
from zoo.data.files import arrange, join_lines, read_source, too_few_error
from zoo.data.large.prepared import LARGE, Prepared, prepare
from zoo.data.open_text import is_large, open_text
from zoo.data.rows import DocumentRows, Rows, StreamRows
from zoo.data.source import Document, LogLikelihood, Source
from zoo.data.splits import SPLITS, Split, can_split, count_repeats, dedupe, split_documents, split_stream
from zoo.data.text_files import TextFiles
from zoo.data.tokens import Tokens
from zoo.data.vocabulary import Vocabulary
from zoo.errors import DataError, UsageError, describe_faults
from zoo.surroundings import restore_and_report

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

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the text of the splits; for a large file, of its bytes and split settings."""
        if self.prepared:
            return self.prepared.digest
        digest = hashlib.sha256()
        for name in SPLITS:
            for document in self._text(name):
                data = document.encode() if isinstance(document, str) else document
                digest.update(len(data).to_bytes(8, "little") + data)
            digest.update(b"\xff" * 8)
        return digest.hexdigest()

    @cached_property
    def tokens(self) -> Split[Tokens]:
        """The splits as tokens."""
        if self.prepared:
            return self.prepared.tokens
        return Split(*(Tokens.split(*self.vocabulary.encode_all(self._text(name))) for name in SPLITS))

    def _text(self, split: str) -> list[Document]:
        assert self.text is not None
        return self.text[split]

    @cached_property
    def targets(self) -> dict[str, int]:
        """Split -> number of target tokens, with the ends of documents."""
        return {split: self.tokens[split].targets - self.is_stream for split in SPLITS}

    def rows(self, split: str, *, length: int, device: torch.device | str = "cpu") -> Rows:
        """Rows of a split on a device; `length` (T) is the row length of a stream."""
        device = torch.device(device)
        if self.is_stream:
            return StreamRows(self.tokens[split], length, device)
        return DocumentRows(self.tokens[split], device)

    def row_targets(self, length: int) -> float:
        """Mean number of target tokens of a training row."""
        if self.is_stream:
            return float(min(length, self.targets["train"]))
        return self.targets["train"] / len(self.tokens.train)

    @cached_property
    def floor(self) -> dict[str, float | None]:
        """Split -> loss (nats per token) of a perfect model on this split; None if unknown.

        Raises:
            DataError: the source gives no valid log probability for a document.
        """
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
        """Describe the corpus in one line: name, size, vocabulary, splits, and repeated documents."""
        own = SPLITS if self.has_test else SPLITS[:2]
        size = "{:,} / {:,} / {:,} tokens".format(*self.targets.values())
        if self.is_stream:
            units = "bytes" if self.vocabulary.characters is None else "characters"
            what = f"one stream, {sum(self.targets[name] for name in own):,} {units}"
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


def load_corpus(config: DataConfig, vocabulary: Vocabulary | None = None) -> Corpus:
    """Load the corpus that `config` names; `vocabulary` is given if a trained model fixes it.

    Raises:
        DataError: the text cannot be read, is too small to split, or too large for more than one split.
        UsageError: the corpus does not have an option, or a name is neither a corpus nor a file.
        RegistryError: a provider is broken, or a name is claimed twice.
        StrangerError: the corpus's own code raised.
    """
    return load_corpora([config], vocabulary)[config.rotation]


def load_corpora(configs: Sequence[DataConfig], vocabulary: Vocabulary | None = None) -> dict[str, Corpus]:
    """Rotation -> corpus, for `configs` that differ only in rotation; reads the text once.

    Raises:
        DataError, UsageError, RegistryError, StrangerError: as `load_corpus`.
    """
    with open_text(configs[0]) as text:
        return _load(text, configs, vocabulary)


def _load(text: TextFiles | None, configs: Sequence[DataConfig], vocabulary: Vocabulary | None) -> dict[str, Corpus]:
    if text and is_large(text, LARGE, configs[0]):
        if any(config.rotation != ONLY_SPLIT for config in configs):
            raise DataError(
                f"{text.name} is larger than {LARGE >> 20} MB, and several splits need a text that is held in memory. "
                "Give a smaller file, or leave --splits out."
            )
        prepared, has_test = prepare(text, configs[0], vocabulary), configs[0].has_test
        corpus = Corpus(
            text.name, prepared.is_stream, prepared.vocabulary, None, None, has_test=has_test, prepared=prepared
        )
        return {ONLY_SPLIT: corpus}
    source = _read_source(configs[0], text)
    if configs[0].tokens == "bytes":
        source = _encode_texts(source)
    vocabulary = vocabulary or Vocabulary.of(_list_texts(source))
    return {config.rotation: _split(source, config, vocabulary) for config in configs}


def _split(source: Source, config: DataConfig, vocabulary: Vocabulary) -> Corpus:
    if isinstance(source.text, str | bytes):
        if len(source.text) < 10 or not can_split(len(source.text), config.shares, config.turn):
            raise DataError(f"{source.name} has {len(source.text)} tokens: too few to split {config.split}.")
        pieces = split_stream(source.text, len(source.text), config.shares, config.turn)
        split: Split[list[Document]] = Split([pieces.train], [pieces.validation], [pieces.test])
        overlap = Split(0, 0, 0)
    else:
        split = split_documents(source.text, config.split_seed, config.shares, config.turn)
        overlap = count_repeats(split)
        if config.dedupe:
            split = dedupe(split)
        if not (split.train and split.validation and (split.test or not config.has_test)):
            few = len(source.text)
            enough = can_split(few, config.shares, config.turn)
            why = "but --dedupe leaves a split empty" if enough else f"too few to split {config.split}"
            raise too_few_error(source.name, few, why)
    if not config.has_test:
        split = replace(split, test=split.validation)
    return Corpus(
        name=source.name,
        is_stream=source.is_stream,
        vocabulary=vocabulary,
        text=split,
        overlap=overlap,
        deduped=config.dedupe,
        has_test=config.has_test,
        log_likelihood=source.log_likelihood,
        remark=source.remark,
    )


def _list_texts(source: Source) -> list[Document]:
    return [source.text] if isinstance(source.text, str | bytes) else list(source.text)


def _encode_texts(source: Source) -> Source:
    def encode(text: Document) -> bytes:
        return text.encode() if isinstance(text, str) else text

    text = source.text
    encoded = encode(text) if isinstance(text, str | bytes) else [encode(document) for document in text]
    likelihood = source.log_likelihood
    if all(document.isascii() for document in _list_texts(source)):
        return Source(
            source.name,
            encoded,
            likelihood and (lambda t: likelihood([document.decode() for document in t])),
            source.remark,
        )
    return Source(source.name, encoded, remark=source.remark)


def _read_source(config: DataConfig, text: TextFiles | None) -> Source:
    name, options = config.corpus.name, config.corpus.options
    as_bytes = config.tokens == "bytes"
    if name in CORPORA.names() or is_file_reference(name):
        loader = CORPORA.get(name)
        module = getattr(loader, "__module__", None) or ""
        try:
            with (
                restore_and_report(f"Corpus '{name}'", "when it is read"),
                blame(f"Corpus '{name}'", "to load", module=module),
            ):
                source = validate_call(config=ConfigDict(strict=True))(loader)(**options)
        except ValidationError as error:
            known = ", ".join(inspect.signature(loader).parameters) or "none"
            raise UsageError(f"Corpus '{name}': {describe_faults(error)}. Its options: {known}.") from None
        if not isinstance(source, Source):
            raise DataError(f"Corpus '{name}' gave a {type(source).__name__}, not a zoo.Source.")
        if not isinstance(source.text, Sequence):
            raise DataError(f"Corpus '{name}' gave its documents as a {type(source.text).__name__}, not as a list.")
        return source if config.documents == "auto" else _rearrange(source, config)
    if name != "-" and text is None:
        try:
            CORPORA.find(name)
        except RegistryError as error:
            raise UsageError(f"{str(error).partition(' A file of')[0]} No file or directory '{name}' either.") from None
    return read_source(text, layout=config.documents, as_bytes=as_bytes)


def _rearrange(source: Source, config: DataConfig) -> Source:
    """Turn documents of a named corpus into a stream, or a stream into documents; drops log probabilities."""
    if source.is_stream == (config.documents == "none"):
        return source
    return arrange(join_lines(_list_texts(source)), source.name, config.documents)
