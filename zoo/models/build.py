"""A model from a class, options as they were written, and sizes: every fault of the options is told at once."""

import torch
from pydantic import ValidationError

from zoo.config import Value
from zoo.errors import UsageError, describe_faults
from zoo.models.interface import ModelOptions, SequenceModel


def model_config(model: type[SequenceModel], options: dict[str, Value], name: str) -> ModelOptions:
    """The model's `Config` with these options.

    Raises:
        UsageError: unknown options or values out of range, all of them in one line.
    """
    try:
        return model.Config(**options)
    except ValidationError as error:
        known = ", ".join(model.Config.model_fields) or "none"
        raise UsageError(f"Model '{name}': {describe_faults(error)}. Its options: {known}.") from None


def build(
    model: type[SequenceModel], config: ModelOptions, *, vocab_size: int, context: int, seed: int
) -> SequenceModel:
    """A fresh model on the CPU, its weights drawn under `seed`; the caller's random numbers are left alone.

    Raises:
        UsageError: the sizes do not fit the model.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            return model(config, vocab_size=vocab_size, context=context)
        except ValueError as error:
            raise UsageError(f"Model {model.__name__}: {error}.") from error
        except RuntimeError as error:
            if "allocate" not in str(error) and "overflow" not in str(error):
                raise
            raise UsageError(f"Model {model.__name__} with {config} does not fit into memory.") from error


def count_parameters(model: SequenceModel) -> int:
    """Trainable numbers; a tied matrix counts once."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
