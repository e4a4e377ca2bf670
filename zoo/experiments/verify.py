"""A run's numbers, computed again from its weights, its curve and its corpus: the first that differs is named."""

from collections.abc import Callable, Iterator
from pathlib import Path

from safetensors import SafetensorError
from safetensors.numpy import load_file

from zoo.config import DataConfig
from zoo.data.corpus import Corpus, load_corpus
from zoo.data.splits import SPLITS
from zoo.data.vocabulary import Vocabulary
from zoo.errors import RunError
from zoo.experiments.cell import row_length
from zoo.experiments.record import Run, find_runs, is_run, read_run
from zoo.experiments.run import load_model
from zoo.training.device import isolated, resolve_device
from zoo.training.evaluation import evaluate

TOLERANCE = 1e-6
"""Nats a token: another machine may add in another order, nothing more."""


def verify(directory: Path, *, device: str = "auto") -> Iterator[tuple[Path, str | None]]:
    """Each run in `directory` (a run, or a folder of runs) with what is wrong with it, or None.

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
    stored = _stored_losses(run)
    splits = [split for split in SPLITS if getattr(result, f"{split}_loss") is not None]
    with isolated(where, threads=recorded.run.training.threads):
        for split in splits:
            rows = corpus.rows(split, length=row_length(recorded.run), device=where)
            again = evaluate(model, rows, device=where, dtype=recorded.run.training.dtype).loss
            claims.append((f"{split} loss", getattr(result, f"{split}_loss"), again))
            if split in stored:
                claims.append((f"{split} loss (of its documents)", getattr(result, f"{split}_loss"), stored[split]))
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


def _stored_losses(run: Run) -> dict[str, float]:
    try:
        losses = load_file(run.directory / "losses.safetensors")
        splits = [name.removesuffix(".nats") for name in losses if name.endswith(".nats")]
        return {s: float(losses[f"{s}.nats"].sum() / losses[f"{s}.tokens"].sum()) for s in splits}
    except (OSError, SafetensorError, KeyError) as error:
        raise RunError(f"The losses of the documents cannot be read: {error}") from None


def _agree(recorded: float | None, again: float | None) -> bool:
    if recorded is None or again is None:
        return recorded is again
    return abs(recorded - again) <= TOLERANCE


def _told(name: str, recorded: float | None, again: float | None) -> str:
    return f"{name}: recorded {recorded}, computed again {again}"
