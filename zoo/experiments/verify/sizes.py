"""Verify a sizes.json against the records of its sizes."""

from collections.abc import Iterator
from pathlib import Path

from zoo.config import as_json
from zoo.experiments.judge.scaling import Scaling, collect_scaling
from zoo.experiments.judge.summarise import summarise
from zoo.experiments.records.reading import DamagedError, read_record
from zoo.experiments.records.study import read_study
from zoo.experiments.verify.diff import differences
from zoo.experiments.verify.rebuild import Rebuild


def sizes_differences(path: Path, _: Rebuild) -> Iterator[str]:
    """Compute a sizes.json again from the comparisons of its sizes, in the folders beside its own.

    Raises:
        RunError: a record or a run of a size is missing or damaged.
    """
    stored = read_record(path, Scaling)
    if any(Path(name).name != name for size in stored.sizes for name in (size.folder, size.record)):
        raise DamagedError(path, "a size names a file outside of its folder")
    records = [path.absolute().parent.parent / size.folder / size.record for size in stored.sizes]
    again = collect_scaling([summarise(record, read_study(record)) for record in records])
    yield from differences(as_json(stored), as_json(again))
