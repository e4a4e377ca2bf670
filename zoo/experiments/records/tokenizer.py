"""Read the tokenizer of a run on byte pairs."""

import hashlib
from pathlib import Path

from zoo.byte_level import read_token_bytes
from zoo.errors import RunError
from zoo.experiments.records.reading import LARGEST, DamagedError
from zoo.experiments.records.run import TOKENIZER, DataRecord
from zoo.regular_file import read_regular


def read_tokenizer(directory: Path, data: DataRecord) -> str | None:
    """Return the JSON text of a run's tokenizer, the one that its record names; None without byte pairs.

    Raises:
        RunError: it is missing, changed, or no byte-level tokenizer.
    """
    if data.tokenizer is None:
        return None
    path = directory / TOKENIZER
    try:
        text = read_regular(path, LARGEST)
    except OSError as error:
        raise DamagedError(path, str(error.strerror or error)) from None
    if hashlib.sha256(text).hexdigest() != data.tokenizer:
        raise RunError(f"'{path}' is not the tokenizer of the run: its SHA-256 differs from that in config.json.")
    try:
        read_token_bytes(text.decode())
    except ValueError as error:
        raise DamagedError(path, str(error)) from None
    return text.decode()
