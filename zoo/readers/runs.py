"""Read runs of the zoo: a run's folder, a study's folder, or the record of a study. Imports no torch."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from zoo.errors import DataError
from zoo.experiments.records.run import Run, is_run, read_losses, read_run
from zoo.experiments.records.study import find_study, read_study
from zoo.readers.interface import Columns, Scores


class Runs:
    """The test losses of every document under every seed, those from which `compare` judges."""

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return (path.is_dir() and (is_run(path) or any(path.glob("study-*.json")))) or _is_record(path)

    @classmethod
    def read(cls, path: Path, columns: Columns) -> Scores:
        """Read the scores; a run has no columns to choose.

        Raises:
            RunError: a record is missing or damaged.
            DataError: a column is named, a run has no test loss, or the runs are of several splits.
        """
        if given := columns.given():
            raise DataError(f"'{path}' holds runs, which have no columns: leave out --{next(iter(given))}.")
        runs = [read_run(path)] if path.is_dir() and is_run(path) else _runs_of_a_study(path)
        return join_runs(runs, path)


def _is_record(path: Path) -> bool:
    return path.suffix == ".json" and (path.name.startswith("study-") or path.name == "comparison.json")


def _runs_of_a_study(path: Path) -> list[Run]:
    record = find_study(path)
    study = read_study(record)
    if study.study.splits > 1:
        raise DataError(f"'{path}' has {study.study.splits} splits of one text, which `report {path}` judges.")
    return study.read_runs(record.parent)


def join_runs(runs: Sequence[Run], path: Path) -> Scores:
    """The scores of several runs.

    Raises:
        DataError: a run has no test loss.
    """
    models, seeds, items, nats, tokens = [], [], [], [], []
    for run in runs:
        if run.result.test_loss is None:
            raise DataError(
                f"'{run.directory}' {run.result.status} and has no test loss: name the runs of the other models."
            )
        summed, counts = read_losses(run.directory, "test")
        models.append(np.full(len(summed), run.label))
        seeds.append(np.full(len(summed), str(run.recorded.run.seed)))
        items.append(np.array([f"{run.recorded.data.digest[:12]}:{number}" for number in range(1, len(summed) + 1)]))
        nats.append(summed)
        tokens.append(counts.astype(float))
    return Scores(
        models=np.concatenate(models),
        totals=np.concatenate(nats),
        weights=np.concatenate(tokens),
        measure="test loss",
        higher=False,
        seeds=np.concatenate(seeds),
        items=np.concatenate(items),
        ordered=runs[0].recorded.data.is_stream,
    )
