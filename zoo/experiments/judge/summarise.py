"""Turn the records of runs into a `Comparison`, without training or evaluating anything."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoo.errors import RunError
from zoo.experiments.judge.ablation import Scores, analyse_against, summarise_ablation
from zoo.experiments.judge.analysis import Analysis, analyse, letters_of
from zoo.experiments.judge.blocks import make_array
from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.contrasts import find_contrasts
from zoo.experiments.judge.criterion import Criterion
from zoo.experiments.judge.family import FEWEST_SEEDS
from zoo.experiments.judge.leaks import find_leaks
from zoo.experiments.judge.lengths import Lengths, summarise_lengths
from zoo.experiments.judge.model_row import group_by_split, summarise_model
from zoo.experiments.judge.overlap import overlap_inflation
from zoo.experiments.judge.references import list_references
from zoo.experiments.judge.rows import PairRow, RunRow, rank_pairs
from zoo.experiments.judge.sentence import verdict_sentence
from zoo.experiments.judge.sequential import Sequential, decide_over_looks, error_spent, find_reason, study_level
from zoo.experiments.judge.target import summarise_targets
from zoo.experiments.judge.tuned import TUNED, WRITTEN, Tuned, summarise_search
from zoo.experiments.judge.uncertainty import Units
from zoo.experiments.judge.watched import summarise_watched
from zoo.experiments.records.run import Run, read_losses, read_run
from zoo.experiments.records.study import StudyRecord
from zoo.experiments.study.config import StudyConfig

UNLIKE = "The runs of the comparison do not have the same seeds and the same test documents."


def summarise(path: Path, record: StudyRecord) -> Comparison:
    """Summarise the comparison whose record is the file `path`.

    Raises:
        RunError: one of its runs is missing or damaged.
    """
    runs = record.read_runs(path.parent)
    trials = record.read_trials(path.parent)
    labels = list(dict.fromkeys(run.label for run in runs))
    by_label: dict[str, list[Run]] = {label: [] for label in labels}
    for run in runs:
        by_label[run.label].append(run)
    sound = {label: own for label, own in by_label.items() if all(run.result.test_loss is not None for run in own)}
    units: Units = "series" if runs[0].recorded.data.is_stream else "documents"
    inflation = _inflation(by_label[labels[0]])
    several = inflation is not None
    level = study_level(record.study, record.looked)
    looked = _smaller(record)
    scores = _read_scores(sound, record.study, units, inflation)
    analysis = _analyse_study(record.study, scores, level)
    sequential, decided = None, dict[tuple[str, str], int]()
    if analysis and record.study.looks:
        analysis, sequential, decided = _judge_looks(analysis, sound, record, units, level)
    rows = [
        summarise_model(label, by_label[label], [trial for trial in trials if trial.label == label], record, analysis)
        for label in labels
    ]
    rows.sort(key=lambda row: (row.failed > 0, row.refused, row.diverged, row.test.mean if row.test else float("inf")))
    tuned = tuple(
        _summarise_search(row.label, by_label[row.label], record, path.parent)
        for row in rows
        if row.label in record.searches
    )
    ablation = (
        summarise_ablation(record.study, scores if record.study.baseline in sound else None, analysis, rows, level)
        if record.study.baseline
        else None
    )
    pairs = [] if ablation else _pairs(analysis, [row.label for row in rows], decided)
    data, leaks = runs[0].recorded.data, find_leaks(runs)
    return Comparison(
        study=record.study,
        folder=path.parent.name,
        record=path.name,
        data=data,
        environments=tuple(dict.fromkeys(run.environment for run in runs)),
        looked=looked,
        verdict=verdict_sentence(
            rows,
            pairs,
            study=record.study,
            tuned=tuned,
            looked=looked,
            sequential=sequential,
            ablation=ablation,
            references=list_references(data, rows[0].floor, record.xz.nats_per_token if record.xz else None),
            leaks=list(leaks),
        ),
        level=level,
        sequential=sequential,
        method=analysis.method if analysis else "",
        reason=analysis.reason if analysis else "",
        correlation=analysis.correlation if analysis else None,
        inflation=inflation,
        caveats=(*(analysis.caveats if analysis else ()), *([sequential.describe_design()] if sequential else [])),
        xz=record.xz,
        models=tuple(rows),
        tuned=tuned,
        pairs=tuple(pairs),
        ablation=ablation,
        targets=summarise_targets(
            record.study.target,
            {row.label: by_label[row.label] for row in rows},
            {row.label: row.without_mean for row in rows if row.failed or row.refused}
            | {row.label: "counted, in no steps" for row in rows if row.counted is not None},
            several=several,
        ),
        leaks=leaks,
        bytes_per_token=_count_bytes_per_token(runs),
        lengths=_summarise_lengths([row.label for row in rows], by_label, record, path.parent, level),
        watched=tuple(own for label in labels if (own := summarise_watched(by_label[label][0]))),
        runs=tuple(_run_row(run, path.parent, several=several) for run in runs),
        contrasts=find_contrasts(
            {row.label: next(iter(group_by_split(by_label[row.label]).values())) for row in rows if row.test},
            data,
        )
        if not data.has_answers
        else (),
    )


def _summarise_search(label: str, runs: Sequence[Run], record: StudyRecord, directory: Path) -> Tuned:
    """Summarise the search of a model, and compare its tuned runs with those of the model as written."""
    search = record.searches[label]
    written = [run for run in record.read_untuned(directory) if run.label == label]
    unchanged = [run.directory for run in runs] == [run.directory for run in written]
    sound = all(run.result.test_loss is not None for run in [*runs, *written])
    units: Units = "series" if runs[0].recorded.data.is_stream else "documents"
    return summarise_search(
        label,
        search,
        [read_run(directory / trial.run) for trial in search.trials],
        None if unchanged or not sound else _analyse(
            _read_scores({TUNED: runs, WRITTEN: written}, record.study, units, _inflation(runs)),
            Criterion(record.study.alpha, record.study.margin),
        ),
        unchanged=unchanged,
    )  # fmt: skip


def _summarise_lengths(
    labels: Sequence[str], runs: Mapping[str, Sequence[Run]], record: StudyRecord, directory: Path, level: float
) -> tuple[Lengths, ...]:
    """Summarise the scores on longer documents that a study asks for."""
    asked = set(record.study.test_lengths)
    if not asked:
        return ()
    known = {name: [own for own in scores if own.factor in asked] for name, scores in record.lengths.items()}
    names = {label: [str(run.directory.relative_to(directory)) for run in runs[label]] for label in labels}
    found = (summarise_lengths(label, runs[label], known, names[label], level) for label in labels)
    return tuple(own for own in found if own)


def _count_bytes_per_token(runs: Sequence[Run]) -> float | None:
    """Count the bytes of a target of test, over all splits; None where runs record none."""
    firsts = [own[0].recorded.data for own in group_by_split(runs).values()]
    if not all("test" in data.bytes for data in firsts):
        return None
    return sum(data.bytes["test"] for data in firsts) / sum(data.targets["test"] for data in firsts)


def _inflation(runs: Sequence[Run]) -> float | None:
    """Return the factor of the variance for the common training text of several splits; None for one."""
    splits = group_by_split(runs).values()
    return overlap_inflation([own[0].recorded.data.targets for own in splits]) if len(splits) > 1 else None


def _analyse_study(study: StudyConfig, scores: Scores | None, level: float) -> Analysis | None:
    """Analyse the pairs of a study, or the differences from its baseline; without a mean of that nothing is judged."""
    if scores and study.baseline in scores.labels:
        return analyse_against(study, scores, level)
    analysis = _analyse(scores, Criterion(level, study.margin))
    if analysis and study.baseline:
        return replace(analysis, pairs=(), letters=dict.fromkeys(analysis.letters, ""), method="none")
    return analysis


def _analyse(scores: Scores | None, criterion: Criterion) -> Analysis | None:
    """Analyse the models that finished in every run; None where there are none."""
    if scores is None:
        return None
    labels, nats, tokens, units, inflation = scores
    return analyse(labels, nats, tokens, units=units, inflation=inflation, criterion=criterion)


def _read_scores(
    runs: Mapping[str, Sequence[Run]], study: StudyConfig, units: Units, inflation: float | None
) -> Scores | None:
    """Read the scores of the models that finished in every run; None where there are none."""
    if not runs:
        return None
    scored = [list(group_by_split(own).values()) for own in runs.values()]  # model, split, seed
    if len({tuple(map(len, own)) for own in scored}) > 1 or {len(own) for own in scored} != {study.splits}:
        raise RunError(UNLIKE)
    blocks = [_block(models) for models in zip(*scored, strict=True)]
    if inflation is None:
        nats, tokens = blocks[0]
        return Scores(list(runs), nats, tokens.astype(float), units)
    nats = np.stack([nats.sum(axis=2) for nats, _ in blocks], axis=2)  # (K, n, R): a split takes a document's place
    return Scores(list(runs), nats, np.array([tokens.sum() for _, tokens in blocks], dtype=float), inflation=inflation)


def _block(models: Sequence[Sequence[Run]]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Read every document's nats (K, n, D) and tokens (D,) from the runs on one split."""
    if len({tuple(run.recorded.run.seed for run in own) for own in models}) > 1:
        raise RunError(UNLIKE)
    _, tokens = read_losses(models[0][0].directory, "test")
    nats = make_array(len(models), len(models[0]), len(tokens))
    for k, own in enumerate(models):
        for n, run in enumerate(own):
            nats[k, n] = _read_like(run, tokens)
    return nats, tokens


