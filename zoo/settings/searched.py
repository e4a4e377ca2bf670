"""Annotation of a model's option that a search may choose."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Searched:
    """Adds an option to a model's search space: `dropout: Annotated[float, Searched("uniform(0, 0.3)")] = 0.0`."""

    space: str
    """Values as `--search` writes them: log(LOW,HIGH), uniform(LOW,HIGH), int(LOW,HIGH) or choice(A,B,...)."""
