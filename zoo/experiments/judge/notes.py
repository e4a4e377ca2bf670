"""Notes: the sentences that a report adds to its numbers, worded once for table, page, Markdown and JSON."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Literal, TypeAlias

from zoo.calls import Value
from zoo.config import Frozen
from zoo.experiments.judge.rows import ModelRow, RunRow
from zoo.experiments.judge.tuned import Tuned
from zoo.experiments.judge.verdict import join, list_some
from zoo.experiments.judge.watched import Watched
from zoo.experiments.judge.weaknesses import NOTABLE_DEVIATION
from zoo.experiments.records.run import Environment
from zoo.experiments.records.study import Xz
from zoo.experiments.study.config import StudyConfig

Kind: TypeAlias = Literal[
    "split",
    "caveat",
    "seeds",
    "start",
    "diverged",
    "failed",
    "refused",
    "xz",
    "counted",
    "untrained",
    "solved",
    "field",
    "rate",
    "recipe",
    "search",
    "ablation",
    "size",
    "budget",
    "context",
    "buffers",
    "auxiliary",
    "flops",
    "unmeasured",
    "watch",
    "execution",
    "hardware",
    "leak",
    "published",
    "excerpt",
]

FULL_SETTINGS = (
    "Every variant trains with the settings of the full model: one that needs another learning rate looks worse than "
    "it is. --tune 8 or --lr-grid auto chooses for each by itself."
)
NO_TEST = (
    "There is no test split: validation, which chose the weights, stands in for it and flatters a little; "
    "no interval counts that."
)
ONE_SOURCE = {
    "data": "Only what training draws (the order of the data, dropout) differs between the seeds: every run starts "
    "from the initial weights of seed {seed}. Intervals and verdicts count this source alone, not other weights.",
    "weights": "Only the initial weights differ between the seeds: what training draws (the order of the data, "
    "dropout) is that of seed {seed} in every run. Intervals and verdicts count this source alone, not other orders.",
}
"""`vary` -> note for a comparison whose seeds vary one source alone (Bouthillier et al. 2021)."""
STOPPED = (
    "Runs ended when they had solved their task, at two evaluations of validation in a row: their losses, and verdicts "
    "between two models that did, say where they stopped, not how far they would get. Steps until then: {}."
)
XZ = "xz -9, a compressor that has seen the training text, takes {:.4g} bits for a byte of the test text."
FAR_BUDGET = 4.0
"""Ratio of a run's budget to that of its recipe from which the distance is noted."""
NOTABLE_BUFFERS = 0.1
"""Share of the parameters above which buffers that training changes are noted; BatchNorm's are fewer."""
STATUSES = ("pruned", "diverged", "refused", "failed")
"""How a trial ends that does not finish."""
NAMED_OPERATIONS = 4
"""Most uncounted operations that a note names; the others are only counted."""


class Note(Frozen):
    """A fact about one model, given by its label, or about the whole comparison (None), as a complete sentence."""

    model: str | None
    kind: Kind
    text: str


