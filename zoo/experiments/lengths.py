"""Add to a study's record how its runs do on longer documents of their task."""

import os
from pathlib import Path

from zoo.data.load import load_corpus
from zoo.data.longer import lengthen
from zoo.errors import UsageError
from zoo.experiments.records.run import read_run
from zoo.experiments.records.study import StudyRecord, read_study, with_questions, write_study
from zoo.experiments.runs.lengths import score_lengths
from zoo.experiments.runs.working_folder import lock, lock_of
from zoo.experiments.study.config import StudyConfig


def check_lengths(study: StudyConfig, *, is_task: bool) -> None:
    """Check that longer documents are asked of a task that has a length.

    Raises:
        UsageError: they are not.
    """
    if not study.test_lengths:
        return
    if not is_task:
        raise UsageError(f"Corpus '{study.data.corpus}' is no task: its documents have the lengths that they have.")
    lengthen(study.data, study.test_lengths[0])


def add_lengths(path: Path, record: StudyRecord) -> StudyRecord:
    """Return the record with the scores that it asks for; compute those that are missing.

    Of two processes on one study the first one computes and the other waits.
    """
    if not _find_missing(record, path.parent):
        return record
    if not os.access(path.parent, os.W_OK):
        return _score_missing(record, path.parent)
    with lock(lock_of(path), wait=True):
        record = _score_missing(with_questions(read_study(path), record.study), path.parent)
        write_study(path, record)
    return record


def _score_missing(record: StudyRecord, directory: Path) -> StudyRecord:
    """Return the record with the scores that it lacks."""
    data, lengths = record.study.data, dict(record.lengths)
    longer = {factor: load_corpus(lengthen(data, factor)) for factor in record.study.test_lengths}
    for name, factors in _find_missing(record, directory).items():
        found = score_lengths(read_run(directory / name), {factor: longer[factor] for factor in factors})
        lengths[name] = tuple(sorted((*lengths.get(name, ()), *found), key=lambda score: score.factor))
    return record.model_copy(update={"lengths": lengths})


def _find_missing(record: StudyRecord, directory: Path) -> dict[str, list[int]]:
    """Find the finished runs without a score, and the factors that each lacks."""
    missing = {}
    for name, run in zip(record.runs, record.read_runs(directory), strict=True):
        known = {score.factor for score in record.lengths.get(name, ())}
        factors = [factor for factor in record.study.test_lengths if factor not in known]
        if factors and run.result.status == "finished":
            missing[name] = factors
    return missing
