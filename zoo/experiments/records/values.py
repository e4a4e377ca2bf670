"""Types of values in records: counts are nonnegative, no number makes arithmetic overflow, paths stay below."""

from pathlib import PurePosixPath, PureWindowsPath
from typing import Annotated

from pydantic import AfterValidator, Field

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
Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0, le=1e12)]


def _stay_below(place: str) -> str:
    """Check that the path of a run is below the study's folder, so that nothing outside is read."""
    parts = PurePosixPath(place).parts
    if not parts or parts[0] == "/" or ".." in parts or PureWindowsPath(place).anchor or "\0" in place:
        raise ValueError("it is not the path of a run below the folder of the study")
    return place


Place = Annotated[str, AfterValidator(_stay_below)]
"""Path of a run below the folder of its study."""
