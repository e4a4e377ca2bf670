"""Registry of one kind of object (models, corpora), filled from four sources.

A name comes from the built-in table, an entry point of an installed distribution, or `register` in a notebook; or it is
a file reference (`./mine.py:Mine`). Listing names imports nothing; `get` imports the provider of its name alone.
"""

import difflib
import fnmatch
import importlib
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import EntryPoints, entry_points
from types import ModuleType
from typing import Any, Generic, TypeVar

from registry.errors import DuplicateNameError, ProviderError, UnknownNameError
from registry.files import import_file, is_file_reference, split_file_reference

T = TypeVar("T")

BUILT_IN = "built in"


@dataclass(frozen=True)
class Entry:
    """One claim on a name: `target` locates the object, `origin` names the owner, `detail` its entry point if any."""

    name: str
    target: str
    origin: str
    detail: str = ""

    @property
    def owner(self) -> str:
        """The origin with the entry point or target, for messages."""
        return f"{self.origin} ({self.detail})" if self.detail else f"{self.origin} ({self.target})"


class Registry(Generic[T]):
    """Named objects of one kind, imported lazily.

    Args:
        kind: the word for one object in messages, "model".
        group: the entry-point group of plug-ins, "zoo.models".
        builtins: name -> "module:attribute".
        problem: describes what is wrong with a loaded object in a few words; None if nothing is.
        around: gives the context in which a provider that is not built in is imported.
    """

    def __init__(
        self,
        kind: str,
        group: str,
        builtins: Mapping[str, str],
        problem: Callable[[object], str | None] = lambda _: None,
        around: Callable[[Entry], AbstractContextManager[None]] = lambda _: nullcontext(),
    ) -> None:
        self.kind = kind
        self.group = group
        self._builtins = dict(builtins)
        self._problem = problem
        self._around = around
        self._registered: dict[str, tuple[Entry, T]] = {}

    def entries(self, pattern: str = "*") -> list[Entry]:
        """All claims whose name matches the shell pattern, sorted by name; a name claimed twice is listed twice."""
        found = [Entry(name, target, BUILT_IN) for name, target in self._builtins.items()]
        for point in _entry_points(self.group, tuple(map(_changed_at, sys.path))):
            owner = f"{point.dist.name} {point.dist.version}" if point.dist else "unknown distribution"
            detail = f"entry point {point.name} = {point.value}"
            found.append(Entry(point.name, point.value, owner, detail))
        found += [entry for entry, _ in self._registered.values()]
        matching = (entry for entry in found if fnmatch.fnmatchcase(entry.name, pattern))
        return sorted(matching, key=lambda entry: (entry.name, entry.origin))

    def names(self, pattern: str = "*") -> list[str]:
        """Names that match the shell pattern (`"*wave*"`), sorted; imports nothing."""
        return sorted({entry.name for entry in self.entries(pattern)})

    def find(self, name: str) -> Entry:
        """The only claim on `name`; imports nothing.

        Raises:
            UnknownNameError: no owner claims it; the message lists the names that exist and the nearest spelling.
            DuplicateNameError: several owners claim it; the message names them.
            ProviderError: a file reference lacks its class, or its file does not exist.
        """
        if is_file_reference(name):
            return self._make_file_entry(name)
        claims = [entry for entry in self.entries() if entry.name == name]
        if not claims:
            raise UnknownNameError(self._describe_unknown(name))
        if len(claims) > 1:
            owners = " and ".join(claim.owner for claim in claims)
            raise DuplicateNameError(
                f"{self.kind.capitalize()} '{name}' is claimed twice: {owners}. Rename or uninstall one of them."
            )
        return claims[0]

    def get(self, name: str) -> T:
        """The object named `name`; imports its provider and no other.

        Raises:
            UnknownNameError, DuplicateNameError: as `find`.
            ProviderError: as `find`; or the provider raised on import, or the object is of the wrong kind.
        """
        entry = self.find(name)
        if name in self._registered:
            return self._registered[name][1]
        with nullcontext() if entry.origin == BUILT_IN else self._around(entry):
            loaded = self._load(entry)
        problem = self._problem(loaded)
        if problem:
            raise ProviderError(f"{self.kind.capitalize()} '{name}' from {entry.owner} {problem}.")
        return loaded  # type: ignore[return-value]  # `problem` has checked it

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator that registers an object: `MODELS.register("mine")(Mine)`.

        Running the same notebook cell again replaces the object.

        Raises:
            DuplicateNameError: another owner claims the name.
            ProviderError: the object is of the wrong kind.
        """

        def add(loaded: T) -> T:
            target = f"{getattr(loaded, '__module__', '?')}:{getattr(loaded, '__qualname__', '?')}"
            entry = Entry(name, target, "registered here")
            others = [claim for claim in self.entries() if claim.name == name and claim != entry]
            if others:
                raise DuplicateNameError(
                    f"{self.kind.capitalize()} '{name}' is claimed twice: {others[0].owner} and {entry.owner}. "
                    "Register it under another name."
                )
            problem = self._problem(loaded)
            if problem:
                raise ProviderError(f"{self.kind.capitalize()} '{name}' from {entry.owner} {problem}.")
            self._registered[name] = (entry, loaded)
            return loaded

        return add

    def unregister(self, name: str) -> None:
        """Remove a name added by `register`."""
        self._registered.pop(name, None)

    def _make_file_entry(self, name: str) -> Entry:
        path, attribute = split_file_reference(name)
        if attribute is None:
            raise ProviderError(f"'{name}' does not say which {self.kind}: write {name}:Name.")
        if not os.path.isfile(path):  # unlike Path.is_file, takes any text
            raise ProviderError(f"No file '{path}' for {self.kind} '{name}'.")
        return Entry(name, name, f"file {path}")

    def _load(self, entry: Entry) -> object:
        try:
            if is_file_reference(entry.target):
                path, attribute = split_file_reference(entry.target)
                value: object = import_file(path)
            else:
                module, _, attribute = entry.target.partition(":")
                value = importlib.import_module(module)
            for part in (attribute or "").split("."):
                value = _get_attribute(value, part) if part else value
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a plug-in may raise anything, SystemExit included
            raise ProviderError(
                f"{self.kind.capitalize()} '{entry.name}' from {entry.owner} cannot be imported: {_describe(error)}"
            ) from error
        return value

    def _describe_unknown(self, name: str) -> str:
        available = self.names()
        close = difflib.get_close_matches(name, available, n=1, cutoff=0.6)
        hint = f" Did you mean '{close[0]}'?" if close else ""
        return (
            f"Unknown {self.kind} '{name}'. Available: {', '.join(available)}.{hint} "
            f"A file of your own is written ./file.py:Name."
        )


@lru_cache(maxsize=8)
def _entry_points(group: str, folders: tuple[tuple[str, int], ...]) -> EntryPoints:
    """Entry points of a group, cached until a folder of sys.path changes."""
    found: EntryPoints = _all_entry_points(folders).select(group=group)
    return found


@lru_cache(maxsize=1)
def _all_entry_points(folders: tuple[tuple[str, int], ...]) -> Any:  # its type depends on the version of Python
    """Entry points of all distributions, read once for all groups: listing reads files of each distribution."""
    return entry_points()


def _changed_at(folder: str) -> tuple[str, int]:
    """A folder of sys.path, and the time when a file was last added to it or removed (ns; 0 if unknown)."""
    place = os.path.abspath(folder)
    try:
        return place, os.stat(place).st_mtime_ns
    except OSError:
        return place, 0


def _get_attribute(owner: object, name: str) -> object:
    """`owner.name`; if a module lacks it, the error lists the module's own classes and functions."""
    if not hasattr(owner, name) and isinstance(owner, ModuleType):
        own = [key for key, value in vars(owner).items() if getattr(value, "__module__", None) == owner.__name__]
        raise AttributeError(f"no '{name}' in it; it has: {', '.join(own) or 'nothing of its own'}")
    return getattr(owner, name)


def _describe(error: BaseException) -> str:
    """Type and message in one line, even if the exception's `__str__` raises."""
    try:
        message = str(error).strip()
    except Exception:
        message = "(its message cannot be printed)"
    return f"{type(error).__name__}: {message}".splitlines()[0]
