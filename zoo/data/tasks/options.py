"""Options that tasks share."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from zoo.errors import UsageError

Length = Annotated[
    int, Field(ge=1, le=1_000_000, description="length of a document, of which --test-length gives multiples")
]
Share = Annotated[float, Field(ge=0, le=1)]
HeldOut = Annotated[int, Field(ge=2, le=10_000_000, description="documents of validation, and of test")]
TaskSeed = Annotated[int, Field(ge=0, le=2**63 - 1, description="seed of all documents")]
MOST_SYMBOLS = 20_000


def require(task: str, conditions: Mapping[str, bool]) -> None:
    """Check options against each other.

    Args:
        conditions: what is wrong and what to do -> whether it is so.

    Raises:
        UsageError: the first that is so.
    """
    for wrong, is_so in conditions.items():
        if is_so:
            raise UsageError(f"Corpus '{task}': {wrong}.")