def collect_notes(
    study: StudyConfig,
    models: Sequence[ModelRow],
    runs: Sequence[RunRow],
    caveats: Sequence[str],
    tuned: Sequence[Tuned] = (),
    watched: Sequence[Watched] = (),
    leaks: Mapping[str, str] = MappingProxyType({}),
    xz: Xz | None = None,
    environments: Sequence[Environment] = (),
) -> tuple[Note, ...]:
    """Collect the notes on the comparison, on each model in the order of the ranking, its search and its execution."""
    notes = [Note(model=label, kind="leak", text=text) for label, text in leaks.items()]
    notes += [] if study.data.has_test else [Note(model=None, kind="split", text=NO_TEST)]
    notes += [Note(model=None, kind="caveat", text=caveat) for caveat in caveats]
    if study.vary != "both" and len(study.seeds) > 1:
        notes.append(Note(model=None, kind="seeds", text=ONE_SOURCE[study.vary].format(seed=study.seeds[0])))
    notes += [Note(model=None, kind="solved", text=text) for text in _stopped(models)]
    if study.start:
        notes.append(Note(model=study.models[0].label, kind="start", text=_describe_start(study)))
    if study.lr_grid_extends and models:
        notes.append(Note(model=None, kind="rate", text=_describe_grid(study, models)))
    if xz is not None:
        notes.append(Note(model=None, kind="xz", text=XZ.format(xz.bits_per_byte)))
    notes += [Note(model=None, kind="counted", text=text) for text in _counted(models)]
    trained = [row for row in models if row.counted is None]
    notes += [Note(model=None, kind="recipe", text=text) for text in _recipes(trained)]
    if study.baseline and not (study.lr_grid or study.search.wanted):
        notes.append(Note(model=None, kind="ablation", text=FULL_SETTINGS))
    if study.training.watch or watched:
        notes += [Note(model=None, kind="watch", text=text) for text in _watch(trained, watched)]
    averaged = {row.label: row.answers.averaged for row in models if row.answers and row.answers.averaged is not None}
    if averaged:
        losses = list_some([f"{label} {value:.3g}" for label, value in averaged.items()])
        notes.append(
            Note(model=None, kind="published", text=f"Averaged over all positions, as published figures are: {losses}.")
        )
    notes += _edges(models)
    for row in models:
        found = [*_outcome(row), *_settings(row, study.context), *_measurements(row)]
        notes += [Note(model=row.label, kind=kind, text=text) for kind, text in found]
    notes += [Note(model=own.label, kind=kind, text=text) for own in tuned for kind, text in _search(own)]
    unlike = dict.fromkeys((run.label, run.execution) for run in runs if "unlike" in run.execution)
    notes += [Note(model=label, kind="execution", text=f"{label}: {execution}.") for label, execution in unlike]
    notes += [Note(model=None, kind="hardware", text=text) for text in _hardware(environments)]
    return tuple(notes)


def _hardware(environments: Sequence[Environment]) -> Iterator[str]:
    """State that runs were made on unlike machines, as far as their records tell."""
    processors = dict.fromkeys(own.processor for own in environments if own.processor)
    devices = dict.fromkeys(own.device for own in environments)
    unlike = [name for found in (processors, devices) if len(found) > 1 for name in found]
    if unlike:
        yield (
            f"The runs were made on unlike hardware: {', '.join(unlike)}. Their seconds and speeds are not comparable, "
            "and their losses may differ in the last digits."
        )


def _describe_start(study: StudyConfig) -> str:
    start, label = study.start, study.models[0].label
    assert start
    what = f"run {start.run}, which it had at step {start.steps:,}" if start.run else f"'{start.weights}'"
    return f"{label} starts from the weights of {what}; its budget is what it was trained for since."


def _describe_grid(study: StudyConfig, models: Sequence[ModelRow]) -> str:
    grid = sorted({float(rate) for row in models for rate in row.lr_trials})
    if not grid:
        return "Every model is counted, not trained: no learning rate was tried."
    became = f"extended from {len(study.lr_grid)} rates to {len(grid)}" if len(grid) > len(study.lr_grid) else "kept"
    end = "it was extended no further" if any(row.lr_at_edge for row in models) else "no best rate lies at its edge"
    return f"The grid of learning rates, the same for every model, was {became} ({grid[0]:g} to {grid[-1]:g}): {end}."


def _stopped(models: Sequence[ModelRow]) -> Iterator[str]:
    """State which runs ended before their budget was spent, and what that means for their losses."""
    found = []
    for row in models:
        if row.stopped:
            fewest, most, count = row.stopped
            steps = f"{fewest:,}" if fewest == most else f"{fewest:,} to {most:,}"
            found.append(f"{row.label} {steps}" + (f" ({row.among_runs(count)})" if count < row.runs else ""))
    if found:
        yield STOPPED.format("; ".join(found))


