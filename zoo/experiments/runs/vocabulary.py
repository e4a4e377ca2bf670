"""The vocabulary of a run, from its record."""

from pathlib import Path

from zoo.data.byte_pairs import BytePairs
from zoo.data.vocabulary import Vocabulary
from zoo.experiments.records.run import DataRecord
from zoo.experiments.records.tokenizer import read_tokenizer


def read_vocabulary(directory: Path, data: DataRecord) -> Vocabulary:
    """Return the vocabulary of the run in a directory.

    Raises:
        RunError: its tokenizer is missing or damaged.
    """
    text = read_tokenizer(directory, data)
    return Vocabulary(data.characters, None if text is None else BytePairs(text))
