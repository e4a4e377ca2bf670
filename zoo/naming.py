"""Names for what is defined in a notebook or a script: models and corpora that no file and no package offers."""

import os
from collections.abc import Callable
from typing import Any, TypeVar

from registry import Registry
from zoo.catalog import CORPORA, MODELS
from zoo.errors import UsageError

Thing = TypeVar("Thing", bound=Callable[..., Any])


def register(name: str) -> Callable[[Thing], Thing]:
    """A decorator that gives a model (a class) or a corpus (a function that returns a Source) a name.

        @zoo.register("mine")
        class Mine(zoo.SequenceModel): ...

    Running the same notebook cell again replaces it. Keyword arguments of the function are the corpus's options.

    Raises:
        UsageError: no name.
        RegistryError: somebody else owns the name, or the object is not what it should be.
    """
    if not isinstance(name, str):
        raise UsageError('register takes a name: @zoo.register("mine").')

    def add(thing: Thing) -> Thing:
        registry: Registry[Any] = MODELS if isinstance(thing, type) else CORPORA
        return registry.register(name)(thing)

    return add


def name_of(thing: Any, registry: Registry[Any]) -> str:
    """Text as it is; a class or function by its name in the registry, where it is put if it has none."""
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
