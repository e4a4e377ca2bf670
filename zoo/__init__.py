"""The sequence-architecture zoo: models behind one interface, and honest comparisons between them.

The names here load what they need when they are first used; importing `zoo` imports no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.catalog import CORPORA, MODELS
    from zoo.config import Recipe
    from zoo.data.source import Source
    from zoo.models.interface import ModelOptions, SequenceModel

__version__ = "0.1.0"

_HOME = {
    "CORPORA": "zoo.catalog",
    "MODELS": "zoo.catalog",
    "ModelOptions": "zoo.models.interface",
    "Recipe": "zoo.config",
    "SequenceModel": "zoo.models.interface",
    "Source": "zoo.data.source",
}

__all__ = ["CORPORA", "MODELS", "ModelOptions", "Recipe", "SequenceModel", "Source"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'zoo' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
