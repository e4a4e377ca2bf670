"""Caveats: the assumptions of a study's intervals and verdicts, a sentence each."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from zoo.experiments.judge.estimates import FEW_DOCUMENTS, FEW_STRETCHES, FEWEST_STRETCHES, SPLIT_SEEDS, Estimate, Pair
from zoo.experiments.judge.family import FEWEST_SEEDS
from zoo.experiments.judge.seeds import fewest_to_reject
from zoo.experiments.judge.tukey import Array
from zoo.experiments.judge.uncertainty import Units

RARE = 0.2
"""Share of runs with the rare failure that the first caveat names."""
NAMED = 3
"""Most models and pairs that a caveat names; the others are only counted."""


def collect_caveats(
    estimates: Mapping[str, Estimate],
    pairs: Sequence[Pair],
    *,
    seeds: int,
    tokens: Array,
    units: Units,
    level: float,
    word: str = "documents",
    fixed: bool = False,
) -> tuple[str, ...]:
    """Collect the caveats of a study; none where there are too few seeds for intervals.

    Args:
        tokens: (D,) number of targets of every document.
        word: what documents are called.
        fixed: the weights are fixed, so that no seeds count.
    """
    if seeds < FEWEST_SEEDS and not fixed:
        return ()
    effective = min([own.effective for own in estimates.values()] + [pair.effective for pair in pairs])
    return (
        *_assumptions(0 if fixed else seeds, units, word),
        *_sample(effective, tokens, units, word),
        *_withheld(estimates, pairs, seeds, level, word),
    )


def _assumptions(seeds: int, units: Units, word: str) -> Iterator[str]:
    independent = f"{word} that are independent of each other" if units == "documents" else ""
    if seeds:
        texts = "texts" if word == "documents" else word or "numbers"
        yield (
            f"Intervals and verdicts assume {independent}{', ' * bool(independent)}"
            f"roughly normal scatter over the seeds, and no rare failure that these seeds or {texts} do not show: "
            f"{seeds} seeds miss one that befalls a run in five in {(1 - RARE) ** seeds:.0%} of studies."
        )
    elif independent:
        yield f"Intervals and verdicts assume {independent}."


def _sample(effective: float, tokens: Array, units: Units, word: str) -> Iterator[str]:
    """State the effective number of independent documents or stretches: of a stream always, of documents if low."""
    if units == "series":
        other = "; --splits takes more regions" if word == "documents" else ""
        yield (
            f"The {_measured(word)} are of one stream: its {len(tokens):,} neighbouring stretches count for about "
            f"{effective:,.0f} independent ones where they count least, as far as these show: what changes more slowly "
            "than the whole test split cannot show in it. Intervals and verdicts are about text like this region of "
            f"the stream, not about other documents{other}."
        )
    elif units == "documents" and effective < len(tokens) / 2:
        yield (
            f"The {len(tokens):,} {word} that are scored are of very unequal length, and count for about "
            f"{effective:,.0f} of equal length."
        )


def _withheld(
    estimates: Mapping[str, Estimate], pairs: Sequence[Pair], seeds: int, level: float, word: str
) -> Iterator[str]:
    """Name the models and pairs without an interval or a verdict, and the reason."""
    if places := _places(estimates, pairs, FEW_DOCUMENTS):
        why = FEW_DOCUMENTS.replace("document", word.removesuffix("s") or "number")
        yield f"No interval and no verdict where {why} ({places})."
    if places := _places(estimates, pairs, FEW_STRETCHES):
        yield (
            f"Out of range: no interval and no verdict where a stream counts for fewer than {FEWEST_STRETCHES} "
            f"independent stretches ({places}). A longer test split has more."
        )
    if places := _places(estimates, pairs, SPLIT_SEEDS):
        needed = fewest_to_reject(len(pairs), level)
        judged = (
            "a verdict there needs the sign flips over the seeds too, which reject that two models have the same "
            f"distribution of {_measured(word)}"
            if seeds >= needed
            else f"and sign flips could give a verdict from {needed} seeds on only"
        )
        yield (
            f"Over the seeds the {_measured(word)} fall into two groups, where no t interval holds ({places}): none is "
            "given" + (f"; {judged}." if any(pair.withheld == SPLIT_SEEDS for pair in pairs) else ".")
        )


def _measured(word: str) -> str:
    """What a comparison of our own measures, and what somebody else's does."""
    return "losses" if word == "documents" else "scores"


def _places(estimates: Mapping[str, Estimate], pairs: Iterable[Pair], why: str) -> str:
    """Name the models and pairs whose interval is withheld for this reason."""
    own = [label for label, estimate in estimates.items() if estimate.withheld == why]
    own += [f"{pair.a} - {pair.b}" for pair in pairs if pair.withheld == why]
    more = len(own) - NAMED
    return ", ".join(own[:NAMED]) + (f" and {more} more" if more > 0 else "")
