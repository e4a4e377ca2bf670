"""Draw the figures of a comparison, for the page and as separate files."""

import re
from collections.abc import Callable, Iterable
from importlib.resources import files

from markupsafe import Markup

from zoo.experiments.judge.comparison import Comparison
from zoo.reports.excerpt import excerpt
from zoo.reports.figures.cost import cost
from zoo.reports.figures.curves import curves
from zoo.reports.figures.effects import draw_effects
from zoo.reports.figures.forest import forest
from zoo.reports.figures.lengths import lengths
from zoo.reports.figures.palette import model_rules, plain_variables
from zoo.reports.figures.positions import positions
from zoo.reports.figures.profile import profile
from zoo.reports.figures.search import search_settings
from zoo.reports.figures.signals import draw_watched
from zoo.reports.figures.trials import search_trials

WIDE, NARROW = 960.0, 350.0

MARGIN = 16
"""Margin around a figure in a file of its own."""
SIZE = re.compile(r'width="([\d.]+)" height="([\d.]+)" viewBox="[^"]*"')

Draw = Callable[[Comparison, float], str]
FIGURES: dict[str, Draw] = {
    "effects": lambda comparison, width: draw_effects(comparison, width=width),
    "forest": lambda comparison, width: forest(comparison, width=width),
    "curves-tokens": lambda comparison, width: curves(comparison, "tokens", width=width),
    "curves-seconds": lambda comparison, width: curves(comparison, "seconds", width=width),
    "lengths": lambda comparison, width: lengths(comparison, width=width),
    "watch-updates": lambda comparison, width: draw_watched(comparison, "updates", width=width),
    "watch-gradients": lambda comparison, width: draw_watched(comparison, "gradients", width=width),
    "position": lambda comparison, width: positions(comparison, width=width),
    "search-settings": lambda comparison, width: search_settings(comparison, width=width),
    "search-trials": lambda comparison, width: search_trials(comparison, width=width),
    "profile-tokens": lambda comparison, width: profile(comparison, "tokens", width=width),
    "profile-flops": lambda comparison, width: profile(comparison, "flops", width=width),
    "profile-seconds": lambda comparison, width: profile(comparison, "seconds", width=width),
    "cost-parameters": lambda comparison, width: cost(comparison, "parameters", width=width),
    "cost-seconds": lambda comparison, width: cost(comparison, "seconds", width=width),
    "cost-flops": lambda comparison, width: cost(comparison, "flops", width=width),
    "cost-memory": lambda comparison, width: cost(comparison, "memory", width=width),
}


def figure_style() -> str:
    """The CSS of a drawing, without its colours."""
    return files("zoo.reports.figures").joinpath("figure.css").read_text(encoding="utf-8") + model_rules()


def draw(comparison: Comparison, width: float = WIDE, names: Iterable[str] = tuple(FIGURES)) -> dict[str, str]:
    """Draw every figure, or those named, that has numbers: name -> markup."""
    shown = excerpt(comparison)
    drawn = {name: FIGURES[name](shown, width) for name in names}
    return {name: markup for name, markup in drawn.items() if markup}


def standalone(markup: str) -> str:
    """Make a drawing a separate file with its own style and background, light or dark as the reader prefers."""
    start, _, rest = markup.partition(">")
    start = SIZE.sub(_with_margin, start)
    style = (
        f".figure{{{plain_variables(dark=False)}font-family:system-ui,sans-serif;background:var(--paper)}}"
        f"@media(prefers-color-scheme:dark){{.figure{{{plain_variables(dark=True)}}}}}{figure_style()}"
    )
    return f"{start}>{Markup('<style>{}</style>').format(Markup(style))}{rest}\n"


def _with_margin(size: re.Match[str]) -> str:
    width, height = (float(number) + 2 * MARGIN for number in size.groups())
    return f'width="{width:g}" height="{height:g}" viewBox="{-MARGIN} {-MARGIN} {width:g} {height:g}"'