def _counted(models: Sequence[ModelRow]) -> Iterator[str]:
    """State which models are counted, and what that means for seeds, budget and cost."""
    found = [
        f"{row.label} ({f'{row.counted}; ' if row.counted else ''}{row.buffers or 0:,} numbers)"
        for row in models
        if row.counted is not None
    ]
    if found:
        yield (
            f"Counted, not trained: {list_some(found)}. Counts are the same under every seed, so only new text "
            "makes them uncertain; they are of the whole training split, whatever the budget, and take no steps or "
            "FLOPs of training."
        )


def _watch(models: Sequence[ModelRow], watched: Sequence[Watched]) -> Iterator[str]:
    """State what watching took, what it could not measure, and which runs are older than the request."""
    if watched:
        taken = list_some([f"{own.label} {own.seconds:.1f} s" for own in watched])
        yield f"Watching took, beside training, in the run of the first seed: {taken}."
    for own in watched:
        if own.problem:
            yield f"{own.label} could not be watched at some evaluation: {own.problem}."
    seen = {own.label for own in watched}
    without = [row.label for row in models if row.label not in seen and not row.failed]
    if without:
        yield f"Trained before without --watch, so without signals: {list_some(without)}. --fresh trains again."


def _edges(models: Sequence[ModelRow]) -> Iterator[Note]:
    """Notes on models that took the smallest or the largest learning rate of the grid, one for each of the two."""
    for lr in sorted({row.lr for row in models if row.lr_at_edge}):
        labels = [row.label for row in models if row.lr_at_edge and row.lr == lr]
        text = f"{join(labels)} took learning rate {lr:g}, the edge of the grid: a wider one may do better."
        yield Note(model=None if labels[1:] else labels[0], kind="rate", text=text)


def _outcome(row: ModelRow) -> Iterator[tuple[Kind, str]]:
    """Notes on runs that diverged, failed, were refused or never improved."""
    if row.diverged:
        others = "; no mean is taken over the others" if row.diverged < row.runs else ""
        why = f": {row.reason}" if row.reason and not (row.failed or row.refused) else ""
        yield "diverged", f"{row.label} diverged {row.among_runs(row.diverged)}{why}{others}."
    if row.failed:
        reason = "; ".join(line.strip() for line in (row.reason or "").splitlines())  # it quotes the model's lines
        yield "failed", f"{row.label} failed {row.among_runs(row.failed)} and is ranked nowhere. {reason}"
    elif row.refused:
        yield "refused", f"{row.label} is refused {row.among_runs(row.refused)} and ranked nowhere. {row.reason}"
    if row.untrained:
        yield "untrained", f"{row.label} was never better than its initial weights {row.among_runs(row.untrained)}."


def _settings(row: ModelRow, context: int) -> Iterator[tuple[Kind, str]]:
    """Notes on settings that differ from the requested ones, and on a receptive field unlike the declared one."""
    if row.cost and row.cost.field_agrees is False:
        sees = f"declares that it sees {_field(row.cost.declared_field)} token{'s' * (row.cost.declared_field != 1)}"
        yield (
            "field",
            (f"{row.label} {sees}; a probe of {row.cost.probed_tokens} found {_field(row.cost.receptive_field)}."),
        )
    if row.off_size is not None and abs(row.off_size) > NOTABLE_DEVIATION:
        missed = f"{abs(row.off_size):.1%} {'above' if row.off_size > 0 else 'below'} the size asked for"
        yield "size", f"{row.label} is {missed}, the nearest it can reach."
    if abs(row.off_budget) > NOTABLE_DEVIATION:
        missed = f"{abs(row.off_budget):.1%} {'more' if row.off_budget > 0 else 'less'} than the budget"
        yield "budget", f"{row.label} used {missed}, the nearest that whole steps reach."
    if row.lr_trials and set(row.lr_trials.values()) == {None}:
        yield "rate", f"{row.label} has no loss at any learning rate of the grid; the lowest was taken."
    if row.context != context:
        yield "context", f"{row.label} has a context of {row.context:,}."


