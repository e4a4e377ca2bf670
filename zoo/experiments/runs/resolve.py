"""A run with nothing left open: checked and fixed before anything trains, so that every fault shows first."""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import torch

from zoo.blame import blaming
from zoo.catalog import MODELS
from zoo.config import RunConfig, as_json
from zoo.data.corpus import Corpus
from zoo.errors import RunError, UsageError
from zoo.experiments.records.fingerprint import fingerprint, harness_digest, model_digest
from zoo.experiments.records.run import DataRecord, Recorded
from zoo.models.build import build, count_parameters, model_config
from zoo.models.interface import SequenceModel
from zoo.probes.dependence import what_it_sees
from zoo.probes.flops import FlopCounter, Layout
from zoo.surroundings import arithmetic, random_numbers, unchanged
from zoo.training.device import resolve_device
from zoo.training.loop import Settings

FLOP_BATCHES = 50
"""Batches whose FLOPs stand for all."""


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


def prepare(config: RunConfig, corpus: Corpus, study_directory: Path) -> Cell:
    """Check a run and fix what was left open.

    Raises:
        RegistryError, UsageError, RunError: anything in `config` that cannot be.
    """
    threads = config.training.threads or 1
    config = config.model_copy(update={"training": config.training.model_copy(update={"threads": threads})})
    device = resolve_device(config.training.device)
    model = make_model(config, len(corpus.vocabulary))
    check_output(model, config.model.name)
    if corpus.is_stream and row_length(config) < config.context:
        raise UsageError(f"length={row_length(config)} is less than context={config.context}: give N or more.")
    settings = settings_for(config, model, corpus)
    data = DataRecord(
        name=corpus.name,
        digest=corpus.digest,
        is_stream=corpus.is_stream,
        characters=corpus.vocabulary.characters,
        targets=corpus.targets,
        floor=corpus.floor,
    )
    recorded = Recorded(
        fingerprint="",
        run=config,
        data=data,
        model_source=source_of(config, type(model)),
        harness=harness_digest(),
        settings=asdict(settings),
        lr_from=_lr_from(config),
    )
    key = fingerprint_of(recorded, model, torch=torch.__version__, device=device_name(device), arithmetic=arithmetic())
    return Cell(
        recorded=recorded.model_copy(update={"fingerprint": key}),
        settings=settings,
        device=device,
        directory=study_directory / _folder(config) / run_name(config, key),
        parameters=count_parameters(model),
        receptive_field=model.receptive_field,
    )


def fingerprint_of(
    recorded: Recorded, model: SequenceModel, *, torch: str, device: str, arithmetic: Sequence[str]
) -> str:
    """What makes a run the same as another: all of it that can change a number.

    Args:
        model: one of the run's, for its class, options and recipe.
        torch: version.
        device: as `device_name` calls it.
        arithmetic: torch's settings, as `environment.json` has them.
    """
    config, data = recorded.run, recorded.data
    return fingerprint(
        {
            "class": type(model).__qualname__,
            "model": as_json(model.config),
            "recipe": as_json(model.recipe),
            "context": config.context,
            "length": row_length(config) if data.is_stream else None,
            "seed": config.seed,
            "score_train": config.training.score_train,
            "trial": config.trial,
            "settings": recorded.settings,
            "data": [data.digest, config.data.tokens, data.floor],
            "source": recorded.model_source,
            "harness": recorded.harness,
            "torch": torch,
            "device": device,
            "threads": config.training.threads,
            "arithmetic": list(arithmetic),
            "execution": {"stacked": config.stack} if config.stack else "sequential",  # side by side changes nothing
        }
    )


def on_threads(cell: Cell, threads: int) -> Cell:
    """The same cell with so many threads, to be timed, not to be run."""
    training = cell.config.training.model_copy(update={"threads": threads})
    config = cell.config.model_copy(update={"training": training})
    return replace(cell, recorded=cell.recorded.model_copy(update={"run": config}))


def run_name(config: RunConfig, fingerprint: str) -> str:
    """What the directory of a run is called."""
    number, of = config.data.turn
    split = f"-split{number}of{of}" if number > 1 else ""
    return f"{file_name(config.label)}{split}-seed{config.seed}-{fingerprint}"


def _folder(config: RunConfig) -> str:
    return "lr-grid" if config.trial else ""


def make_model(config: RunConfig, vocab_size: int) -> SequenceModel:
    """The model of a run with the weights it starts from, on the CPU.

    Raises:
        RegistryError, UsageError: no such model, or options or sizes that it does not take.
    """
    model = MODELS.get(config.model.name)
    options = model_config(model, config.model.options, config.model.name)
    return build(model, options, vocab_size=vocab_size, context=config.context, seed=config.seed)


def source_of(config: RunConfig, model: type[SequenceModel]) -> str:
    """The digest of the source behind a run's model, as it is now."""
    return model_digest(model, MODELS.find(config.model.name).target)


