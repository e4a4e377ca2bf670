"""Documents whose examples are more than words."""

import re
from pathlib import Path

from zoo.experiments.study.parse import load_study, make_study

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"


def test_the_study_file_of_the_documentation_is_one(tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", (DOCS / "studies.md").read_text(), re.DOTALL)
    path = tmp_path / "mine.toml"
    path.write_text(example)
    full, short = (make_study(load_study(path, recipe), {}) for recipe in (None, "short"))
    assert (full.name, full.training.tokens) == ("mine-full", 2_500_000)
    assert (short.name, short.training.tokens) == ("mine-short", 100_000)
    assert [model.label for model in full.models] == ["one layer", "two layers"]


def test_every_file_that_the_design_names_is_there() -> None:
    text = (DOCS / "design.md").read_text()
    named = set(re.findall(r"`([\w./]+\.(?:py|md|toml))`", text)) | set(re.findall(r"\b([\w/]+\.py)\b", text))
    assert len(named) > 40
    assert sorted(name for name in named if not any(ROOT.glob(f"**/{name}"))) == []


def test_every_room_that_the_design_names_is_there_and_every_room_is_named() -> None:
    rooms = (DOCS / "design.md").read_text().partition("## The rooms")[2].partition("\n## ")[0]
    named = set(re.findall(r"\b([a-z]+)/", rooms))
    packages = {path.parent.name for place in ("zoo", "registry") for path in (ROOT / place).rglob("__init__.py")}
    assert named == packages - {"zoo"} | {"zoo"}
