"""Weights as safetensors: nothing executes when they are read, and a digest tells whether they are the ones."""

import hashlib
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_model, save_model
from torch import nn

from zoo.errors import RunError


def save_weights(model: nn.Module, path: Path) -> str:
    """Write every parameter and buffer (a tied one once); returns the SHA-256 of the file.

    Raises:
        RunError: the disk is full, or anything else that keeps the file from being written.
    """
    try:
        save_model(model, str(path))
    except SafetensorError as error:
        raise RunError(f"Cannot write weights '{path}': {error}.") from None
    return hashlib.sha256(path.read_bytes()).hexdigest()


def load_weights(model: nn.Module, path: Path, sha256: str) -> None:
    """Read them back into a model of the same architecture.

    Raises:
        RunError: the file is missing, changed, or of another architecture.
    """
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise RunError(f"Cannot read weights '{path}': {error.strerror}.") from None
    if digest != sha256:
        raise RunError(f"Weights '{path}' are not those of the run: SHA-256 {digest[:12]}…, recorded {sha256[:12]}….")
    try:
        load_model(model, str(path))
    except (RuntimeError, SafetensorError) as error:
        reason = str(error).splitlines()[0]
        raise RunError(f"Weights '{path}' do not fit {type(model).__name__} as it is now: {reason}") from None
