"""What a number in a record may be: a count is not negative, and no number is so large that arithmetic fails on it."""

from typing import Annotated

from pydantic import Field

from zoo.config import MOST_STEPS

Count = Annotated[int, Field(ge=0, le=2**63 - 1)]
Steps = Annotated[int, Field(ge=0, le=MOST_STEPS)]
Parameters = Annotated[int, Field(ge=0, le=2**53)]
Operations = Annotated[int, Field(ge=0, le=10**30)]
"""FLOPs, counted."""
Amount = Annotated[float, Field(ge=0, le=1e30)]
"""What is measured: FLOPs a position, tokens a second."""
Loss = Annotated[float, Field(ge=-1e60, le=1e60)]
"""Nats a token: all that float32 holds, so that whatever a run measures can be recorded, and squared."""
Seconds = Annotated[float, Field(ge=0, le=1e12)]
