"""Resolve runs before anything trains: find and check models, resolve defaults, report faults.

A model is found, built and checked once for all its runs. Later stages change only a cell's rate, threads or way of
execution, and look up nothing again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch

from registry.files import is_file_reference
from zoo.config import DEFAULT_LENGTH, Recipe, RunConfig, Start, Way
from zoo.data.corpus import Corpus
from zoo.errors import UsageError
from zoo.experiments.records.code import digest_harness
from zoo.experiments.records.fingerprint import digest_model
from zoo.experiments.records.run import DIGESTS, DataRecord, Recorded
from zoo.experiments.runs.budget import count_steps, row_length, tokens_per_step
from zoo.experiments.runs.describe_task import describe_task
from zoo.experiments.runs.identity import device_name, fingerprint_run, run_name, trial_folder
from zoo.experiments.runs.model import ResolvedModel, digest_optimizer, resolve_model
from zoo.models.interface import SequenceModel, is_counted
from zoo.models.recipes import FORMER, choose_recipe
from zoo.surroundings import describe_arithmetic
from zoo.training.checkpoint import load_weights
from zoo.training.device import resolve_device
from zoo.training.loop import Settings
from zoo.training.optimizers.find import find_optimizer


@dataclass(frozen=True)
class Cell:
    """A run with every default resolved, and the folder of its study."""

    config: RunConfig
    model: ResolvedModel
    recipe: Recipe
    settings: Settings
    data: DataRecord
    device: torch.device
    study: Path

    @cached_property
    def recorded(self) -> Recorded:
        """Content of config.json."""
        corpus = self.config.data.corpus.name
        recorded = Recorded(
            fingerprint="",
            run=self.config,
            data=self.data,
            model_source=self.model.source,
            harness=digest_harness(),
            digests=DIGESTS,
            corpus_source=digest_model(None, corpus) if is_file_reference(corpus) else None,
            optimizer_source=digest_optimizer(self.settings.optimizer),
            settings=asdict(self.settings),
            recipe=self.recipe,
            lr_from=_lr_from(self.config),
        )
        here = device_name(self.device)
        key = fingerprint_run(
            recorded, self.model, torch=torch.__version__, device=here, arithmetic=describe_arithmetic()
        )
        return recorded.model_copy(update={"fingerprint": key})

    @cached_property
    def directory(self) -> Path:
        """Directory of the run."""
        return self.study / trial_folder(self.config) / run_name(self.config, self.recorded.fingerprint)

    def in_way(self, way: Way) -> "Cell":
        """Return the cell with this way of execution."""
        return self._with(threads=way.threads, execution=way.how)

    def on_threads(self, threads: int) -> "Cell":
        """Return the cell with this number of threads."""
        return self._with(threads=threads)

    def at_rate(self, lr: float, grid: tuple[float, ...] = ()) -> "Cell":
        """Return the cell with this learning rate, and the grid from which it was chosen, if any."""
        rated = replace(self._with(lr=lr), settings=replace(self.settings, lr=lr))
        return replace(rated, config=rated.config.model_copy(update={"chosen_from": grid})) if grid else rated

    def as_recorded(self, recorded: Recorded) -> "Cell":
        """Return the cell with the recipe of its time if the record is older and does not hold it."""
        if recorded.recipe is not None:
            return self
        recipe = FORMER.get(self.config.model.name, self.model.recipes[0])
        return replace(self, recipe=recipe, settings=resolve_settings(self.config, recipe, self.settings.steps))

    def _with(self, **training: Any) -> "Cell":
        changed = self.config.training.model_copy(update=training)
        return replace(self, config=self.config.model_copy(update={"training": changed}))

    def build(self) -> SequenceModel:
        """Build the model with the initial weights of the run, on the CPU.

        Raises:
            RunError: the weights come from a file that is missing, changed, or of another model.
            StrangerError: the model raised an exception.
        """
        model, start = self.model.build(self.config.init_seed), self.config.start
        if start:
            load_weights(model, Path(start.weights), start.sha256)
        return model


Models = dict[tuple[str, int, int], ResolvedModel]
"""Model, vocabulary and context -> the resolved model."""


def resolve_all(
    configs: Sequence[RunConfig], corpora: Mapping[str, Corpus], study: Path, models: Models | None = None
) -> list[Cell]:
    """Resolve runs to cells, in order; their ways of execution may be chosen later.

    Args:
        corpora: rotation -> corpus in that split.
        study: folder of the study.
        models: models that were resolved before, to which others are added.

    Raises:
        RegistryError, UsageError, RunError: a run has invalid settings, or its model fails the checks.
    """
    models = {} if models is None else models
    steps: dict[tuple[tuple[str, int, int], str, int], int | None] = {}
    cells = []
    for config in configs:
        corpus = corpora[config.data.rotation]
        resolve_device(config.training.device)
        check_settings(config, corpus)
        key = (config.model.model_dump_json(), len(corpus.vocabulary), config.context)
        place = (key, config.data.rotation, config.training.batch_size)
        if key not in models:
            models[key] = resolve_model(config.model, vocab_size=key[1], context=key[2], seed=config.init_seed)
        if config.start and is_counted(models[key].kind):
            raise UsageError(f"Model '{config.model.name}' is counted, not trained: it takes no weights to start from.")
        if corpus.has_answers and is_counted(models[key].kind):
            raise UsageError(
                f"Model '{config.label}' counts which token follows which, and {corpus.name} asks for answers: leave "
                "it out."
            )
        if place not in steps:
            steps[place] = count_steps(config, models[key], corpus)  # independent of seed and rate
        cells.append(_resolve(config, models[key], steps[place], corpus, study))
    return cells


def resolve(config: RunConfig, corpus: Corpus, study: Path) -> Cell:
    """Resolve a single run, on one thread unless `config` has more.

    Raises:
        RegistryError, UsageError, RunError: as `resolve_all`.
    """
    (cell,) = resolve_all([config], {config.data.rotation: corpus}, study)
    return cell.on_threads(config.training.threads or 1)


def _resolve(config: RunConfig, model: ResolvedModel, steps: int | None, corpus: Corpus, study: Path) -> Cell:
    targets = steps * tokens_per_step(config, corpus) if steps is not None else None
    recipe = choose_recipe(model.recipes, optimizer=config.training.optimizer, targets=targets)
    return Cell(
        config=config,
        model=model,
        recipe=recipe,
        settings=resolve_settings(config, recipe, steps),
        data=describe_data(corpus),
        device=resolve_device(config.training.device),
        study=study,
    )


def describe_data(corpus: Corpus) -> DataRecord:
    """Describe the corpus, and what is known of its task, for the record of a run."""
    return DataRecord(
        name=corpus.name,
        digest=corpus.digest,
        is_stream=corpus.is_stream,
        characters=corpus.vocabulary.characters,
        targets=corpus.targets,
        floor=corpus.floor,
        tokenizer=corpus.vocabulary.pairs.digest if corpus.vocabulary.pairs else None,
        bytes=corpus.bytes,
        has_answers=corpus.has_answers,
        task=describe_task(corpus.task) if corpus.task else None,
    )


def check_settings(config: RunConfig, corpus: Corpus) -> None:
    """Check that the settings of a run fit each other and its text.

    Raises:
        UsageError: they do not fit.
    """
    if config.start:
        _check_vocabulary(config.start, corpus)
    if corpus.task and config.training.score_train:
        raise UsageError(f"{corpus.name} has training documents without end: leave out score_train.")
    if config.training.stop_when_solved and corpus.task is None:
        raise UsageError(f"{corpus.name} is no task, so nothing says when it is solved: leave out stop_when_solved.")
    if corpus.is_stream and row_length(config) < config.context:
        raise UsageError(
            f"length={row_length(config)} is less than context={config.context}: give a length of {config.context} "
            "or more."
        )
    if corpus.is_stream and row_length(config) > max(corpus.targets["train"], DEFAULT_LENGTH):
        has = f"the training split of {corpus.name} has, {corpus.targets['train']:,}"
        raise UsageError(f"length={row_length(config):,} is more tokens than {has}: give that or less.")
    if config.training.optimizer is not None:
        optimizer = find_optimizer(config.training.optimizer)
        if config.training.lr is None and not optimizer.kind.fits_recipes:
            raise UsageError(
                f"The models' recipes are not for {optimizer.text}: give a learning rate (--lr) with optimizer="
                f"{optimizer.text}."
            )


def _check_vocabulary(start: Start, corpus: Corpus) -> None:
    pairs = corpus.vocabulary.pairs
    if start.tokenizer != (pairs.digest if pairs else None) and (start.run or start.tokenizer):
        raise UsageError(
            f"The weights of {start.name} are for another tokenizer than that of {corpus.name}: a token would mean "
            "something else."
        )
    known, own = start.characters, corpus.vocabulary.characters
    if known is None or known == own:
        return
    unlike = [f"'{character}'" for character in sorted(set(known) ^ set(own or ""))]
    more = f" and {len(unlike) - 5} more" if len(unlike) > 5 else ""
    raise UsageError(
        f"The weights of {start.name} are for another vocabulary than that of {corpus.name}: "
        f"{', '.join(unlike[:5])}{more} in only one of them. A token would mean something else."
    )


def resolve_settings(config: RunConfig, recipe: Recipe, steps: int | None) -> Settings:
    """Return the settings of the loop: those of the run, and the recipe for the others."""
    training = config.training
    given = {name: value for name, value in dict(training).items() if value is not None}
    window = row_length(config) if training.rows == "windows" else None
    optimizer = find_optimizer(training.optimizer or recipe.optimizer).text
    values = {**dict(recipe), **given, "steps": steps, "window": window, "optimizer": optimizer}
    known = {field.name for field in fields(Settings)}
    return Settings(**{name: value for name, value in values.items() if name in known})


def in_first_split(cells: Sequence[Cell]) -> list[Cell]:
    """Return the cells on the same split as the first one."""
    return [cell for cell in cells if cell.config.data == cells[0].config.data]


def _lr_from(config: RunConfig) -> Literal["recipe", "setting", "grid", "search"]:
    if "lr" in config.searched:
        return "search"
    if config.chosen_from:
        return "grid"
    return "recipe" if config.training.lr is None else "setting"
