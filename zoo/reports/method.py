"""Describe the statistical method of a comparison, for page and document."""

from collections.abc import Iterator

from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.verdict import percent
from zoo.reports.facts import has_intervals, has_verdicts, level
from zoo.reports.numbers import loss
from zoo.reports.search_facts import SAMPLERS, describe_budget


def describe_method(comparison: Comparison) -> list[str]:
    """Describe the method in paragraphs."""
    paragraphs = [*_scoring(comparison), *_search(comparison)]
    if not has_intervals(comparison):
        return [*paragraphs, _no_interval(comparison)]
    judged = _effects(comparison) if comparison.ablation else _pairs(comparison)
    return [*paragraphs, *_intervals(comparison), *judged]


def _scoring(comparison: Comparison) -> Iterator[str]:
    """Describe how losses are scored."""
    has_test, splits = comparison.study.data.has_test, comparison.study.splits
    scored = "of the test split, once," if has_test else "of the validation split, there being no test split,"
    yield (
        "Every model was trained under the same seeds"
        + (f" on each of {splits} splits" if splits > 1 else "")
        + f" and scored on the same documents {scored} with the weights that were best on validation. Losses are "
        "natural logarithms a token, over the whole split."
    )
    if not has_test:
        chosen = "the searched settings" if comparison.tuned else "the learning rate where there was a grid"
        yield (
            f"The documents that are scored have chosen the weights, and {chosen}. No "
            "interval and no p counts that choice: believe a close verdict only after a comparison with a test split."
        )


def _search(comparison: Comparison) -> Iterator[str]:
    """Describe how settings were searched, and what that was worth."""
    if not comparison.tuned:
        return
    search = comparison.study.search
    written = "; the first trial is the model as written" if all(own.written for own in comparison.tuned) else ""
    where = ", on the first split" if comparison.study.splits > 1 else ""
    pruned = (
        " In the second half of its budget a trial was ended where its lowest validation loss was above the median of "
        "those of the finished trials of its model at that evaluation (Golovin et al. 2017)."
        if search.prune
        else ""
    )
    unseen = "; no trial evaluated the test split" if comparison.study.data.has_test else ""
    yield (
        f"The settings were searched first: {describe_budget(comparison)}, suggested by {SAMPLERS[search.sampler]}"
        f"{written}. A trial trains with the budget of a run, under one more seed that no reported run has{where}."
        f"{pruned} The lowest validation loss chose{unseen}. The reported runs then trained with these settings under "
        "their own seeds."
    )
    yield (
        "What tuning was worth: the model with its settings as written was trained under the reported seeds too, and "
        "the two were compared like a pair of models. Verdicts and intervals hold for the settings that were found: "
        "they do not count that another search could have found others."
    )


def _no_interval(comparison: Comparison) -> str:
    tests = [model.test for model in comparison.models if model.test]
    if not tests:
        return "No model finished under every seed, so that there is nothing to judge."
    if why := tests[0].withheld:
        return f"There is no interval of any mean: {why}."
    return "Fewer than three seeds give no interval and no verdict: what they show may be chance."


def _intervals(comparison: Comparison) -> Iterator[str]:
    """Describe the sources of uncertainty in an interval of a mean."""
    splits, split = comparison.study.splits, "test" if comparison.study.data.has_test else "validation"
    if splits > 1:
        other = "text, in new regions of this stream" if comparison.data.is_stream else "documents, split otherwise"
    elif comparison.data.is_stream:
        other = f"{split} region, of more text like this (it is one stream, whose neighbouring stretches are alike)"
    else:
        other = f"{split} split, of new documents"
    yield (
        "Two things could have come out otherwise, and an interval counts both: the training, under new seeds, and the "
        f"{other}. A {level(comparison)} interval is made so that it holds the true mean in that share of such studies."
    )
    if comparison.inflation is not None:
        yield (
            f"The {split} parts of the {splits} splits are apart, their training parts are not, so that the losses of "
            f"two splits are not independent: the variance over the splits, with {splits - 1} degrees of freedom, is "
            f"multiplied by {comparison.inflation:.2f} for that (Nadeau and Bengio 2003), which is an assumption. All "
            "splits are of this one text: nothing here is about other corpora."
        )


def _describe_seeds(comparison: Comparison) -> str:
    """Say how the number of seeds was chosen."""
    if comparison.sequential:
        return f"{comparison.sequential.describe()} {comparison.sequential.describe_design()}"
    return (
        f"All this holds for a number of seeds {'and of splits ' if comparison.study.splits > 1 else ''}that was fixed "
        "beforehand: who adds seeds until there is a verdict errs more often (--until decided pays for the looks)."
    )


def _describe_rule(comparison: Comparison) -> str:
    """Describe what decides about a pair."""
    alpha, margin = comparison.level, comparison.study.margin
    rule = (
        "The interval of a pair is its own. "
        if margin is None
        else f"The intervals of all pairs hold together in {level(comparison)} of studies, and decide: one that "
        f"excludes zero says better or worse, one inside of ±{margin:g} nats says equal within the margin (or better "
        "by less than it, if it excludes zero too), any other leaves the pair open. "
    )
    return (
        f"{rule}Its p is adjusted for all pairs of the comparison: were no two models different, it would fall below "
        f"{alpha:g} for any pair at all in at most {100 * alpha:g}% of studies."
    )


def _effects(comparison: Comparison) -> Iterator[str]:
    """Describe how the effects of an ablation were judged."""
    ablated = comparison.ablation
    if ablated is None:
        return
    pieces = f"{len(ablated.effects)} effects"
    if ablated.interactions:
        pieces += f" and {len(ablated.interactions)} interactions, which share the error by their numbers"
    yield (
        f"Method: {comparison.method}. {comparison.reason} Only differences from {ablated.baseline} are judged "
        f"(Dunnett 1955), interactions by Bonferroni: the intervals of {pieces} hold together in "
        f"{percent(ablated.level)} of studies. A change whose interval excludes zero makes the model better or worse."
        + ("" if comparison.study.margin is None else
           f" One whose interval lies inside of ±{comparison.study.margin:g} nats is equal within the margin.")
    )  # fmt: skip
    yield (
        "An interaction is the effect of two changes together, minus the sum of their effects. A change is told to do "
        "nothing only where every loss of every document under every seed is exactly that of the model."
    )
    if comparison.tuned or comparison.study.lr_grid:
        chosen = "settings" if comparison.tuned else "learning rate"
        yield f"The {chosen} of every variant was chosen for itself, on validation, under one more seed."
    yield _describe_seeds(comparison)


def _pairs(comparison: Comparison) -> Iterator[str]:
    """Describe how pairs were judged."""
    if has_verdicts(comparison):
        yield f"Method: {comparison.method}. {comparison.reason}"
        yield _describe_rule(comparison)
        yield (
            "Models that share a "
            "letter cannot be told apart, which does not say that they are equal. " + _describe_seeds(comparison)
        )
    if any(pair.p_permutation is not None for pair in comparison.pairs):
        yield (
            "The permutation p is of the pair alone, by flipping signs over the seeds. It assumes no distribution, and "
            "few seeds allow only coarse values of it."
        )
    if comparison.correlation is not None:
        yield (
            f"Over the seeds, the losses of two models correlate by {loss(comparison.correlation, digits=2)} in the "
            "mean: that is what the same seeds for all brought to their differences."
        )
