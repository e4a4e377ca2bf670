"""Plan and run a study: match sizes, resolve every run, choose how they are executed, train, record.

Each model passes once through `match_sizes` (its width), `resolve_all` (find, build and check it), `choose_ways` (time
it), `search_rates` (its learning rate) and `execute_all` (train it). From `resolve_all` on its runs are `Cell`s.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from zoo.blame import describe_error
from zoo.config import RunConfig, Way
from zoo.data.corpus import Corpus, load_corpora
from zoo.errors import RunError, ZooError
from zoo.experiments.judge.family import FEWEST_SEEDS
from zoo.experiments.judge.weaknesses import NOTABLE_DEVIATION
from zoo.experiments.records.fingerprint import fingerprint
from zoo.experiments.records.run import Run, is_done, read_run
from zoo.experiments.records.search import SearchRecord
from zoo.experiments.records.study import StudyRecord, describe_study, read_study, write_study
from zoo.experiments.runs.batch import Listener, execute_all
from zoo.experiments.runs.cost import measure_costs
from zoo.experiments.runs.elsewhere import copy_same_runs, explain_similar_runs
from zoo.experiments.runs.identity import file_name
from zoo.experiments.runs.load import load_model
from zoo.experiments.runs.rates import MOST_ROUNDS, Rates, choose_rates, search_rates
from zoo.experiments.runs.resolve import Cell, Models, in_first_split, resolve_all
from zoo.experiments.runs.samples import draw_samples
from zoo.experiments.runs.size_matching import describe_size, match_sizes
from zoo.experiments.runs.strategy import Choice, choose_trial_way, choose_ways, place, write_ways
from zoo.experiments.runs.tuning.spaces import Spaces, find_spaces
from zoo.experiments.runs.tuning.suggest import require_optuna
from zoo.experiments.runs.tuning.tune import hold, make_tuners
from zoo.experiments.runs.working_folder import lock, lock_of, remove_lock
from zoo.experiments.study.config import Matched, StudyConfig
from zoo.experiments.study.search import SEARCHABLE
from zoo.training.optimizers.groups import describe_ignored
from zoo.whole_file import remove_unfinished

SAMPLES = 12
"""Number of samples per model in a report."""


@dataclass(frozen=True)
class Plan:
    """A study with every run resolved, except for the learning rates if there is a grid."""

    study: StudyConfig
    corpora: Mapping[str, Corpus]
    matched: Mapping[str, Matched]
    directory: Path
    cells: Sequence[Cell]
    """Every run as requested, those that choose learning rates first."""
    choices: Mapping[str, Choice]
    fresh: bool = False
    """Whether to train runs that other studies have finished, instead of copying them."""
    spaces: Spaces = field(default_factory=dict)
    """Label -> the space of its search."""
    storage: str | None = None
    """URL of Optuna's database; None: a file in `directory`."""
    models: Models = field(default_factory=dict)
    """All models that were resolved so far."""

    @property
    def corpus(self) -> Corpus:
        """The corpus in its first split, for descriptions and for measuring sizes and costs."""
        return next(iter(self.corpora.values()))

    def summary(self) -> str:
        """Describe the corpus in one line."""
        several = f"; the first of {len(self.corpora)} splits" if len(self.corpora) > 1 else ""
        return self.corpus.summary() + several

    def notices(self) -> list[str]:
        """List what is known beforehand, one line each: missed sizes, the grid, ignored methods, similar runs."""
        missed = [
            describe_size(label, matched)
            for label, matched in self.matched.items()
            if matched.refused or abs(matched.deviation) > NOTABLE_DEVIATION
        ]
        ignored = {
            f"{cell.config.label}: {notice}": None
            for cell in self.cells
            if (notice := describe_ignored(cell.model.kind))
        }
        elsewhere = [] if self.fresh else explain_similar_runs(self.runs({}))
        return [*missed, *describe_grid(self.study), *ignored, *elsewhere]

    @cached_property
    def ways(self) -> dict[str, Way]:
        """Label -> how its runs are executed."""
        return {label: choice.way for label, choice in self.choices.items()}

    def configs(self) -> list[RunConfig]:
        """Return all runs as requested, before ways and learning rates are chosen."""
        return [cell.config for cell in self.cells]

    def trials(self, rates: Rates | None = None) -> list[Cell]:
        """Return the runs that choose learning rates, with their ways; default: at the rates of the grid."""
        cells = [cell for cell in self.cells if cell.config.trial]
        if rates is not None:
            models = {cell.config.label: cell for cell in cells}.values()
            cells = [cell.at_rate(lr) for cell in models for lr in rates]
        return place(cells, self.ways)

    def runs(self, rates: Mapping[str, float], grid: Rates = ()) -> list[Cell]:
        """Return the reported runs, with their ways, at the chosen learning rates.

        Args:
            rates: label -> rate; other labels keep their resolved rate, their own or the lowest of the grid.
            grid: the rates from which these were chosen.
        """
        cells = [cell for cell in self.cells if not cell.config.trial]
        rated = [cell.at_rate(rates[cell.config.label], grid) if cell.config.label in rates else cell for cell in cells]
        return place(rated, self.ways)

    def resolve(self, configs: Sequence[RunConfig]) -> list[Cell]:
        """Resolve further runs of the study."""
        return resolve_all(configs, self.corpora, self.directory, self.models)

    def tuned(self, searches: Mapping[str, SearchRecord]) -> list[Cell]:
        """Return the reported runs, with their ways, at the settings that searches chose."""
        if not searches:
            return self.runs({})
        chosen = {label: search.chosen for label, search in searches.items()}
        return place(self.resolve(self.study.scaled(self.matched).tuned(chosen)), self.ways)


