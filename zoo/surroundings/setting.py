"""One thing that a process has once: how it is read, how it is put back, and how a change of it is said."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

LONGEST = 40
"""Characters of a value in a message."""


@dataclass(frozen=True)
class Setting:
    """A global of torch, of Python or of the process.

    Args:
        name: as in "changes torch's default dtype"; of a mapping it has a place for the key, "the handler of {}".
        read: its value now; a mapping stands for one setting a key.
        write: puts back a value that was read.
        compared: what counts of a value that was read.
        show: a value in a message; None where a value says nothing.
    """

    name: str
    read: Callable[[], Any]
    write: Callable[[Any], object]
    compared: Callable[[Any], Any] = lambda value: value
    show: Callable[[Any], str] | None = str

    def changes(self, before: Any, now: Any) -> list[str]:
        """What differs, as "torch's default dtype from float32 to float64"; nothing if all is as it was."""
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
