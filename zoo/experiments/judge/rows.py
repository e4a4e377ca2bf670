"""The rows of a comparison: one for each model, each pair of models and each run."""

from collections.abc import Sequence
from typing import Any, Literal

from zoo.config import Frozen, Recipe
from zoo.experiments.judge.criterion import Verdict
from zoo.experiments.judge.positions import Place
from zoo.experiments.records.run import Result
from zoo.experiments.records.study import Cost
from zoo.experiments.study.config import Published


class Spread(Frozen):
    """Mean over the seeds (and splits), and the standard deviation over the seeds (None for a single seed)."""

    mean: float
    sd: float | None


class Answers(Frozen):
    """The scored tokens of test, and whole documents, that a model gets right on a task.

    Shares are means over the seeds, None where a seed has none.
    """

    accuracy: Spread | None
    """Share of scored tokens that are right."""
    whole: Spread | None
    """Share of documents of which every scored token is right."""
    goal: str = ""
    """What solved means; "" if nothing was declared."""
    solved: int | None = None
    """Number of seeds that solve the task; None if nothing was declared."""
    seeds: int = 0
    """Number of seeds that were judged."""
    low: float | None = None
    """Lower end of the interval of the share of seeds that solve it (Clopper and Pearson 1934)."""
    high: float | None = None
    averaged: float | None = None
    """Mean loss over all positions, as published figures of this task are; None if they are not."""


class Interval(Spread):
    """A mean with its 95% interval (None with fewer than three seeds), and the two uncertainties behind it."""

    low: float | None
    high: float | None
    seeds_se: float | None
    """Standard error over new seeds: training again."""
    documents_se: float | None
    """Standard error over new documents: another test split, or new splits if the study has several."""
    effective: float | None = None
    """Effective number of independent documents, or stretches of a stream."""
    withheld: str = ""
    """Reason why there is no interval in spite of enough seeds."""


class Band(Frozen):
    """One point of a learning curve: validation loss over the runs, its mean, lowest and highest."""

    step: float
    tokens: float
    seconds: float
    mean: float
    low: float
    high: float


class Used(Frozen):
    """Training's use of each budget, mean over the runs."""

    steps: float
    tokens: float
    seconds: float
    flops: float | None
    flops_uncounted: tuple[str, ...] = ()
    """Operations that `flops` leave out in any run: see `Result`."""
    flops_fitted: bool = False


class ModelRow(Frozen):
    """One model of the comparison; losses are nats a token, None where any run diverged or was refused.

    `untrained` counts the runs in which no evaluation beat the initial weights. Models that share a letter cannot be
    told apart.
    """

    label: str
    model: str
    context: int
    letters: str
    seeds: int
    diverged: int
    untrained: int
    losses: dict[int, float | None]
    """Seed -> test loss over all splits."""
    split_losses: dict[int, float | None] | None = None
    """Split (from 1) -> mean test loss over the seeds; None with a single split."""
    test: Interval | None
    validation: Spread | None
    train: Spread | None
    floor: float | None
    """Loss of a perfect model on the test split, over all splits."""
    above_floor: float | None
    parameters: int
    buffers: int | None = None
    """Number of buffer elements that training changed: the largest of any run."""
    receptive_field: int | None
    off_size: float | None
    """Relative deviation of the matched size from the target; None where sizes are not matched."""
    used: Used
    off_budget: float
    """Relative deviation of the used budget from the given one."""
    stopped: tuple[int, int, int] | None = None
    """Runs that ended when they had solved their task: the fewest and the most steps of any, and their number."""
    tokens_per_second: float
    """Target tokens per second in training: by the probe if there was one, else over the runs."""
    optimizer: str = "adamw"
    recipe: Recipe | None = None
    """The recipe that gave the settings of training that nobody set; None in older records."""
    lr: float
    lr_from: Literal["recipe", "setting", "grid", "search"]
    lr_trials: dict[str, float | None]
    """Learning rate -> validation loss under the extra seed; None where the trial diverged."""
    lr_at_edge: bool
    published: Published | None
    cost: Cost | None
    curve: tuple[Band, ...]
    by_position: tuple[Place, ...] = ()
    """Test loss by position in context; () where any run has no record of it."""
    samples: tuple[str, ...]
    refused: int = 0
    """Number of refused runs, whose scores are not sound; any such run excludes the model from the ranking."""
    failed: int = 0
    """Number of runs that an error ended; any such run excludes the model from the ranking."""
    reason: str | None = None
    """Reason of the first failed run, else of the first refused one, else of a divergence."""
    answers: Answers | None = None
    """What it answers right on a task; None for text."""
    auxiliary: float | None = None
    """What an auxiliary loss added to the training loss in the last steps, mean over the runs; None if nothing."""

    counted: str | None = None
    """What a model of counts says of its fit; None for a model that was trained."""

    @property
    def without_mean(self) -> str:
        """Reason for a missing mean: "failed 1 of 3" runs, "refused 1 of 3", "diverged 2 of 3"; "" if there is one."""
        counts = {"failed": self.failed, "refused": self.refused, "diverged": self.diverged}
        return next((f"{what} {count} of {self.runs}" for what, count in counts.items() if count), "")

    @property
    def runs(self) -> int:
        """Number of runs: one per seed and split."""
        return self.seeds * len(self.split_losses or (1,))

    def among_runs(self, count: int) -> str:
        """Say in words in how many runs: "under 1 of 3 seeds"; with several splits, "in 1 of 15 runs"."""
        if self.split_losses:
            return f"in {count} of {self.runs} runs"
        return f"under {count} of {self.seeds} seed{'' if self.seeds == 1 else 's'}"


