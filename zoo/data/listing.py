"""Describe the registered corpora without downloading any."""

import inspect
from typing import Any

from registry import RegistryError
from zoo.catalog import CORPORA
from zoo.data.task import Task
from zoo.errors import ZooError

DOWNLOADED = ("zoo.data.archives", "zoo.data.download")
"""Modules of corpora that are downloaded: described by their docstrings alone."""


def describe_corpora(pattern: str) -> list[dict[str, Any]]:
    """Return a row for every corpus whose name matches the shell pattern, with its default options.

    A row has the name, the floor and the loss without memory (nats per scored token; None if unknown), the size, the
    source, and what is wrong with it ("" if nothing).
    """
    rows = []
    for name in CORPORA.names(pattern):
        row: dict[str, Any] = {"name": name, "floor": None, "memoryless": None, "size": "", "source": "", "problem": ""}
        try:
            rows.append(row | _describe(name))
        except (RegistryError, ZooError) as error:
            rows.append(row | {"problem": str(error)})
        except Exception as error:  # the code of a stranger
            rows.append(row | {"problem": f"{type(error).__name__}: {error}".splitlines()[0]})
    return rows


def _describe(name: str) -> dict[str, Any]:
    loader = CORPORA.get(name)
    about = (inspect.getdoc(loader) or "").partition("\n")[0].rstrip(".").replace("`", "")
    if loader.__module__ in DOWNLOADED:
        return {"size": "", "source": about}
    found = loader()
    if isinstance(found, Task):
        best = found.best
        size = f"T {found.length:,}, V {found.vocab_size:,}"
        return {"floor": best.loss, "memoryless": found.memoryless.loss, "size": size, "source": found.source or about}
    size = f"{len(found.text):,} {'tokens' if found.is_stream else 'documents'}"
    if found.log_likelihood is None or isinstance(found.text, str | bytes):
        return {"size": size, "source": about}
    nats = -sum(found.log_likelihood(found.text))
    floor = nats / sum(len(document) + 1 for document in found.text)
    return {"floor": floor, "size": size, "source": about}
