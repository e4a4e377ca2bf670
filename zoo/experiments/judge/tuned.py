"""What a search tried, what it chose, and what that was worth against the model as written."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Literal

from zoo.calls import Value
from zoo.config import Frozen
from zoo.experiments.judge.analysis import Analysis
from zoo.experiments.judge.rows import PairRow
from zoo.experiments.records.run import Run
from zoo.experiments.records.search import SearchRecord
from zoo.experiments.study.space import Dimension, parse_dimension

TUNED, WRITTEN = "tuned", "as written"


class Tried(Frozen):
    """A trial: its settings, how it ended, and its loss on validation (of a pruned one, the best until then)."""

    chosen: Mapping[str, Value]
    status: Literal["finished", "diverged", "pruned", "refused", "failed"]
    loss: float | None
    steps: int

    @property
    def shown(self) -> float | None:
        """Loss of a trial that finished or was pruned; None for others, whose losses say nothing of their settings."""
        return self.loss if self.status in ("finished", "pruned") else None


class Tuned(Frozen):
    """The search of one model."""

    label: str
    space: Mapping[str, str]
    """Setting -> its values, as `--search` writes them."""
    trials: tuple[Tried, ...]
    best: int
    """Index of the trial with the lowest validation loss."""
    runs: int
    """Number of trained runs: trials of equal settings share one."""
    steps: float
    tokens: float
    seconds: float
    flops: float | None
    """Training steps, target tokens, seconds and FLOPs of all trials, of pruned ones too."""
    edges: tuple[str, ...]
    """Settings whose best value lies at an end of its range."""
    importances: Mapping[str, float]
    """Setting -> its share of the variance of the loss over the space, by fANOVA."""
    unmeasured: str
    """Reason why there are no importances."""
    written: Mapping[str, Value] | None
    """Settings of the model as written, the first trial; None if the space lacks one of them."""
    worth: PairRow | None
    """Test loss of the tuned model minus that of the model as written, under the reported seeds; None if they are the
    same runs, or if either has no mean."""
    unchanged: bool
    """Whether the settings as written were the best."""

    @property
    def chosen(self) -> Mapping[str, Value]:
        """Settings of the best trial."""
        return self.trials[self.best].chosen

    @property
    def dimensions(self) -> dict[str, Dimension]:
        """Setting -> its values."""
        return {name: parse_dimension(text) for name, text in self.space.items()}

    @property
    def losses(self) -> list[float]:
        """Losses of trials that finished or were pruned."""
        return [trial.shown for trial in self.trials if trial.shown is not None]

    def lowest_so_far(self) -> list[tuple[int, float]]:
        """Return (number of the trial, from 1, lowest loss of those that finished by then), from the first loss on."""
        lowest: list[tuple[int, float]] = []
        for number, trial in enumerate(self.trials, 1):
            losses = [loss for _, loss in lowest[-1:]]
            losses += [trial.loss] if trial.status == "finished" and trial.loss is not None else []
            lowest += [(number, min(losses))] if losses else []
        return lowest

    def count(self, status: str) -> int:
        """Return the number of trials that ended so."""
        return sum(trial.status == status for trial in self.trials)


def summarise_search(
    label: str, search: SearchRecord, trials: Sequence[Run], analysis: Analysis | None, *, unchanged: bool
) -> Tuned:
    """Summarise the search of a model.

    Args:
        trials: the run of every trial.
        analysis: of the models `TUNED` and `WRITTEN`; None if they cannot be compared.
        unchanged: whether the tuned runs are those of the model as written.
    """
    space = {name: parse_dimension(text) for name, text in search.space.items()}
    results = list({run.directory: run.result for run in trials}.values())
    flops = [result.flops for result in results]
    (pair,) = analysis.pairs if analysis else [None]
    worth = PairRow(**asdict(pair)) if pair else None
    return Tuned(
        label=label,
        space=search.space,
        trials=tuple(
            Tried(
                chosen=trial.chosen, status=run.result.status, loss=run.result.validation_loss, steps=run.result.steps
            )
            for trial, run in zip(search.trials, trials, strict=True)
        ),
        best=search.best,
        runs=len(results),
        steps=sum(result.steps for result in results),
        tokens=sum(result.tokens for result in results),
        seconds=sum(result.seconds for result in results),
        flops=None if None in flops else sum(value or 0 for value in flops),
        edges=tuple(name for name, value in search.chosen.items() if space[name].is_edge(value)),
        importances=search.importances,
        unmeasured=search.unmeasured,
        written=search.trials[0].chosen if search.starts_as_written else None,
        worth=worth if worth is None or worth.a == TUNED else worth.reverse(),
        unchanged=unchanged,
    )
