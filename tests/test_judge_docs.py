"""The outputs and the reader of docs/judge.md are those of the code."""

import re
from pathlib import Path

import pytest

from zoo.catalog import READERS
from zoo.readers.read import read_scores

ROOT = Path(__file__).resolve().parents[1]
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", (ROOT / "docs" / "judge.md").read_text(), re.DOTALL)


def test_the_output_shown_is_that_of_the_command(run_zoo, tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    command = next(text for language, text in BLOCKS if language == "sh")
    shown = next(text for language, text in BLOCKS if not language)
    done = run_zoo(*command.split()[2:])
    assert [line.rstrip() for line in done.stdout.splitlines()] == shown.splitlines()
    tour = (ROOT / "docs" / "tour.md").read_text()
    assert shown.partition("pair  ")[2] in tour


def test_a_reader_of_a_package_is_found_by_its_entry_point_before_built_in_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = next(text for language, text in BLOCKS if language == "python")
    (tmp_path / "pairs_reader.py").write_text(source.replace('".pairs"', '".csv"'))
    metadata = tmp_path / "pairs_reader-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: pairs-reader\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[zoo.readers]\npairs = pairs_reader:Pairs\n")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "a.csv").write_text("gru 2.0 2.1\n")
    assert read_scores([tmp_path / "a.csv"]).totals.tolist() == [2.0, 2.1]
    assert read_scores([ROOT / "examples" / "scores.csv"], reader="table").measure == "loss"


def test_a_reader_of_ones_own_reads_its_files(tmp_path: Path) -> None:
    namespace: dict[str, type] = {}
    exec(next(text for language, text in BLOCKS if language == "python"), namespace)
    READERS.register("pairs")(namespace["Pairs"])
    try:
        (tmp_path / "a.pairs").write_text("gru 2.0 2.1 2.2\nlstm 1.9 2.0 2.1\n")
        scores = read_scores([tmp_path / "a.pairs"])
    finally:
        READERS.unregister("pairs")
    assert scores.models.tolist() == ["gru"] * 3 + ["lstm"] * 3
    assert scores.totals.tolist() == pytest.approx([2.0, 2.1, 2.2, 1.9, 2.0, 2.1])