def describe_grid(study: StudyConfig) -> list[str]:
    """Describe the grid of learning rates and its number of runs in one line; empty without a grid."""
    rates = study.lr_grid
    if not rates:
        return []
    grid = f"{rates[0]:g} to {rates[-1]:g}, {len(rates)} rates for each of {len(study.models)} models"
    if study.lr_grid_extends:
        return [
            f"learning rates: {grid}; while a model's best is at the edge, the grid is extended for all, at most "
            f"{MOST_ROUNDS} times"
        ]
    return [f"learning rates: {grid}; a best rate at the edge weakens the verdict (--lr-grid auto extends the grid)"]


def make_plan(study: StudyConfig, out: Path, *, fresh: bool = False, storage: str | None = None) -> Plan:
    """Plan a study: load its text, match sizes, resolve its runs, choose their ways of execution.

    Args:
        out: folder of all studies.
        fresh: whether to begin a new folder beside an existing one.
        storage: URL of the database of a search.

    Raises:
        DataError: the text cannot be read.
        RegistryError, UsageError, RunError: a model cannot be built or scaled, or violates the contract.
    """
    corpora, directory = load_corpora(study.in_splits()), study_directory(out, study.name, fresh=fresh)
    matched = match_sizes(study, next(iter(corpora.values())))
    scaled = study.scaled(matched)
    lowest = {model.label: study.lr_grid[0] for model in study.models} if study.lr_grid else {}
    models: Models = {}
    cells = resolve_all([*scaled.trials(), *scaled.chosen(lowest)], corpora, directory, models)
    spaces = find_spaces(scaled, cells[: len(study.models)])
    if spaces:
        require_optuna()
    if study.start and not is_done(cells[0].directory):
        cells[0].build()  # report weights that do not fit now, not after training
    choices = choose_ways(cells, corpora, directory)
    for label, space in spaces.items():
        if study.training.execution == "auto" and not set(space) <= set(SEARCHABLE):
            choices[label] = choices[label].unstacked()  # other options may not be the same in a stack as alone
    return Plan(study, corpora, matched, directory, cells, choices, fresh, spaces, storage, models)


