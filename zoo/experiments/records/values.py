"""Types of numbers in records: counts are nonnegative, and no number is so large that arithmetic overflows."""

from typing import Annotated

from pydantic import Field

from zoo.config import MOST_STEPS

Count = Annotated[int, Field(ge=0, le=2**63 - 1)]
Steps = Annotated[int, Field(ge=0, le=MOST_STEPS)]
Parameters = Annotated[int, Field(ge=0, le=2**53)]
Operations = Annotated[int, Field(ge=0, le=10**30)]
"""Number of FLOPs."""
Amount = Annotated[float, Field(ge=0, le=1e30)]
"""A measurement: FLOPs per token, tokens per second."""
Loss = Annotated[float, Field(ge=-1e60, le=1e60)]
"""Nats per token. The range includes that of float32, so that every measured loss can be recorded, and squared."""
Seconds = Annotated[float, Field(ge=0, le=1e12)]
