"""`StudyConfig`: a comparison as one frozen value, and the runs it consists of."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer, model_validator

from zoo.calls import Value, short_names
from zoo.config import (
    DEFAULT_LENGTH,
    ONLY_SPLIT,
    Call,
    DataConfig,
    Frozen,
    Positive,
    RunConfig,
    Seed,
    Start,
    TrainingConfig,
)
from zoo.errors import UsageError
from zoo.experiments.study.search import Search, with_settings
from zoo.settings.flag import Flag, Internal
from zoo.settings.values import AUTO, LOOKS, parse_lengths, parse_looks, parse_match, parse_positive, parse_rates

FEWEST_SPLITS = 3
"""Minimum number of splits, if several: two leave one degree of freedom, and a half-width of 13 standard errors."""
MOST_MODELS = 300
"""Maximum models whose pairs are judged: 44,850 pairs, a comparison.json of 30 MB."""
LAST_SEED = 2**63 - 1
MOST_TARGETS = 8
"""Maximum number of target losses of a comparison."""
FIRST_GRID = (3e-3, 1e-2, 3e-2)
"""Learning rates with which `--lr-grid auto` begins, unless others are given."""


_FIXED = {"data": "weights_seed", "weights": "data_seed"}
"""Value of `vary` -> the field of `RunConfig` that holds the first seed in all runs."""


class Published(Frozen):
    """Published losses of a model, in nats per token."""

    train: float | None = None
    validation: float | None = None


class Contestant(Frozen):
    """A model of a comparison, one row of the table. Its default label is the call as written; of a file, the class."""

    label: str = Field(min_length=1)
    model: Call
    context: int | None = Field(None, ge=1, description="overrides the study's context")
    published: Published | None = None

    @model_validator(mode="before")
    @classmethod
    def _add_labels(cls, value: Any) -> Any:
        given = {"model": value} if isinstance(value, str) else value
        if isinstance(given, dict) and isinstance(given.get("model"), str):
            return {"label": given["model"], **given}
        return given


class Match(Frozen):
    """The size to which every model is scaled: exactly one of parameters and flops."""

    parameters: Positive | None = None
    flops: float | None = Field(None, gt=0, description="training FLOPs per token")

    @model_validator(mode="after")
    def _check_one_target(self) -> "Match":
        if (self.parameters is None) == (self.flops is None):
            raise ValueError("match needs either parameters or flops")
        return self

    @property
    def kind(self) -> str:
        """The matched quantity: "flops" or "parameters"."""
        return "flops" if self.parameters is None else "parameters"

    @property
    def target(self) -> float:
        """The target size."""
        return float(self.parameters or self.flops or 0)


class Matched(Frozen):
    """A scaled model, its target size and the size it reached."""

    model: Call
    target: float = Field(gt=0)
    reached: float = Field(ge=0)
    refused: str = Field("", exclude=True)
    """Widths that might be nearer but fail, and why; not stored in records."""

    @property
    def deviation(self) -> float:
        """Relative deviation from the target: 0.02 is 2% too large."""
        return self.reached / self.target - 1


class StudyConfig(Frozen):
    """A comparison: models, data, training, seeds. All models share the settings, except those of a `Contestant`."""

    name: str
    title: str = ""
    source: str = Field("", description="source of the published figures")
    models: tuple[Contestant, ...]
    data: DataConfig = DataConfig()
    training: TrainingConfig = TrainingConfig()
    search: Search = Search()
    context: Annotated[int, Flag(after="flops")] = Field(
        8, ge=1, description="Tokens from which mlp and the wavenets predict; of a task all."
    )
    seeds: tuple[Seed, ...] = Field((1, 2, 3), min_length=1)
    vary: Annotated[Literal["both", "data", "weights"], Flag(after="lr")] = Field(
        "both",
        description="What seeds change: initial weights and order of the data, or only one of them.",
    )
    splits: int = Field(1, ge=1, strict=True, description="number of splits of the text, each run with every seed")
    match: Annotated[Match | None, Flag(parse=parse_match, metavar="parameters=76k|flops=150k", after="lr")] = Field(
        None, description="Scale every model to one size: parameters, or training FLOPs per token."
    )
    lr_grid: Annotated[
        tuple[Annotated[float, Field(gt=0)], ...], Flag(parse=parse_rates, metavar="A,B,...|auto", after="lr")
    ] = Field(
        (),
        description="Train each model at each rate with one extra seed, and take the best on validation. auto: extend "
        "the grid for all until no model's best lies at its edge.",
    )
    margin: Annotated[float | None, Flag(parse=parse_positive, metavar="NATS", after="lr_grid")] = Field(
        None, gt=0, description="Difference of test losses within which models count as equal."
    )
    alpha: Annotated[float, Flag(parse=parse_positive, metavar="SHARE", after="margin")] = Field(
        0.05,
        gt=0,
        lt=0.5,
        description="Error rate of all verdicts together: intervals hold in a share 1 - alpha of studies.",
    )
    looks: Annotated[
        tuple[int, ...], Flag(name="until", parse=parse_looks, metavar="decided|3,5,8,...", after="alpha", default="")
    ] = Field(
        (),
        description="Train the seeds step by step, at most as many as --seeds, and stop when every pair is decided. "
        "decided: look at 3, 5, 8, 12 and 20 seeds.",
    )
    lr_grid_extends: Annotated[bool, Internal()] = Field(False, description="whether the grid is auto")
    start: Annotated[Start | None, Internal()] = Field(None, description="initial weights of the only run")
    baseline: Annotated[str | None, Internal()] = Field(
        None, description="label of the model of which the others are variants: only they are compared, with it"
    )
    target: tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...] = Field(
        (), description="validation losses, in nats per token, the highest first"
    )
    """A question to the records of the runs: no run depends on it, and neither does the name of the study's record."""
    test_lengths: Annotated[
        tuple[Annotated[int, Field(ge=2, le=1000)], ...],
        Flag("test_length", parse=parse_lengths, metavar="2x,4x,...", after="margin", default=""),
    ] = Field((), description="Also score the chosen weights on documents of a task with a length so much greater.")
    """A question like `target`."""

    @model_validator(mode="before")
    @classmethod
    def _add_labels(cls, value: Any) -> Any:
        models = value.get("models") if isinstance(value, dict) else None
        if not isinstance(models, list | tuple):
            return value
        written = [model for model in models if isinstance(model, str)]
        labels = dict(zip(written, short_names(written), strict=True))
        return {**value, "models": [{"label": labels[m], "model": m} if isinstance(m, str) else m for m in models]}

    @model_validator(mode="before")
    @classmethod
    def _parse_looks(cls, value: Any) -> Any:
        looks = value.get("looks") if isinstance(value, dict) else None
        if not looks:
            return value
        looks = parse_looks(looks) if isinstance(looks, str) else looks
        seeds = value.get("seeds")
        if seeds is None:
            seeds = list(range(1, max(looks) + 1))
        return {**value, "looks": looks, "seeds": seeds}

    @model_validator(mode="before")
    @classmethod
    def _parse_auto_grid(cls, value: Any) -> Any:
        grid = value.get("lr_grid") if isinstance(value, dict) else None
        rates = [grid] if isinstance(grid, str) else grid
        if not isinstance(rates, list | tuple) or AUTO not in rates:
            return value
        given = [rate for rate in rates if rate != AUTO]
        return {**value, "lr_grid": given or FIRST_GRID, "lr_grid_extends": True}

    @model_validator(mode="after")
    def _check_lists(self) -> "StudyConfig":
        labels = [contestant.label for contestant in self.models]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice:
            raise ValueError(f"two models are called '{twice[0]}': the table could not tell them apart")
        if not labels:
            raise ValueError("no models to compare")
        if len(labels) > MOST_MODELS and not self.baseline:
            raise ValueError(f"{len(labels):,} models have {len(labels) * (len(labels) - 1) // 2:,} pairs to judge: "
                             f"compare at most {MOST_MODELS}, or let sweep try settings of fewer models")  # fmt: skip
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds {list(self.seeds)} name one twice, which would count as two runs: give it once")
        if (self.lr_grid and sorted(set(self.lr_grid)) != list(self.lr_grid)) or len(self.lr_grid) == 1:
            raise ValueError(f"lr_grid={list(self.lr_grid)} is no grid: give at least two rates, from the lowest")
        if self.lr_grid and self.training.lr is not None:
            raise ValueError(f"lr={self.training.lr:g} and a grid of learning rates are both given: give only one")
        return self

    @model_validator(mode="after")
    def _check_baseline(self) -> "StudyConfig":
        if self.baseline is None:
            return self
        labels = [contestant.label for contestant in self.models]
        if self.baseline not in labels:
            raise ValueError(f"the baseline '{self.baseline}' is no model of the study: {', '.join(labels)}")
        if len({contestant.model.name for contestant in self.models}) > 1 or len(labels) < 2:
            raise ValueError("an ablation needs variants of one model, beside the model itself")
        if self.looks:
            raise ValueError("an ablation has one number of seeds: leave out until")
        return self

    @model_validator(mode="after")
    def _check_looks(self) -> "StudyConfig":
        if not self.looks:
            return self
        looks = list(self.looks)
        if looks != sorted(set(looks)) or len(looks) < 2 or looks[0] < LOOKS[0]:
            raise ValueError(f"until={looks}: give numbers of seeds of {LOOKS[0]} or more in ascending order")
        if self.lr_grid or self.search.wanted:
            raise ValueError("a comparison that stops when it is decided chooses no settings: choose them first "
                             "(--lr-grid or --tune), then give them")  # fmt: skip
        if self.splits > 1:
            raise ValueError("a comparison that stops when it is decided has one split: leave out splits or until")
        if self.training.execution == "stacked":
            raise ValueError("a stack trains all seeds at once: leave out execution=stacked or until")
        return self

    @model_validator(mode="after")
    def _check_splits(self) -> "StudyConfig":
        if 1 < self.splits < FEWEST_SPLITS:
            raise ValueError(f"{self.splits} splits are too few to estimate how much splits differ: give 1, or "
                             f"{FEWEST_SPLITS} or more")  # fmt: skip
        if self.splits > 1 and self.data.rotation != ONLY_SPLIT:
            raise ValueError(
                f"rotation={self.data.rotation} selects one split, but splits={self.splits}: give only one of them"
            )
        self.data.check_splits(self.splits)
        return self

    @field_validator("test_lengths", mode="before")
    @classmethod
    def _accept_text(cls, value: Any) -> Any:
        return parse_lengths(value) if isinstance(value, str) else (value,) if isinstance(value, int) else value

    @field_validator("test_lengths")
    @classmethod
    def _sort_lengths(cls, factors: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(factors)) < len(factors) or len(factors) > MOST_TARGETS:
            raise ValueError(f"test_length={list(factors)}: give at most {MOST_TARGETS} different factors")
        return tuple(sorted(factors))

    @field_validator("target", mode="before")
    @classmethod
    def _accept_one_target(cls, value: Any) -> Any:
        return (value,) if isinstance(value, int | float) else value

    @field_validator("target")
    @classmethod
    def _sort_targets(cls, losses: tuple[float, ...]) -> tuple[float, ...]:
        twice = [loss for loss in set(losses) if losses.count(loss) > 1]
        if twice:
            raise ValueError(f"the loss {twice[0]:g} is given twice")
        if len(losses) > MOST_TARGETS:
            raise ValueError(f"{len(losses)} losses are too many: at most {MOST_TARGETS}")
        return tuple(sorted(losses, reverse=True))

    @model_validator(mode="after")
    def _check_search(self) -> "StudyConfig":
        if not self.search.wanted:
            return self
        if self.lr_grid:
            raise ValueError("a grid of learning rates and a search are two ways to choose: give only one of them")
        if self.start:
            raise ValueError("a search compares runs with the same initial weights and settings as written: leave out "
                             "the weights to start from, or the search")  # fmt: skip
        labels = [model.label for model in self.models]
        for name in self.search.space:
            label, dot, _ = name.rpartition(".")
            if dot and label not in labels:
                raise ValueError(
                    f"the search names '{label}', which is no model of the comparison: {', '.join(labels)}"
                )
        return self

    @model_validator(mode="after")
    def _check_start(self) -> "StudyConfig":
        if self.start and (len(self.models), len(self.seeds), self.splits, len(self.lr_grid)) != (1, 1, 1, 0):
            raise ValueError("weights to start from need a study of one run: one model, seed, split and learning rate")
        return self

    @model_serializer(mode="wrap")
    def _omit_later_defaults(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Omit later settings at their defaults, so that older records keep their names and contents."""
        usual: tuple[tuple[str, Any], ...] = (
            ("splits", 1), ("start", None), ("lr_grid_extends", False), ("vary", "both"), ("search", dict(Search())),
            ("margin", None), ("alpha", 0.05), ("looks", ()), ("looks", []),
            ("target", ()), ("target", []), ("baseline", None), ("test_lengths", ()), ("test_lengths", []),
        )  # fmt: skip
        return {key: value for key, value in dump(self).items() if (key, value) not in usual}

    @property
    def reachable_looks(self) -> tuple[int, ...]:
        """Numbers of seeds at which the study is judged; the last is that of all its seeds."""
        return (*(number for number in self.looks if number < len(self.seeds)), len(self.seeds))

    def changes_of(self, label: str) -> dict[str, Value]:
        """Return the options (name -> value) in which a variant differs from the baseline, as written.

        An option that the baseline alone has is "default" in the variant.
        """
        calls = {contestant.label: contestant.model.options for contestant in self.models}
        before, own = calls.get(self.baseline or "", {}), calls[label]
        changed = {name: value for name, value in own.items() if name not in before or before[name] != value}
        return changed | dict.fromkeys((name for name in before if name not in own), "default")

    def for_task(self, length: int | None) -> "StudyConfig":
        """Return the study of a task whose documents have this length; of text, unchanged.

        The length is that of all rows. Where no context is given it is the length too, or the next power of two, into
        which a tree of levels fits.
        """
        if length is None:
            return self
        context = self.context if "context" in self.model_fields_set else 1 << (length - 1).bit_length()
        whole = self.training.rows == "whole"
        training = self.training.model_copy(update={"length": length}) if whole else self.training
        return self.model_copy(update={"context": context, "training": training})

    def with_seeds(self, number: int) -> "StudyConfig":
        """Return the study with its first seeds."""
        return self.model_copy(update={"seeds": self.seeds[:number]})

    def in_splits(self) -> list[DataConfig]:
        """Return the data settings of each split of the text."""
        if self.splits == 1:
            return [self.data]
        return [self.data.rotated(number, self.splits) for number in range(1, self.splits + 1)]

    def at_sizes(self, sizes: Iterable[int]) -> list["StudyConfig"]:
        """Return the study at each number of parameters in ascending order.

        Raises:
            UsageError: the study scales its models already, or there are not two sizes greater than 0.
        """
        ascending = sorted(set(sizes))
        if self.match:
            raise UsageError("sizes and match both set the size of all models: give only one.")
        if len(ascending) < 2 or ascending[0] < 1:
            raise UsageError(f"sizes {ascending} are not two numbers of parameters greater than 0.")
        return [self._at_size(size) for size in ascending]

    def _at_size(self, parameters: int) -> "StudyConfig":
        """Return the study with every model scaled to a number of parameters, and named after it."""
        size = f"{parameters // 1000}k" if parameters % 1000 == 0 else str(parameters)
        return self.model_copy(update={"name": f"{self.name}-{size}", "match": Match(parameters=parameters)})

    def scaled(self, matched: Mapping[str, Matched]) -> "StudyConfig":
        """Return the study with its models at their matched sizes (label -> model)."""
        models = tuple(
            contestant.model_copy(update={"model": matched[contestant.label].model})
            if contestant.label in matched
            else contestant
            for contestant in self.models
        )
        return self.model_copy(update={"models": models})

    def trials(self, rates: Sequence[float] | None = None) -> list[RunConfig]:
        """Return the runs that choose a learning rate: every model at each rate, with one extra seed, on one split.

        Args:
            rates: learning rates; default: those of the grid.
        """
        extra = next(seed for seed in (max(self.seeds) + 1, *range(len(self.seeds) + 1)) if self._is_free(seed))
        one = self.model_copy(update={"seeds": (extra,), "splits": 1})
        return [
            run.model_copy(update={"training": run.training.model_copy(update={"lr": lr}), "trial": True})
            for run in one.runs()
            for lr in (self.lr_grid if rates is None else rates)
        ]

    def trial_of(self, label: str, chosen: Mapping[str, Value], prune_above: Sequence[float | None] = ()) -> RunConfig:
        """Return the trial of a search: a model with the chosen settings, on a seed that no reported run has.

        The seed is the lowest free one, from 0: more reported seeds keep the trials.
        """
        extra = next(seed for seed in range(len(self.seeds) + 1) if self._is_free(seed))
        one = self.model_copy(update={"seeds": (extra,), "splits": 1})
        (run,) = (run for run in one.runs() if run.label == label)
        return with_settings(run, chosen).model_copy(update={"trial": True, "prune_above": tuple(prune_above)})

    def tuned(self, chosen: Mapping[str, Mapping[str, Value]]) -> list[RunConfig]:
        """Return the reported runs with the settings (label -> name -> value) that a search chose."""
        return [with_settings(run, chosen[run.label]) if run.label in chosen else run for run in self.runs()]

    def _is_free(self, seed: int) -> bool:
        return seed <= LAST_SEED and seed not in self.seeds

    def chosen(self, rates: Mapping[str, float]) -> list[RunConfig]:
        """Return the reported runs, at the learning rates (label -> rate) chosen from the grid, if any."""
        return [
            run.model_copy(
                update={
                    "training": run.training.model_copy(update={"lr": rates[run.label]}),
                    "chosen_from": self.lr_grid,
                }
            )
            if run.label in rates
            else run
            for run in self.runs()
        ]

    def runs(self) -> list[RunConfig]:
        """Return all reported runs by split, then seed, then model, so that all models finish their first seed first.

        This sets the length of a stream's rows, at least the longest context, because it must not depend on the model.
        """
        longest = max(contestant.context or self.context for contestant in self.models)
        length = self.training.length or max(DEFAULT_LENGTH, longest)
        training = self.training.model_copy(update={"length": length})
        fixed = {_FIXED[self.vary]: self.seeds[0]} if self.vary != "both" and len(self.seeds) > 1 else {}
        return [
            RunConfig(
                model=contestant.model,
                label=contestant.label,
                data=data,
                training=training,
                context=contestant.context or self.context,
                seed=seed,
                start=self.start,
                **fixed,
            )
            for data in self.in_splits()
            for seed in self.seeds
            for contestant in self.models
        ]
