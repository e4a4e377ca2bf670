"""Choose threads, processes or stacking for the runs of a model, by timing a few steps each way.

Threads and stacks change the last digits of numbers, so the study's folder keeps the choice, and the same command gives
the same numbers again:

ways.json     `choice_key` of a run -> `Choice`
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import TypeAdapter

from zoo.config import Frozen, RunConfig, Way, as_json
from zoo.data.corpus import Corpus
from zoo.errors import RunError, UsageError
from zoo.experiments.records.fingerprint import fingerprint
from zoo.experiments.records.reading import DamagedError, read_choices
from zoo.experiments.records.run import is_done
from zoo.experiments.runs.fastest import estimate_seconds, explain_not_stacked, find_fastest
from zoo.experiments.runs.resolve import Cell
from zoo.experiments.runs.workers import can_fork, count_cores
from zoo.experiments.runs.working_folder import lock, lock_of
from zoo.models.interface import is_counted
from zoo.training.device import resolve_device
from zoo.whole_file import write_whole

FILE = "ways.json"
WORTH = 5.0
"""Total seconds of training below which timing is not worthwhile."""


class Choice(Frozen):
    """A way of execution and the measurements behind it."""

    label: str
    way: Way
    steps_per_second: Mapping[str, float]
    """Way -> measured steps per second of all runs at once; empty if nothing was timed."""

    def unstacked(self) -> "Choice":
        """Return the choice without stacking."""
        if self.way.how != "stacked":
            return self
        return self.model_copy(update={"way": self.way.model_copy(update={"how": "sequential"})})


_CHOICES = TypeAdapter(dict[str, Choice])


def choose_ways(cells: Sequence[Cell], corpora: Mapping[str, Corpus], kept: Mapping[str, Choice]) -> dict[str, Choice]:
    """Return label -> way of its runs: the earlier choice of the folder, the requested one, or the fastest.

    Args:
        cells: all runs of the study as requested.
        corpora: rotation -> corpus in that split; steps are timed on that of a label's first cell.
        kept: the choices in the study's folder.

    Raises:
        UsageError: the requested way is impossible here.
    """
    choices, open_ = dict[str, Choice](), dict[str, tuple[list[Way], list[Cell]]]()
    by_label: dict[str, list[Cell]] = {}
    for cell in cells:
        by_label.setdefault(cell.config.label, []).append(cell)
    for label, own in by_label.items():
        ways = list_ways([cell.config for cell in own], beside=len(cells) > 1)
        if is_counted(own[0].model.kind):  # in seconds, and never as a stack
            ways = [Way(threads=ways[0].threads)]
        plainest, first = Choice(label=label, way=ways[0], steps_per_second={}), own[0]
        choice = kept.get(choice_key(first.config)) or plainest
        requested = first.config.training.execution == "stacked"
        if choice.way.how == "stacked" and not requested and explain_not_stacked(first, _text_of(first, corpora)):
            choice = plainest  # the model has changed
        choices[label] = choice
        placed = place(own, {label: choice.way})
        if len(ways) > 1 and not choice.steps_per_second and not all(is_done(cell.directory) for cell in placed):
            open_[label] = ways, placed
    if sum(estimate_seconds(own, _text_of(own[0], corpora)) for _, own in open_.values()) > WORTH:
        for label, (ways, own) in open_.items():
            way, measured = find_fastest(ways, own, _text_of(own[0], corpora))
            choices[label] = choices[label].model_copy(update={"way": way, "steps_per_second": measured})
    return choices


def _text_of(cell: Cell, corpora: Mapping[str, Corpus]) -> Corpus:
    return corpora[cell.config.data.rotation]


def list_ways(runs: Sequence[RunConfig], *, beside: bool) -> list[Way]:
    """List the ways in which the runs of a model can be executed here, from the plainest; a later one must be faster.

    Args:
        runs: all runs of the model.
        beside: whether the study has several runs.

    Raises:
        UsageError: the requested way is impossible.
    """
    training = runs[0].training
    on_cpu, cores = resolve_device(training.device).type == "cpu", count_cores()
    threads = [training.threads] if training.threads else [1, cores] if on_cpu and cores > 1 else [1]
    ways = [Way(threads=count) for count in threads]
    if on_cpu and cores > 1 and beside and can_fork() and training.seconds is None and threads[0] == 1:
        ways.insert(1, Way(how="side-by-side"))
    if len(runs) > 1 and training.seconds is None and not training.compile:
        ways.append(Way(how="stacked", threads=threads[-1]))
    if training.execution == "auto":
        return ways
    wanted = [way for way in ways if way.how == training.execution]
    if not wanted:
        raise UsageError(
            f"execution='{training.execution}' is impossible for this study. side-by-side needs several runs, several "
            "cores, one thread per run, and Linux without CUDA; stacked needs several runs of a model, no --compile; "
            "both need a budget other than seconds."
        )
    return wanted


def choose_trial_way(config: RunConfig) -> Way:
    """Choose the way of the trials of a search: beside each other where possible, on one thread each."""
    free = config.training.model_copy(update={"execution": "auto"})
    ways = list_ways([config.model_copy(update={"training": free})], beside=True)
    return next((way for way in ways if way.how == "side-by-side"), ways[0])


def read_ways(directory: Path) -> dict[str, Choice]:
    """Read the earlier choices in a study's folder.

    Raises:
        RunError: the file is damaged.
    """
    path = directory / FILE
    try:
        return read_choices(path, _CHOICES) if os.path.lexists(path) else {}
    except DamagedError as error:
        hint = "Remove it, and the ways of execution are chosen again."
        raise RunError(f"'{path}' is damaged: {error.reason}. {hint}") from None


def agree_on_ways(
    directory: Path, configs: Sequence[RunConfig], choices: Mapping[str, Choice], kept: Mapping[str, Choice]
) -> dict[str, Choice]:
    """Add the choices for these runs to ways.json; of two commands that chose at once the first to write decides.

    Args:
        choices: label -> the choice of this command.
        kept: the choices that it found in the folder.
    """
    path, chosen = directory / FILE, {choice_key(config): choices[config.label] for config in configs}
    if not os.access(directory, os.W_OK) and chosen.keys() <= kept.keys():
        return dict(choices)  # finished studies on a read-only disk can still be shown
    with lock(lock_of(path), wait=True):
        there = read_ways(directory)
        chosen |= {key: there[key] for key in chosen if key in there and there[key] != kept.get(key)}
        write_whole(path, _CHOICES.dump_json(there | chosen, indent=2))
    return {config.label: chosen[choice_key(config)] for config in configs}


def place(cells: Sequence[Cell], ways: Mapping[str, Way]) -> list[Cell]:
    """Return the cells with their ways; those of a stack, on one split, list all its seeds and rates."""

    def place_one(cell: Cell) -> Cell:
        if cell.config.label not in ways:
            return cell
        way = ways[cell.config.label]
        placed = cell.in_way(way)
        if way.how != "stacked":
            return placed
        key = (cell.config.label, cell.config.data)
        alike = [other.config for other in cells if (other.config.label, other.config.data) == key]
        stack = tuple((config.seed, config.training.lr) for config in alike)
        return replace(placed, config=placed.config.model_copy(update={"stack": stack}))

    return [place_one(cell) for cell in cells]


def choice_key(config: RunConfig) -> str:
    """Return the fingerprint of the settings that a choice depends on; seeds, rates and steps do not count."""
    training = as_json(config.training)
    kept = ("batch_size", "rows", "length", "optimizer", "device", "dtype", "compile", "threads", "execution")
    budget = "seconds" if config.training.seconds is not None else "steps"
    return fingerprint(
        {
            "label": config.label,
            "model": as_json(config.model),
            "context": config.context,
            "budget": budget,
            **{key: training[key] for key in kept},
        }
    )
