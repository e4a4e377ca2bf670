"""Find a tracker by what a user writes: `tensorboard`, `mlflow(uri=http://localhost:5000)`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from pydantic import ValidationError

from zoo.calls import Call, parse_call
from zoo.catalog import TRACKERS
from zoo.errors import UsageError, describe_faults
from zoo.trackers.interface import Tracker, TrackerOptions

_SECRET = re.compile(r"(?<=://)[^/@\s]+(?=@)")


@dataclass(frozen=True)
class FoundTracker:
    """A tracker of the registry with validated options."""

    call: Call
    kind: type[Tracker]
    options: TrackerOptions

    def __str__(self) -> str:
        """The tracker as a user writes it, with user name and password of an address left out."""
        return hide_secrets(str(self.call))

    def make(self, folder: Path) -> Tracker:
        """Make the tracker of a study. Only the sending process calls this."""
        return self.kind(self.options, folder)


def find_trackers(texts: Sequence[str]) -> tuple[FoundTracker, ...]:
    """Find the trackers that these texts name, each once.

    Raises:
        RegistryError, UsageError: one is unknown, does not accept the options, or needs a package that is missing.
    """
    return tuple(find_tracker(text) for text in dict.fromkeys(texts))


def find_tracker(text: str) -> FoundTracker:
    """Find the tracker that `text` names, without importing the library that it needs.

    Raises:
        RegistryError, UsageError: as `find_trackers`.
    """
    call = parse_call(text)
    entry = TRACKERS.find(call.name)
    if entry.origin == "registered here":
        raise UsageError(
            f"Tracker '{call.name}' is registered in this process alone, and a tracker has one of its own: write it "
            "into a file, ./mine.py:Mine."
        )
    kind = TRACKERS.get(call.name)
    missing = [module for module in kind.needs if find_spec(module) is None]
    if missing:
        install = f"sequence-zoo[{kind.extra}]" if kind.extra else " ".join(missing)
        raise UsageError(
            f"Tracker '{call.name}' needs {' and '.join(missing)}, which is not installed: pip install '{install}'."
        )
    try:
        return FoundTracker(call, kind, kind.Config(**call.options))
    except ValidationError as error:
        known = ", ".join(kind.Config.model_fields) or "none"
        raise UsageError(f"Tracker '{call.name}': {describe_faults(error)}. Its options: {known}.") from None


def hide_secrets(text: str) -> str:
    """Replace user name and password in the addresses of a text."""
    return _SECRET.sub("…", text)
