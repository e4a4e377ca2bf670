"""What each change of a model is worth: effects on its loss, and interactions of two changes.

An effect is the mean loss of a variant minus that of the model; all effects are one family (`family.py`). Two changes
interact where both together change the loss by another amount than the sum of their effects. Effects and interactions
share the error by their numbers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Literal, NamedTuple

import numpy as np

from zoo.calls import Value
from zoo.config import Frozen
from zoo.experiments.judge.analysis import Analysis, analyse, find_contrasts_of
from zoo.experiments.judge.criterion import Criterion
from zoo.experiments.judge.rows import ModelRow, PairRow
from zoo.experiments.judge.tukey import Array
from zoo.experiments.judge.uncertainty import Units
from zoo.experiments.study.config import StudyConfig


class Scores(NamedTuple):
    """The scores of models that finished in every run: nats (K, n, D) and tokens (D,)."""

    labels: Sequence[str]
    nats: Array
    tokens: Array
    units: Units = "documents"
    inflation: float = 1.0


class Effect(Frozen):
    """A change of the model, and what it does to loss and cost."""

    label: str
    change: Mapping[str, Value]
    """Option -> its value in the variant."""
    pair: PairRow | None
    """Test loss of the variant minus that of the model, with its simultaneous interval; None if either has no mean."""
    missing: str
    """Why there is no effect: "diverged 1 of 5"."""
    inert: bool
    """Whether every loss of every document under every seed equals the model's exactly: the change changes nothing."""
    parameters: int
    parameters_off: float
    """Relative change of the number of parameters."""
    flops: float | None
    """Training FLOPs per target token; None where they were not counted."""
    flops_off: float | None

    @property
    def kind(self) -> Literal["worse", "better", "equal", "open", "inert", "missing"]:
        """The verdict on the change."""
        if self.inert:
            return "inert"
        if self.pair is None or self.pair.verdict == "none":
            return "missing"
        return "open" if self.pair.verdict == "undecided" else self.pair.verdict


class Interaction(Frozen):
    """Two changes together: their joint effect minus the sum of both."""

    label: str
    parts: tuple[str, str]
    """Labels of the single changes."""
    together: float
    """Effect of both changes together."""
    apart: float
    """Sum of the effects of each alone."""
    difference: float
    """`together` minus `apart`."""
    low: float | None
    high: float | None
    """Simultaneous interval of the difference."""
    p: float | None
    verdict: Literal["more", "less", "undecided", "none"]
    """Whether both together raise the loss by more or by less than the sum."""


class Ablated(Frozen):
    """The effects of an ablation, from the change that raises the loss most."""

    baseline: str
    effects: tuple[Effect, ...]
    interactions: tuple[Interaction, ...]
    seeds: int
    level: float
    """Error of all effects and interactions together."""
    method: str
    own_settings: bool
    """Whether every variant has a learning rate, or more settings, chosen for itself."""

    def of_kind(self, kind: str) -> list[Effect]:
        """Return the effects with this verdict, in order."""
        return [effect for effect in self.effects if effect.kind == kind]


def share_levels(study: StudyConfig, labels: Sequence[str], level: float) -> tuple[float, float]:
    """The error of all effects together, and that of all interactions together."""
    effects, interactions = len(labels) - 1, len(_find_joint(study, labels))
    share = level / max(effects + interactions, 1)
    return share * effects or level, share * interactions


