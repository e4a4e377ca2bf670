"""What all models of a process share (torch's globals, random numbers, the folder, ...): seen, and put back.

A model's file that sets one of them would change the numbers of the others. Importing this imports torch.
"""

from zoo.surroundings.arithmetic import arithmetic
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
    "arithmetic",
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
