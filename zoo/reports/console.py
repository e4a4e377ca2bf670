"""A console that escapes control characters in tables."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.segment import Segment

from zoo.output import printable


class PlainConsole(Console):
    """A console that prints control characters of names, labels and reasons escaped."""

    def render(self, *args: Any, **options: Any) -> Iterable[Segment]:
        """Render to segments with escaped text; rich's own control codes stay."""
        for segment in super().render(*args, **options):
            yield segment if segment.control else segment._replace(text=printable(segment.text))
