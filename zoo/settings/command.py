"""Parts of the command line that import only click."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import click


def make_type(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Turn a parser into a click type, which shows its ValueError with the name of the flag."""

    @wraps(parse)
    def convert(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None

    return convert


class LateCommand(click.Command):
    """A command that makes some options on first use, so that a list of commands does not import pydantic.

    Args:
        late: makes these options.
        before: name of the parameter that follows them.
    """

    def __init__(self, *args: Any, late: Callable[[], Sequence[click.Parameter]], before: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._late: Callable[[], Sequence[click.Parameter]] | None = late
        self._place = [parameter.name for parameter in self.params].index(before)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """All parameters; makes the late ones at the first call."""
        if self._late:
            self.params[self._place : self._place] = self._late()
            self._late = None
        return super().get_params(ctx)
