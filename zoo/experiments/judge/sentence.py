"""Write the verdict of a comparison in words."""

import math
from collections.abc import Sequence

from zoo.experiments.judge.ablation import Ablated
from zoo.experiments.judge.effects import describe_ablation
from zoo.experiments.judge.family import FEWEST_SEEDS
from zoo.experiments.judge.references import Reference, say_unbeaten
from zoo.experiments.judge.rows import ModelRow, PairRow
from zoo.experiments.judge.sequential import Sequential
from zoo.experiments.judge.tukey import LEVEL
from zoo.experiments.judge.tuned import Tuned
from zoo.experiments.judge.verdict import Wording, count, join, say_verdict
from zoo.experiments.judge.weaknesses import describe_budget, describe_losses_to_counting, describe_weaknesses
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
    sequential: Sequential | None = None,
    ablation: Ablated | None = None,
    references: Sequence[Reference] = (),
    leaks: Sequence[str] = (),
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
        sequential: the looks of a study that stops when it is decided.
        ablation: the effects of an ablation, which has no pairs.
        references: the lines of known predictors.
        leaks: labels of models below the floor by more than chance.
        bits: give differences in bits instead of nats.
    """
    unit, name = (math.log(2), "bits") if bits else (1.0, "nats")
    seeds, splits = max(model.seeds for model in models), len(models[0].split_losses or ())
    over = count(seeds, "seed") + (VARIED[study.vary] if study else "") + (f" on {splits} splits" if splits else "")
    trained = any(model.counted is None for model in models)
    after = f" after {describe_budget(study.training)}" if study and trained else ""
    finished = [model.label for model in models if model.test]
    sentences = [f"Leak: {join(leaks)} did better than a perfect model can, see the notes."] if leaks else []
    if not finished:
        sentences.append("No model finished under every seed.")
    elif len(models) == 1:
        return " ".join(say_unbeaten(models, references, unit, name))
    elif ablation and ablation.baseline not in finished:
        sentences.append(f"No verdict: {ablation.baseline} has no mean to compare its variants with.")
    elif seeds < FEWEST_SEEDS:
        sentences.append(
            f"No verdict: {count(seeds, 'seed')}, and below {FEWEST_SEEDS} nothing can be told apart "
            f"(--seeds {FEWEST_SEEDS} or more)."
        )
    elif len(finished) >= 2:
        level, margin = (study.alpha, study.margin) if study else (LEVEL, None)
        level = sequential.level if sequential else level
        words = Wording(over, after, f"{name} per token", unit, level, margin, " seeds" if splits else "")
        sentences += describe_ablation(ablation, words) if ablation else say_verdict(finished[0], pairs, words)
        ranked = [model for model in models if model.test]
        sentences += [] if ablation else describe_losses_to_counting(ranked, pairs, unit)
        sentences += describe_weaknesses(ranked, study, tuned) if study else []
        if sequential:
            sentences.append(sequential.describe())
        elif looked:
            first = " and ".join(map(str, looked))
            sentences.append(f"Seeds were added after a look at {first}: the p-values are too small.")
    sentences += say_unbeaten(models, references, unit, name)
    sentences += _say_what_went_wrong(models)
    return " ".join(sentences)


def _say_what_went_wrong(models: Sequence[ModelRow]) -> list[str]:
    """Name the models with runs that diverged, were refused or failed."""
    return [
        *(f"{model.label} diverged {model.among_runs(model.diverged)}." for model in models if model.diverged),
        *(
            f"{model.label} is refused {model.among_runs(model.refused)}: its scores are not sound."
            for model in models
            if model.refused
        ),
        *(f"{model.label} failed {model.among_runs(model.failed)}." for model in models if model.failed),
    ]
