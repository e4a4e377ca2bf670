"""Verify the scores on longer documents from the weights of the runs."""

from collections.abc import Iterator
from pathlib import Path

from zoo.data.longer import lengthen
from zoo.experiments.records.run import read_run
from zoo.experiments.records.study import StudyRecord
from zoo.experiments.runs.lengths import score_lengths
from zoo.experiments.verify.diff import TOLERANCE, compare_values
from zoo.experiments.verify.losses import TIES
from zoo.experiments.verify.rebuild import Rebuild


def length_differences(record: StudyRecord, directory: Path, rebuild: Rebuild) -> Iterator[str]:
    """Check every score on longer documents."""
    for name in sorted(set(record.lengths) - set(record.runs)):
        yield f"lengths: '{name}' is no run of the study"
    for name in record.runs:
        asked = record.study.test_lengths if read_run(directory / name).result.status == "finished" else ()
        known = {score.factor for score in record.lengths.get(name, ())}
        if lacking := sorted(set(asked) - known):
            yield f"lengths of {name}: {', '.join(f'{factor}x' for factor in lacking)} asked for, and not there"
    for name, scores in record.lengths.items():
        if name not in record.runs:
            continue
        longer = {score.factor: rebuild.corpus(lengthen(record.study.data, score.factor)) for score in scores}
        again = score_lengths(read_run(directory / name), longer, rebuild.trust)
        for stored, own in zip(scores, again, strict=True):
            where = f"lengths of {name} at {stored.factor}x"
            yield from compare_values(f"{where}: whether it can take the length", not stored.why, not own.why)
            for what, tolerance in (("length", 0.0), ("loss", TOLERANCE), ("floor", TOLERANCE),
                                    ("accuracy", TIES), ("answers", 10 * TIES)):  # fmt: skip
                yield from compare_values(
                    f"{where}: {what}", getattr(stored, what), getattr(own, what), tolerance=tolerance
                )
