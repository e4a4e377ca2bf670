"""Find a run's model by name, build it, and check its logits and training."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import torch

from zoo import interrupt
from zoo.blame import blame, describe_error, own_last_lines, own_lines
from zoo.calls import parse_call
from zoo.catalog import MODELS, OPTIMIZERS
from zoo.config import Call, Recipe
from zoo.errors import RunError, StrangerError
from zoo.experiments.records.fingerprint import digest_model
from zoo.experiments.runs.workers import DeathError, run_apart
from zoo.experiments.study.config import Contestant
from zoo.interrupt import Interrupted
from zoo.models.build import build, count_parameters, model_config
from zoo.models.interface import ModelOptions, SequenceModel, is_counted
from zoo.models.recipes import list_recipes
from zoo.probes.dependence import describe_dependence
from zoo.surroundings import forbid_changes, random_numbers
from zoo.training.optimizers.groups import parameter_rules
from zoo.training.trainable import why_not_trained


@dataclass(frozen=True)
class FoundModel:
    """A model of the registry with validated options; the models it builds differ only in the seed."""

    call: Call
    kind: type[SequenceModel]
    options: ModelOptions
    vocab_size: int
    context: int

    @property
    def who(self) -> str:
        """Name of the model in messages."""
        return f"Model '{self.call.name}'"

    def build(self, seed: int) -> SequenceModel:
        """Build the model with the initial weights of a seed, on the CPU.

        Raises:
            UsageError, StrangerError: it does not accept the sizes, or raises an exception.
        """
        return build(self.kind, self.options, vocab_size=self.vocab_size, context=self.context, seed=seed)

    def digest_source(self) -> str:
        """Return the digest of the model's current source."""
        return digest_model(self.kind, MODELS.find(self.call.name).target)


@dataclass(frozen=True)
class ResolvedModel(FoundModel):
    """A model that was built once and passed the checks, with its measured properties."""

    recipes: tuple[Recipe, ...]
    parameters: int
    receptive_field: int | None
    source: str
    """Digest of the source."""


def digest_optimizer(text: str) -> str:
    """Return the digest of the current source of the optimizer that `text` names.

    Raises:
        RegistryError: it is unknown.
    """
    name = parse_call(text).name
    return digest_model(OPTIMIZERS.get(name), OPTIMIZERS.find(name).target)


def find_model(call: Call, *, vocab_size: int, context: int) -> FoundModel:
    """Find the model that `call` names, without building it.

    Raises:
        RegistryError, UsageError: the model is unknown, or does not accept the options.
    """
    kind = MODELS.get(call.name)
    return FoundModel(call, kind, model_config(kind, call.options, call.name), vocab_size, context)


def find_counted(contestants: Sequence[Contestant]) -> set[str]:
    """Return the labels of the models that are counted instead of trained."""
    return {own.label for own in contestants if is_counted(MODELS.get(own.model.name))}


def resolve_model(call: Call, *, vocab_size: int, context: int, seed: int) -> ResolvedModel:
    """Find the model that `call` names, build it once with a seed and check it.

    Raises:
        RegistryError, UsageError: the model is unknown, or does not accept the options or sizes.
        RunError: it does not return logits, they have a forbidden dependence, or it cannot be trained.
    """
    found = find_model(call, vocab_size=vocab_size, context=context)
    model = found.build(seed)
    with blame(found.who, "when asked for parameter_groups", module=found.kind.__module__):
        parameter_rules(model)
    try:
        run_apart(lambda: _look(model, found))
    except DeathError as error:
        lines = own_last_lines(error.death.lines, found.kind.__module__)
        raise StrangerError(
            "\n  ".join([f"{found.who} failed on tokens: its process {error.death.reason}", *lines])
        ) from None
    with suppress(DeathError):  # if training ends the process, the runs will fail
        if not is_counted(found.kind):
            run_apart(lambda: check_training(model, found.who))
    return ResolvedModel(
        **vars(found),
        recipes=list_recipes(model),
        parameters=count_parameters(model),
        receptive_field=model.receptive_field,
        source=found.digest_source(),
    )


def _look(model: SequenceModel, found: FoundModel) -> None:
    try:
        check_output(model, found.who)
    except (SystemExit, KeyboardInterrupt) as error:
        if isinstance(error, KeyboardInterrupt) and (isinstance(error, Interrupted) or not interrupt.listens()):
            raise  # it comes from the user
        lines = own_lines(error, found.kind.__module__)
        raise StrangerError("\n  ".join([f"{found.who} failed on tokens: {describe_error(error)}", *lines])) from error


def check_output(model: SequenceModel, who: str) -> None:
    """Check on small batches that a model returns logits (B, T, V), and that those at t depend only on its row up to t.

    Raises:
        RunError: they do not; the message says what it does instead.
        StrangerError: the model raised an exception; the message says what, and where.
    """
    module = type(model).__module__
    with torch.no_grad(), random_numbers(0), forbid_changes(who, "in a forward pass"):
        model.eval()
        for shape in ((2, 5), (1, 1)):
            with blame(who, f"on tokens of shape {shape}", module=module):
                _check_logits(model(torch.randint(model.vocab_size, shape)), (*shape, model.vocab_size), who)
        for shape in ((4, 5), (40, 5)):
            with blame(who, f"on tokens of shape {shape}", module=module):
                fault = describe_dependence(model, torch.randint(model.vocab_size, shape))
            if fault:
                raise RunError(f"{who} {fault}")
        model.train()


def check_training(model: SequenceModel, who: str) -> None:
    """Check that a model can be trained. Exceptions of its own lines are left to its runs.

    Raises:
        RunError: it cannot be trained; the message says why, and what to do.
    """
    try:
        why = why_not_trained(model)
    except BaseException as error:
        if isinstance(error, Interrupted):
            raise
        return
    if why:
        raise RunError(f"{who} {why}")


def _check_logits(logits: object, expected: tuple[int, int, int], who: str) -> None:
    if not isinstance(logits, torch.Tensor):
        raise RunError(f"{who} returns a {type(logits).__name__}, not logits: a tensor (B, T, V).")
    if tuple(logits.shape) != expected or not logits.is_floating_point():
        raise RunError(
            f"{who} gives {str(logits.dtype).removeprefix('torch.')} of shape {tuple(logits.shape)} for tokens of "
            f"shape {expected[:2]}; it must give logits (B, T, V), here {expected}."
        )
