"""Load a corpus that a `DataConfig` describes: the entry point of `zoo.data`."""

import inspect
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pydantic import ConfigDict, ValidationError, validate_call

from registry import RegistryError
from registry.files import is_file_reference
from zoo.blame import blame
from zoo.byte_level import parse_size
from zoo.catalog import CORPORA
from zoo.config import ONLY_SPLIT, DataConfig
from zoo.data.byte_pairs import train_byte_pairs
from zoo.data.corpus import Corpus
from zoo.data.files import arrange, join_lines, read_source, too_few_error
from zoo.data.large.prepared import LARGE, prepare
from zoo.data.open_text import is_large, open_text
from zoo.data.source import Document, Source
from zoo.data.splits import SPLITS, Split, can_split, count_repeats, dedupe, split_documents, split_stream
from zoo.data.task import Task
from zoo.data.text_files import TextFiles
from zoo.data.vocabulary import Vocabulary, as_text
from zoo.errors import DataError, UsageError, describe_faults
from zoo.surroundings import restore_and_report


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
    if isinstance(source, Task):
        name = str(configs[0].corpus)
        _check_task_settings(name, configs)
        symbols = Vocabulary(source.symbols)
        if vocabulary is not None and vocabulary != symbols:
            raise UsageError(
                f"Task '{name}' has {len(symbols) - 1} symbols of its own, others than the vocabulary of the run."
            )
        return {ONLY_SPLIT: Corpus(name, False, symbols, None, Split(0, 0, 0), task=source)}
    if configs[0].tokens == "bytes":
        source = _encode_texts(source)
    if parse_size(configs[0].tokens):
        _check_byte_pairs(source, configs)
    else:
        vocabulary = vocabulary or Vocabulary.of(_list_texts(source))
    return {config.rotation: _split(source, config, vocabulary) for config in configs}


def _check_task_settings(name: str, configs: Sequence[DataConfig]) -> None:
    """Check that nothing is set that a task has none of: its documents are drawn, not read and split."""
    usual = DataConfig(corpus=configs[0].corpus)
    flags = {"documents": "--documents", "field": "--field",
             "tokens": "--tokenizer", "split": "--split", "split_seed": "--split-seed",
             "dedupe": "--dedupe", "rotation": "--splits"}  # fmt: skip
    unlike = [flag for field, flag in flags.items() if getattr(configs[0], field) != getattr(usual, field)]
    unlike += ["--splits"] if len(configs) > 1 else []
    if unlike:
        raise UsageError(
            f"Task '{name}' draws its documents, so it has no {' or '.join(unlike)}: leave that out. Its own options "
            f"are written as in '{configs[0].corpus.name}(seed=1)'."
        )


def _check_byte_pairs(source: Source, configs: Sequence[DataConfig]) -> None:
    """Check that one tokenizer can be trained: all models of a comparison share it."""
    if len(configs) > 1 or configs[0].rotation != ONLY_SPLIT:
        raise UsageError("Byte pairs are trained on one training split, and several have several: leave out --splits.")
    if source.answers is not None:
        raise UsageError(f"Corpus '{source.name}' has an answer for each character: leave out --tokenizer.")


def _split(source: Source, config: DataConfig, vocabulary: Vocabulary | None) -> Corpus:
    """Split the text; a vocabulary that is not given is trained on the training split."""
    if isinstance(source.text, str | bytes):
        if len(source.text) < 10 or not can_split(len(source.text), config.shares, config.turn):
            raise DataError(f"{source.name} has {len(source.text)} tokens: too few to split {config.split}.")
        pieces = split_stream(source.text, len(source.text), config.shares, config.turn)
        split: Split[list[Document]] = Split([pieces.train], [pieces.validation], [pieces.test])
        overlap = Split(0, 0, 0)
    else:
        whole: Sequence[Any] = (
            source.text if source.answers is None else list(zip(source.text, source.answers, strict=True))
        )
        split = split_documents(whole, config.split_seed, config.shares, config.turn)
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
    if vocabulary is None:
        size = parse_size(config.tokens) or 0
        vocabulary = Vocabulary(None, train_byte_pairs(map(as_text, split.train), size))
    answers = None
    if source.answers is not None:
        split, answers = (_take_part(split, part) for part in (0, 1))
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
        answers=answers,
        unscored=source.unscored,
    )


def _take_part(split: Split[list[Any]], part: int) -> Split[list[Document]]:
    """Take the documents (0) or the answers (1) of pairs."""
    return Split(*([pair[part] for pair in split[name]] for name in SPLITS))


def _list_texts(source: Source) -> list[Document]:
    """List all texts of a source: its documents, and what their answers say."""
    texts = [source.text] if isinstance(source.text, str | bytes) else list(source.text)
    answers = source.answers or ()
    return texts + [own.replace(source.unscored, "") if isinstance(own, str) else own for own in answers]


def _encode_texts(source: Source) -> Source:
    """Turn a source of text into one of bytes."""

    def encode(text: Document) -> bytes:
        return text.encode() if isinstance(text, str) else text

    text = source.text
    encoded = encode(text) if isinstance(text, str | bytes) else [encode(document) for document in text]
    likelihood, is_ascii = source.log_likelihood, all(document.isascii() for document in _list_texts(source))
    if source.answers is not None:
        has_characters = any(isinstance(document, str) for document in source.text)
        if has_characters and not (is_ascii and source.unscored.isascii()):
            raise UsageError(
                f"Corpus '{source.name}' has an answer for each character, and some characters are several bytes: "
                "leave out --tokenizer bytes."
            )
        return replace(source, text=encoded, answers=[encode(own) for own in source.answers])
    if is_ascii:
        return Source(
            source.name,
            encoded,
            likelihood and (lambda t: likelihood([document.decode() for document in t])),
            source.remark,
        )
    return Source(source.name, encoded, remark=source.remark)


def _read_source(config: DataConfig, text: TextFiles | None) -> Source | Task:
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
        if isinstance(source, Task):
            return source
        if not isinstance(source, Source):
            raise DataError(f"Corpus '{name}' gave a {type(source).__name__}, not a zoo.Source or zoo.Task.")
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
    if source.answers is not None:
        raise UsageError(f"Corpus '{source.name}' has documents with answers: they cannot be one stream.")
    return arrange(join_lines(_list_texts(source)), source.name, config.documents)
