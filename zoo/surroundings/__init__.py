"""Watch and restore the global state of a process: torch's globals, random numbers, working directory and more.

A model's file that changes it would change the numbers of other models. Importing this imports torch.
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
from zoo.surroundings.random_numbers import (
    digest_random_state,
    put_random_state,
    random_numbers,
    seed_torch,
    take_random_state,
    torch_seed,
)

__all__ = [
    "Surroundings",
    "Watch",
    "describe_arithmetic",
    "digest_random_state",
    "forbid_changes",
    "isolated",
    "own_random_numbers",
    "put_random_state",
    "random_numbers",
    "restore_and_report",
    "restore_silently",
    "seed_torch",
    "take_random_state",
    "torch_seed",
    "watch_changes",
]
