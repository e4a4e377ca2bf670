"""Choose what a report shows of a large comparison: the best models, the pairs among them, and some of the runs."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.notes import Kind, Note
from zoo.experiments.judge.rows import ModelRow, RunRow

MOST_MODELS, MOST_VARIANTS = 30, 100
"""Most models that a report shows, and most variants of an ablation, which has no pairs."""
MOST_RUNS = 200
TOLD: tuple[Kind, ...] = ("leak", "failed", "refused", "diverged")
"""Kinds of notes that are kept of models that are not shown: up to `MOST_MODELS`."""


def excerpt(comparison: Comparison) -> Comparison:
    """Return the part of a comparison that a report shows, with a note on what it leaves out.

    That is all of it up to `MOST_MODELS` and `MOST_RUNS`. Of more models the best are shown, and the baseline of an
    ablation; of more runs those that did not finish first, of any model. Verdict, intervals and p are of the whole.
    """
    most = MOST_VARIANTS if comparison.ablation else MOST_MODELS
    if len(comparison.models) <= most and len(comparison.runs) <= MOST_RUNS:
        return comparison
    models = tuple(
        model
        for place, model in enumerate(comparison.models)
        if place < most or model.label == comparison.study.baseline
    )
    labels = {model.label for model in models}
    runs = _choose_runs(comparison.runs, labels)
    told = [note for note in comparison.notes if note.model not in {None, *labels} and note.kind in TOLD][:MOST_MODELS]
    targets = comparison.targets
    if targets:
        targets = targets.model_copy(
            update={
                "reach": tuple(reach for reach in targets.reach if reach.label in labels),
                "ratios": tuple(ratio for ratio in targets.ratios if {ratio.a, ratio.b} <= labels),
                "profiles": tuple(
                    profile.model_copy(
                        update={"ratios": {name: own for name, own in profile.ratios.items() if name in labels}}
                    )
                    for profile in targets.profiles
                ),
            }
        )
    return comparison.model_copy(
        update={
            "models": models,
            "runs": runs,
            "pairs": tuple(pair for pair in comparison.pairs if {pair.a, pair.b} <= labels),
            "tuned": tuple(own for own in comparison.tuned if own.label in labels),
            "lengths": tuple(own for own in comparison.lengths if own.label in labels),
            "watched": tuple(own for own in comparison.watched if own.label in labels),
            "targets": targets,
            "notes": (
                Note(model=None, kind="excerpt", text=_describe(comparison, models, len(runs))),
                *(note for note in comparison.notes if note.model in {None, *labels} or note in told),
            ),
        }
    )


def _choose_runs(runs: Sequence[RunRow], labels: AbstractSet[str]) -> tuple[RunRow, ...]:
    """The runs that did not finish, and the first others of the models with these labels, in their order."""
    ended = [place for place, run in enumerate(runs) if run.status != "finished"]
    others = [place for place, run in enumerate(runs) if run.status == "finished" and run.label in labels]
    return tuple(runs[place] for place in sorted([*ended, *others][:MOST_RUNS]))


def _describe(comparison: Comparison, models: Sequence[ModelRow], runs: int) -> str:
    """Say what is shown, and what of the rest did not finish."""
    lost = sum(row.test is None for row in comparison.models) - sum(row.test is None for row in models)
    among = "" if comparison.ablation else ", with the pairs among them"
    without = f"; {lost:,} of the others diverged, failed or were refused" if lost else ""
    parts = []
    if len(models) < len(comparison.models):
        parts.append(f"the best {len(models):,} of {len(comparison.models):,} models{among}{without}")
    if runs < len(comparison.runs):
        parts.append(f"{runs:,} of {len(comparison.runs):,} runs")
    return f"Shown: {'; '.join(parts)}. comparison.json has all, and --csv prints all models."