class PairRow(Frozen):
    """One pair: mean test loss of `a` minus that of `b`, and the verdict on `a`."""

    a: str
    b: str
    difference: float
    low: float | None
    high: float | None
    p: float | None
    """Adjusted for all pairs of the comparison."""
    p_permutation: float | None
    """p of this pair alone, by sign flips over the seeds; None with too few seeds to ever reject."""
    seeds_se: float | None
    documents_se: float | None
    effective: float | None = None
    """Effective number of independent documents, or stretches of a stream, for the difference."""
    withheld: str = ""
    """Reason why there is no interval in spite of enough seeds."""
    verdict: Verdict
    seeds_needed: int | None
    """Number of seeds that would decide an undecided pair in about four studies of five; None if no number would."""
    joint_low: float | None = None
    joint_high: float | None = None
    """The simultaneous interval of all pairs, which decides the verdict where the study has a margin."""
    less: bool = False
    """Whether that interval lies inside of the margin: a better model is better by less than it."""

    look: int | None = None
    """Number of seeds of the look that decided the pair, in a study that stops when it is decided."""

    @property
    def interval(self) -> tuple[float | None, float | None]:
        """The interval to show: the simultaneous one where it decides, else the pair's own."""
        return (self.low, self.high) if self.joint_low is None else (self.joint_low, self.joint_high)

    def reverse(self) -> "PairRow":
        """The same pair with `a` and `b` exchanged."""
        opposite: dict[str, Any] = {"better": "worse", "worse": "better"}
        return self.model_copy(
            update={
                "a": self.b,
                "b": self.a,
                "difference": -self.difference,
                "low": None if self.high is None else -self.high,
                "high": None if self.low is None else -self.low,
                "joint_low": None if self.joint_high is None else -self.joint_high,
                "joint_high": None if self.joint_low is None else -self.joint_low,
                "verdict": opposite.get(self.verdict, self.verdict),
            }
        )


def rank_pairs(pairs: Sequence[PairRow], ranking: Sequence[str]) -> list[PairRow]:
    """Every pair with the better mean first, in the order of the ranking."""
    place = {label: number for number, label in enumerate(ranking)}
    ordered = [pair if place[pair.a] < place[pair.b] else pair.reverse() for pair in pairs]
    return sorted(ordered, key=lambda pair: (place[pair.a], place[pair.b]))


class RunRow(Result):
    """A run of the comparison: its path in the study's folder, and its result."""

    directory: str
    label: str
    seed: int
    split: int | None = None
    """Number of its split, from 1; None with a single split."""
    fingerprint: str
    lr: float
