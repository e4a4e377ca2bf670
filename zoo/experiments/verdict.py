"""What a comparison says, in words."""

import math
from collections.abc import Sequence

from zoo.experiments.comparison import ModelRow, PairRow

FEWEST = 3
"""Seeds below which there is no verdict."""


def verdict_sentence(models: Sequence[ModelRow], pairs: Sequence[PairRow], *, bits: bool = False) -> str:
    """Who is better, by how much and how surely; or that it cannot be told, and what it would take.

    Args:
        models: from the best to the worst, diverged ones last.
        pairs: every pair of models that finished under all seeds, the better mean first.
    """
    unit, name = (math.log(2), "bits") if bits else (1.0, "nats")
    seeds = max(model.seeds for model in models)
    finished = [model.label for model in models if model.test]
    sentences = []
    if not finished:
        sentences.append("No model finished under every seed.")
    elif len(models) == 1:
        return ""
    elif seeds < FEWEST:
        sentences.append(f"No verdict: {_count(seeds, 'seed')}, and below {FEWEST} nothing can be told apart.")
    elif len(finished) == 2:
        sentences.append(_of_two(pairs[0], seeds, unit, name))
    elif len(finished) > 2:
        sentences.append(_of_many(finished, [pair for pair in pairs if pair.a == finished[0]], seeds, unit, name))
    sentences += [
        f"{model.label} diverged under {model.diverged} of {_count(model.seeds, 'seed')}."
        for model in models
        if model.diverged
    ]
    return " ".join(sentences)


def pair_words(pair: PairRow) -> str:
    """The verdict of a pair in the words that tables use."""
    if pair.verdict == "undecided":
        about = f" (it would take about {pair.seeds_needed})" if pair.seeds_needed else ""
        return f"cannot be told apart with these seeds{about}"
    return "no verdict" if pair.verdict == "none" else pair.verdict


def chance(p: float) -> str:
    """`p = 0.03`, or `p < 0.001`."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def _of_two(pair: PairRow, seeds: int, unit: float, name: str) -> str:
    if pair.verdict == "undecided":
        return f"{_apart([pair.a, pair.b], seeds)}{_needed(pair)}."
    low, high = abs((pair.high or 0.0) / unit), abs((pair.low or 0.0) / unit)
    return (
        f"{pair.a} is better than {pair.b} by {abs(pair.difference) / unit:.4f} {name} per token "
        f"(95% interval {low:.4f} to {high:.4f}, {chance(pair.p or 0.0)}, {seeds} seeds)."
    )


def _of_many(finished: Sequence[str], against_best: Sequence[PairRow], seeds: int, unit: float, name: str) -> str:
    best = finished[0]
    tied = [pair.b for pair in against_best if pair.verdict == "undecided"]
    beaten = [pair for pair in against_best if pair.verdict == "better"]
    if not beaten:
        return f"{_apart(finished, seeds)}."
    nearest = min(beaten, key=lambda pair: abs(pair.difference))
    surely = chance(max(pair.p or 0.0 for pair in beaten))
    margin = f"by {abs(nearest.difference) / unit:.4f} {name} per token or more ({surely}, {seeds} seeds)"
    if not tied:
        return f"{best} is better than each of the {len(beaten)} others, {margin}."
    others = "the other" if len(beaten) == 1 else f"each of the {len(beaten)} others"
    return f"{_apart([best, *tied], seeds)}; {best} is better than {others}, {margin}."


def _apart(labels: Sequence[str], seeds: int) -> str:
    joined = f"{', '.join(labels[:-1])} and {labels[-1]}"
    return f"{joined} cannot be told apart with these {seeds} seeds"


def _needed(pair: PairRow) -> str:
    return f" (it would take about {pair.seeds_needed})" if pair.seeds_needed else ""


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