def _read_like(run: Run, tokens: NDArray[np.int64]) -> NDArray[np.float64]:
    """Read the losses of a run, whose documents must have these tokens."""
    nats, own = read_losses(run.directory, "test")
    if not np.array_equal(own, tokens):
        raise RunError(UNLIKE)
    return nats


def _judge_looks(
    last: Analysis, runs: Mapping[str, Sequence[Run]], record: StudyRecord, units: Units, level: float
) -> tuple[Analysis, Sequential, dict[tuple[str, str], int]]:
    """Put the verdicts of earlier looks into the analysis of the last; also the looks, and which decided a pair."""
    *earlier, spent = record.study.reachable_looks
    looks = {}
    for number in earlier:
        first = {label: _under(own, record.study.seeds[:number]) for label, own in runs.items()}
        scores = _read_scores(first, record.study, units, None)
        if found := _analyse(scores, Criterion(level, record.study.margin)):
            looks[number] = found.pairs
    pairs, decided = decide_over_looks({**looks, spent: last.pairs})
    sequential = Sequential(
        looks=record.study.looks,
        taken=(*earlier, spent),
        before=tuple(number for look in record.looked for number in look.seeds),
        spent=error_spent(record.looked),
        level=level,
        reason=find_reason(pairs),
    )
    means = {label: own.mean for label, own in last.estimates.items()}
    letters = letters_of(sorted(means, key=lambda label: means[label]), pairs)
    return replace(last, pairs=pairs, letters=letters), sequential, decided


