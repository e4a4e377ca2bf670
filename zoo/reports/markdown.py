"""Render a comparison as Markdown for GitHub: verdict, tables, figures, method, and how to repeat it."""

from collections.abc import Mapping, Sequence

from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.rows import ModelRow
from zoo.reports import facts
from zoo.reports.answers import HEADS, explain_answers, explain_lengths, list_length_rows, list_reference_rows
from zoo.reports.columns import LEFT, loss_columns
from zoo.reports.effects import write_effects
from zoo.reports.excerpt import excerpt
from zoo.reports.figures.svg import clean
from zoo.reports.markup import escape, fence, write_table
from zoo.reports.method import describe_method
from zoo.reports.numbers import format_flops, loss, short, storage
from zoo.reports.pairs import describe_columns, pair_columns, pairs_of
from zoo.reports.passages import END, plain_text
from zoo.reports.search_markdown import write_search
from zoo.reports.target_markdown import write_targets

CAPTIONS = {
    "effects": "The effect of every change on the test loss, with its interval",
    "forest": "Test loss of every model with its interval, its seeds, the floor and published figures",
    "curves-tokens": "Validation loss against training tokens",
    "curves-seconds": "Validation loss against seconds of training",
    "lengths": "Share of scored tokens that are right against the length of documents",
    "watch-updates": "Update by weight against steps, a band over the matrices of each model",
    "watch-gradients": "Gradient against steps, a band over the activations of each model",
    "position": "Test loss against the number of tokens before",
    "search-settings": "Validation loss of every trial against each searched setting",
    "search-trials": "Lowest validation loss so far against the number of trials",
    "profile-tokens": "Share of problems solved against training tokens over the fewest",
    "profile-flops": "Share of problems solved against FLOPs over the fewest",
    "profile-seconds": "Share of problems solved against seconds of training over the fewest",
    "cost-parameters": "Test loss against parameters",
    "cost-seconds": "Test loss against seconds of training",
    "cost-flops": "Test loss against FLOPs of training",
    "cost-memory": "Test loss against peak memory",
}


