"""Find and undo monkeypatches of functions of torch and the zoo.

This covers functions in the modules below and in their classes, not those held in C++ or in deeper objects.
"""

import sys
from collections import ChainMap
from functools import lru_cache
from typing import Any

import torch

from zoo.surroundings.setting import Setting

MODULES = ("torch", "torch.nn", "torch.nn.functional", "torch.nn.init", "torch.optim", "torch.autograd", "torch.func")
PREFIXES = ("zoo.training.", "zoo.data.", "zoo.models.", "zoo.layers.", "zoo.experiments.", "zoo.probes.")
TORCH = torch.__path__[0]
COMPILER = (f"{TORCH}/_dynamo", f"{TORCH}/_compile")

COMPILED = ("__compiled_fn_", "__resume_at_")
"""Prefixes of names that torch's compiler adds to the module of a compiled function."""

Members = dict[str, dict[str, Any]]
"""Name of a module or class -> its members."""


class Patches(Setting):
    """Setting of replaced functions and of new methods that hide inherited ones; other new names are no patch."""

    def changes(self, before: Members, now: Members) -> list[str]:
        """List the replaced functions."""
        return [f"{self.name} {owner}.{key}" for owner, key, _ in _find_replaced(before, now)]


def _read() -> Members:
    return {name: vars(owner).copy() for name, owner in _find_owners().items()}


def _find_owners() -> dict[str, Any]:
    return _find_owners_among(len(sys.modules))


@lru_cache(maxsize=1)
def _find_owners_among(_: int) -> dict[str, Any]:
    """Map names to modules and classes; cached by the number of imported modules, because the search is slow."""
    found: dict[Any, str] = {torch.Tensor: "torch.Tensor"}
    for name, module in list(sys.modules.items()):
        if name in MODULES or name.startswith(PREFIXES):
            found[module] = name
            if name != "torch":
                home = name.partition(".")[0]
                for value in vars(module).values():
                    if isinstance(value, type) and value.__module__.startswith(home):
                        found.setdefault(value, f"{name}.{value.__name__}")
    return {name: owner for owner, name in found.items()}


def _find_replaced(before: Members, now: Members) -> list[tuple[str, str, Any]]:
    """List (owner, name, original); the original is None for a new method that hides an inherited one."""
    found = []
    for owner, old in before.items():
        new = now.get(owner, old)
        if old == new:
            continue
        found += [
            (owner, key, value)
            for key, value in old.items()
            if not key.startswith(COMPILED) and _is_other(value, new.get(key))
        ]
        if isinstance(_find_owners()[owner], type):
            inherited = ChainMap(*(dict(vars(base)) for base in _find_owners()[owner].__mro__[1:]))
            added = set(new) - set(old)
            found += [(owner, key, None) for key in added & set(inherited) if _is_other(inherited[key], new[key])]
    return found


def _restore(before: Members) -> None:
    owners = _find_owners()
    for owner, key, value in _find_replaced(before, _read()):
        if value is None:
            delattr(owners[owner], key)
        else:
            setattr(owners[owner], key, value)


def _is_function(value: Any) -> bool:
    return callable(value) or isinstance(value, classmethod | property)


def _is_other(value: Any, now: Any) -> bool:
    return _is_function(value) and value is not now and not _is_torchs_own(value, now)


def _is_torchs_own(value: Any, now: Any) -> bool:
    """Return whether torch itself made the replacement: its compiler does, and optimizer classes wrap their `step`."""
    place = getattr(getattr(now, "__code__", None), "co_filename", "")
    return place.startswith(COMPILER) or (place.startswith(TORCH) and getattr(now, "__wrapped__", None) is value)


PATCHES = Patches("the function", _read, _restore)
