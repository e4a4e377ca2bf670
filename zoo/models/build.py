"""A model from a class, options as they were written, and sizes: every fault of the options is told at once."""

import inspect

import torch
from pydantic import ValidationError
from torch.nn.parameter import is_lazy

from zoo.blame import blame
from zoo.config import Value
from zoo.errors import UsageError, describe_faults
from zoo.models.interface import ModelOptions, SequenceModel
from zoo.surroundings import random_numbers, restore_and_report


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
    """A fresh model on the CPU, its weights drawn under `seed`; the process is left as it was.

    Raises:
        UsageError: the sizes do not fit the model, its `__init__` does not take what every model is given, or a layer
            of it is lazy.
        StrangerError: its `__init__` raised something else; the message says what, and where.
    """
    name = model.__name__
    what = f"to start (V={vocab_size}, N={context})"
    made = restore_and_report(f"Model '{name}'", "when it is made")
    with random_numbers(seed), made, blame(f"Model '{name}'", what, module=model.__module__):
        _check_signature(model)
        try:
            fresh = model(config, vocab_size=vocab_size, context=context)
        except ValueError as error:
            raise UsageError(f"Model {name}: {str(error).rstrip('.')}.") from error
        except RuntimeError as error:
            if "allocate" not in str(error) and "overflow" not in str(error):
                raise
            raise UsageError(f"Model {name} with {config} does not fit into memory.") from error
        _check_sizes(fresh)
        return fresh


def count_buffers(model: SequenceModel, fresh: SequenceModel) -> int:
    """Numbers beside the trainable ones that training changed: of every tensor that is kept with the weights and is not
    as in `fresh`, the model before it; all of such a tensor, and once."""
    before = fresh.state_dict()
    trained = {parameter.data_ptr() for parameter in model.parameters() if parameter.requires_grad}
    changed = {
        tensor.data_ptr(): tensor.numel()
        for name, tensor in model.state_dict().items()
        if isinstance(tensor, torch.Tensor) and not _same(tensor, before.get(name))
    }
    return sum(count for place, count in changed.items() if place not in trained)


def _same(tensor: torch.Tensor, other: object) -> bool:
    if not isinstance(other, torch.Tensor) or (tensor.shape, tensor.dtype) != (other.shape, other.dtype):
        return False
    return torch.equal(tensor.cpu(), other.cpu())


def _check_signature(model: type[SequenceModel]) -> None:
    try:
        inspect.signature(model).bind(None, vocab_size=1, context=1)
    except TypeError as error:
        raise UsageError(
            f"Model {model.__name__} cannot be made: {error}. Write `def __init__(self, config, *, vocab_size, "
            "context)`, and options as fields of its Config."
        ) from None


def _check_sizes(model: SequenceModel) -> None:
    for path, module in model.named_modules():
        if any(is_lazy(tensor) for tensor in (module._parameters | module._buffers).values()):
            raise UsageError(
                f"Model {type(model).__name__}: '{path}' is a {type(module).__name__}, which has no sizes before its "
                "first batch. Lazy layers need their sizes: take the layer that is given them when it is made."
            )


def count_parameters(model: SequenceModel) -> int:
    """Trainable numbers; a tied matrix counts once."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
