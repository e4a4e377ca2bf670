"""A console that escapes control characters in tables."""

import io
from collections.abc import Callable, Iterable
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


def capture(draw: Callable[[PlainConsole], None], width: int) -> str:
    """Return the text that a function prints on a console of a width, without colours."""
    text = io.StringIO()
    draw(PlainConsole(file=text, width=width, color_system=None, force_terminal=False, force_jupyter=False))
    return text.getvalue().rstrip("\n")
