"""A stored comparison of two models under three seeds."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

STORED = Path(__file__).resolve().parents[2] / "cli" / "older" / "stored"


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(STORED, tmp_path_factory.mktemp("runs") / "stored"))


@pytest.fixture
def study(copied: Path) -> Iterator[Path]:
    """The folder of a whole comparison to damage; changed files are restored after the test."""
    before = _describe(copied)
    yield copied
    after = _describe(copied)
    for name in {name for name in {*before, *after} if before.get(name) != after.get(name)}:
        (copied / name).unlink(missing_ok=True)
        if name in before:
            shutil.copy2(STORED / name, copied / name)


def _describe(folder: Path) -> dict[Path, tuple[int, ...]]:
    """Path -> type, size and time of every file."""
    found = {
        path.relative_to(folder): path.lstat() for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()
    }
    return {name: (status.st_mode, status.st_size, status.st_mtime_ns) for name, status in found.items()}
