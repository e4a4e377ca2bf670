"""Adapt a torch module from elsewhere to a model of the zoo, in one line.

    Mine = adapt(Thing)


    @adapt(scales_with="width", recipe=Recipe(lr=1e-2))
    def Other(vocab_size, width: int = 64, dropout: float = 0.0):
        return thing.Decoder(thing.Options(tokens=vocab_size, channels=width), dropout=dropout)

Parameters of the class or function other than the sizes become options of the model: `./mine.py:Other(width=96)`.
"""

import inspect
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin, overload
from weakref import WeakSet

import torch
from pydantic import BaseModel, Field, create_model
from pydantic.fields import FieldInfo
from torch import Tensor, nn

from zoo.config import Recipe, Value
from zoo.errors import ZooError
from zoo.models.interface import ModelOptions, SequenceModel

Make = Callable[..., nn.Module]
Sees = int | Callable[[int], int] | None
Adds = Callable[[Any], Tensor]

_made: WeakSet[nn.Module] = WeakSet()
"""Modules of all adapted models, to recognise one that is returned twice."""


class AdaptError(ZooError, TypeError):
    """The adapted object, or its output, does not fit the interface of a model."""


class Adapted(SequenceModel):
    """Base of the models that `adapt` returns; wraps a module from elsewhere."""

    make: ClassVar[Make]
    sees: ClassVar[Sees]

    def __init__(self, config: BaseModel, *, vocab_size: int, context: int) -> None:
        super().__init__(config, vocab_size=vocab_size, context=context)
        make, name = type(self).make, type(self).__name__
        given = {"vocab_size": vocab_size, "context": context, **dict(config)}
        signature = inspect.signature(make)
        taken = OrderedDict((key, given[key]) for key in signature.parameters if key in given)
        arguments = inspect.BoundArguments(signature, taken)
        module = make(*arguments.args, **arguments.kwargs)
        if not isinstance(module, nn.Module):
            raise AdaptError(f"{name} makes a {type(module).__name__}, not a torch.nn.Module.")
        if module in _made:
            raise AdaptError(f"{name} returns the same module twice: it must build a new one at every call.")
        _made.add(module)
        self.module = module

    @property
    def receptive_field(self) -> int | None:
        """Number of tokens that a logit depends on, as given to `adapt`; None if unbounded."""
        sees = type(self).sees
        return sees(self.context) if callable(sees) else sees

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T) -> (B, T, V). Empty tokens skip the module, which may fail to infer their shape."""
        if not tokens.numel():
            return torch.empty(*tokens.shape, self.vocab_size, device=tokens.device)
        output = self.module(tokens)
        self.see(output)
        match output:
            case Tensor() as logits:
                return logits
            case object(logits=Tensor() as logits) | {"logits": Tensor() as logits} | [Tensor() as logits, *_]:
                return logits
            case _:
                raise AdaptError(
                    f"{type(self).__name__} gives a {type(output).__name__} without logits: it must give a tensor "
                    '(B, T, V), a tuple or list that begins with one, or something with .logits or ["logits"].'
                )

    def see(self, output: Any) -> None:
        """Receive what the module returned, with its logits."""


class AdaptedWithLoss(Adapted):
    """Base of those whose output has an auxiliary loss."""

    adds: ClassVar[Adds]

    def see(self, output: Any) -> None:
        """Keep the auxiliary loss of the pass until it is read."""
        if self.training:
            self.auxiliary = type(self).adds(output)

    def auxiliary_loss(self) -> Tensor | None:
        """Return what the function given to `adapt` made of the module's output."""
        return self.auxiliary


@overload
def adapt(
    make: Make,
    *,
    recipe: Recipe = ...,
    other_recipes: tuple[Recipe, ...] = ...,
    scales_with: str | None = ...,
    receptive_field: Sees = ...,
    auxiliary_loss: Adds | None = ...,
    paper: str = ...,
) -> type[SequenceModel]: ...


@overload
def adapt(
    *,
    recipe: Recipe = ...,
    other_recipes: tuple[Recipe, ...] = ...,
    scales_with: str | None = ...,
    receptive_field: Sees = ...,
    auxiliary_loss: Adds | None = ...,
    paper: str = ...,
) -> Callable[[Make], type[SequenceModel]]: ...


