"""Scores of a run on longer documents of its task."""

from typing import Annotated

from pydantic import Field

from zoo.config import Frozen
from zoo.experiments.records.values import Count, Loss, Share

Factor = Annotated[int, Field(ge=2, le=1000)]


class LengthScore(Frozen):
    """Scores of the weights that were best on validation, on documents with `factor` times the option `length`."""

    factor: Factor
    length: Count
    """T, tokens of a document."""
    loss: Loss | None = None
    """Nats per scored token; None if the model cannot take the length."""
    accuracy: Share | None = None
    answers: Share | None = None
    floor: Loss | None = None
    """Loss of a perfect model on these documents."""
    why: str = Field("", max_length=1000)
    """Why the model cannot take the length; "" if it can."""