def _search(tuned: Tuned) -> Iterator[tuple[Kind, str]]:
    """Notes on a search that may have missed better settings, or that brought nothing."""
    label, finished = tuned.label, tuned.count("finished")
    ended = [f"{count} {status}" for status in STATUSES if (count := tuned.count(status))]
    if not finished:
        yield (
            "search",
            f"No trial of {label} finished ({', '.join(ended)}): the settings of the first one are reported.",
        )
    elif broken := tuned.count("failed") + tuned.count("refused"):
        yield "search", f"{broken} of {len(tuned.trials)} trials of {label} failed or were refused, so they were lost."
    if finished and tuned.edges:
        ends = [f"{name} {_value(tuned.chosen[name])} lies at the edge of {tuned.space[name]}" for name in tuned.edges]
        yield "search", f"{label}'s best {' and '.join(ends)}: a wider space may do better."
    if tuned.worth and (tuned.worth.difference >= 0 or tuned.worth.verdict in ("undecided", "equal")):
        found = {"undecided": "cannot be told from", "equal": "is equal within the margin to"}.get(
            tuned.worth.verdict, "is not better than"
        )
        yield "search", f"Tuned, {label} {found} {label} as written under the reported seeds."
    if tuned.unmeasured:
        why = tuned.unmeasured.rstrip(".")
        yield "unmeasured", f"{label}: the importance of searched settings was not measured: {why}."


def _value(value: Value) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _field(tokens: int | None) -> str:
    return "all" if tokens is None else f"{tokens:,}"


def _recipes(models: Sequence[ModelRow]) -> Iterator[str]:
    """Sentences on recipes that were found for another optimizer or a distant budget; one for all models alike."""
    found: dict[str, list[str]] = {}
    for row in models:
        if row.recipe is None or row.lr_from != "recipe":
            continue
        optimizer, used = row.recipe.optimizer.partition("(")[0], row.optimizer.partition("(")[0]
        if optimizer != used:
            found.setdefault(f"found for {optimizer} and used with {used}", []).append(row.label)
        targets, spent = row.recipe.targets, row.used.tokens
        if targets is not None and not 1 / FAR_BUDGET < spent / targets < FAR_BUDGET:
            found.setdefault(f"found for {targets:,} targets and used for {spent:,.0f}", []).append(row.label)
    for what, labels in found.items():
        yield f"Recipes {what}: {list_some(labels)}."


def _measurements(row: ModelRow) -> Iterator[tuple[Kind, str]]:
    """Notes on what losses and counts leave out, and on what could not be measured."""
    if row.auxiliary is not None:
        yield (
            "auxiliary",
            f"{row.label} trains on an auxiliary loss too, {row.auxiliary:.3g} at the end; no loss here includes it.",
        )
    if row.counted is None and row.buffers and row.buffers > NOTABLE_BUFFERS * row.parameters:
        yield "buffers", f"{row.label}: training changes {row.buffers:,} numbers beside its parameters."
    if text := _flops(row):
        yield "flops", f"{row.label}: {text}."
    for what, why in (row.cost.unmeasured if row.cost else {}).items():
        yield "unmeasured", f"{row.label}: {what} was not measured: {why.rstrip('.')}."


def _flops(row: ModelRow) -> str:
    """What the FLOPs of a model leave out; without FLOPs, the reason."""
    uncounted = row.used.flops_uncounted
    if uncounted and row.used.flops is None:
        return f"FLOPs cannot be counted: {uncounted[0].rstrip('.')}"
    if uncounted:
        more = len(uncounted) - NAMED_OPERATIONS
        names = ", ".join(uncounted[:NAMED_OPERATIONS]) + (f" and {more} more" if more > 0 else "")
        return f"FLOPs are at least those that were counted, without {names}; seconds say more"
    return "FLOPs are about those that were counted: other rows take more or less" if row.used.flops_fitted else ""
