"""Numbers computed again, and the first that differs: a run's from its weights, its curve and its corpus, those of
a comparison from its runs."""

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from zoo.config import DataConfig
from zoo.data.corpus import Corpus, load_corpus
from zoo.data.splits import SPLITS
from zoo.data.vocabulary import Vocabulary
from zoo.errors import RunError
from zoo.experiments.cell import row_length
from zoo.experiments.record import Run, find_runs, is_run, read_losses, read_run
from zoo.experiments.run import load_model
from zoo.experiments.study_record import read_study
from zoo.experiments.summarise import summarise
from zoo.training.device import isolated, resolve_device
from zoo.training.evaluation import evaluate

TOLERANCE = 1e-6
"""Nats a token: another machine may add in another order, nothing more."""


def verify(directory: Path, *, device: str = "auto") -> Iterator[tuple[Path, str | None]]:
    """Each run in `directory` (a run, or a folder of runs), and each comparison, with what is wrong with it, or None.

    Raises:
        RunError: there is no run.
        DataError: the corpus cannot be read again.
    """
    runs = [directory] if is_run(directory) else find_runs(directory) if directory.is_dir() else []
    if not runs:
        read_run(directory)  # says what is wrong with it
    corpora = _Corpora()
    for path in runs:
        try:
            yield path, first_difference(read_run(path), corpora, device=device)
        except RunError as error:
            yield path, str(error)
    for path in sorted(directory.glob("**/comparison.json")):
        try:
            yield path, changed_number(path)
        except RunError as error:
            yield path, str(error)


def changed_number(path: Path) -> str | None:
    """The first number of a comparison.json that its runs do not give; None when all are as they say.

    Costs and samples were measured once and are compared with the record that they stand in.

    Raises:
        RunError: the record, or a run of it, is missing or damaged.
    """
    try:
        stored = json.loads(path.read_text())
        record = path.parent / Path(stored["record"]).name
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"'{path}' cannot be read: {type(error).__name__} {error}") from None
    again = summarise(record, read_study(record)).model_dump(mode="json")
    return next(_differences(stored, again), None)


def _differences(stored: Any, again: Any, name: str = "") -> Iterator[str]:
    """Where two JSON documents differ, numbers by more than a rounding."""
    if isinstance(stored, dict) and isinstance(again, dict):
        for key in dict.fromkeys([*again, *stored]):
            yield from _differences(stored.get(key), again.get(key), f"{name}.{key}" if name else key)
    elif isinstance(stored, list) and isinstance(again, list) and len(stored) == len(again):
        for index, pair in enumerate(zip(stored, again, strict=True)):
            yield from _differences(*pair, f"{name}[{index}]")
    elif isinstance(stored, float) and isinstance(again, float):
        if not math.isclose(stored, again, rel_tol=1e-6, abs_tol=1e-9):
            yield _told(name, stored, again)
    elif stored != again:
        yield _told(name, stored, again)


def first_difference(run: Run, corpora: Callable[[DataConfig, str | None], Corpus], *, device: str) -> str | None:
    """The first number of the run that is not what its parts say; None when all are."""
    result, recorded = run.result, run.recorded
    corpus = corpora(recorded.run.data, recorded.data.characters)
    if corpus.digest != recorded.data.digest:
        return f"the corpus has digest {corpus.digest[:12]}…, the run was made on {recorded.data.digest[:12]}…"
    if result.status == "diverged":
        return None
    best = min(run.curve, key=lambda point: point.validation_loss)
    claims: list[tuple[str, float | None, float | None]] = [
        ("best step", result.best_step, best.step),
        ("validation loss (of the curve)", result.validation_loss, best.validation_loss),
    ]
    model, notice = load_model(run)
    if notice:
        return notice
    where = resolve_device(device)
    model.to(where)
    splits = [split for split in SPLITS if getattr(result, f"{split}_loss") is not None]
    with isolated(where, threads=recorded.run.training.threads):
        for split in splits:
            rows = corpus.rows(split, length=row_length(recorded.run), device=where)
            again = evaluate(model, rows, device=where, dtype=recorded.run.training.dtype).loss
            claims.append((f"{split} loss", getattr(result, f"{split}_loss"), again))
            if split != "train":
                nats, tokens = read_losses(run.directory, split)
                stored = float(nats.sum() / tokens.sum())
                claims.append((f"{split} loss (of its documents)", getattr(result, f"{split}_loss"), stored))
    return next((_told(*claim) for claim in claims if not _agree(claim[1], claim[2])), None)


class _Corpora:
    """Each corpus of the runs, read once."""

    def __init__(self) -> None:
        self._read: dict[str, Corpus] = {}

    def __call__(self, config: DataConfig, characters: str | None) -> Corpus:
        key = f"{config.model_dump_json()} {characters}"
        if key not in self._read:
            self._read[key] = load_corpus(config, Vocabulary(characters))
        return self._read[key]


def _agree(recorded: float | None, again: float | None) -> bool:
    if recorded is None or again is None:
        return recorded is again
    return abs(recorded - again) <= TOLERANCE


def _told(name: str, recorded: object, again: object) -> str:
    return f"{name}: recorded {recorded}, computed again {again}"