def check_output(model: SequenceModel, name: str) -> None:
    """A model gives logits (B, T, V), and those at t depend on the row up to t alone: a few small batches of it.

    Raises:
        RunError: it does not; the message says what it does.
        StrangerError: it raises something; the message says what, and where.
    """
    who, module = f"Model '{name}'", type(model).__module__
    with torch.no_grad(), random_numbers(0), unchanged(who, "in a forward pass"):
        model.eval()
        for shape in ((2, 5), (1, 1)):
            with blaming(who, f"on tokens of shape {shape}", module=module):
                _check_logits(model(torch.randint(model.vocab_size, shape)), (*shape, model.vocab_size), who)
        for shape in ((4, 5), (40, 5)):
            with blaming(who, f"on tokens of shape {shape}", module=module):
                fault = what_it_sees(model, torch.randint(model.vocab_size, shape))
            if fault:
                raise RunError(f"{who} {fault}")
        model.train()


def _check_logits(logits: object, expected: tuple[int, int, int], who: str) -> None:
    if not isinstance(logits, torch.Tensor):
        raise RunError(f"{who} returns a {type(logits).__name__}, not logits: a tensor (B, T, V).")
    if tuple(logits.shape) != expected or not logits.is_floating_point():
        raise RunError(
            f"{who} gives {str(logits.dtype).removeprefix('torch.')} of shape {tuple(logits.shape)} for tokens of "
            f"shape {expected[:2]}; it must give logits (B, T, V), here {expected}."
        )


def row_length(config: RunConfig) -> int:
    """T, how many tokens a row of a stream has, and a window."""
    return config.training.length or config.context


def settings_for(config: RunConfig, model: SequenceModel, corpus: Corpus) -> Settings:
    """What the loop needs: the run's own settings, and the model's recipe where they leave a choice.

    Raises:
        UsageError: no budget, one that the model cannot spend, or an optimizer that no recipe is for.
    """
    training, recipe = config.training, model.recipe
    if training.optimizer == "sgd" and training.lr is None:
        raise UsageError("The models' recipes are for adamw: with optimizer=sgd give a learning rate (--lr).")
    return Settings(
        steps=_steps(config, model, corpus),
        seconds=training.seconds,
        batch_size=training.batch_size,
        optimizer=training.optimizer,
        schedule=training.schedule,
        lr=recipe.lr if training.lr is None else training.lr,
        weight_decay=recipe.weight_decay if training.weight_decay is None else training.weight_decay,
        warmup=recipe.warmup if training.warmup is None else training.warmup,
        clip=training.clip,
        evaluations=training.evaluations,
        dtype=training.dtype,
        window=row_length(config) if training.rows == "windows" else None,
        compile=training.compile,
    )


def step_flops(config: RunConfig, model: SequenceModel, corpus: Corpus) -> float:
    """FLOPs of a training step: the mean over the batches of the first steps of seed 0, the same for all seeds."""
    training, length, layout = config.training, row_length(config), layout_of(config, corpus)
    with unchanged(f"Model '{config.model.name}'", "in a training step"):
        counter = FlopCounter(make_model(config, model.vocab_size), layout)
        if layout != "packed":
            return counter.training(length) * training.batch_size
        rows = corpus.rows("train", length=length, device=torch.device("cpu"))
        shapes = Counter(rows.batch(0, step, training.batch_size).shape for step in range(FLOP_BATCHES))
        return counter.total(shapes) / FLOP_BATCHES


def layout_of(config: RunConfig, corpus: Corpus) -> Layout:
    """How the rows of a run's batches lie."""
    if config.training.rows == "windows":
        return "windows"
    return "dense" if corpus.is_stream else "packed"


def tokens_a_step(config: RunConfig, corpus: Corpus) -> float:
    """Target tokens of a training step, in the mean."""
    per_row = 1.0 if config.training.rows == "windows" else corpus.row_targets(row_length(config))
    return per_row * config.training.batch_size


def _steps(config: RunConfig, model: SequenceModel, corpus: Corpus) -> int | None:
    """The budget in steps, whichever it is; None where it is in seconds."""
    training = config.training
    if training.tokens is not None:
        return max(1, round(training.tokens / tokens_a_step(config, corpus)))
    if training.flops is not None:
        try:
            per_step = step_flops(config, model, corpus)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            raise UsageError(f"FLOPs of model '{config.model.name}' cannot be counted: {reason}") from error
        if not per_step:
            raise UsageError(f"Model '{config.model.name}' multiplies nothing: it cannot spend a budget of FLOPs.")
        return max(1, round(training.flops / per_step))
    if training.budget is None:
        raise UsageError("No budget: give --steps, --tokens, --seconds or --flops.")
    return training.steps


def _lr_from(config: RunConfig) -> Literal["recipe", "setting", "grid"]:
    if config.chosen_from:
        return "grid"
    return "recipe" if config.training.lr is None else "setting"


def file_name(text: str) -> str:
    """`text` with what a file name should not hold replaced, and not too long; a digest keeps changed names apart."""
    safe = re.sub(r"[^\w.=,()+-]+", "-", text).strip("-.")[:80]
    return safe if safe == text else f"{safe}-{hashlib.sha256(text.encode()).hexdigest()[:4]}"


def device_name(device: torch.device) -> str:
    """The card, or the instruction set: two CPUs of other capabilities may round otherwise."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type} {torch.backends.cpu.get_cpu_capability()}"
