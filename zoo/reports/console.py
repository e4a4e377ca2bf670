"""The console that tables are printed on."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.segment import Segment

from zoo.output import printable


class PlainConsole(Console):
    """A console that shows control characters of names, labels and reasons, and does not act on them."""

    def render(self, *args: Any, **options: Any) -> Iterable[Segment]:
        """The segments of what is printed; rich's own control codes stay what they are."""
        for segment in super().render(*args, **options):
            yield segment if segment.control else segment._replace(text=printable(segment.text))
