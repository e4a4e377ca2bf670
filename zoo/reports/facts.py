"""What page and document say in words: what was compared, what is to be noted, how to read it, how to run it again."""

import shlex
from collections.abc import Iterable

from zoo.experiments.judge.comparison import NEAR, Comparison, ModelRow
from zoo.reports.counts import buffer_notes, flops_notes
from zoo.reports.numbers import field, loss, percent, short, storage

NO_TEST = "There is no test split: validation, which chose the weights, stands in for it, and flatters a little."
BUDGETS = {
    "steps": "steps",
    "tokens": "training tokens",
    "seconds": "seconds of training",
    "flops": "FLOPs of training",
}
RATES = {
    "recipe": "each model's recipe",
    "setting": "one for all",
    "grid": "of one grid for all, the best on validation under one more seed",
}


def title(comparison: Comparison) -> str:
    """The study's own, else its name."""
    return comparison.study.title or comparison.study.name


def verdict(comparison: Comparison) -> str:
    """The sentence; one model alone has nothing to be better than."""
    return unbroken(comparison.verdict or "One model alone: there is nothing to compare.")


def unbroken(words: str) -> str:
    """No line ends inside of `p < 0.001`."""
    return words.replace("p < ", "p\u00a0<\u00a0").replace("p = ", "p\u00a0=\u00a0")


def setting(comparison: Comparison) -> dict[str, str]:
    """What was the same for all models."""
    study, data, machines = comparison.study, comparison.data, comparison.environments
    training, targets = study.training, data.targets
    budget = training.budget
    kind = "one stream" if data.is_stream else "documents"
    own = targets if study.data.has_test else {name: count for name, count in targets.items() if name != "test"}
    splits = ", ".join(f"{count:,} {name}" for name, count in own.items())
    facts = {
        "Corpus": f"{data.name}, {kind}, {splits} targets; digest {data.digest[:12]}",
        "Budget": f"{_amount(getattr(training, budget))} {BUDGETS[budget]} for every model, "
        f"{training.batch_size} rows a step" if budget else "",
        "Context": f"{study.context:,} {study.data.tokens}",
        "Seeds": f"{', '.join(map(str, study.seeds))}; the same for every model",
        "Splits": _splits(comparison),
        "Machine": _distinct(f"{machine.device}, {_count(machine.threads, 'thread')}, {machine.platform}, "
        f"torch {machine.torch}" for machine in machines),
        "Execution": _distinct(run.execution for run in comparison.runs),
    }  # fmt: skip
    if study.match:
        facts["Size"] = f"every model scaled to {_amount(study.match.target)} " + (
            "parameters" if study.match.kind == "parameters" else "FLOPs of training a token"
        )
    return {name: words for name, words in facts.items() if words}


def notes(comparison: Comparison) -> list[str]:
    """What a reader of the table has to know about single models."""
    found = [*([] if comparison.study.data.has_test else [NO_TEST]), *comparison.caveats]
    for model in comparison.models:
        cost = model.cost
        if model.diverged:
            found.append(f"{model.label} diverged {model.among_runs(model.diverged)}; "
                         "no mean is taken over the others.")  # fmt: skip
        if model.refused:
            found.append(f"{model.label} is refused {model.among_runs(model.refused)} and ranked "
                         f"nowhere. {model.reason}")  # fmt: skip
        if model.untrained:
            found.append(f"{model.label} was never better than its initial weights "
                         f"{model.among_runs(model.untrained)}.")  # fmt: skip
        if cost and cost.field_agrees is False:
            found.append(f"{model.label} declares that it sees {field(cost.declared_field)} tokens; a probe of "
                         f"{cost.probed_tokens} found {field(cost.receptive_field)}.")  # fmt: skip
        if model.lr_at_edge:
            found.append(f"{model.label} took {model.lr:g}, at the edge of the grid of learning rates: "
                         "a wider one may do better.")  # fmt: skip
        if model.off_size is not None and abs(model.off_size) > NEAR:
            found.append(f"{model.label} is {percent(model.off_size)} off the size that was asked for, "
                         "the nearest it can reach.")  # fmt: skip
        if abs(model.off_budget) > NEAR:
            found.append(f"{model.label} used {percent(model.off_budget)} off the budget, the nearest that whole steps "
                         "reach.")  # fmt: skip
        if model.lr_trials and set(model.lr_trials.values()) == {None}:
            found.append(f"{model.label} has a loss at no learning rate of the grid; the lowest was taken.")
        if model.context != comparison.study.context:
            found.append(f"{model.label} has a context of {model.context:,}.")
        found += [f"{note}." for note in buffer_notes(model) + flops_notes(model)]
        if cost:
            found += [f"{model.label}: {what} was not measured: {why}" for what, why in cost.unmeasured.items()]
    return [*found, *unlike(comparison)]


def unlike(comparison: Comparison) -> list[str]:
    """Of runs that computed something else than one eager run alone, what."""
    return list(dict.fromkeys(f"{run.label}: {run.execution}" for run in comparison.runs if "unlike" in run.execution))


def rates(comparison: Comparison) -> str:
    """Where the learning rates come from."""
    origins = dict.fromkeys(model.lr_from for model in comparison.models)
    where = ", of the first split" if comparison.study.splits > 1 and "grid" in origins else ""
    return "; ".join(RATES[origin] for origin in origins) + where


def means(comparison: Comparison) -> str:
    """What the losses of the table are of: Means of 3 seeds; One seed; Means of 5 splits, 3 seeds each."""
    seeds, splits = len(comparison.study.seeds), comparison.study.splits
    if splits > 1:
        return f"Means of {splits} splits, {_count(seeds, 'seed')} each"
    return f"Means of {seeds} seeds" if seeds > 1 else "One seed"


