"""The record of a search: its space, its trials in order, and the importance of each setting."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from zoo.calls import Value
from zoo.config import Frozen
from zoo.experiments.records.values import Count, Place
from zoo.experiments.study.space import parse_dimension


class TrialRecord(Frozen):
    """A trial: the settings that it tried, and its run."""

    chosen: Mapping[str, Value]
    prune_above: tuple[float | None, ...] = ()
    run: Place
    """Path of its run; equal settings share a run."""


class SearchRecord(Frozen):
    """The search of one model."""

    space: Mapping[str, str]
    """Setting -> its values, as `--search` writes them."""
    trials: Annotated[tuple[TrialRecord, ...], Field(min_length=1)]
    """In the order of their suggestion."""
    starts_as_written: bool
    """Whether the first trial is the model as written: not if the space lacks one of its settings."""
    best: Count
    """Index of the trial with the lowest validation loss."""
    importances: Mapping[str, Annotated[float, Field(ge=0, le=1)]] = Field(default_factory=dict)
    """Setting -> its share of the variance of the loss over the space, by fANOVA (Hutter et al. 2014)."""
    unmeasured: str = ""
    """Reason why there are no importances."""

    @field_validator("space")
    @classmethod
    def _space_is_one(cls, space: Mapping[str, str]) -> Mapping[str, str]:
        for text in space.values():
            parse_dimension(text)
        return space

    @model_validator(mode="after")
    def _has_its_best(self) -> "SearchRecord":
        if self.best >= len(self.trials):
            raise ValueError(f"best={self.best} is none of its {len(self.trials)} trials")
        if any(trial.chosen.keys() != self.space.keys() for trial in self.trials):
            raise ValueError("a trial has other settings than its space")
        return self

    @property
    def unchanged(self) -> bool:
        """Whether the settings as written were the best."""
        return self.starts_as_written and self.chosen == self.trials[0].chosen

    @property
    def chosen(self) -> Mapping[str, Value]:
        """Settings of the best trial."""
        return self.trials[self.best].chosen
