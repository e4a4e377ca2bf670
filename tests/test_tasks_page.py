"""docs/tasks.md has every built-in task, with its source."""

import re
from pathlib import Path

from zoo.catalog import CORPORA

PAGE = (Path(__file__).resolve().parents[1] / "docs/tasks.md").read_text()
TASKS = [entry.name for entry in CORPORA.entries() if entry.target.startswith("zoo.data.tasks.")]


def test_every_task_has_a_row_with_the_source_that_it_names() -> None:
    rows = dict(re.findall(r"^\| `([\w-]+)` \|.*\| ([^|]*) \|$", PAGE, re.MULTILINE))
    assert set(rows) == set(TASKS)
    assert len(TASKS) == 12
    assert rows == {name: CORPORA.get(name)().source for name in TASKS}