def _splits(comparison: Comparison) -> str:
    """How several splits lie; nothing where there is one."""
    splits = comparison.study.splits
    if splits == 1:
        return ""
    order = "text" if comparison.data.is_stream else "shuffled documents"
    return f"{splits}, each begun 1/{splits} of the {order} further on; targets and digest are those of the first"


def judged(comparison: Comparison) -> bool:
    """Whether there were seeds enough for verdicts."""
    return any(pair.verdict != "none" for pair in comparison.pairs)


def renewed(comparison: Comparison) -> str:
    """Of what, beside seeds, another sample would come out otherwise."""
    if comparison.study.splits > 1:
        return f"new {comparison.scored}"
    return "more text like this" if comparison.data.is_stream else "new documents"


def has_intervals(comparison: Comparison) -> bool:
    """Whether any mean has one."""
    return any(model.test and model.test.low is not None for model in comparison.models)


def method(comparison: Comparison) -> list[str]:
    """How the statistics were done, a paragraph each."""
    has_test, splits = comparison.study.data.has_test, comparison.study.splits
    scored = "of the test split, once," if has_test else "of the validation split, there being no test split,"
    paragraphs = [
        "Every model was trained under the same seeds"
        + (f" on each of {splits} splits" if splits > 1 else "")
        + f" and scored on the same documents {scored} with the weights that were best on validation. Losses are "
        "natural logarithms a token, over the whole split."
    ]
    if not has_test:
        paragraphs.append(
            "The documents that are scored have chosen the weights, and the learning rate where there was a grid. No "
            "interval and no p counts that choice: believe a close verdict only after a comparison with a test split."
        )
    if not has_intervals(comparison):
        return [*paragraphs, _no_interval(comparison)]
    split = "test" if has_test else "validation"
    if splits > 1:
        other = "text, in new regions of this stream" if comparison.data.is_stream else "documents, split otherwise"
    elif comparison.data.is_stream:
        other = f"{split} region, of more text like this (it is one stream, whose neighbouring stretches are alike)"
    else:
        other = f"{split} split, of new documents"
    paragraphs.append(
        "Two things could have come out otherwise, and an interval counts both: the training, under new seeds, and the "
        f"{other}. A 95% interval is made so that it holds the true mean in 95 of 100 such studies."
    )
    if comparison.inflation is not None:
        paragraphs.append(
            f"The {split} parts of the {splits} splits are apart, their training parts are not, so that the losses of "
            f"two splits are not independent: the variance over the splits, with {splits - 1} degrees of freedom, is "
            f"multiplied by {comparison.inflation:.2f} for that (Nadeau and Bengio 2003), which is an assumption. All "
            "splits are of this one text: nothing here is about other corpora."
        )
    if judged(comparison):
        paragraphs += [
            f"Method: {comparison.method}. {comparison.reason}",
            "The interval of a pair is its own. Its p is adjusted for all pairs of the comparison: were no two models "
            "different, it would fall below 0.05 for any pair at all in at most 5% of studies. Models that share a "
            "letter cannot be told apart, which does not say that they are equal. All this holds for a number of seeds "
            f"{'and of splits ' if splits > 1 else ''}that was fixed beforehand: who adds seeds until there is a "
            "verdict errs more often.",
        ]
    if any(pair.p_permutation is not None for pair in comparison.pairs):
        paragraphs.append(
            "The permutation p is of the pair alone, by flipping signs over the seeds. It assumes no distribution, and "
            "few seeds allow only coarse values of it."
        )
    if comparison.correlation is not None:
        paragraphs.append(
            f"Over the seeds, the losses of two models correlate by {loss(comparison.correlation, digits=2)} in the "
            "mean: that is what the same seeds for all brought to their differences."
        )
    return paragraphs


def _no_interval(comparison: Comparison) -> str:
    tests = [model.test for model in comparison.models if model.test]
    if not tests:
        return "No model finished under every seed, so that there is nothing to judge."
    if why := tests[0].withheld:
        return f"There is no interval of any mean: {why}."
    return "Fewer than three seeds give no interval and no verdict: what they show may be chance."


def environment(comparison: Comparison) -> dict[str, str]:
    """Where it ran; of runs that were reused from elsewhere, there too."""
    machines = comparison.environments
    commits = (
        ("outside of a checkout" if machine.commit is None else machine.commit)
        + (", with changes" if machine.dirty else "")
        for machine in machines
    )
    return {
        "commit": _distinct(commits),
        "versions": _distinct(
            f"zoo {machine.zoo}, Python {machine.python}, torch {machine.torch}" for machine in machines
        ),
        "machine": _distinct(
            f"{machine.platform}, {machine.device}, {_count(machine.threads, 'thread')}" for machine in machines
        ),
        "corpus": f"{comparison.data.name}, SHA-256 {comparison.data.digest}",
    }


def commands(comparison: Comparison) -> dict[str, str]:
    """What to type -> what it does, where the folder of runs is."""
    folder = shlex.quote(f"runs/{comparison.folder}")
    return {
        f"python cli.py compare {shlex.quote(f'runs/{comparison.folder}/{comparison.record}')} --fresh": "trains every "
        "model again, beside what is there",
        f"python cli.py verify {folder}": "computes every loss again from the weights that were kept",
    }


def state(model: ModelRow) -> str:
    """What a stream of a model takes to remember: 1.5 kB, and whether it grows."""
    if model.cost is None or model.cost.state_bytes is None:
        return ""
    return storage(model.cost.state_bytes) + (" +" if model.cost.state_grows else "")


def _amount(number: float) -> str:
    return short(number) if number >= 1e6 else f"{number:,g}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _distinct(told: Iterable[str]) -> str:
    """Every one once."""
    return "; ".join(dict.fromkeys(told))
