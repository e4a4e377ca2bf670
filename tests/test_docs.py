"""Documents whose examples are more than words."""

import re
from pathlib import Path

from zoo.experiments.study.parse import load_study, make_study

DOCS = Path(__file__).resolve().parents[1] / "docs"


def test_the_study_file_of_the_documentation_is_one(tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", (DOCS / "studies.md").read_text(), re.DOTALL)
    path = tmp_path / "mine.toml"
    path.write_text(example)
    full, short = (make_study(load_study(path, recipe), {}) for recipe in (None, "short"))
    assert (full.name, full.training.tokens) == ("mine-full", 2_500_000)
    assert (short.name, short.training.tokens) == ("mine-short", 100_000)
    assert [model.label for model in full.models] == ["one layer", "two layers"]
