"""Longer documents of the same task."""

import inspect

from zoo.catalog import CORPORA
from zoo.config import DataConfig
from zoo.errors import UsageError

OPTION = "length"
"""The option that makes documents longer."""


def lengthen(config: DataConfig, factor: int) -> DataConfig:
    """Return the settings of a task whose documents are `factor` times as long, and the same otherwise.

    Raises:
        UsageError: the corpus is no task, or has no length.
    """
    name, options = config.corpus.name, config.corpus.options
    known = inspect.signature(CORPORA.get(name)).parameters if name in CORPORA.names() else {}
    length = options.get(OPTION, known[OPTION].default if OPTION in known else None)
    if isinstance(length, bool) or not isinstance(length, int):
        raise UsageError(f"Corpus '{config.corpus}' has no option '{OPTION}', so there are no longer documents of it.")
    corpus = config.corpus.model_copy(update={"options": {**options, OPTION: factor * length}})
    return config.model_copy(update={"corpus": corpus})
