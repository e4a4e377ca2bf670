"""Check the earlier looks that a comparison lists, for they set the level of its verdicts."""

from collections.abc import Iterator
from pathlib import Path

from zoo.experiments.looks import describe_look, find_alike, is_same_plan
from zoo.experiments.records.study import StudyRecord
from zoo.experiments.verify.diff import compare_values


def look_differences(path: Path, record: StudyRecord) -> Iterator[str]:
    """Check that the looks that the record lists are there, and that none is missing which sets the level of a verdict.

    Of two plans in one folder one was judged first, so one lists the other.
    """
    alike = {other.name: found for other, found in find_alike(record.study, path.parent).items()} | {path.name: record}
    listed = {look.record: look for look in record.looked if look.record}
    if record.study.looks and len(listed) < len(record.looked):
        yield "looked: a comparison is listed without its record, or twice"
    for name, look in listed.items():
        if name not in alike:
            yield f"looked: '{name}' is no comparison of the same models in this folder"
        else:
            yield from compare_values(f"looked, {name}", look, describe_look(path.with_name(name), alike[name]))
    ours = _plan(path.name, alike)
    for name, other in alike.items():
        theirs = _plan(name, alike)
        if name in ours or not (record.study.looks or other.study.looks) or theirs & set(listed):
            continue
        if not any(look.record in ours for kin in theirs for look in alike[kin].looked):
            yield f"looked: neither this comparison nor '{name}' lists the other, though one was judged first"


def _plan(name: str, alike: dict[str, StudyRecord]) -> set[str]:
    """The names of the comparisons that share the error of the one with this name."""
    return {other for other, found in alike.items() if is_same_plan(alike[name].study, found.study)}
