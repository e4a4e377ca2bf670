"""Which way the runs of a model are executed: on how many threads, one after the other or several at once.

A few real steps are timed each way, and the fastest is taken. Threads and stacks change the last digits of a number,
so what was chosen is kept in the study's folder, and the same command again gives the same numbers:

ways.json     what was asked, as a fingerprint -> `Choice`
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from zoo.config import Frozen, RunConfig, Way, as_json
from zoo.data.corpus import Corpus
from zoo.errors import RunError, UsageError
from zoo.experiments.records.fingerprint import fingerprint
from zoo.experiments.records.run import is_run
from zoo.experiments.runs.resolve import Cell, layout_of, make_model, on_threads, prepare, row_length
from zoo.experiments.runs.timing import in_turns, stacked_work, told, training_speed, training_work
from zoo.experiments.runs.workers import can_fork, side_by_side, usable_cores
from zoo.models.interface import SequenceModel
from zoo.surroundings import isolated
from zoo.training.device import resolve_device
from zoo.training.stacked.stackable import why_not_stacked

FILE = "ways.json"
WORTH = 5.0
"""Seconds of training, all runs together, below which no probe is worth its time."""
BETTER = 1.1
"""How many times faster than another a way must be to be preferred to it: chance is not to choose."""


class Choice(Frozen):
    """A way, and why."""

    label: str
    way: Way
    steps_per_second: Mapping[str, float]
    """Way -> steps of all runs at once, as measured; empty where nothing was to be chosen, or not worth it."""


_CHOICES = TypeAdapter(dict[str, Choice])


def choose_ways(configs: Sequence[RunConfig], corpora: Mapping[str, Corpus], directory: Path) -> dict[str, Choice]:
    """Label -> the way of its runs: as it was chosen before in this folder, as asked, or the fastest of a probe.

    Args:
        corpora: rotation -> the text in that split; steps are timed on the first.

    Raises:
        RunError: ways.json is damaged.
        RegistryError, UsageError: a run that cannot be, or a way that cannot be here.
    """
    kept, choices, open_, corpus = read_ways(directory), {}, {}, next(iter(corpora.values()))
    by_label: dict[str, list[RunConfig]] = {}
    for config in configs:
        by_label.setdefault(config.label, []).append(config)
    for label, runs in by_label.items():
        ways = possible_ways(runs, beside=len(configs) > 1)
        choices[label] = kept.get(asked(runs[0])) or Choice(label=label, way=ways[0], steps_per_second={})
        fixed = executed(runs, {label: choices[label].way})
        cells = [prepare(run, corpora[run.data.rotation], directory) for run in fixed]
        corpus = corpora[runs[0].data.rotation]
        if choices[label].way.how == "stacked" != runs[0].training.execution and _why_not_stacked(cells[0], corpus):
            choices[label] = Choice(label=label, way=ways[0], steps_per_second={})  # the model is another by now
            fixed = executed(runs, {label: ways[0]})
            cells = [prepare(run, corpora[run.data.rotation], directory) for run in fixed]
        if len(ways) > 1 and not choices[label].steps_per_second and not all(is_run(cell.directory) for cell in cells):
            open_[label] = ways, cells
    if sum(_seconds(cells, corpus) for _, cells in open_.values()) > WORTH:
        for label, (ways, cells) in open_.items():
            way, measured = _fastest(ways, cells, corpus)
            choices[label] = choices[label].model_copy(update={"way": way, "steps_per_second": measured})
    return choices


def possible_ways(runs: Sequence[RunConfig], *, beside: bool) -> list[Way]:
    """How the runs of a model can be executed here, the plainest first; each later one only if it is faster.

    Args:
        beside: there are other runs in the study, of this model or another.

    Raises:
        UsageError: a way that was asked for and cannot be.
    """
    training = runs[0].training
    on_cpu, cores = resolve_device(training.device).type == "cpu", usable_cores()
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
        return _CHOICES.validate_json(path.read_bytes()) if path.is_file() else {}
    except (OSError, ValidationError):
        raise RunError(f"'{path}' is damaged: remove it, and the ways of execution are chosen again.") from None


def keep_ways(directory: Path, configs: Sequence[RunConfig], choices: Mapping[str, Choice]) -> None:
    """Write the choices for these runs beside those for others."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / FILE
    partial = path.with_name(f".{FILE}.partial")
    chosen = {asked(config): choices[config.label] for config in configs}
    partial.write_bytes(_CHOICES.dump_json(read_ways(directory) | chosen, indent=2))
    partial.replace(path)


