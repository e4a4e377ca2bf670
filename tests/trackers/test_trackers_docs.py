"""The tracker in docs/trackers.md works, and the page names the options that exist."""

import json
import re
from pathlib import Path

import pytest
from lines_tracker import DATA

from zoo.catalog import TRACKERS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "trackers.md").read_text()


@pytest.mark.slow
def test_the_tracker_of_the_page_writes_what_it_says(run_zoo, tmp_path: Path) -> None:
    (source,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "json_lines.py").write_text(source)
    done = run_zoo("train", "bigram", *DATA, "--steps", "6", "--track", "./json_lines.py:JSONLines(folder=logs)")
    assert "2 sent" in done.stderr
    run = Path(done.stdout.splitlines()[-1])
    text = (tmp_path / "logs" / run.parent.name / f"{run.name}.jsonl").read_text()
    first, *points, last = map(json.loads, text.splitlines())
    assert first["settings"]["training.steps"] == 6
    assert [point["step"] for point in points if "loss/validation" in point][-1] == 6
    assert last["status"] == "finished"
    assert (
        "0 sent, 2 there already" in run_zoo("track", str(run), "--to", "./json_lines.py:JSONLines(folder=logs)").stdout
    )


def test_the_page_has_every_tracker_with_its_options() -> None:
    for name in TRACKERS.names():
        (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |")]
        for option in TRACKERS.get(name).Config.model_fields:
            assert f"`{option}`" in row
