"""The state that all models of a process share (torch's globals, random numbers, working directory, ...): watch and
restore it.

A model's file that sets some of it would change the numbers of other models. Importing this imports torch.
"""

from zoo.surroundings.arithmetic import describe_arithmetic
from zoo.surroundings.guard import (
    Surroundings,
    Watch,
    forbid_changes,
    restore_and_report,
    restore_silently,
    watch_changes,
)
from zoo.surroundings.isolation import isolated, own_random_numbers
from zoo.surroundings.random_numbers import random_numbers, seed_torch, torch_seed

__all__ = [
    "Surroundings",
    "Watch",
    "describe_arithmetic",
    "forbid_changes",
    "isolated",
    "own_random_numbers",
    "random_numbers",
    "restore_and_report",
    "restore_silently",
    "seed_torch",
    "torch_seed",
    "watch_changes",
]