def executed(configs: Sequence[RunConfig], ways: Mapping[str, Way]) -> list[RunConfig]:
    """The same runs with their ways fixed, where they are chosen; those of a stack, on one split, know each other."""

    def fixed(config: RunConfig) -> RunConfig:
        if config.label not in ways:
            return config
        way = ways[config.label]
        alike = [other for other in configs if (other.label, other.data) == (config.label, config.data)]
        together = alike if way.how == "stacked" else []
        stack = tuple((other.seed, other.training.lr) for other in together)
        training = config.training.model_copy(update={"threads": way.threads, "execution": way.how})
        return config.model_copy(update={"training": training, "stack": stack})

    return [fixed(config) for config in configs]


def asked(config: RunConfig) -> str:
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


def _seconds(cells: Sequence[Cell], corpus: Corpus) -> float:
    """About how long the runs of a model take that are not there yet, judged from its first step."""
    todo = [cell for cell in cells if not is_run(cell.directory)]
    seconds = sum(cell.settings.seconds or 0 for cell in todo)
    steps = sum(cell.settings.steps or 0 for cell in todo)
    return seconds + (steps * _first_step(cells[0], corpus) if steps else 0)


def _first_step(cell: Cell, corpus: Corpus) -> float:
    """Seconds of one step; 0 of a model that cannot do one, which its run will tell."""
    rows = corpus.rows("train", length=row_length(cell.config), device=cell.device)
    with isolated(cell.device, threads=1, seed=cell.config.seed), suppress(Exception):
        work = training_work(cell, corpus, rows)
        began = time.perf_counter()
        work()
        return time.perf_counter() - began
    return 0.0


def _fastest(ways: Sequence[Way], cells: Sequence[Cell], corpus: Corpus) -> tuple[Way, dict[str, float]]:
    """The fastest way of the runs of a model, and what was measured: steps a second of all that run at once."""
    if _why_not_stacked(cells[0], corpus):
        ways = [way for way in ways if way.how != "stacked"]
    try:
        rates = [_rate(way, cells, corpus) for way in ways]
    except Exception:  # its run will tell
        return ways[0], {}
    best = 0
    for number, rate in enumerate(rates):
        best = number if rate > BETTER * rates[best] else best
    names = [f"{way.how}, {way.threads} thread{'s' * (way.threads > 1)}" for way in ways]
    return ways[best], dict(zip(names, rates, strict=True))


def _rate(way: Way, cells: Sequence[Cell], corpus: Corpus) -> float:
    """Steps a second, those of all runs that are under way at once."""
    (cell, *_), cores = cells, usable_cores()
    timed = on_threads(cell, way.threads)

    def measured(_: Callable[[None], None]) -> float:
        return 1 / told(training_speed([timed], corpus), cell.config.label).seconds

    if way.how == "side-by-side":
        return sum(side_by_side([measured] * cores, at_once=cores))
    if way.how == "stacked":
        prepared = lambda one: stacked_work(one, len(cells), corpus)  # noqa: E731
        return len(cells) / told(in_turns([timed], prepared), cell.config.label).seconds
    return measured(lambda _: None)


def _why_not_stacked(cell: Cell, corpus: Corpus) -> str | None:
    """Why a replica in a stack would not compute what it computes alone, on the batches of these runs."""

    def fresh(seed: int) -> SequenceModel:
        return make_model(cell.config.model_copy(update={"seed": seed}), len(corpus.vocabulary))

    return why_not_stacked(fresh, [layout_of(cell.config, corpus)])
