"""Say in words what an ablation shows: which changes raise the loss, which lower it, and which nobody can tell."""

from zoo.experiments.judge.ablation import Ablated, Effect
from zoo.experiments.judge.verdict import Wording, format_chance, join

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
    return KINDS[effect.kind] + (", by less than the margin" if pair and pair.less and effect.kind != "equal" else "")


def describe_ablation(ablated: Ablated, words: Wording) -> list[str]:
    """Say which changes make the model worse or better, which do nothing, and which nobody can tell."""
    effects, baseline = ablated.effects, ablated.baseline
    first = f"{baseline}, {_count(len(effects), 'change')}{words.after} ({words.over})"
    said = []
    for kind, what in (("worse", "make it worse"), ("better", "make it better")):
        own = ablated.of_kind(kind)
        own = own[::-1] if kind == "better" else own
        if own:
            named = [f"{effect.label} by {abs(_difference(effect)) / words.unit:.{words.digits}f}" for effect in own]
            more = f", most of all {join(named[:NAMED])}" if len(own) > NAMED else f": {join(named)}"
            said.append(f"{len(own)} {what}{more}")
    if own := ablated.of_kind("equal"):
        said.append(f"{len(own)} equal within {words.within}: {join([effect.label for effect in own])}")
    if own := ablated.of_kind("open"):
        said.append(f"{len(own)} cannot be told from it: {join([effect.label for effect in own])}")
    if own := ablated.of_kind("inert"):
        said.append(f"{len(own)} exactly the same, as nothing changes: {join([effect.label for effect in own])}")
    if own := ablated.of_kind("missing"):
        said.append(f"{len(own)} without a verdict: {join([effect.label for effect in own])}")
    sentences = [f"{first}: {'; '.join(said)} ({words.per})."] if said else []
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


def _difference(effect: Effect) -> float:
    return effect.pair.difference if effect.pair else 0.0


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