def run_study(plan: Plan, listener: Listener) -> tuple[Path, StudyRecord]:
    """Execute the missing runs; return the file of the comparison's record, and the record.

    Raises:
        RunError: a folder that is no run has the path of a run, or a source changed meanwhile.
    """
    cells, planned = plan.runs({}), 0

    def try_all(rates: Rates) -> list[Run]:
        nonlocal planned
        trials = plan.trials(rates)
        planned += len(trials)
        listener.planned(planned + len(cells))
        if not plan.fresh:
            copy_same_runs(trials)
        return execute_all(trials, plan.corpus, listener)

    listener.planned(len(plan.trials()) + len(cells))
    write_ways(plan.directory, plan.configs(), plan.choices)
    search = search_rates(plan.study, try_all)
    tried = search.trials
    searches, untuned = search_settings(plan, listener), list[Run]()
    if tried:
        cells = plan.runs(choose_rates(tried), search.grid)
    if searches:
        untuned = _execute_splits(plan, cells, listener)
        cells = plan.tuned(searches)
    runs = _execute_splits(plan, cells, listener)
    searched = [read_run(plan.directory / trial.run) for own in searches.values() for trial in own.trials]
    path = plan.directory / record_name(plan.study, [*tried, *searched, *untuned, *runs])
    remove_unfinished(path)
    if path.is_file():
        remove_lock(lock_of(path))
        return path, read_study(path)
    record = StudyRecord(
        study=plan.study,
        matched=dict(plan.matched),
        rounds=search.rounds if plan.study.lr_grid_extends else (),
        trials=tuple(str(run.directory.relative_to(plan.directory)) for run in tried),
        runs=tuple(str(run.directory.relative_to(plan.directory)) for run in runs),
        untuned=tuple(str(run.directory.relative_to(plan.directory)) for run in untuned),
        searches=searches,
        looked=earlier_looks(plan.study, plan.directory),
        ways=plan.ways,
    )
    with lock(lock_of(path), wait=True):
        if not path.is_file():
            write_study(path, record)
    return path, read_study(path)


def _execute_splits(plan: Plan, cells: Sequence[Cell], listener: Listener) -> list[Run]:
    """Execute the cells of every split in turn, or copy their runs from other studies."""
    if not plan.fresh:
        copy_same_runs(cells)
    return [
        run
        for rotation, corpus in plan.corpora.items()
        for run in execute_all([cell for cell in cells if cell.config.data.rotation == rotation], corpus, listener)
    ]


def search_settings(plan: Plan, listener: Listener) -> dict[str, SearchRecord]:
    """Search the settings of every model, in rounds of trials of all models; empty if the study has no search.

    Raises:
        ZooError, RunError: the database cannot be opened.
        UsageError: the FLOPs of the search do not suffice for a trial.
    """
    written = {cell.config.label: cell for cell in reversed(plan.runs({}))}
    cells: dict[str, Cell] = {}

    def resolve(config: RunConfig) -> Cell:
        key = config.model_dump_json()
        if key not in cells:
            (cells[key],) = plan.resolve([config])
            cells[key] = cells[key].in_way(choose_trial_way(config))
        return cells[key]

    if not plan.spaces:
        return {}
    study = plan.study.scaled(plan.matched)
    tuners = make_tuners(study, written, plan.spaces, resolve, plan.corpus, plan.directory, plan.storage)
    done = 0
    while True:
        with hold(plan.directory):
            todo = [cell for tuner in tuners for cell in tuner.go_on()]
        if not todo:
            return {tuner.label: tuner.record(plan.directory) for tuner in tuners}
        done += len(todo)
        listener.planned(max(done, len(tuners) * (plan.study.search.most_trials or 0)) + 2 * len(plan.runs({})))
        execute_all(todo, plan.corpus, listener)


def add_probes(plan: Plan, path: Path, record: StudyRecord) -> StudyRecord:
    """Return the record with each model's costs and samples; measure them if they are missing.

    Nothing else runs meanwhile. Of two processes on one study the first one measures and the other waits, so both
    report the same numbers.
    """
    if has_probes(record, path.parent):
        return record
    with lock(lock_of(path), wait=True):
        now = read_study(path)
        if not has_probes(now, path.parent):
            now = measure_probes(plan, now, path.parent)
            write_study(path, now)
    return now