def _smaller(record: StudyRecord) -> tuple[int, ...]:
    """The smaller numbers of seeds, enough for a verdict, at which the same comparison was judged before."""
    own = len(record.study.seeds)
    return tuple(sorted({number for look in record.looked for number in look.seeds if FEWEST_SEEDS <= number < own}))


def _under(runs: Sequence[Run], seeds: Sequence[int]) -> list[Run]:
    """The runs under these seeds."""
    return [run for run in runs if run.recorded.run.seed in seeds]


def _pairs(analysis: Analysis | None, ranking: Sequence[str], decided: Mapping[tuple[str, str], int]) -> list[PairRow]:
    """Every pair once, the better mean first, in the order of the ranking; `decided`: the look that decided it."""
    found = analysis.pairs if analysis else ()
    pairs = [PairRow(**asdict(pair), look=decided.get((pair.a, pair.b))) for pair in found]
    return rank_pairs(pairs, ranking)


def _run_row(run: Run, study: Path, *, several: bool) -> RunRow:
    return RunRow(
        **run.result.model_dump(),
        directory=str(run.directory.relative_to(study)),
        label=run.label,
        seed=run.recorded.run.seed,
        split=run.recorded.run.data.turn[0] if several else None,
        fingerprint=run.recorded.fingerprint,
        lr=run.recorded.settings["lr"],
    )
