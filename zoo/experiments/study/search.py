"""`Search`: how the settings of every model are searched before the reported runs."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from zoo.calls import Value
from zoo.config import Frozen, RunConfig, TrainingConfig
from zoo.experiments.study.space import Dimension, parse_dimension, parse_space
from zoo.settings.flag import Flag
from zoo.settings.values import parse_count, parse_large

DEFAULT_TRIALS = 16
"""Trials of a model if a space is given and no number of trials."""
USUAL_SPACE = "learning rate, weight decay, warm-up, and what a model declares"
SEARCHABLE = ("lr", "weight_decay", "warmup", "clip", "batch_size", "optimizer", "schedule")
"""Settings of training that a search may choose; others are the same for all trials. Options of models come besides."""


class Search(Frozen):
    """The search of a study: trials of every model, over a space of settings; without trials there is none."""

    trials: Annotated[int | None, Flag("tune", parse=parse_count, metavar="COUNT", after="lr")] = Field(
        None,
        ge=1,
        le=100_000,
        description="Try this many settings of every model before the reported seeds, and take the best on validation.",
    )
    flops: Annotated[float | None, Flag("tune_flops", parse=parse_large, metavar="NUMBER", after="tune")] = Field(
        None, gt=0, le=1e30, description="Try settings of every model until its trials have spent these training FLOPs."
    )
    space: Annotated[
        Mapping[str, str],
        Flag("search", parse=parse_space, metavar="'NAME=log(A,B) ...'", default=USUAL_SPACE, after="tune_flops"),
    ] = Field(
        default_factory=dict,
        description="Settings and options to search: log(A,B), uniform(A,B), int(A,B) or choice(A,B,...).",
    )
    sampler: Literal["tpe", "qmc", "grid"] = Field(
        "tpe",
        description="How a search suggests settings: tpe learns from trials, qmc covers the space, grid is whole.",
    )
    prune: bool = Field(
        True, description="End trials in the second half that are worse than half of the finished ones."
    )

    @field_validator("space", mode="before")
    @classmethod
    def _parse_text(cls, space: Any) -> Any:
        return parse_space(space) if isinstance(space, str) else space

    @field_validator("space")
    @classmethod
    def _write_canonically(cls, space: Mapping[str, str]) -> dict[str, str]:
        found = {}
        for name, text in space.items():
            try:
                found[name] = str(parse_dimension(text))
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
        return found

    @model_validator(mode="after")
    def _one_budget(self) -> "Search":
        if self.trials is not None and self.flops is not None:
            raise ValueError(f"trials={self.trials} and flops={self.flops:g} are two budgets of a search: give one")
        if self.sampler == "grid" and not self.space:
            raise ValueError("sampler=grid needs a space: --search 'lr=choice(0.01,0.03) dropout=choice(0,0.1)'")
        return self

    @property
    def wanted(self) -> bool:
        """Whether there is a search."""
        return self.trials is not None or self.flops is not None or bool(self.space)

    @property
    def most_trials(self) -> int | None:
        """Number of trials of each model; None: as many as the FLOPs, or all points of a grid."""
        if self.trials is None and self.flops is None and self.sampler != "grid":
            return DEFAULT_TRIALS
        return self.trials

    def dimensions(self, label: str) -> dict[str, Dimension]:
        """Return the given space of a model: names without a label, and those written LABEL.NAME, which go before."""
        written = {tuple(name.rpartition(".")): text for name, text in self.space.items()}
        of_all = {name: parse_dimension(text) for (_, dot, name), text in written.items() if not dot}
        return of_all | {
            name: parse_dimension(text) for (of, dot, name), text in written.items() if dot and of == label
        }


def with_settings(run: RunConfig, chosen: Mapping[str, Value]) -> RunConfig:
    """Return a run with searched settings: of training by name, any other name an option of the model."""
    training = {name: value for name, value in chosen.items() if name in SEARCHABLE}
    options = {name: value for name, value in chosen.items() if name not in training}
    model = run.model.model_copy(update={"options": {**run.model.options, **options}})
    values = run.training.model_dump() | training
    return run.model_copy(
        update={"model": model, "training": TrainingConfig.model_validate(values), "searched": tuple(chosen)}
    )
