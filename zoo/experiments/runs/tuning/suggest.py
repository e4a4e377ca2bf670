"""Suggest the settings of trials by Optuna 5, and store how they ended in its database.

What is suggested depends on the seed, the space and the losses told before, on nothing else: trials are suggested in
rounds, and a sampler begins anew for every trial, seeded with the number of trials before it, because a sampler made
after an interruption repeats its first draws (Optuna 5).
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

from zoo.calls import Value
from zoo.errors import RunError, ZooError
from zoo.experiments.records.run import Run
from zoo.experiments.study.space import Dimension, list_grid

if TYPE_CHECKING:
    import optuna

RANDOM_TRIALS = 6
"""Trials, with that of the settings as written, before TPE learns from their losses; half of a small search."""


class Suggestion(NamedTuple):
    """A trial in Optuna's database: its number there, its settings, and its limits."""

    number: int
    chosen: Mapping[str, Value]
    prune_above: tuple[float | None, ...]
    open: bool
    """Whether its run has not been told yet."""
    start: int
    """Number of trials before the round in which it was suggested."""


class Suggestions:
    """The trials of one model in Optuna's database.

    Args:
        storage: URL of the database.
        name: name of the search in it; a search of the same name is continued.
        space: setting -> its values.
        sampler: "tpe", "qmc" or "grid".
        first: settings of the first trial; None: those that the sampler suggests.

    Raises:
        ZooError: Optuna is not installed.
        RunError: the database cannot be opened.
    """

    def __init__(
        self,
        storage: str,
        name: str,
        space: Mapping[str, Dimension],
        sampler: Literal["tpe", "qmc", "grid"],
        first: Mapping[str, Value] | None,
    ) -> None:
        optuna = require_optuna()
        self._space, self._sampler = space, sampler
        with quiet(), _explained(storage):
            self.study = optuna.create_study(storage=storage, study_name=name, load_if_exists=True)
            planned = list_grid(space) if sampler == "grid" else [first] if first else []
            if len(self.study.get_trials(deepcopy=False)) < len(planned):
                for point in planned:
                    self.study.enqueue_trial(dict(point), skip_if_exists=True)

    def trials(self) -> list[Suggestion]:
        """Return all trials in order, without one whose suggestion was cut short by a kill: `ask` completes it."""
        return [
            Suggestion(
                trial.number, own["chosen"], tuple(own["prune_above"]), not trial.state.is_finished(), own["start"]
            )
            for trial in self.study.get_trials(deepcopy=False)
            if "chosen" in (own := trial.user_attrs)
        ]

    def ask(self, limits: tuple[float | None, ...], start: int) -> None:
        """Suggest one more trial, which is pruned above these losses; equal settings get the limits that they had.

        Args:
            start: number of trials before its round.
        """
        earlier = self.trials()
        known = {_key(trial.chosen): trial.prune_above for trial in earlier}
        with quiet():
            self.study.sampler = _make_sampler(self._sampler, seed=len(earlier))
            trial = self._cut_short() or self.study.ask()
            chosen = {name: own.round(_suggest(trial, name, own)) for name, own in self._space.items()}
            trial.set_user_attr("start", start)
            trial.set_user_attr("prune_above", known.get(_key(chosen), limits))
            trial.set_user_attr("chosen", chosen)  # last: it makes the suggestion whole

    def _cut_short(self) -> "optuna.Trial | None":
        """Return the trial whose suggestion was cut short, if any."""
        optuna = require_optuna()
        running = self.study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,))
        cut = next((trial for trial in running if "chosen" not in trial.user_attrs), None)
        return None if cut is None else optuna.Trial(self.study, cut._trial_id)

    def tell(self, suggestion: Suggestion, run: Run) -> None:
        """Store how a trial ended, with its losses at every evaluation.

        A diverged one is stored as pruned, because Optuna takes an infinite loss for a complete trial.
        """
        optuna, status = require_optuna(), run.result.status
        ended = optuna.trial.TrialState.PRUNED if status in ("pruned", "diverged") else optuna.trial.TrialState.FAIL
        with quiet():
            (stored,) = (trial for trial in self.study.get_trials(deepcopy=False) if trial.number == suggestion.number)
            self.study.sampler = optuna.samplers.RandomSampler()  # others draw whenever a Trial is made
            trial = optuna.trial.Trial(self.study, stored._trial_id)
            for index, point in enumerate(run.curve):
                trial.report(point.validation_loss, index)
            if status == "finished":
                self.study.tell(trial, run.result.validation_loss)
            else:
                self.study.tell(trial, state=ended)


def require_optuna() -> Any:
    """Import Optuna.

    Raises:
        ZooError: it is not installed.
    """
    try:
        with warnings.catch_warnings():  # tqdm misses widgets in a notebook, for bars that nothing shows
            warnings.filterwarnings("ignore", message="IProgress not found")
            import optuna
    except ModuleNotFoundError:
        raise ZooError("A search needs Optuna, which is not installed: pip install 'sequence-zoo[tune]'.") from None
    return optuna


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Optuna's log and its warnings of experimental features."""
    log = require_optuna().logging
    before = log.get_verbosity()
    log.set_verbosity(log.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.set_verbosity(before)


@contextmanager
def _explained(storage: str) -> Iterator[None]:
    """Explain that a database cannot be opened; its URL may have a password, which is not shown."""
    try:
        yield
    except Exception as error:
        kind, _, rest = storage.partition("://")
        shown = f"{kind}://{rest.rpartition('@')[2].partition('?')[0]}"
        reason = str(error).partition("\n")[0].replace(storage, shown).rstrip(".")
        raise RunError(f"The database of the search, '{shown}', cannot be opened: {reason}.") from error


def _key(chosen: Mapping[str, Value]) -> Sequence[tuple[str, str]]:
    return tuple((name, repr(value)) for name, value in sorted(chosen.items()))


def _make_sampler(kind: str, *, seed: int) -> "optuna.samplers.BaseSampler":
    samplers = require_optuna().samplers
    if kind == "qmc":
        return samplers.QMCSampler(seed=0, scramble=True, warn_independent_sampling=False)  # it counts its points
    if kind == "tpe":
        return samplers.TPESampler(seed=seed, n_startup_trials=RANDOM_TRIALS)
    return samplers.RandomSampler(seed=seed)  # for no point of a grid: all are enqueued


def _suggest(trial: "optuna.Trial", name: str, dimension: Dimension) -> Value:
    """Return the value that a sampler suggests for a setting."""
    if dimension.kind == "choice":
        return cast(Value, trial.suggest_categorical(name, dimension.values))
    if dimension.kind == "int":
        return trial.suggest_int(name, int(dimension.low), int(dimension.high))
    return trial.suggest_float(name, dimension.low, dimension.high, log=dimension.kind == "log")


def make_distribution(dimension: Dimension) -> Any:
    """Return the values of a setting as a distribution of Optuna."""
    made = require_optuna().distributions
    if dimension.kind == "choice":
        return made.CategoricalDistribution(dimension.values)
    if dimension.kind == "int":
        return made.IntDistribution(int(dimension.low), int(dimension.high))
    return made.FloatDistribution(dimension.low, dimension.high, log=dimension.kind == "log")
