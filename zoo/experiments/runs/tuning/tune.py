"""Search the settings of every model of a study, in rounds of trials, and take the best on validation.

The trials are in Optuna's database, their results are the directories of their runs. A lock is held while trials are
suggested or told; the trials of a round are executed like other runs, by all processes that work on the study. So a
killed command's trials are taken up by the next one, and nothing is trained twice.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from zoo.calls import Value
from zoo.config import RunConfig, as_json
from zoo.data.corpus import Corpus
from zoo.errors import UsageError
from zoo.experiments.records.fingerprint import fingerprint
from zoo.experiments.records.run import Run, is_run, read_run
from zoo.experiments.records.search import SearchRecord, TrialRecord
from zoo.experiments.runs.budget import flops_per_step
from zoo.experiments.runs.resolve import Cell
from zoo.experiments.runs.tuning.importances import measure_importances
from zoo.experiments.runs.tuning.pruning import limits_after
from zoo.experiments.runs.tuning.spaces import Spaces, written_values
from zoo.experiments.runs.tuning.suggest import Suggestion, Suggestions
from zoo.experiments.runs.working_folder import lock, lock_of
from zoo.experiments.study.config import StudyConfig
from zoo.experiments.study.search import Search
from zoo.experiments.study.space import Dimension, list_grid

DATABASE = "search.db"
ROUND = 4
"""Trials of a model that are suggested together. It does not depend on the machine, as what they learn from does."""


@dataclass(frozen=True)
class Tuner:
    """The search of one model.

    Args:
        label: label of the model.
        space: setting -> its values.
        resolve: resolves a run to a cell that is ready to be executed.
    """

    study: StudyConfig
    label: str
    space: Mapping[str, Dimension]
    resolve: Callable[[RunConfig], Cell]
    suggestions: Suggestions
    starts_as_written: bool
    """Whether the first trial is the model as written."""
    flops: float | None
    """Training FLOPs of a trial; None if they cannot be counted beforehand."""

    def cell(self, suggestion: Suggestion) -> Cell:
        """Return the run of a trial."""
        return self.resolve(self.study.trial_of(self.label, suggestion.chosen, suggestion.prune_above))

    def go_on(self) -> list[Cell]:
        """Store how trials ended, suggest a round if all have; return the cells to execute, none at the end.

        A trial whose run was removed is executed again.
        """
        trials = self._complete_round(self.trials())
        missing = [trial for trial in trials if not is_run(self.cell(trial).directory)]
        for trial in trials:
            if trial.open and trial not in missing:
                self.suggestions.tell(trial, read_run(self.cell(trial).directory))
        if not missing:
            limits = self._limits(trials)
            for _ in range(self._next(trials)):
                self.suggestions.ask(limits, len(trials))
            missing = self.trials()[len(trials) :]
        return list({cell.directory: cell for cell in map(self.cell, missing)}.values())

    def _complete_round(self, trials: list[Suggestion]) -> list[Suggestion]:
        """Suggest the rest of a round that a kill cut short, before any of it is executed."""
        start = trials[-1].start if trials else 0
        due = start + self._next(trials[:start])
        if not all(trial.open for trial in trials[start:]) or len(trials) >= due or not trials:
            return trials
        limits = self._limits(trials[:start])
        for _ in range(due - len(trials)):
            self.suggestions.ask(limits, start)
        return self.trials()

    def trials(self) -> list[Suggestion]:
        """Return the trials within the budget: all, unless an earlier command had a larger one."""
        stored, kept = self.suggestions.trials(), list[Suggestion]()
        while len(kept) < len(stored) and (more := self._next(kept)):
            kept = stored[: len(kept) + more]
        return kept

    def runs(self, trials: Sequence[Suggestion]) -> list[Run]:
        """Read the runs of trials that have ended."""
        return [read_run(self.cell(trial).directory) for trial in trials]

    def _limits(self, trials: Sequence[Suggestion]) -> tuple[float | None, ...]:
        if not self.study.search.prune:
            return ()
        return limits_after(self.runs(trials))

    def _next(self, trials: Sequence[Suggestion]) -> int:
        places = [cell.directory for cell in map(self.cell, trials)]
        spent = [read_run(place).result.flops if is_run(place) else None for place in places]
        return count_next(self.study.search, self.space, spent, self.flops)

    def record(self, directory: Path) -> SearchRecord:
        """Return the record of a search that has ended."""
        trials = self.trials()
        runs = self.runs(trials)
        finished = [
            (trial.chosen, run.result.validation_loss)
            for trial, run in zip(trials, runs, strict=True)
            if run.result.status == "finished" and run.result.validation_loss is not None
        ]
        importances, why = measure_importances(self.space, finished)
        return SearchRecord(
            space={name: str(dimension) for name, dimension in self.space.items()},
            trials=tuple(
                TrialRecord(
                    chosen=trial.chosen,
                    prune_above=trial.prune_above,
                    run=str(self.cell(trial).directory.relative_to(directory)),
                )
                for trial in trials
            ),
            starts_as_written=self.starts_as_written,
            best=choose_best(runs),
            importances=importances,
            unmeasured=why,
        )


def count_next(search: Search, space: Mapping[str, Dimension], spent: Sequence[int | None], flops: float | None) -> int:
    """Return how many trials to suggest next, at most `ROUND`.

    Args:
        spent: training FLOPs of every trial so far, also of those that repeat another one's settings; None: uncounted.
        flops: of a trial of the model as written; an uncounted trial is taken to have spent them.
    """
    most = search.most_trials
    if search.flops is not None:
        each = flops or search.flops
        left = search.flops - sum(each if own is None else own for own in spent)
        most = len(spent) + max(0, math.floor(left / each + 1e-9))
    if search.sampler == "grid":
        points = len(list_grid(space))
        most = points if most is None else min(most, points)
    return max(0, min(ROUND, (most or 0) - len(spent)))


def count_due(search: Search, space: Mapping[str, Dimension], spent: Sequence[int | None], flops: float | None) -> int:
    """Return how many trials a search of these has: fewer or more than there are if their number is wrong."""
    due = 0
    while due <= len(spent) and (more := count_next(search, space, spent[:due], flops)):
        due += more
    return due


def choose_best(runs: Sequence[Run]) -> int:
    """Return the index of the trial with the lowest validation loss; trials that did not finish lose against others."""

    def loss(index: int) -> float:
        result = runs[index].result
        return math.inf if result.status != "finished" or result.validation_loss is None else result.validation_loss

    return min(range(len(runs)), key=loss)


def make_tuners(
    study: StudyConfig,
    written: Mapping[str, Cell],
    spaces: Spaces,
    resolve: Callable[[RunConfig], Cell],
    corpus: Corpus,
    directory: Path,
    storage: str | None,
) -> list[Tuner]:
    """Open the search of every model.

    Args:
        written: label -> a run of the model as written.
        storage: URL of Optuna's database; None: a file in the study's folder.

    Raises:
        ZooError: Optuna is not installed, or the database cannot be opened.
        UsageError: the FLOPs of the search do not suffice for one trial.
    """
    directory.mkdir(parents=True, exist_ok=True)
    url = storage or f"sqlite:///{(directory / DATABASE).absolute()}"
    tuners = []
    for label, space in spaces.items():
        first = written_values(space, written[label])
        values: Mapping[str, Value] = first or {}
        trial = resolve(study.trial_of(label, values))
        search = {**as_json(study.search), "trials": None, "flops": None, "space": _describe(space)}
        name = f"{study.name}, {label}, {fingerprint({'search': search, 'run': trial.recorded.fingerprint})}"
        with hold(directory):
            suggestions = Suggestions(url, name, space, study.search.sampler, first)
        flops, starts = count_trial_flops(trial, corpus), first is not None and study.search.sampler != "grid"
        tuners.append(Tuner(study, label, space, resolve, suggestions, starts, flops))
        _check_flops(tuners[-1])
    return tuners


def hold(directory: Path) -> AbstractContextManager[None]:
    """Hold the lock of a study's search, waiting for other processes."""
    return lock(lock_of(directory / DATABASE), wait=True)


def count_trial_flops(trial: Cell, corpus: Corpus) -> float | None:
    """Return the training FLOPs of a trial; None if they cannot be counted beforehand."""
    if trial.settings.steps is None:
        return None
    try:
        return flops_per_step(trial.config, trial.model, corpus) * trial.settings.steps
    except Exception:  # the runs of the model will report it
        return None


def _check_flops(tuner: Tuner) -> None:
    budget = tuner.study.search.flops
    if budget is None:
        return
    if tuner.flops is None:
        raise UsageError(
            f"The FLOPs of a trial of '{tuner.label}' cannot be counted beforehand: give a number of trials (--tune)."
        )
    if not tuner.flops:
        raise UsageError(f"Model '{tuner.label}' multiplies nothing: it cannot spend a search's FLOPs. Give --tune.")
    if tuner.flops > budget:
        raise UsageError(
            f"tune_flops={budget:g} do not suffice for one trial of '{tuner.label}', which takes {tuner.flops:.3g}."
        )


def _describe(space: Mapping[str, Dimension]) -> dict[str, str]:
    return {name: str(dimension) for name, dimension in space.items()}
