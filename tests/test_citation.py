"""The citation describes this package."""

import re
import tomllib
from pathlib import Path

import zoo

ROOT = Path(__file__).resolve().parents[1]


def test_the_citation_has_the_version_license_and_abstract_of_the_package() -> None:
    cited = dict(re.findall(r"^([\w-]+): (.+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert cited["version"] == project["version"] == zoo.__version__
    assert (cited["license"], cited["abstract"]) == (project["license"], project["description"])
    assert (cited["cff-version"], cited["type"]) == ("1.2.0", "software")
