"""Register models, corpora and optimizers that are defined in a notebook or a script."""

import os
from collections.abc import Callable
from typing import Any, TypeVar

from registry import Registry
from zoo.catalog import CORPORA, MODELS, OPTIMIZERS
from zoo.errors import UsageError

Thing = TypeVar("Thing", bound=Callable[..., Any])


def register(name: str) -> Callable[[Thing], Thing]:
    """Decorator that registers a model or optimizer (a class) or a corpus (a function that returns a Source) by name.

        @zoo.register("mine")
        class Mine(zoo.SequenceModel): ...

    Running the same notebook cell again replaces the object. Keyword arguments of a function become options of the
    corpus.

    Raises:
        UsageError: `name` is not text.
        RegistryError: another owner claims the name, or the object is of the wrong kind.
    """
    if not isinstance(name, str):
        raise UsageError('register takes a name: @zoo.register("mine").')

    def add(thing: Thing) -> Thing:
        registry: Registry[Any] = CORPORA
        if isinstance(thing, type):
            from zoo.training.optimizers.interface import Optimizer

            registry = OPTIMIZERS if issubclass(thing, Optimizer) else MODELS
        return registry.register(name)(thing)

    return add


def name_of(thing: Any, registry: Registry[Any]) -> str:
    """Text unchanged; for a class or function its name in the registry, which registers it if needed.

    Raises:
        UsageError: `thing` is neither text, nor a class or function.
        RegistryError: the name belongs to another object, or `thing` is of the wrong kind.
    """
    if isinstance(thing, str | os.PathLike):
        return os.fspath(thing)
    own = getattr(thing, "__name__", None)
    if own is None:
        kind = type(thing).__name__
        raise UsageError(f"A {registry.kind} is given by its name, or as a class or function; {kind} is neither.")
    target = f"{thing.__module__}:{thing.__qualname__}"
    for entry in registry.entries():
        if entry.target == target and registry.get(entry.name) is thing:
            return entry.name
    registry.register(own)(thing)
    return own
