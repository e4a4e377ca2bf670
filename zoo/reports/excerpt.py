"""Choose what a report shows of a large comparison: the best models, the pairs among them, and some of the runs."""

from collections.abc import Sequence

from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.notes import Note
from zoo.experiments.judge.rows import RunRow

MOST_MODELS, MOST_VARIANTS = 30, 100
"""Most models that a report shows, and most variants of an ablation, which has no pairs."""
MOST_RUNS = 200


def excerpt(comparison: Comparison) -> Comparison:
    """Return the part of a comparison that a report shows, with a note on what it leaves out.

    That is all of it up to `MOST_MODELS` and `MOST_RUNS`. Of more models the best are shown, and the baseline of an
    ablation; of more runs those that did not finish first. Verdict, intervals and p are those of the whole.
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
    runs = _choose_runs([run for run in comparison.runs if run.label in labels])
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
                Note(model=None, kind="excerpt", text=_describe(comparison, len(models), len(runs))),
                *(note for note in comparison.notes if note.model is None or note.model in labels),
            ),
        }
    )


def _choose_runs(runs: Sequence[RunRow]) -> tuple[RunRow, ...]:
    """The runs that did not finish, and the first others, in their order."""
    order = sorted(range(len(runs)), key=lambda place: (runs[place].status == "finished", place))
    return tuple(runs[place] for place in sorted(order[:MOST_RUNS]))


def _describe(comparison: Comparison, models: int, runs: int) -> str:
    among = "" if comparison.ablation else ", with the pairs among them"
    known = (
        (models, len(comparison.models), f"the best {models:,} of {len(comparison.models):,} models{among}"),
        (runs, len(comparison.runs), f"{runs:,} of {len(comparison.runs):,} runs"),
    )
    parts = "; ".join(words for shown, all_, words in known if shown < all_)
    return f"Shown: {parts}. comparison.json has all, and --csv prints all models."
