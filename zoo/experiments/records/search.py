"""The record of a search: its space, its trials in order, and the importance of each setting."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from zoo.calls import Value
from zoo.config import Frozen
from zoo.experiments.records.values import Count


class TrialRecord(Frozen):
    """A trial: the settings that it tried, and its run."""

    chosen: Mapping[str, Value]
    prune_above: tuple[float | None, ...] = ()
    run: str
    """Path of its run below the study's folder; equal settings share a run."""


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

    @property
    def chosen(self) -> Mapping[str, Value]:
        """Settings of the best trial."""
        return self.trials[self.best].chosen
