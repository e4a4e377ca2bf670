"""Say in words what an ablation shows: which changes raise the loss, which lower it, and which nobody can tell."""

from zoo.experiments.judge.ablation import Ablated, Effect
from zoo.experiments.judge.verdict import Wording, count, format_chance, join

NAMED = 3
"""Most changes that the verdict names with their effects; the others are only counted."""
KINDS = {
    "worse": "worse",
    "better": "better",
    "equal": "equal within the margin",
    "open": "cannot be told apart",
    "inert": "changes nothing",
    "missing": "no verdict",
}
"""Kind of an effect -> its words in tables."""
SAID = {
    "worse": ("makes it worse", "make it worse"),
    "better": ("makes it better", "make it better"),
    "equal": ("equals it within {}", "equal it within {}"),
    "open": ("cannot be told from it", "cannot be told from it"),
    "inert": ("changes nothing at all", "change nothing at all"),
    "missing": ("has no verdict", "have no verdict"),
}
"""Kind of an effect -> the words of the verdict for one change, and for several; {} is the margin."""
TOGETHER = {
    "more": "more than the sum",
    "less": "less than the sum",
    "undecided": "cannot be told from the sum",
    "none": "no verdict",
}
"""Verdict on an interaction -> its words in tables."""


def effect_words(effect: Effect) -> str:
    """The verdict on a change in the words that tables use."""
    if effect.missing:
        return effect.missing
    pair = effect.pair
    if effect.kind == "missing" and pair and pair.withheld:
        return f"no verdict: {pair.withheld}"
    if effect.kind == "open" and pair and pair.seeds_needed:
        return f"{KINDS['open']} (it would take about {pair.seeds_needed} seeds)"
    return KINDS[effect.kind] + (
        ", by less than the margin" if pair and pair.less and effect.kind in ("worse", "better") else ""
    )


def describe_ablation(ablated: Ablated, words: Wording) -> list[str]:
    """Say which changes make the model worse or better, which do nothing, and which nobody can tell."""
    said = []
    for kind, what in SAID.items():
        own = ablated.of_kind(kind)
        if kind == "better":
            own = own[::-1]
        if own:
            said.append(f"{len(own)} {what[len(own) > 1].format(words.within)} ({_name(own, kind, words)})")
    changes = count(len(ablated.effects), "change")
    sentences = [f"Of {changes} to {ablated.baseline}{words.after}, {join(said)}, in {words.per} ({words.over})."]
    for found in ablated.interactions:
        if found.verdict in ("more", "less"):
            size = f"{abs(found.difference) / words.unit:.{words.digits}f}"
            p = format_chance(found.p)
            sentences.append(
                f"{found.parts[0]} and {found.parts[1]} interact: together the loss is {size} "
                f"{'higher' if found.verdict == 'more' else 'lower'} than both effects add up to (p "
                f"{p if p.startswith('<') else f'= {p}'})."
            )
    return sentences


def _name(effects: list[Effect], kind: str, words: Wording) -> str:
    """Name changes, those that have a direction with their effects."""
    if kind not in ("worse", "better"):
        return ", ".join(effect.label for effect in effects)
    sizes = [abs(effect.pair.difference) if effect.pair else 0.0 for effect in effects]
    named = [
        f"{effect.label} by {size / words.unit:.{words.digits}f}" for effect, size in zip(effects, sizes, strict=True)
    ]
    return f"most of all {', '.join(named[:NAMED])}" if len(named) > NAMED else ", ".join(named)