def add_samples(path: Path, record: StudyRecord) -> tuple[StudyRecord, str | None]:
    """Return the record of a single run with samples, drawn if missing, and why there are none, or None.

    Of two processes the first one draws, as in `add_probes`.
    """
    (run,) = record.read_runs(path.parent)[:1]
    if run.label in record.samples or run.result.status != "finished":
        return record, None
    with lock(lock_of(path), wait=True):
        now = read_study(path)
        if run.label in now.samples:
            return now, None
        try:
            samples = {**now.samples, run.label: tuple(draw_samples(run, load_model(run)[0], count=SAMPLES))}
        except Exception as error:  # a foreign model may train but fail to stream
            return now, f"no samples: {type(error).__name__}: {error}".splitlines()[0]
        now = now.model_copy(update={"samples": samples})
        write_study(path, now)
    return now, None


def has_probes(record: StudyRecord, directory: Path) -> bool:
    """Return whether the record has costs of every model that did not fail; a failed one cannot be probed."""
    found = record.read_runs(directory)
    return set(record.costs) >= {run.label for run in found} - _failed(found)


def _failed(runs: Sequence[Run]) -> set[str]:
    return {run.label for run in runs if run.result.status == "failed"}


def measure_probes(plan: Plan, record: StudyRecord, directory: Path) -> StudyRecord:
    """Measure costs and samples; return the record with them."""
    found = record.read_runs(directory)
    runs, failed = {run.label: run for run in reversed(found)}, _failed(found)  # of the first seed in the first split
    threads = max(way.threads for way in plan.ways.values())  # the same for all, for comparable speeds
    first = in_first_split(plan.tuned(record.searches))  # costs equal those of a comparison on one split
    cells = {cell.config.label: cell.on_threads(threads) for cell in first if cell.config.label not in failed}
    costs, samples = measure_costs(list(cells.values()), plan.corpus), {}
    for label, run in runs.items():
        if run.result.status == "finished":
            try:
                samples[label] = tuple(draw_samples(run, load_model(run)[0], count=SAMPLES))
            except Exception as error:  # a foreign model may train but fail to stream
                why = str(error).partition("\n")[0] if isinstance(error, ZooError) else describe_error(error)
                costs[label] = costs[label].model_copy(
                    update={"unmeasured": {**costs[label].unmeasured, "samples": why}}
                )
    return record.model_copy(update={"costs": costs, "samples": samples})


def earlier_looks(study: StudyConfig, directory: Path) -> tuple[int, ...]:
    """Return the numbers of seeds of earlier, otherwise equal comparisons with fewer seeds, at least `FEWEST_SEEDS`."""

    def same(other: StudyConfig) -> bool:
        fewer = FEWEST_SEEDS <= len(other.seeds) < len(study.seeds) and set(other.seeds) < set(study.seeds)
        return fewer and other.model_copy(update={"seeds": study.seeds}) == study

    looks = set()
    for path in directory.glob("study-*.json"):
        with suppress(RunError):  # `verify` reports damaged records of other comparisons
            other = read_study(path).study
            looks |= {len(other.seeds)} if same(other) else set()
    return tuple(sorted(looks))


def record_name(study: StudyConfig, runs: Sequence[Run]) -> str:
    """Return the file name of a comparison's record, a fingerprint of its settings, trials and runs."""
    fingerprints = [run.recorded.fingerprint for run in runs]
    return f"study-{fingerprint({'study': describe_study(study), 'runs': fingerprints})}.json"


def study_directory(out: Path, name: str, *, fresh: bool) -> Path:
    """Return the folder of a study: the newest of `name`, `name.2`, `name.3`, ...; if `fresh`, the next one."""
    folder = file_name(name)

    def numbered(number: int) -> Path:
        return out / (folder if number == 1 else f"{folder}.{number}")

    newest = 1
    while numbered(newest + 1).exists():
        newest += 1
    return numbered(newest + 1 if fresh and numbered(newest).exists() else newest)
