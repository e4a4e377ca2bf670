"""One run: executed, and written down so that it is there whole or not at all."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from registry.files import is_file_reference, split_file_reference
from zoo.blame import blaming
from zoo.data.corpus import Corpus
from zoo.data.splits import SPLITS
from zoo.data.vocabulary import Vocabulary
from zoo.errors import RunError
from zoo.experiments.cell import Cell, device_name, layout_of, make_model, row_length, source_of
from zoo.experiments.environment import describe_environment
from zoo.experiments.flops import FlopCounter
from zoo.experiments.record import CurvePoint, Result, Run, is_run, read_run, write_curve, write_json
from zoo.models.interface import SequenceModel
from zoo.training.checkpoint import load_weights, save_weights
from zoo.training.device import isolated
from zoo.training.evaluation import Score, evaluate
from zoo.training.loop import Fit, Progress, fit


def execute(cell: Cell, corpus: Corpus, report: Callable[[Progress], None] = lambda _: None) -> Run:
    """Train, evaluate, write; a finished run of the same fingerprint is read instead.

    Raises:
        RunError: the directory is taken by something that is no run, or the model's source changed meanwhile.
    """
    if is_run(cell.directory):
        return read_run(cell.directory)
    if cell.directory.exists():
        raise RunError(f"'{cell.directory}' is there and is no finished run: remove it.")
    config, training, device = cell.config, cell.config.training, cell.device
    with isolated(device, threads=training.threads, seed=config.seed), _appearing(cell.directory) as partial:
        model = make_model(config, len(corpus.vocabulary)).to(device)
        _check_source(cell, model)
        rows = {split: corpus.rows(split, length=row_length(config), device=device) for split in SPLITS}
        counter = FlopCounter(model, layout_of(config, corpus))  # a trained model may not be copied
        with blaming(f"Model '{config.model.name}'", "in training", module=type(model).__module__):
            fitted = fit(
                model, rows["train"], rows["validation"], cell.settings, seed=config.seed, device=device, report=report
            )
        finished = fitted.diverged_at is None
        asked = {"train": training.score_train, "validation": True, "test": not config.trial}
        wanted = [split for split in SPLITS if finished and asked[split]]
        scores = {split: evaluate(model, rows[split], device=device, dtype=training.dtype) for split in wanted}
        _check_source(cell, model)
        weights = save_weights(model, partial / "weights.safetensors")
        write_json(partial / "config.json", cell.recorded)
        write_json(partial / "environment.json", describe_environment(device_name(device), training.threads or 1))
        write_curve(partial / "curve.jsonl", [CurvePoint(**asdict(point)) for point in fitted.curve])
        (partial / "losses.safetensors").write_bytes(save(_losses(scores)))
        result = _result(cell, fitted, scores, weights, counter.total(fitted.shapes))
        write_json(partial / "result.json", result)
    return read_run(cell.directory)


def load_model(run: Run) -> tuple[SequenceModel, str]:
    """The model of a run with its weights, on the CPU, in evaluation mode; and a notice if its source has changed.

    Raises:
        RunError: it diverged at once, its model's file is not here, or its weights are damaged or no longer fit the
            model's code.
    """
    if run.result.best_step is None:
        raise RunError(f"'{run.directory}' diverged at its first evaluation: no weights to load.")
    name = run.recorded.run.model.name
    if is_file_reference(name) and not split_file_reference(name)[0].is_file():
        raise RunError(f"'{run.directory}' is a run of '{name}', a file that is not here: go where it was trained.")
    model = make_model(run.recorded.run, len(Vocabulary(run.recorded.data.characters)))
    load_weights(model, run.directory / "weights.safetensors", run.result.weights_sha256)
    same = source_of(run.recorded.run, model) == run.recorded.model_source
    notice = "" if same else f"The source of '{run.recorded.run.model.name}' has changed since this run was trained."
    return model.eval(), notice


def _check_source(cell: Cell, model: SequenceModel) -> None:
    if source_of(cell.config, model) != cell.recorded.model_source:
        raise RunError(f"The source of '{cell.config.model.name}' changed while the study ran: run it again.")


def _result(cell: Cell, fitted: Fit, scores: dict[str, Score], weights: str, flops: int) -> Result:
    def loss(split: str) -> float | None:
        return scores[split].loss if split in scores else None

    return Result(
        status="finished" if fitted.diverged_at is None else "diverged",
        diverged_at=fitted.diverged_at,
        parameters=cell.parameters,
        receptive_field=cell.receptive_field,
        steps=fitted.steps,
        tokens=fitted.tokens,
        seconds=fitted.seconds,
        flops=flops,
        best_step=fitted.best.step if fitted.best else None,
        train_loss=loss("train"),
        validation_loss=loss("validation"),
        test_loss=loss("test"),
        tested_at=datetime.now(UTC).isoformat(timespec="seconds") if "test" in scores else None,
        weights_sha256=weights,
    )


def _losses(scores: dict[str, Score]) -> dict[str, np.ndarray]:
    kept = {split: score for split, score in scores.items() if split != "train"}
    return {f"{split}.nats": score.nats for split, score in kept.items()} | {
        f"{split}.tokens": score.tokens for split, score in kept.items()
    }


@contextmanager
def _appearing(directory: Path) -> Iterator[Path]:
    """A hidden directory to write into, which becomes `directory` when all is written, and vanishes otherwise."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    hidden = Path(tempfile.mkdtemp(dir=directory.parent, prefix=f".{directory.name}.", suffix=".partial"))
    try:
        yield hidden
        hidden.chmod(0o755)  # mkdtemp's is for its owner alone
        try:
            hidden.rename(directory)
        except OSError as error:
            if not is_run(directory):  # somebody else's finished run of the same fingerprint is as good
                raise RunError(f"Cannot write '{directory}': {error.strerror}.") from None
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