def adapt(
    make: Make | None = None,
    *,
    recipe: Recipe = SequenceModel.recipe,
    other_recipes: tuple[Recipe, ...] = (),
    scales_with: str | None = None,
    receptive_field: Sees = None,
    auxiliary_loss: Adds | None = None,
    paper: str = "",
) -> type[SequenceModel] | Callable[[Make], type[SequenceModel]]:
    """Make a model from a class or function that returns a torch module; without `make`, a decorator.

    The module takes tokens (B, T) and returns causal logits (B, T, V): as a tensor, first in a tuple or list, as
    `.logits` or as `["logits"]`.

    Args:
        make: takes `vocab_size` and, optionally, `context`. Other parameters of type bool, int, float, str or a
            `Literal` become options; without an annotation the default gives the type.
            `Annotated[int, Field(ge=1, description="...")]` bounds and describes an option. Parameters of other types
            keep their defaults.
        recipe: training settings that suit the model.
        other_recipes: settings for other budgets, and for other optimizers.
        scales_with: name of the option that makes the model wider, which `--match` varies.
        receptive_field: number of tokens that a logit depends on, or a function from the context to it; None if
            unbounded.
        auxiliary_loss: function from the module's output to the loss that training adds, as in
            `SequenceModel.auxiliary_loss`: `lambda output: 0.01 * output.aux_loss` for experts of `transformers`, which
            give one with `output_router_logits=True`. Without it an `aux_loss` of the output is not used.
        paper: source of the idea.

    Raises:
        AdaptError: a TypeError; `make` is a module instead of a class or function, takes no `vocab_size`, requires a
            parameter that cannot be an option, or has no option `scales_with`. The model raises it if `make` returns no
            module or the same one twice, and if the module returns no logits.
    """
    if make is None:
        return partial(
            adapt,
            recipe=recipe,
            other_recipes=other_recipes,
            scales_with=scales_with,
            receptive_field=receptive_field,
            auxiliary_loss=auxiliary_loss,
            paper=paper,
        )
    if not (isinstance(make, type) or inspect.isfunction(make)):
        raise AdaptError(
            f"adapt takes a class, or a function that makes a module, not a {type(make).__name__}: every seed needs "
            "fresh weights. Write a function of vocab_size that returns a new module."
        )
    name = make.__name__
    signature = inspect.signature(make, eval_str=True)
    if "vocab_size" not in signature.parameters:
        raise AdaptError(f"{name} takes no vocab_size: write a function of vocab_size that returns a new module.")
    options = _options(signature, name)
    if scales_with not in (None, *options):
        raise AdaptError(f"{name} has no option '{scales_with}' to scale with. Its options: {', '.join(options)}.")
    config = create_model("Config", __base__=ModelOptions, __module__=make.__module__, **options)
    config.scales_with = scales_with
    members = {"Config": config, "recipe": recipe, "other_recipes": other_recipes, "paper": paper}
    members |= {"make": make, "sees": receptive_field}
    identity = {key: getattr(make, key) for key in ("__module__", "__qualname__", "__doc__")}
    if auxiliary_loss is None:
        return type(name, (Adapted,), members | identity)
    return type(name, (AdaptedWithLoss,), members | identity | {"adds": staticmethod(auxiliary_loss)})


def _options(signature: inspect.Signature, name: str) -> dict[str, Any]:
    """Name -> (type, field) of every parameter that can be an option."""
    options = {}
    for key, parameter in signature.parameters.items():
        if key in ("vocab_size", "context") or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        default = ... if parameter.default is parameter.empty else parameter.default
        field = default if isinstance(default, FieldInfo) else Field(default)
        annotation = parameter.annotation
        if annotation is parameter.empty:
            annotation = Value if field.is_required() else type(field.default)
        if _can_be_written(annotation):
            options[key] = (annotation, field)
        elif field.is_required():
            raise AdaptError(
                f"{name} needs '{key}', which cannot be an option (bool, int, float, str or Literal): write a function "
                f"of vocab_size that chooses '{key}' and returns a new module."
            )
    return options


def _can_be_written(annotation: Any) -> bool:
    """Whether `name=value` can express a value of the type."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _can_be_written(parts[0])
    if origin in (Union, UnionType):
        return all(part is NoneType or _can_be_written(part) for part in parts)
    return origin is Literal or annotation in (bool, int, float, str)
