"""Examples, names and links of the documentation are correct."""

import re
from pathlib import Path

from registry.registry import BUILT_IN
from zoo.catalog import MODELS
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


def test_every_decision_has_a_heading_of_its_own_and_every_number_that_is_referred_to_is_one() -> None:
    decisions = (DOCS / "design.md").read_text().partition("## Decisions")[2].partition("\n## ")[0]
    numbers = [int(number) for number in re.findall(r"^### (\d+)\. \S", decisions, re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert {int(number) for number in re.findall(r" \((\d+)\)", decisions)} <= set(numbers)


PAGES = sorted(path for pattern in ("*.md", "docs/**/*.md", "examples/**/*.md") for path in ROOT.glob(pattern))


def headings_of(page: Path) -> set[str]:
    """The anchors that a code host generates for the headings of a page."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_link_of_a_page_leads_to_a_file_or_a_heading_that_is_there() -> None:
    links = [(page, link) for page in PAGES for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text())]
    inside = [(page, *link.partition("#")[::2]) for page, link in links if not re.match(r"\w+:", link)]
    assert len(inside) > 60
    for page, path, anchor in inside:
        target = page.parent / path if path else page
        assert target.is_file(), f"{page.relative_to(ROOT)}: {path}, a file is what the documentation site has too"
        assert not anchor or anchor in headings_of(target), f"{page.relative_to(ROOT)}: {path}#{anchor}"


def test_the_page_of_the_models_has_every_built_in_one() -> None:
    rows = re.findall(r"^\| (`.*?) \|", (DOCS / "models.md").read_text(), re.MULTILINE)
    assert set(re.findall(r"`([\w-]+)`", " ".join(rows))) == {
        entry.name for entry in MODELS.entries() if entry.origin == BUILT_IN
    }