def render_markdown(comparison: Comparison, figures: Mapping[str, str]) -> str:
    """Render the document; `figures` maps names of figures to their paths relative to it."""
    comparison = excerpt(comparison)
    dots = "its splits" if comparison.study.splits > 1 else "its seeds"
    drawn = {
        name: f"![{CAPTIONS.get(name, name).replace('its seeds', dots)}]({path})" for name, path in figures.items()
    }
    searched = [drawn.pop(name) for name in list(drawn) if name.startswith("search-")]
    profiles = [drawn.pop(name) for name in list(drawn) if name.startswith("profile-")]
    effects = drawn.pop("effects", "")
    first, *others = [*drawn.values()] or [""]
    parts = [
        f"# {escape(facts.title(comparison))}",
        f"**{escape(facts.verdict(comparison))}**",
        "\n".join(f"- {name}: {escape(words)}" for name, words in facts.setting(comparison).items()),
        *write_effects(comparison),
        effects,
        "## Losses",
        _losses(comparison),
        _about(comparison),
        _references(comparison),
        "\n".join(f"- {escape(note.text)}" for note in comparison.notes),
        first,
        *_pairs(comparison),
        *_lengths(comparison),
        *write_search(comparison),
        *searched,
        *write_targets(comparison),
        *profiles,
        *(["## Learning and cost", *others] if others else ["## Cost"]),
        _costs(comparison.models),
        *_contrasts(comparison),
        "## Method",
        *map(escape, describe_method(comparison)),
        "## Run it again",
        fence("\n".join(facts.commands(comparison)), "sh"),
        "\n".join(f"- {name}: {escape(words)}" for name, words in facts.environment(comparison).items()),
        *_samples(comparison),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _losses(comparison: Comparison) -> str:
    columns = {title: list(map(escape, cells)) for title, cells in loss_columns(comparison).items()}
    return write_table(columns, left=LEFT)


def _about(comparison: Comparison) -> str:
    """Explain the columns."""
    words = [f"{facts.means(comparison)}, nats per {'scored ' if comparison.data.has_answers else ''}token."]
    words += [f"{line[0].upper()}{line[1:]}." for line in explain_answers(comparison) if line.startswith("right")]
    if comparison.data.task:
        words.append(f"Solved: seeds with {escape(comparison.data.task.goal)}, with the exact interval of their share.")
    if facts.has_intervals(comparison):
        new = facts.new_sample(comparison)
        share, seen = facts.level(comparison), "effects" if comparison.ablation else "pairs"
        words.append(f"±: {share} interval, for new seeds and {new}; differences have their own, see the {seen}.")
    if any(model.letters for model in comparison.models):
        words.append("Models that share a letter cannot be told apart.")
    if comparison.models[0].floor:
        words.append(f"Above floor: the distance to {loss(comparison.models[0].floor)}, the loss of a perfect model.")
    if any(model.published for model in comparison.models):
        source = f" ({escape(comparison.study.source)})" if comparison.study.source else ""
        words.append(f"Published: somebody else's validation loss{source}.")
    words.append("Sees: tokens that a prediction can depend on.")
    words.append(f"Optimizer: {facts.optimizers(comparison)}. Learning rate: {facts.rates(comparison)}.")
    return " ".join(words)


def _references(comparison: Comparison) -> str:
    """Write the lines of known predictors of a task; "" for text."""
    if not comparison.data.task:
        return ""
    columns = zip(*list_reference_rows(comparison, 1.0), strict=True)
    return write_table(
        {head: list(map(escape, cells)) for head, cells in zip(HEADS, columns, strict=True)},
        left=("line", "not beaten by"),
    )


def _lengths(comparison: Comparison) -> list[str]:
    """Write how models do on longer documents; nothing if none were scored."""
    if not comparison.lengths:
        return []
    head, rows = list_length_rows(comparison, " ({})")
    columns = {title: [escape(row[place]) for row in rows] for place, title in enumerate(head)}
    words = explain_lengths(comparison, "in brackets")
    about = escape(f"{words[0].upper()}{words[1:]}.")
    return ["## Longer documents", write_table(columns, left=("model",)), about]


def _pairs(comparison: Comparison) -> list[str]:
    if not comparison.pairs:
        return []
    shown = pairs_of(comparison)
    table = write_table(pair_columns(shown), left=("pair", "verdict"))
    return ["## Pairs", table, describe_columns(shown) if shown.verdicts else ""]


def _costs(models: Sequence[ModelRow]) -> str:
    costs = [model.cost for model in models]
    return write_table(
        {
            "model": [escape(model.label) for model in models],
            "steps": [f"{model.used.steps:,.0f}" for model in models],
            "tokens": [short(model.used.tokens) for model in models],
            "seconds": [f"{model.used.seconds:,.1f}" for model in models],
            "FLOPs": [format_flops(model.used) for model in models],
            "tok/s, training": [short(model.tokens_per_second) for model in models],
            "tok/s, evaluation": [short(cost.evaluation_tokens_per_second) if cost else "" for cost in costs],
            "FLOPs a token": [format_flops(cost) for cost in costs],
            "memory": [storage(cost.peak_bytes) if cost else "" for cost in costs],
            "state": [facts.state(model) for model in models],
        },
        left=("model",),
    )


def _contrasts(comparison: Comparison) -> list[str]:
    """Write the passages on which two models differ most, a table per pair."""
    if not comparison.contrasts:
        return []
    parts = ["## Where two models differ most"]
    for contrast in comparison.contrasts:
        shown = contrast.passages
        columns = {
            "passage": [escape(plain_text(passage)) for passage in shown],
            escape(contrast.a): [loss(sum(passage.a), digits=2) for passage in shown],
            escape(contrast.b): [loss(sum(passage.b), digits=2) for passage in shown],
            "difference": [loss(passage.difference, signed=True, digits=2) for passage in shown],
        }
        parts.append(write_table(columns, left=("passage",)))
    first = f"{comparison.contrasts[0].tokens:,}"
    about = f"Nats in all, means over the seeds, among the first {first} tokens of test. {END}: the end of a document."
    return [*parts, about]


def _samples(comparison: Comparison) -> list[str]:
    parts = [
        f"### {escape(model.label)}\n\n{fence(chr(10).join(map(clean, model.samples)))}"
        for model in comparison.models
        if model.samples
    ]
    return ["## Samples", *parts] if parts else []
