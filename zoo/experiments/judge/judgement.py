"""Judge scores that somebody else measured: what a table and a page of them show. Imports no torch."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from zoo.config import Frozen
from zoo.errors import UsageError
from zoo.experiments.judge.analysis import Analysis, analyse
from zoo.experiments.judge.criterion import Criterion
from zoo.experiments.judge.exact import analyse_binary
from zoo.experiments.judge.family import FEWEST_SEEDS
from zoo.experiments.judge.planning import Plan, plan_study
from zoo.experiments.judge.rows import Interval, PairRow, rank_pairs
from zoo.experiments.judge.solved import Goal, Solved, judge_solved
from zoo.experiments.judge.uncertainty import Units
from zoo.experiments.judge.unpaired import analyse_unpaired
from zoo.experiments.judge.verdict import Wording, say_verdict

Counted: TypeAlias = Literal["seeds and items", "seeds", "items"]
Array: TypeAlias = NDArray[np.float64]


class JudgedModel(Frozen):
    """A model: its mean score with its interval, and the score under each seed."""

    label: str
    letters: str
    seeds: int
    scores: dict[str, float]
    test: Interval

    @property
    def dots(self) -> list[float]:
        """The score under every seed."""
        return list(self.scores.values())


class Judgement(Frozen):
    """The judged scores of one task; models from the best to the worst."""

    task: str
    measure: str
    higher: bool
    """Whether higher is better."""
    counted: Counted
    """Which uncertainties count: new seeds, new items, or both."""
    paired: bool
    """Whether the models share their seeds."""
    items: int
    unit: str
    """The word for what is scored: items, clusters, stretches; "" where there are none."""
    alpha: float
    margin: float | None
    verdict: str
    method: str
    reason: str
    correlation: float | None
    notes: tuple[str, ...]
    models: tuple[JudgedModel, ...]
    pairs: tuple[PairRow, ...]
    solved: Solved | None = None
    plan: Plan | None = None

    @property
    def has_verdicts(self) -> bool:
        """Whether any pair has a verdict."""
        return any(pair.verdict != "none" for pair in self.pairs)


class Source(Frozen):
    """A file that was judged, and its SHA-256."""

    path: str
    digest: str


class Judged(Frozen):
    """All that was judged together: every task by itself."""

    title: str
    sources: tuple[Source, ...]
    notes: tuple[str, ...] = ()
    """What was guessed about the files."""
    tasks: tuple[Judgement, ...]


class Design(Frozen):
    """The scores of one task as they were measured, on what all models share."""

    model_config = Frozen.model_config | {"arbitrary_types_allowed": True}

    task: str
    measure: str
    higher: bool
    labels: tuple[str, ...]
    seeds: tuple[tuple[str, ...], ...]
    totals: tuple[Array, ...]
    """For every model (n, D) score times weight."""
    weights: Array
    unit: str
    ordered: bool = False
    binary: bool = False
    paired: bool = True
    notes: tuple[str, ...] = ()

    @property
    def units(self) -> Units:
        """What the items are for the statistics."""
        if not self.unit or len(self.weights) == 1:
            return "test set"
        return "series" if self.ordered else "documents"

    @property
    def counted(self) -> Counted:
        """Which uncertainties can be counted.

        Raises:
            UsageError: none, there being a single number or two a model.
        """
        seeds, items = min(len(own) for own in self.seeds), len(self.weights)
        if seeds >= FEWEST_SEEDS:
            return "seeds" if self.units == "test set" else "seeds and items"
        if items > 1:
            return "items"
        raise UsageError(
            f"There {'is one score' if seeds == 1 else f'are {seeds} scores'} a model, without items: what another "
            f"measurement would give is not known. Give {FEWEST_SEEDS} seeds or more (--seed COLUMN), or the score of "
            "every item (--item COLUMN)."
        )

    def by_seed(self, place: int) -> dict[str, float]:
        """Seed -> score of a model."""
        totals = self.totals[place].sum(1) / self.weights.sum()
        return dict(zip(self.seeds[place], totals.tolist(), strict=True))


def judge_design(
    design: Design, criterion: Criterion, *, goal: Goal | None = None, planned: float | None = None
) -> Judgement:
    """Judge the scores of one task.

    Args:
        goal: what solved means; None: that is not asked.
        planned: a true difference, for which the needed seeds and items are planned; None: that is not asked.

    Raises:
        UsageError: there is nothing to count.
    """
    counted = design.counted
    sign = -1.0 if design.higher else 1.0
    analysis = _analyse(design, counted, sign, criterion)
    ranked = sorted(design.labels, key=lambda label: analysis.estimates[label].mean)
    pairs = [_turn(pair, sign) for pair in rank_pairs([PairRow(**asdict(pair)) for pair in analysis.pairs], ranked)]
    words = Wording(
        _count_words(design, counted),
        per=f"in {design.measure}",
        level=criterion.level,
        margin=criterion.margin,
        digits=count_digits([own.mean for own in analysis.estimates.values()]),
    )
    scores = {label: design.by_seed(place) for place, label in enumerate(design.labels)}
    outcomes = (
        [(label, [goal.is_met(score) for score in own.values()]) for label, own in scores.items()] if goal else []
    )
    return Judgement(
        task=design.task,
        measure=design.measure,
        higher=design.higher,
        counted=counted,
        paired=design.paired,
        items=len(design.weights),
        unit=design.unit,
        alpha=criterion.level,
        margin=criterion.margin,
        verdict=" ".join(say_verdict(ranked[0], pairs, words)),
        method=analysis.method,
        reason=analysis.reason,
        correlation=analysis.correlation,
        notes=(*design.notes, *_describe_counted(design, counted), *analysis.caveats),
        models=tuple(
            JudgedModel(
                label=label,
                letters=analysis.letters.get(label, ""),
                seeds=len(scores[label]),
                scores=scores[label],
                test=_estimate(analysis, label, sign, list(scores[label].values())),
            )
            for label in ranked
        ),
        pairs=tuple(pairs),
        solved=judge_solved(goal, outcomes, paired=design.paired, level=criterion.level) if goal else None,
        plan=_plan(design, analysis, planned, criterion) if planned else None,
    )


def count_digits(means: Iterable[float]) -> int:
    """Number of decimals that suit these means: 4 for losses, fewer for large numbers, more for small ones."""
    largest = max(map(abs, means))
    if not largest or 0.1 <= largest < 10:
        return 4
    return min(max(4 - math.floor(math.log10(largest)), 1), 7)


def _plan(design: Design, analysis: Analysis, difference: float, criterion: Criterion) -> Plan:
    """Plan how to find a difference, from the variances of this study; right or wrong scores like any others."""
    if analysis.family is None:
        means = np.stack([own.mean(0, keepdims=True) for own in design.totals])
        analysis = analyse(
            design.labels, means, design.weights, units=design.units, criterion=criterion, word=design.unit, fixed=True
        )
    assert analysis.family is not None
    names = [(pair.a, pair.b) for pair in analysis.pairs]
    return plan_study(names, difference, analysis.family, len(design.weights), criterion.level)


def _analyse(design: Design, counted: Counted, sign: float, criterion: Criterion) -> Analysis:
    """Analyse the scores, turned so that lower is better."""
    totals = [sign * own for own in design.totals]
    if counted == "items":
        means = np.stack([own.mean(0, keepdims=True) for own in totals])
        if design.binary and all(len(own) == 1 for own in totals):
            scores = np.stack([own[0] / design.weights for own in design.totals])
            return _shift(
                analyse_binary(design.labels, 1 - scores if design.higher else scores, criterion=criterion), design
            )
        return analyse(
            design.labels, means, design.weights, units=design.units, criterion=criterion, word=design.unit, fixed=True
        )
    if design.paired:
        return analyse(
            design.labels, np.stack(totals), design.weights, units=design.units, criterion=criterion, word=design.unit
        )
    return analyse_unpaired(
        design.labels, totals, design.weights, units=design.units, criterion=criterion, word=design.unit
    )


def _shift(analysis: Analysis, design: Design) -> Analysis:
    """Shares of wrong items as negative shares of right ones, where higher is better."""
    if not design.higher:
        return analysis
    estimates = {
        label: replace(own, mean=own.mean - 1, low=None if own.low is None else own.low - 1,
                       high=None if own.high is None else own.high - 1)
        for label, own in analysis.estimates.items()
    }  # fmt: skip
    return replace(analysis, estimates=estimates)


def _turn(pair: PairRow, sign: float) -> PairRow:
    """The differences of a pair in the direction of the score."""
    if sign > 0:
        return pair
    turned = pair.reverse()
    return turned.model_copy(update={"a": pair.a, "b": pair.b, "verdict": pair.verdict})


def _estimate(analysis: Analysis, label: str, sign: float, scores: Sequence[float]) -> Interval:
    own = analysis.estimates[label]
    low, high = (own.low, own.high) if sign > 0 else (own.high, own.low)
    return Interval(
        mean=sign * own.mean,
        sd=float(np.std(scores, ddof=1)) if len(scores) > 1 else None,
        low=None if low is None else sign * low,
        high=None if high is None else sign * high,
        seeds_se=own.seeds_se,
        documents_se=own.documents_se,
        effective=own.effective,
        withheld=own.withheld,
    )


def _count_words(design: Design, counted: Counted) -> str:
    """What was counted, in words: 5 seeds; 400 items."""
    number = f"{len(design.weights):,} {design.unit}"
    numbers = sorted({len(own) for own in design.seeds})
    seeds = (
        f"{numbers[0]} seed{'s' if numbers[0] > 1 else ''}"
        if len(numbers) == 1
        else f"{numbers[0]} to {numbers[-1]} seeds"
    )
    own = "" if design.paired else " of their own"
    return {"seeds and items": f"{seeds}{own} and {number}", "seeds": f"{seeds}{own}", "items": number}[counted]


def _describe_counted(design: Design, counted: Counted) -> list[str]:
    """Say which uncertainties count, and which do not."""
    seeds = min(len(own) for own in design.seeds)
    kinds = {
        "seeds and items": f"Two uncertainties count: training again under other seeds, and other {design.unit}.",
        "seeds": "One uncertainty counts: training again under other seeds. The test set is taken as it is: nothing "
        "here says how other items would have come out.",
        "items": f"One uncertainty counts: other {design.unit}. The verdicts are about these weights"
        + (f" (means of {seeds} seeds)" if seeds > 1 else "")
        + ": training again under other seeds may turn them.",
    }
    found = [kinds[counted]]
    if not design.paired and counted != "items":
        found.append(
            "The seeds are declared to be every model's own (--unpaired), so no difference is taken seed by seed."
        )
    return found
