"""A global setting of a process: read it, restore it, describe its changes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

LONGEST = 40
"""Maximum number of characters of a value in a message."""


@dataclass(frozen=True)
class Setting:
    """A global of torch, of Python or of the process.

    Args:
        name: name in messages, as "torch's default dtype"; for a mapping with a place for the key, "the handler of {}".
        read: returns the current value; a mapping is one setting per key.
        write: restores a value that `read` returned.
        compared: selects the part of a value to compare.
        show: formats a value for messages; None omits values.
    """

    name: str
    read: Callable[[], Any]
    write: Callable[[Any], object]
    compared: Callable[[Any], Any] = lambda value: value
    show: Callable[[Any], str] | None = str

    def changes(self, before: Any, now: Any) -> list[str]:
        """List the changes, each as "torch's default dtype from float32 to float64"."""
        before, now = self.compared(before), self.compared(now)
        if before == now:
            return []
        if not isinstance(before, Mapping):
            return [self._change(self.name, before, now)]
        keys = [key for key in {**before, **now} if before.get(key) != now.get(key)]
        return [self._change(self.name.format(key), before.get(key), now.get(key)) for key in keys]

    def _change(self, name: str, before: Any, now: Any) -> str:
        if self.show is None:
            return name
        was, is_now = ("nothing" if value is None else self.show(value)[:LONGEST] for value in (before, now))
        return f"{name} from {was} to {is_now}"
