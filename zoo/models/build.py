"""Build a model from its class, options and sizes; report all faults of the options at once."""

import inspect

import torch
from pydantic import ValidationError
from torch import nn
from torch.nn.parameter import is_lazy

from zoo.blame import blame
from zoo.config import Value
from zoo.errors import UsageError, ZooError, describe_faults
from zoo.models.interface import ModelOptions, SequenceModel
from zoo.surroundings import random_numbers, restore_and_report

LONGEST_REASON = 200
"""Maximum characters of a library's message in ours."""


def model_config(model: type[SequenceModel], options: dict[str, Value], name: str) -> ModelOptions:
    """The model's `Config` with these options.

    Raises:
        UsageError: options are unknown or out of range; one line lists all of them.
    """
    try:
        return model.Config(**options)
    except ValidationError as error:
        known = ", ".join(model.Config.model_fields) or "none"
        follow = [f" Its {option} follows from {why}." for option, why in model.Config.follows.items()
                  if option in options]  # fmt: skip
        raise UsageError(f"Model '{name}': {describe_faults(error)}. Its options: {known}.{''.join(follow)}") from None


def build(
    model: type[SequenceModel], config: ModelOptions, *, vocab_size: int, context: int, seed: int
) -> SequenceModel:
    """Build a model on the CPU with weights drawn under `seed`; restores the state of the process.

    Raises:
        UsageError: the sizes do not fit the model, its `__init__` does not take the arguments of every model, or it
            keeps state that cannot be stored.
        StrangerError: its `__init__` raised another exception; the message has the exception and its lines.
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
            sizes = " ".join([*str(config).split(), f"V={vocab_size}", f"N={context}"])
            raise UsageError(f"Model {name} with {sizes} does not fit into memory.") from error
    check_tensors(fresh)
    own_memory(fresh)
    return fresh


def describe_refusal(error: Exception) -> str:
    """Describe in one line why a model refuses options or sizes.

    Args:
        error: the exception of `model_config`, `build` or a first forward pass.
    """
    if isinstance(error, ZooError) and isinstance(error.__context__, Exception):
        error = error.__context__  # the original exception of the constructor or of the options' validation
    if isinstance(error, ValidationError) and error.title == "Config":
        return describe_faults(error)
    text = " ".join(str(error).split()).rstrip(".")
    short = text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON].rstrip()} ..."
    return short if isinstance(error, ZooError) else f"{type(error).__name__}: {short}".removesuffix(": ")


def count_buffers(model: SequenceModel, fresh: SequenceModel) -> int:
    """Count the numbers that training changed in tensors of the state dict that are not trainable.

    A tensor that differs from the one in `fresh`, the model before training, counts whole, and a shared one once.
    """
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


def check_tensors(model: SequenceModel) -> None:
    """Check that a model's state can be stored: parameters and buffers are dense tensors, and there is no other state.

    Raises:
        UsageError: it cannot be stored; the message names the tensor or module and what to do.
    """
    for path, module in model.named_modules():
        who = f"Model {type(model).__name__}: '{path or type(module).__name__}'"
        for own, tensor in [*module._parameters.items(), *module._buffers.items()]:
            if is_lazy(tensor):
                raise UsageError(
                    f"{who} is a {type(module).__name__}, which has no sizes before its first batch. Use the layer "
                    f"that is built with its sizes ({type(module).__name__.removeprefix('Lazy')})."
                )
            if tensor is not None and (kind := describe_unusual(tensor)):
                name = f"{path}.{own}" if path else own
                raise UsageError(
                    f"Model {type(model).__name__}: '{name}' is a {kind}, which cannot be stored with the weights. "
                    "Keep it as a dense tensor on the CPU, and convert it in forward."
                )
    refuse_extra_state(model)


def refuse_extra_state(model: nn.Module) -> None:
    """Check that no module keeps extra state, because only tensors are stored.

    Raises:
        UsageError: a module defines `get_extra_state`, which may return anything.
    """
    for name, module in model.named_modules():
        if type(module).get_extra_state is not nn.Module.get_extra_state:
            raise UsageError(
                f"Model {type(model).__name__}: '{name or type(module).__name__}' keeps extra state (get_extra_state), "
                "which is not stored with the weights. Make it a buffer."
            )


def own_memory(model: SequenceModel) -> None:
    """Give expanded tensors memory of their own: torch refuses to write in place to tensors that overlap themselves."""
    for tensor in [*model.parameters(), *model.buffers()]:
        if overlaps_itself(tensor):
            tensor.data = tensor.detach().clone(memory_format=torch.contiguous_format)


def overlaps_itself(tensor: torch.Tensor) -> bool:
    """Whether several elements of the tensor share one number in memory (an expanded tensor)."""
    return any(stride == 0 and size > 1 for stride, size in zip(tensor.stride(), tensor.shape, strict=True))


def describe_unusual(tensor: torch.Tensor) -> str:
    """Kind of a tensor that is not dense numbers in memory; "" for a dense one."""
    if tensor.is_meta:
        return "tensor without numbers (device meta)"
    if tensor.is_quantized:
        return "quantized tensor"
    if tensor.is_nested:
        return "nested tensor"
    if tensor.layout != torch.strided:
        return f"sparse tensor ({tensor.layout})"
    return ""


def count_parameters(model: SequenceModel) -> int:
    """Number of trainable numbers; a tied matrix counts once."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