def summarise_ablation(
    study: StudyConfig, scores: Scores | None, analysis: Analysis | None, rows: Sequence[ModelRow], level: float
) -> Ablated:
    """Summarise the effects of an ablation.

    Args:
        scores: of the models that finished in every run; None if the baseline is not among them.
        analysis: of these models against the baseline; None if nothing finished.
        rows: of all models.
        level: error of all effects and interactions together.
    """
    baseline = study.baseline or ""
    by_label = {row.label: row for row in rows}
    full = by_label[baseline]
    pairs, inert = dict[str, PairRow](), set[str]()
    if scores and analysis:
        share, _ = share_levels(study, scores.labels, level)
        pairs = {pair.a: PairRow(**asdict(replace(pair, p=_spread(pair.p, level, share)))) for pair in analysis.pairs}
        own = scores.nats[list(scores.labels).index(baseline)]
        inert = {label for label, nats in zip(scores.labels, scores.nats, strict=True) if np.array_equal(nats, own)}
    effects = [
        Effect(
            label=label,
            change=study.changes_of(label),
            pair=pairs.get(label),
            missing=by_label[label].without_mean or (full.without_mean and f"{baseline} {full.without_mean}"),
            inert=label in inert,
            parameters=by_label[label].parameters,
            parameters_off=by_label[label].parameters / full.parameters - 1 if full.parameters else 0.0,
            flops=_flops(by_label[label]),
            flops_off=_relative(_flops(by_label[label]), _flops(full)) if label in pairs else None,
        )
        for label in by_label
        if label != baseline
    ]
    effects.sort(key=lambda effect: -effect.pair.difference if effect.pair else float("inf"))
    return Ablated(
        baseline=baseline,
        effects=tuple(effects),
        interactions=tuple(_judge_interactions(study, scores, pairs, level)) if scores else (),
        seeds=full.seeds,
        level=level,
        method=analysis.method if analysis else "none",
        own_settings=bool(study.lr_grid or study.search.wanted),
    )


def analyse_against(study: StudyConfig, scores: Scores, level: float) -> Analysis:
    """Analyse models against the baseline of their study; effects have their share of the error, means all of it."""
    own, _ = share_levels(study, scores.labels, level)
    judged, whole = (
        analyse(
            scores.labels, scores.nats, scores.tokens, units=scores.units, inflation=scores.inflation,
            criterion=Criterion(error, study.margin), baseline=study.baseline,
        )
        for error in (own, level)
    )  # fmt: skip
    return replace(judged, estimates=whole.estimates)


def _find_joint(study: StudyConfig, labels: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Variant -> the two other variants whose changes it has together."""
    changes = {label: study.changes_of(label) for label in labels if label != study.baseline}
    single = {next(iter(change.items())): label for label, change in changes.items() if len(change) == 1}
    found = {}
    for label, change in changes.items():
        parts = [single.get(item) for item in change.items()]
        if len(parts) == 2 and parts[0] is not None and parts[1] is not None:
            found[label] = (parts[0], parts[1])
    return found


def _judge_interactions(
    study: StudyConfig, scores: Scores, pairs: Mapping[str, PairRow], level: float
) -> list[Interaction]:
    joint, labels = _find_joint(study, scores.labels), list(scores.labels)
    if not joint:
        return []
    weights = np.zeros((len(joint), len(labels)))
    for row, (label, (a, b)) in enumerate(joint.items()):
        for name, weight in ((label, 1.0), (a, -1.0), (b, -1.0), (study.baseline or "", 1.0)):
            weights[row, labels.index(name)] = weight
    _, own = share_levels(study, labels, level)
    judged = find_contrasts_of(
        scores.nats, scores.tokens, weights, units=scores.units, inflation=scores.inflation, level=own
    )
    found = []
    for (label, parts), contrast in zip(joint.items(), judged, strict=True):
        verdict: Literal["more", "less", "undecided", "none"] = "none"
        if contrast.p is not None:
            verdict = "undecided" if contrast.p >= own else "more" if contrast.mean > 0 else "less"
        found.append(
            Interaction(
                label=label,
                parts=parts,
                together=pairs[label].difference,
                apart=sum(pairs[part].difference for part in parts),
                difference=contrast.mean,
                low=contrast.low,
                high=contrast.high,
                p=_spread(contrast.p, level, own),
                verdict=verdict,
            )
        )
    return found


def _spread(p: float | None, level: float, share: float) -> float | None:
    """The p of a test whose family has a share of the error, adjusted for the other family too."""
    return None if p is None else min(1.0, p * level / share)


def _flops(row: ModelRow) -> float | None:
    return row.used.flops / row.used.tokens if row.used.flops is not None and row.used.tokens else None


def _relative(value: float | None, to: float | None) -> float | None:
    return value / to - 1 if value is not None and to else None
