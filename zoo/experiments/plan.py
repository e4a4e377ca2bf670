"""Plan a study: match sizes, resolve every run, choose how they are executed, find the spaces of a search."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from zoo.calls import Value
from zoo.config import RunConfig, Way
from zoo.data.corpus import Corpus
from zoo.data.load import load_corpora
from zoo.experiments.judge.weaknesses import NOTABLE_DEVIATION
from zoo.experiments.lengths import check_lengths
from zoo.experiments.records.run import is_done
from zoo.experiments.records.search import SearchRecord
from zoo.experiments.runs.elsewhere import explain_similar_runs
from zoo.experiments.runs.engines.interface import Engine
from zoo.experiments.runs.engines.local import LocalEngine
from zoo.experiments.runs.identity import file_name
from zoo.experiments.runs.model import find_counted
from zoo.experiments.runs.rates import MOST_ROUNDS, Rates
from zoo.experiments.runs.resolve import Cell, Models, resolve_all
from zoo.experiments.runs.size_matching import describe_size, match_sizes
from zoo.experiments.runs.strategy import Choice, choose_ways, place, read_ways
from zoo.experiments.runs.tuning.spaces import Spaces, find_spaces
from zoo.experiments.runs.tuning.suggest import require_optuna
from zoo.experiments.study.config import Matched, StudyConfig
from zoo.experiments.study.search import SEARCHABLE
from zoo.training.optimizers.groups import describe_ignored


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
    kept_choices: Mapping[str, Choice] = field(default_factory=dict)
    """The choices of ways that were in the folder."""
    engine: Engine = field(default_factory=LocalEngine)
    """What executes the runs."""

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
        return [*missed, *describe_grid(self.study), *describe_search(self), *ignored, *elsewhere]

    @cached_property
    def ways(self) -> dict[str, Way]:
        """Label -> how its runs are executed."""
        return {
            label: choice.unstacked().way if label in self._unstacked else choice.way
            for label, choice in self.choices.items()
        }

    @property
    def _unstacked(self) -> set[str]:
        """Labels with a searched option, with which a model may not be the same in a stack as alone."""
        if self.study.training.execution != "auto":
            return set()
        if self.study.looks:
            return set(self.choices)  # a stack trains all seeds at once
        return {label for label, space in self.spaces.items() if not set(space) <= set(SEARCHABLE)}

    def with_seeds(self, number: int) -> "Plan":
        """Return the plan of the first seeds."""
        study = self.study.with_seeds(number)
        return replace(self, study=study, cells=[cell for cell in self.cells if cell.config.seed in study.seeds])

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
        return place(self.resolve(self.study.scaled(self.matched).tuned(find_changes(searches))), self.ways)


def find_changes(searches: Mapping[str, SearchRecord]) -> dict[str, Mapping[str, Value]]:
    """Return label -> the chosen settings, without models whose settings as written were the best."""
    return {label: search.chosen for label, search in searches.items() if not search.unchanged}


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


def describe_search(plan: Plan) -> list[str]:
    """Describe the search and its spaces, a line for each space; empty without a search."""
    search = plan.study.search
    if not plan.spaces:
        return []
    budget = "1 trial" if search.most_trials == 1 else f"{search.most_trials} trials"
    if search.flops:
        budget = f"trials of {search.flops:g} training FLOPs"
    if search.sampler == "grid" and not search.most_trials:
        budget = "every point of a grid"
    by_space: dict[str, list[str]] = {}
    for label, space in plan.spaces.items():
        by_space.setdefault(" ".join(f"{name}={own}" for name, own in space.items()), []).append(label)
    return [f"search: {budget} for {', '.join(labels)}: {space}" for space, labels in by_space.items()]


def make_plan(
    study: StudyConfig,
    out: Path,
    *,
    fresh: bool = False,
    storage: str | None = None,
    engine: Engine | None = None,
) -> Plan:
    """Plan a study: load its text, match sizes, resolve its runs, choose their ways of execution.

    Args:
        out: folder of all studies.
        fresh: whether to begin a new folder beside an existing one.
        storage: URL of the database of a search.
        engine: what executes the runs; None: this machine.

    Raises:
        DataError: the text cannot be read.
        RegistryError, UsageError, RunError: a model cannot be built or scaled, or violates the contract.
    """
    corpora, directory = load_corpora(study.in_splits()), study_directory(out, study.name, fresh=fresh)
    study = study.for_task(next(iter(corpora.values())).task_length)
    check_lengths(study, is_task=next(iter(corpora.values())).task is not None)
    matched = match_sizes(study, next(iter(corpora.values())))
    scaled = study.scaled(matched)
    tried = {model.label for model in study.models} - find_counted(study.models) if study.lr_grid else set[str]()
    trials = [config for config in scaled.trials() if config.label in tried]
    models: Models = {}
    chosen = scaled.chosen(dict.fromkeys(tried, min(study.lr_grid, default=0.0)))
    cells = resolve_all([*trials, *chosen], corpora, directory, models)
    spaces = find_spaces(scaled, cells[: len(study.models)])
    if spaces:
        require_optuna()
    if study.start and not is_done(cells[0].directory):
        cells[0].build()  # report weights that do not fit now, not after training
    kept = read_ways(directory)
    choices = choose_ways(cells, corpora, kept)
    engine = engine or LocalEngine()
    return Plan(study, corpora, matched, directory, cells, choices, fresh, spaces, storage, models, kept, engine)


def study_directory(out: Path, name: str, *, fresh: bool) -> Path:
    """Return the folder of a study: the newest of `name`, `name.2`, `name.3`, ...; if `fresh`, the next one."""
    folder = file_name(name)

    def numbered(number: int) -> Path:
        return out / (folder if number == 1 else f"{folder}.{number}")

    newest = 1
    while numbered(newest + 1).exists():
        newest += 1
    return numbered(newest + 1 if fresh and numbered(newest).exists() else newest)
