"""Makes every file large."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., object]:
    """Make every file large within a context, read in pieces of the given number of bytes."""
    monkeypatch.setenv("ZOO_CACHE_DIR", str(tmp_path / "cache"))

    @contextmanager
    def context(piece: int = 64, **constants: int) -> Iterator[None]:
        with monkeypatch.context() as patch:
            patch.setattr("zoo.data.load.LARGE", 0)
            patch.setattr("zoo.data.large.read_file.PIECE", piece)
            for name, value in constants.items():
                patch.setattr(f"zoo.data.large.deal.{name}", value)
            yield

    return context
