"""One run: prepared so that every fault shows before anything trains, executed, written down."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save

from zoo.catalog import MODELS
from zoo.config import RunConfig, as_json
from zoo.data.corpus import Corpus
from zoo.data.splits import SPLITS
from zoo.data.vocabulary import Vocabulary
from zoo.errors import RunError, UsageError
from zoo.experiments.environment import describe_environment
from zoo.experiments.fingerprint import fingerprint, harness_digest, model_digest
from zoo.experiments.record import (
    CurvePoint,
    DataRecord,
    Recorded,
    Result,
    Run,
    is_run,
    read_run,
    write_curve,
    write_json,
)
from zoo.models.build import build, count_parameters, model_config
from zoo.models.interface import SequenceModel
from zoo.training.checkpoint import load_weights, save_weights
from zoo.training.device import isolated, resolve_device
from zoo.training.evaluation import Score, evaluate
from zoo.training.loop import Fit, Progress, Settings, fit

EXECUTION = "sequential"


@dataclass(frozen=True)
class Cell:
    """A run with nothing left open, and where it will stand."""

    recorded: Recorded
    settings: Settings
    device: torch.device
    directory: Path
    parameters: int
    receptive_field: int | None

    @property
    def config(self) -> RunConfig:
        return self.recorded.run


def make_model(config: RunConfig, vocab_size: int) -> SequenceModel:
    """The model of a run with the weights it starts from, on the CPU.

    Raises:
        RegistryError, UsageError: no such model, or options or sizes that it does not take.
    """
    model = MODELS.get(config.model.name)
    options = model_config(model, config.model.options, config.model.name)
    return build(model, options, vocab_size=vocab_size, context=config.context, seed=config.seed)


def prepare(config: RunConfig, corpus: Corpus, study_directory: Path) -> Cell:
    """Check a run and fix what was left open.

    Raises:
        RegistryError, UsageError: anything in `config` that cannot be.
    """
    device = resolve_device(config.training.device)
    model = make_model(config, len(corpus.vocabulary))
    settings = _settings(config, model, corpus)
    if corpus.is_stream and row_length(config) < config.context:
        raise UsageError(f"length={row_length(config)} is less than context={config.context}: give N or more.")
    data = DataRecord(
        name=corpus.name,
        digest=corpus.digest,
        is_stream=corpus.is_stream,
        characters=corpus.vocabulary.characters,
        targets={split: corpus.targets(split) for split in SPLITS},
        floor={split: corpus.floor(split) for split in SPLITS[1:]},
    )
    source = model_digest(type(model), config.model.name)
    print_of = fingerprint(
        {
            "model": as_json(config.model),
            "context": config.context,
            "length": row_length(config) if corpus.is_stream else None,
            "seed": config.seed,
            "score_train": config.training.score_train,
            "settings": asdict(settings),
            "data": data.digest,
            "tokens": config.data.tokens,
            "source": source,
            "harness": harness_digest(),
            "torch": torch.__version__,
            "device": _device_name(device),
            "threads": config.training.threads,
            "execution": EXECUTION,
        }
    )
    return Cell(
        recorded=Recorded(
            fingerprint=print_of,
            run=config,
            data=data,
            model_source=source,
            settings=asdict(settings),
            lr_from="recipe" if config.training.lr is None else "flag",
        ),
        settings=settings,
        device=device,
        directory=study_directory / f"{file_name(config.label)}-seed{config.seed}-{print_of}",
        parameters=count_parameters(model),
        receptive_field=model.receptive_field,
    )


def execute(cell: Cell, corpus: Corpus, report: Callable[[Progress], None] = lambda _: None) -> Run:
    """Train, evaluate, write; a finished run of the same fingerprint is read instead."""
    if is_run(cell.directory):
        return read_run(cell.directory)
    config, training, device = cell.config, cell.config.training, cell.device
    with isolated(device, threads=training.threads, seed=config.seed), _appearing(cell.directory) as partial:
        model = make_model(config, len(corpus.vocabulary)).to(device)
        rows = {split: corpus.rows(split, length=row_length(config), device=device) for split in SPLITS}
        fitted = fit(
            model, rows["train"], rows["validation"], cell.settings, seed=config.seed, device=device, report=report
        )
        finished = fitted.diverged_at is None
        wanted = [split for split in SPLITS if finished and (split != "train" or training.score_train)]
        scores = {split: evaluate(model, rows[split], device=device, dtype=training.dtype) for split in wanted}
        weights = save_weights(model, partial / "weights.safetensors")
        write_json(partial / "config.json", cell.recorded)
        write_json(partial / "environment.json", describe_environment(_device_name(device), training.threads))
        write_curve(partial / "curve.jsonl", [CurvePoint(**asdict(point)) for point in fitted.curve])
        (partial / "losses.safetensors").write_bytes(save(_losses(scores)))
        write_json(partial / "result.json", _result(cell, fitted, scores, weights))
    return read_run(cell.directory)


def load_model(run: Run) -> SequenceModel:
    """The model of a run with its weights, on the CPU, in evaluation mode.

    Raises:
        RunError: the weights are damaged, or the model's code has changed so that they no longer fit.
    """
    model = make_model(run.recorded.run, len(Vocabulary(run.recorded.data.characters)))
    load_weights(model, run.directory / "weights.safetensors", run.result.weights_sha256)
    return model.eval()


def row_length(config: RunConfig) -> int:
    """T, how many tokens a row of a stream has."""
    return config.training.length or config.context


def file_name(text: str) -> str:
    """`text` with what a file name cannot hold replaced, and not too long."""
    return re.sub(r"[^\w.=,()+-]+", "-", text).strip("-.")[:80] or "unnamed"


def _settings(config: RunConfig, model: SequenceModel, corpus: Corpus) -> Settings:
    training, recipe = config.training, model.recipe
    if training.optimizer == "sgd" and training.lr is None:
        raise UsageError("The models' recipes are for adamw: with optimizer=sgd give a learning rate (--lr).")
    steps = training.steps
    if steps is None:
        if training.tokens is None:
            raise UsageError("No budget: give --steps or --tokens.")
        per_row = corpus.rows("train", length=row_length(config)).mean_targets()
        steps = max(1, round(training.tokens / (per_row * training.batch_size)))
    return Settings(
        steps=steps,
        batch_size=training.batch_size,
        optimizer=training.optimizer,
        schedule=training.schedule,
        lr=recipe.lr if training.lr is None else training.lr,
        weight_decay=recipe.weight_decay if training.weight_decay is None else training.weight_decay,
        warmup=recipe.warmup if training.warmup is None else training.warmup,
        clip=training.clip,
        evaluations=training.evaluations,
        dtype=training.dtype,
    )


def _result(cell: Cell, fitted: Fit, scores: dict[str, Score], weights: str) -> Result:
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
    partial = directory.with_name(f".{directory.name}.{os.getpid()}.partial")
    try:
        partial.mkdir(parents=True)
        yield partial
        try:
            partial.rename(directory)
        except OSError as error:
            if not is_run(directory):  # somebody else's finished run of the same fingerprint is as good
                raise RunError(
                    f"Cannot write '{directory}': {error.strerror}; is it there, without a result?"
                ) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
