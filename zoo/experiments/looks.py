"""Find the comparisons in a folder that judged the same models before, under some of the same seeds.

A plan is what shares one error: one number of seeds, or all looks of `--until`. Every other plan spends an error of its
own. Margins and target losses spend nothing: they are read off the same intervals, and off the curves.
"""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from zoo.errors import RunError
from zoo.experiments.judge.family import FEWEST_SEEDS
from zoo.experiments.records.study import Look, StudyRecord, read_study
from zoo.experiments.study.config import StudyConfig

Records = dict[Path, StudyRecord]


def earlier_looks(study: StudyConfig, directory: Path) -> tuple[Look, ...]:
    """Return the last look of every other plan that has judged these models under some of these seeds.

    A later look of a plan returns what its first one found, for what was judged in between is no earlier look of it;
    but a plan that went on from the same first look to other seeds is.
    """
    others = find_alike(study, directory)
    own = [record for record in others.values() if is_same_plan(record.study, study)]
    if own:
        first = min(own, key=lambda record: len(record.study.seeds))
        forks = {
            path: record
            for path, record in others.items()
            if not is_same_plan(record.study, study) and is_same_plan(record.study, first.study)
        }
        return _sorted([*first.looked, *_last_looks(forks)])
    return _sorted(_last_looks(others))


def _last_looks(records: Records) -> list[Look]:
    """The last look of every plan among these comparisons."""
    last = Records()
    for path, record in sorted(records.items(), key=lambda item: -len(item[1].study.seeds)):
        if not any(is_same_plan(record.study, kept.study) for kept in last.values()):
            last[path] = record
    return [describe_look(path, record) for path, record in last.items()]


def _sorted(looks: Iterable[Look]) -> tuple[Look, ...]:
    """Looks in the order of their numbers of seeds, each once."""
    return tuple(sorted(dict.fromkeys(looks), key=lambda look: (look.seeds, look.record)))


def describe_look(path: Path, record: StudyRecord) -> Look:
    """The look that a comparison is for a later one."""
    study = record.study
    return Look(record=path.name, seeds=study.reachable_looks, alpha=study.alpha)


def find_alike(study: StudyConfig, directory: Path) -> Records:
    """The comparisons in the folder of the same models and settings, with seeds enough for a verdict, some the same."""
    found = Records()
    for path in sorted(directory.glob("study-*.json")):
        with suppress(RunError):  # `verify` reports damaged records of other comparisons
            record = read_study(path)
            seeds = record.study.seeds
            if len(seeds) >= FEWEST_SEEDS and set(seeds) & set(study.seeds) and _runs(record.study) == _runs(study):
                found[path] = record
    return found


def is_same_plan(one: StudyConfig, two: StudyConfig) -> bool:
    """Whether comparisons of the same models share one error: the same seeds, or looks that were planned together."""
    shared = min(len(one.seeds), len(two.seeds)) if one.looks else max(len(one.seeds), len(two.seeds))
    return (one.looks, one.alpha, one.seeds[:shared]) == (two.looks, two.alpha, two.seeds[:shared])


def _runs(study: StudyConfig) -> StudyConfig:
    """The study without its seeds, and without what its runs do not depend on."""
    usual = {name: StudyConfig.model_fields[name].default for name in ("title", "source", "looks", "margin", "alpha")}
    models = (model.model_copy(update={"published": None}) for model in study.models)
    training = study.training.model_copy(update={"watch": False})
    update = {
        **usual,
        "training": training,
        "name": "",
        "target": (),
        "seeds": (),
        "models": sorted(models, key=lambda model: model.label),
    }
    return study.model_copy(update=update)
