"""A comparison of two models under three seeds, stored long ago."""

import shutil
from pathlib import Path

import pytest

STORED = Path(__file__).resolve().parents[2] / "cli" / "older" / "stored"


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """The folder of a whole comparison, to be damaged."""
    return Path(shutil.copytree(STORED, tmp_path / "runs" / "stored"))
