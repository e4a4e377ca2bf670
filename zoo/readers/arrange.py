"""Arrange scores in long form as the design of an experiment: what is there decides what can be counted.

Models are compared on the seeds and items that all of them have; what is left out is told.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from zoo.errors import DataError
from zoo.experiments.judge.judgement import Design
from zoo.experiments.study.config import MOST_MODELS
from zoo.readers.interface import Names, Numbers, Scores

NAMED = 4
"""Most seeds or items that a note names; others are only counted."""


def arrange(
    scores: Scores, *, higher: bool | None = None, unpaired: bool = False, ordered: bool = False
) -> list[Design]:
    """Arrange the scores of every task.

    Args:
        higher: whether higher is better; None: as the file says.
        unpaired: every model has seeds of its own, whatever their names.
        ordered: items are neighbouring stretches of one stream, in the order of the file.

    Raises:
        DataError: there is one model alone, nothing that all models share, weights that differ, or it is not known
            whether higher is better.
    """
    if scores.items is None and ordered:
        raise DataError("Without a column for the item there is no order of items: leave out --ordered.")
    if ordered and scores.clusters is not None:
        raise DataError("Clusters of items and items in order are two assumptions: leave out --ordered or --cluster.")
    scores = replace(scores, ordered=ordered or scores.ordered)
    if scores.tasks is None:
        return [_arrange_task("", _direct(scores, higher), unpaired)]
    designs = []
    for task in dict.fromkeys(scores.tasks.tolist()):
        measure, known = scores.by_task.get(task, (scores.measure, scores.higher))
        own = replace(_select(scores, scores.tasks == task), measure=measure, higher=known)
        designs.append(_arrange_task(task, _direct(own, higher), unpaired))
    return designs


def _direct(scores: Scores, higher: bool | None) -> Scores:
    """The scores with a direction: the given one, or the known one.

    Raises:
        DataError: neither is there.
    """
    better = scores.higher if higher is None else higher
    if better is None:
        raise DataError(f"The name '{scores.measure}' does not say what is better: give --higher or --lower.")
    return replace(scores, higher=better)


def _select(scores: Scores, chosen: NDArray[np.bool_]) -> Scores:
    """The chosen entries."""

    def select(names: Names | None) -> Names | None:
        return None if names is None else names[chosen]

    return replace(
        scores,
        models=scores.models[chosen],
        totals=scores.totals[chosen],
        weights=scores.weights[chosen],
        seeds=select(scores.seeds),
        items=select(scores.items),
        clusters=select(scores.clusters),
    )


def _arrange_task(task: str, scores: Scores, unpaired: bool) -> Design:
    where = f"task '{task}'" if task else "the file"
    labels, model = _number(scores.models)
    if len(labels) < 2:
        raise DataError(f"There is one model in {where} ('{labels[0]}'), and two are needed: nothing can be compared.")
    if len(labels) > MOST_MODELS:
        raise DataError(
            f"There are {len(labels):,} models in {where}, and at most {MOST_MODELS} are judged together: leave out some."
        )
    seeds, seed = _number(scores.seeds, len(model))
    items, item = _number(scores.items, len(model))
    totals = np.full((len(labels), len(seeds), len(items)), np.nan)
    totals[model, seed, item] = scores.totals
    weights = _weigh(scores, labels, items, item)
    kept, notes = _share_seeds(totals, labels, seeds, unpaired, where)
    totals, weights, dropped = _share_items(totals, kept, weights, items, where)
    present = ~dropped[item]
    values = (scores.totals / scores.weights)[present]
    binary = bool(np.isin(values, (0, 1)).all() and len(set(weights.tolist())) == 1)
    word = "" if scores.items is None else "stretches" if scores.ordered else "items"
    if scores.clusters is not None and word:
        totals, weights = _gather(scores.clusters, item, items, totals, weights, ~dropped)
        word, binary = "clusters", False
    if dropped.any():
        notes.append(
            f"{int(dropped.sum()):,} of {len(items):,} items are not scored for every model and seed, and left out: "
            f"{_name(np.array(items)[dropped])}."
        )
    return Design(
        task=task,
        measure=scores.measure,
        higher=bool(scores.higher),
        labels=tuple(labels),
        seeds=tuple(tuple(seeds[s] for s in own) for own in kept),
        totals=tuple(totals[k][own] for k, own in enumerate(kept)),
        weights=weights,
        unit=word,
        paired=not unpaired,
        ordered=scores.ordered,
        binary=binary,
        notes=tuple(notes),
    )


def _number(names: Names | None, count: int = 0) -> tuple[list[str], NDArray[np.int64]]:
    """The different names in the order in which they first occur, and the place of every entry among them."""
    if names is None:
        return [""], np.zeros(count, dtype=np.int64)
    found, first, places = np.unique(names, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return found[order].tolist(), rank[places]


def _weigh(scores: Scores, labels: list[str], items: list[str], item: NDArray[np.int64]) -> Numbers:
    """The weight of every item (D,).

    Raises:
        DataError: an item has two weights.
    """
    weights = np.zeros(len(items))
    weights[item] = scores.weights
    wrong = np.flatnonzero(weights[item] != scores.weights)
    if len(wrong):
        place = int(wrong[0])
        other = int(np.flatnonzero((item == item[place]) & (scores.weights == weights[item[place]]))[0])
        what = f"item '{items[item[place]]}'" if scores.items is not None else "a score"
        raise DataError(
            f"Weights differ: {what} weighs {scores.weights[place]:g} for {scores.models[place]} and "
            f"{weights[item[place]]:g} for {scores.models[other]}. Score all models in the same units."
        )
    return weights


def _share_seeds(
    totals: Numbers, labels: list[str], seeds: list[str], unpaired: bool, where: str
) -> tuple[list[list[int]], list[str]]:
    """The seeds of every model that are kept: those that all models have, or all its own where seeds are not paired."""
    there = np.logical_not(np.isnan(totals).all(axis=2))
    if unpaired:
        return [np.flatnonzero(there[k]).tolist() for k in range(len(labels))], []
    common = np.flatnonzero(there.all(0)).tolist()
    if not common:
        lacking = labels[int(np.argmin(there.sum(1)))]
        raise DataError(
            f"No seed in {where} is there for all {len(labels)} models ('{lacking}' has the fewest). If the seeds of a "
            "model are its own, give --unpaired."
        )
    lost = [seeds[place] for place in range(len(seeds)) if place not in common]
    notes = (
        [f"{len(lost)} of {len(seeds)} seeds are not there for every model, and left out: {_name(lost)}."]
        if lost
        else []
    )
    return [common] * len(labels), notes


def _share_items(
    totals: Numbers, kept: list[list[int]], weights: Numbers, items: list[str], where: str
) -> tuple[Numbers, Numbers, NDArray[np.bool_]]:
    """Leave out items that a model lacks under a kept seed; returns also which (D,)."""
    missing = np.zeros(len(items), dtype=bool)
    for model, own in zip(totals, kept, strict=True):
        missing |= np.isnan(model[own]).any(0)
    if missing.all():
        raise DataError(f"No item in {where} is scored for every model and seed. Judge fewer models or seeds together.")
    return totals[:, :, ~missing], weights[~missing], missing


def _gather(
    clusters: Names,
    item: NDArray[np.int64],
    items: list[str],
    totals: Numbers,
    weights: Numbers,
    kept: NDArray[np.bool_],
) -> tuple[Numbers, Numbers]:
    """Add up the items of every cluster, which takes the place of an item.

    Raises:
        DataError: an item is in two clusters.
    """
    names, cluster = _number(clusters)
    of_item = np.zeros(len(items), dtype=np.int64)
    of_item[item] = cluster
    wrong = np.flatnonzero(of_item[item] != cluster)
    if len(wrong):
        place = int(wrong[0])
        raise DataError(
            f"Item '{items[item[place]]}' is in two clusters, '{clusters[place]}' and '{names[of_item[item[place]]]}'."
        )
    found, place_of = np.unique(of_item[kept], return_inverse=True)
    gathered, weighed = np.zeros((*totals.shape[:2], len(found))), np.zeros(len(found))
    for place, column in enumerate(place_of):
        gathered[:, :, column] += totals[:, :, place]
        weighed[column] += weights[place]
    return gathered, weighed


def _name(names: Iterator[str] | list[str] | Names) -> str:
    """The first few names, and the number of the others."""
    listed = [str(name) for name in names]
    more = len(listed) - NAMED
    return ", ".join(listed[:NAMED]) + (f" and {more:,} more" if more > 0 else "")
