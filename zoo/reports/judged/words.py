"""Words for tables and page of judged scores: titles, means and intervals, the pairs, the plan."""

from zoo.experiments.judge.judgement import Judgement, count_digits
from zoo.experiments.judge.planning import Plan
from zoo.experiments.judge.verdict import percent
from zoo.reports.facts import describe_intervals
from zoo.reports.pairs import Pairs


def digits_of(judgement: Judgement) -> int:
    """Number of decimals that suit the scores."""
    return count_digits(model.test.mean for model in judgement.models)


def title(judgement: Judgement) -> str:
    """The task, or the name of the score."""
    return judgement.task or judgement.measure


def describe_means(judgement: Judgement) -> str:
    """Explain the means: accuracy, higher is better; mean of 5 seeds on 400 items."""
    numbers = sorted({model.seeds for model in judgement.models})
    seeds = f"{numbers[0]}" if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"
    over = [] if numbers == [1] else [f"mean of {seeds} seeds"]
    items = [f"{judgement.items:,} {judgement.unit}"] if judgement.unit else []
    return f"{judgement.measure}: {'higher' if judgement.higher else 'lower'} is better; {' on '.join(over + items)}"


def describe_interval(judgement: Judgement) -> str:
    """Explain the interval of a mean: 95% interval, for new seeds and new items."""
    new = " and ".join(f"new {word}" for word in new_samples(judgement))
    return f"{percent(judgement.alpha)} interval, for {new}"


def new_samples(judgement: Judgement) -> list[str]:
    """The words for what could come out otherwise."""
    seeds = ["seeds"] if judgement.counted != "items" else []
    return seeds + ([judgement.unit] if judgement.counted != "seeds" else [])


def pairs_of(judgement: Judgement) -> Pairs:
    """The pairs of a judgement."""
    new = new_samples(judgement)
    return Pairs(
        judgement.pairs,
        judgement.has_verdicts,
        percent(judgement.alpha),
        describe_intervals(len(judgement.pairs), judgement.alpha, judgement.margin, f"in {judgement.measure}"),
        "s.e.: standard errors of the difference over " + " and over ".join(f"new {word}" for word in new) + ".",
        measure=judgement.measure[:1].upper() + judgement.measure[1:],
        higher=judgement.higher,
        without="see the notes",
        margin=judgement.margin is not None,
        seeds="seeds" in new,
        scored=judgement.unit if judgement.counted != "seeds" else "",
        digits=digits_of(judgement),
    )


def describe_plan(plan: Plan, judgement: Judgement) -> str:
    """Say what it takes to find the planned difference between any two models."""
    ways = []
    if judgement.counted != "items":
        ways.append(_amount(plan.most("seeds"), "seeds"))
    if judgement.counted != "seeds":
        ways.append(_amount(plan.most("items"), judgement.unit))
    together = f", all {len(plan.pairs)} pairs together at {judgement.alpha:g}" if len(plan.pairs) > 1 else ""
    return (
        f"To find a true difference of {plan.difference:g} in {plan.power:.0%} of studies{together}: "
        f"{', or '.join(ways)}, the rest as it is here."
    )


def _amount(number: int | None, what: str) -> str:
    return f"no number of {what}" if number is None else f"about {number:,} {what}"
