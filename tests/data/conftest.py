"""Fixtures of the data tests."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.data.serving import Server
from zoo.config import Call, DataConfig
from zoo.data.corpus import Corpus
from zoo.data.load import load_corpus

Load = Callable[..., Corpus]


@pytest.fixture
def load() -> Load:
    """Load a corpus by name or path: `load(path, documents="line")`, `load("invented", {"documents": 100})`."""

    def from_name(name: str | Path, options: dict[str, Any] | None = None, **config: Any) -> Corpus:
        return load_corpus(DataConfig(corpus=Call(name=str(name), options=options or {}), **config))

    return from_name


@pytest.fixture
def text_file(tmp_path: Path) -> Callable[[bytes], Path]:
    """Write a file with these bytes."""

    def write(content: bytes) -> Path:
        path = tmp_path / "corpus.txt"
        path.write_bytes(content)
        return path

    return write


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A real local server."""
    monkeypatch.setenv("no_proxy", "*")
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()
