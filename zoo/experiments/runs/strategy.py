"""Choose how the runs of a model are executed, by timing a few real steps each way.

A way is a number of threads, and one run after the other, several side by side, or all as a stack. The fastest is
taken. Threads and stacks change the last digits of a number, so the choice is kept in the study's folder, and the same
command again gives the same numbers:

ways.json     fingerprint of what was asked -> `Choice`
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
from zoo.training.device import resolve_device
from zoo.whole_file import write_whole

FILE = "ways.json"
WORTH = 5.0
"""Seconds of training, all runs together, below which no probe is worth its time."""


class Choice(Frozen):
    """A way, and why."""

    label: str
    way: Way
    steps_per_second: Mapping[str, float]
    """Way -> steps of all runs at once, as measured; empty where nothing was to be chosen, or not worth it."""


_CHOICES = TypeAdapter(dict[str, Choice])


def choose_ways(cells: Sequence[Cell], corpora: Mapping[str, Corpus], study: Path) -> dict[str, Choice]:
    """Label -> the way of its runs: as it was chosen before in this folder, as asked, or the fastest of a probe.

    Args:
        cells: all runs of the study, as they were asked for.
        corpora: rotation -> the text in that split; steps are timed on the first.

    Raises:
        RunError: ways.json is damaged.
        UsageError: a way that cannot be here.
    """
    kept, choices, open_ = read_ways(study), dict[str, Choice](), dict[str, tuple[list[Way], list[Cell]]]()
    by_label: dict[str, list[Cell]] = {}
    for cell in cells:
        by_label.setdefault(cell.config.label, []).append(cell)
    for label, own in by_label.items():
        ways = list_ways([cell.config for cell in own], beside=len(cells) > 1)
        plainest, first = Choice(label=label, way=ways[0], steps_per_second={}), own[0]
        choice = kept.get(choice_key(first.config)) or plainest
        asked_for = first.config.training.execution == "stacked"
        if choice.way.how == "stacked" and not asked_for and explain_not_stacked(first, _text_of(first, corpora)):
            choice = plainest  # the model is another by now
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
    """How the runs of a model can be executed here, the plainest first; each later one only if it is faster.

    Args:
        beside: there are other runs in the study, of this model or another.

    Raises:
        UsageError: a way that was asked for and cannot be.
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
            f"execution='{training.execution}' cannot be here. side-by-side: several runs, several cores, one thread a "
            "run, Linux without CUDA; stacked: several runs of a model, no --compile; both: no budget in seconds."
        )
    return wanted


def read_ways(directory: Path) -> dict[str, Choice]:
    """What was chosen in a study's folder so far.

    Raises:
        RunError: the file is damaged.
    """
    path = directory / FILE
    try:
        return read_choices(path, _CHOICES) if os.path.lexists(path) else {}
    except DamagedError as error:
        hint = "Remove it, and the ways of execution are chosen again."
        raise RunError(f"'{path}' is damaged: {error.reason}. {hint}") from None


def write_ways(directory: Path, configs: Sequence[RunConfig], choices: Mapping[str, Choice]) -> None:
    """Write the choices for these runs beside those for others."""
    path = directory / FILE
    chosen = {choice_key(config): choices[config.label] for config in configs}
    if not os.access(directory, os.W_OK) and chosen.keys() <= read_ways(directory).keys():
        return  # a study that is finished can be shown from a read-only disk
    with lock(lock_of(path), wait=True):
        write_whole(path, _CHOICES.dump_json(read_ways(directory) | chosen, indent=2))


def place(cells: Sequence[Cell], ways: Mapping[str, Way]) -> list[Cell]:
    """The same cells in their ways; those of a stack, on one split, know each other's seeds and rates."""

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
    """Fingerprint of what a choice is for: seeds, learning rates and the length of the runs do not count."""
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
