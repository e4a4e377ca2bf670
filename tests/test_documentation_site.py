"""The documentation site has every page, and its builder finds broken links."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def builder():
    spec = importlib.util.spec_from_file_location("build_site", ROOT / "docs" / "build_site.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_navigation_has_every_page_of_the_documentation() -> None:
    listed = set(re.findall(r"^ +- [^:\n]+: (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE))
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("docs/api/*.md"), *ROOT.glob("docs/results/*.md")]
    assert listed - {"examples/README.md"} == {page.relative_to(ROOT).as_posix() for page in pages}


def test_a_public_name_of_the_package_is_in_the_api_reference() -> None:
    import zoo
    import zoo.layers

    shown = re.findall(r"^::: (\S+)$", "\n".join(p.read_text() for p in (ROOT / "docs" / "api").glob("*.md")), re.M)
    tables = {"CORPORA", "MODELS", "OPTIMIZERS", "State"}  # plain values
    assert {f"zoo.{name}" for name in set(zoo.__all__) - tables} <= set(shown)
    layers = {name.rpartition(".")[2] for name in shown if name.startswith("zoo.layers.")}  # `linear` is a module, too
    assert layers == set(zoo.layers.__all__)


def test_links_of_built_pages_that_lead_nowhere_are_found(builder, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(builder, "SITE", tmp_path)
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "index.html").write_text("<h2 id='here'>Here</h2>")
    links = ["far/", "far/#here", "#top", "https://example.org/x", "far/#gone", "gone/", "#gone"]
    page = "".join(f"<a href='{link}'>x</a>" for link in links)
    (tmp_path / "index.html").write_text(f"<h1 id='top'>Top</h1>{page}<img src='gone.svg'>")
    gone = ["far/#gone", "gone/", "#gone", "gone.svg"]
    assert builder.broken_links() == [f"index.html: {link}" for link in gone]
