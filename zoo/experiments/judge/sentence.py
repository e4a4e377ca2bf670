"""Write the verdict of a comparison in words."""

import math
from collections.abc import Sequence

from zoo.experiments.judge.family import FEWEST_SEEDS
from zoo.experiments.judge.rows import ModelRow, PairRow
from zoo.experiments.judge.tukey import LEVEL
from zoo.experiments.judge.tuned import Tuned
from zoo.experiments.judge.weaknesses import describe_budget, describe_weaknesses
from zoo.experiments.study.config import StudyConfig

VARIED = {"both": "", "data": " of data order alone", "weights": " of initial weights alone"}
"""`vary` -> words after the number of seeds."""


def verdict_sentence(
    models: Sequence[ModelRow],
    pairs: Sequence[PairRow],
    *,
    study: StudyConfig | None = None,
    tuned: Sequence[Tuned] = (),
    looked: Sequence[int] = (),
    bits: bool = False,
) -> str:
    """Say which model is better, by how much and how certainly, or that none is, and how many seeds would decide.

    Args:
        models: from the best to the worst, those without a mean last.
        pairs: every pair of models that finished under all seeds, the better mean first.
        study: source of the budget, the missed sizes and the edges of the grid of rates; None leaves these out, as in
            records of earlier versions.
        tuned: the searches of models, whose best settings may lie at an edge.
        looked: smaller numbers of seeds with which the same comparison was judged before.
        bits: give differences in bits instead of nats.
    """
    unit, name = (math.log(2), "bits") if bits else (1.0, "nats")
    seeds, splits = max(model.seeds for model in models), len(models[0].split_losses or ())
    over = _count(seeds, "seed") + (VARIED[study.vary] if study else "") + (f" on {splits} splits" if splits else "")
    after = f" after {describe_budget(study.training)}" if study else ""
    finished = [model.label for model in models if model.test]
    sentences = []
    if not finished:
        sentences.append("No model finished under every seed.")
    elif len(models) == 1:
        return ""
    elif seeds < FEWEST_SEEDS:
        sentences.append(
            f"No verdict: {_count(seeds, 'seed')}, and below {FEWEST_SEEDS} nothing can be told apart "
            f"(--seeds {FEWEST_SEEDS} or more)."
        )
    elif len(finished) >= 2:
        best = finished[0]
        tied = _tied(best, pairs, over, after)
        sentences += tied + _beaten(best, pairs, over, "" if tied else after, unit, name) + _unjudged(best, pairs)
        sentences += describe_weaknesses([model for model in models if model.test], study, tuned) if study else []
        if looked:
            first = " and ".join(map(str, looked))
            sentences.append(f"Seeds were added after a look at {first}: the p-values are too small.")
    sentences += [f"{model.label} diverged {model.among_runs(model.diverged)}." for model in models if model.diverged]
    sentences += [
        f"{model.label} is refused {model.among_runs(model.refused)}: its scores are not sound."
        for model in models
        if model.refused
    ]
    sentences += [f"{model.label} failed {model.among_runs(model.failed)}." for model in models if model.failed]
    return " ".join(sentences)


def pair_words(pair: PairRow) -> str:
    """The verdict of a pair in the words that tables use."""
    if pair.verdict == "undecided":
        about = f" (it would take about {pair.seeds_needed})" if pair.seeds_needed else ""
        return f"cannot be told apart with these seeds{about}"
    if pair.verdict == "none":
        return f"no verdict: {pair.withheld}" if pair.withheld else "no verdict"
    return pair.verdict


def format_chance(p: float | None) -> str:
    """A p-value: 0.031, or < 0.001; empty for None."""
    if p is None:
        return ""
    if p < 0.001:
        return "< 0.001"
    return f"{p:.4f}" if round(p, 3) == LEVEL else f"{p:.3f}"  # one more digit shows the side of 5%


def _tied(best: str, pairs: Sequence[PairRow], over: str, after: str) -> list[str]:
    """Name the models that cannot be told from the best; "from one another" only if that holds for all their pairs."""
    own = [pair for pair in pairs if pair.a == best]
    labels = [pair.b for pair in own if pair.verdict == "undecided"]
    if not labels:
        return []
    among = [pair for pair in pairs if pair.a in labels and pair.b in labels]
    if any(pair.verdict != "undecided" for pair in among):
        return [f"{_join(labels)} cannot be told from {best}{after} with these {over}."]
    of = " seeds" if over.endswith("splits") else ""
    needed = f" (it would take about {own[0].seeds_needed}{of})" if len(own) == 1 and own[0].seeds_needed else ""
    return [f"{_join([best, *labels])} cannot be told apart{after} with these {over}{needed}."]


def _beaten(best: str, pairs: Sequence[PairRow], over: str, after: str, unit: float, name: str) -> list[str]:
    """Name the models that the best one beats, and its lead over the nearest."""
    own = [pair for pair in pairs if pair.a == best]
    beaten = [pair for pair in own if pair.verdict == "better"]
    if not beaten:
        return []
    nearest = min(beaten, key=lambda pair: abs(pair.difference))
    interval = f"no interval: {nearest.withheld}"
    if nearest.low is not None and nearest.high is not None:
        interval = f"95% interval {abs(nearest.high) / unit:.4f} to {abs(nearest.low) / unit:.4f}"
    by = f"by {abs(nearest.difference) / unit:.4f} {name} per token ({interval}"
    p = format_chance(max(pair.p or 0.0 for pair in beaten))
    if len(beaten) == 1:
        exactly = p if p.startswith("<") else f"= {p}"
        return [f"{best} is better than {nearest.b}{after}{',' * bool(after)} {by}, p {exactly}, {over})."]
    at_most = p if p.startswith("<") else f"≤ {p}"
    others = f"each of the {len(beaten)} others" if len(beaten) > 2 else "both others"
    return [f"{best} is better than {others}{after}; the nearest is {nearest.b}, {by}; all p {at_most}, {over})."]


def _unjudged(best: str, pairs: Sequence[PairRow]) -> list[str]:
    """Name the models against which the best has no verdict, and say why."""
    own = [pair for pair in pairs if pair.a == best and pair.verdict == "none"]
    return [
        f"No verdict on {best} against {_join([pair.b for pair in own if pair.withheld == why])}: {why}."
        for why in dict.fromkeys(pair.withheld for pair in own)
    ]


def _join(labels: Sequence[str]) -> str:
    return f"{', '.join(labels[:-1])} and {labels[-1]}" if len(labels) > 1 else labels[0]


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
