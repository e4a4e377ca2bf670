"""Render a comparison as one HTML page that needs no network, no other file, and no script to be read."""

import base64
import hashlib
import re
from functools import lru_cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.notes import STATUSES
from zoo.experiments.judge.rows import PairRow
from zoo.experiments.judge.verdict import format_chance, pair_words
from zoo.reports import answers, effects, facts, numbers, passages, search_facts, target_facts
from zoo.reports.excerpt import excerpt
from zoo.reports.figures.curves import bend
from zoo.reports.figures.draw import NARROW, draw, figure_style
from zoo.reports.figures.forest import MOST_DOTS
from zoo.reports.figures.outliers import find_outliers
from zoo.reports.figures.palette import both_variables, colour_class
from zoo.reports.figures.svg import clean
from zoo.reports.method import describe_method
from zoo.reports.pairs import both_ways, pairs_of
from zoo.reports.passages import find_near_copies

MOST_OF_STUDY = 1 << 16
"""Characters of the longest study that a page quotes."""


def render_page(whole: Comparison) -> str:
    """Render the page of a comparison."""
    comparison = excerpt(whole)
    return template("page.html.jinja").render(
        verdict_in_bits=facts.keep_together(facts.verdict_in(whole, bits=True)) or facts.verdict(whole),
        models=len(whole.models),
        runs=len(whole.runs),
        study=_quote_study(whole),
        near_copies=find_near_copies(comparison),
        **describe_comparison(comparison, draw(comparison), draw(comparison, NARROW)),
        **frame(),
    )


def describe_comparison(comparison: Comparison, wide: dict[str, str], narrow: dict[str, str]) -> dict[str, Any]:
    """Variables of the sections of a comparison, with these figures: name -> markup, in two widths."""
    return {
        "c": comparison,
        "wide": {name: Markup(markup) for name, markup in wide.items()},
        "narrow": {name: Markup(markup) for name, markup in narrow.items()},
        "cost_figures": [name for name in wide if name.startswith("cost-")],
        "watch_figures": [name for name in wide if name.startswith("watch-")],
        "profile_figures": [name for name in wide if name.startswith("profile-")],
        "several": comparison.study.splits > 1,
        "most_dots": MOST_DOTS,
        "colour": lambda label: colour_class(comparison, label),
        "pairs": both_ways(comparison.pairs),
        "judged": pairs_of(comparison),
        "finished": [model.label for model in comparison.models if model.test],
        "far": find_outliers(comparison),
        "bend": bend(comparison),
        **_contents(comparison),
    }


def _quote_study(comparison: Comparison) -> str:
    """The study as JSON, or where it is if it is too long for a page."""
    text = comparison.study.model_dump_json(indent=2, exclude_none=True)
    return text if len(text) <= MOST_OF_STUDY else f"{comparison.record} has it: {len(text):,} characters."


def frame() -> dict[str, Any]:
    """Style and script of every page, a Content-Security-Policy that allows only these two, and how sections look."""
    style = f":root{{{both_variables()}}}{asset('page.css')}{figure_style()}"
    script = asset("page.js")
    policy = (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    return {
        "style": Markup(style),
        "script": Markup(script),
        "policy": Markup(policy),
        "anchor": Markup(' id="{}"').format,
        "heading": Markup("<h3>{}</h3>").format,
        "units": Markup('<span class="nats">nats</span><span class="bits">bits</span>'),
    }


@lru_cache
def template(name: str) -> Template:
    """Load the template of a page, with the functions that it calls."""
    environment = Environment(
        loader=PackageLoader("zoo.reports", ""),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: clean(value) if type(value) is str else value,
    )
    environment.globals |= {
        "facts": facts,
        "effects": effects,
        "search_facts": search_facts,
        "target_facts": target_facts,
        "format_chance": format_chance,
        "describe_method": describe_method,
        "pair_words": pair_words,
        "describe_pair": _describe_pair,
        "breakable": _breakable,
        "passages": passages,
        "answers": answers,
        "zip": zip,
        **{
            name: getattr(numbers, name)
            for name in ("field", "format_flops", "half_width", "percent", "share", "short", "storage")
        },
        "switched": numbers.switched,
    }
    return environment.get_template(name)


def asset(name: str) -> str:
    """Read a file of this room."""
    return files("zoo.reports").joinpath(name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    """The digest with which a Content-Security-Policy allows a block of the page."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _contents(comparison: Comparison) -> dict[str, Any]:
    """Variables of the template: which columns and sections have content, kinds of memory, rates of trials."""
    models, searches = comparison.models, comparison.tuned
    costs = [model.cost for model in models if model.cost]
    after = {cost.state_tokens for cost in costs}
    return {
        "any_letters": any(model.letters for model in models),
        "any_floor": any(model.above_floor is not None and model.floor for model in models),
        "any_answers": any(model.answers for model in models),
        "lines": answers.list_reference_rows(comparison, 1.0) if comparison.data.task else [],
        "any_published": any(model.published and model.published.validation is not None for model in models),
        "any_train": any(model.train for model in models),
        "any_diverged": any(model.diverged and len(model.curve) > 1 for model in models),
        "any_permutation": any(pair.p_permutation is not None for pair in comparison.pairs),
        "any_samples": any(model.samples for model in models),
        "any_cost": bool(costs),
        "memories": ", ".join(sorted({cost.memory for cost in costs if cost.peak_bytes is not None})),
        "state_tokens": after.pop() if len(after) == 1 else None,
        "trial_ends": [status for status in STATUSES if any(own.count(status) for own in searches)],
        "any_reach": any(own.worth and own.worth.low is not None for own in searches),
        "any_written": any(own.written for own in searches),
        "any_share": any(own.importances for own in searches),
        "trials": sorted({rate for model in models for rate in model.lr_trials}, key=float),
    }


def _breakable(call: str) -> Markup:
    """A model call with possible line breaks between its options."""
    return Markup("<wbr>").join(re.findall(r"[^(,]*[(,]?", clean(call)))


def _describe_pair(pair: PairRow) -> str:
    """Describe a pair in a line, for the tooltip of a cell with room for one number."""
    words = f"{pair.a} − {pair.b}: {numbers.loss(pair.difference, signed=True)} nats"
    if pair.low is not None:
        words += f", interval {numbers.write_interval(pair)}"
    return words + (f", p {format_chance(pair.p)}" if pair.p is not None else "") + f": {pair_words(pair)}"
