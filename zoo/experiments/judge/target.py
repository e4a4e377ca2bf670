"""What each model takes to a target loss: the median over its runs, ratios of two models, performance profiles."""

from collections.abc import Mapping, Sequence
from itertools import combinations

from zoo.config import Frozen
from zoo.experiments.judge.censored import Typical, find_typical
from zoo.experiments.judge.crossings import MEASURES, Crossing, find_crossing
from zoo.experiments.judge.profile import Profile, collect_profile
from zoo.experiments.judge.ratios import Ratio, judge_ratios
from zoo.experiments.judge.seeds import fewest_to_reject
from zoo.experiments.records.run import Run

SEVERAL_SPLITS = "runs that share a seed or a split are not independent of each other"


class Reach(Frozen):
    """What one model takes to reach one loss; None in a measure that some run lacks."""

    label: str
    target: float
    reached: int
    """Number of runs that got there."""
    runs: int
    missing: str = ""
    """Reason why there are no numbers: failed or refused runs."""
    steps: Typical | None = None
    tokens: Typical | None = None
    seconds: Typical | None = None
    flops: Typical | None = None


class Targets(Frozen):
    """The answers about all target losses of a comparison."""

    losses: tuple[float, ...]
    """Validation losses in nats per token, the highest first."""
    reach: tuple[Reach, ...]
    """Of every loss, the models in the order of the ranking."""
    ratios: tuple[Ratio, ...]
    """Of every loss and pair, the measures in their order; the earlier model of the ranking is `a`."""
    fewest_seeds: int
    """Number of seeds from which a verdict is possible."""
    withheld: str = ""
    """Reason why there is no exact interval and no verdict in spite of enough seeds."""
    crossings: tuple[Crossing, ...]
    profiles: tuple[Profile, ...]
    """One for each measure; () for a single loss or model."""


def summarise_targets(
    losses: Sequence[float], by_label: Mapping[str, Sequence[Run]], missing: Mapping[str, str], *, several: bool
) -> Targets | None:
    """Summarise what the models take to these losses; None without losses.

    Args:
        by_label: label -> runs, in the order of the ranking.
        missing: label -> reason why a model has no numbers; its runs are not read.
        several: whether there are several splits.
    """
    if not losses:
        return None
    crossings = {
        (label, loss): [
            find_crossing(run, loss, run.recorded.run.data.turn[0] if several else None) for run in by_label[label]
        ]
        for loss in losses
        for label in by_label
        if label not in missing
    }
    runs = {label: len(own) for label, own in by_label.items()}
    seeds = max(len({run.recorded.run.seed for run in own}) for own in by_label.values())
    return judge_targets(losses, runs, crossings, missing, seeds=seeds, several=several)


def judge_targets(
    losses: Sequence[float],
    runs: Mapping[str, int],
    crossings: Mapping[tuple[str, float], Sequence[Crossing]],
    missing: Mapping[str, str],
    *,
    seeds: int,
    several: bool = False,
) -> Targets:
    """Judge the crossings of all models.

    Args:
        runs: label -> number of runs, in the order of the ranking.
        crossings: (label, loss) -> those of all runs, of models that are not `missing`.
        seeds: number of seeds.
    """
    entered = [label for label in runs if label not in missing]
    pairs = list(combinations(entered, 2))
    fewest = fewest_to_reject(max(len(pairs) * len(losses), 1))
    every = [crossing for own in crossings.values() for crossing in own]
    measures = [measure for measure in MEASURES if all(getattr(own, measure) is not None for own in every)]
    profiled = len(losses) > 1 and len(entered) > 1
    return Targets(
        losses=tuple(losses),
        reach=tuple(
            Reach(label=label, target=loss, reached=0, runs=count, missing=missing[label])
            if label in missing
            else _reach(label, loss, crossings[label, loss], several=several)
            for loss in losses
            for label, count in runs.items()
        ),
        ratios=judge_ratios(
            losses, pairs, crossings, independent=not several, possible=seeds >= fewest and not several
        ),
        fewest_seeds=fewest,
        withheld=SEVERAL_SPLITS if several else "",
        crossings=tuple(every),
        profiles=tuple(collect_profile(entered, every, measure) for measure in measures) if profiled else (),
    )


def _reach(label: str, loss: float, crossings: Sequence[Crossing], *, several: bool) -> Reach:
    found = {
        measure: find_typical(
            [(crossing.at_least(measure), crossing.at_most(measure)) for crossing in crossings],
            independent=not several,
        )
        for measure in MEASURES
        if all(getattr(crossing, measure) is not None for crossing in crossings)
    }
    reached = sum(crossing.ended == "reached" for crossing in crossings)
    return Reach(label=label, target=loss, reached=reached, runs=len(crossings), **found)
