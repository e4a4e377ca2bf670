"""Other global settings of a process: torch's threads, modes and hooks, folder, environment, signal handlers."""

import gc
import locale
import os
import signal
import sys
import threading
import warnings
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from torch.nn.modules import module as modules
from torch.overrides import _get_current_function_mode_stack, _pop_mode
from torch.utils._device import DeviceContext
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack
from torch.utils._python_dispatch import _pop_mode as _pop_dispatch_mode

from zoo.surroundings.setting import Setting

TORCHS_OWN = (
    "TORCHINDUCTOR_",
    "_TORCHINDUCTOR_",
    "TRITON_",
    "KMP_DUPLICATE_LIB_OK",
    "CUDA_HOME",
    "CUDA_MODULE_LOADING",
)
"""Environment variables that torch sets when it compiles or first uses CUDA."""
COMPILERS_DEPTH = 2000
"""Recursion limit that torch's compiler sets if the limit is lower."""
HOOKS = [name for name in vars(modules) if name.startswith("_global_") and isinstance(vars(modules)[name], dict)]


def _set_interop_threads(count: int) -> None:
    with suppress(RuntimeError):  # torch permits this once
        torch.set_num_interop_threads(count)


def _read_modes() -> tuple[list[Any], list[Any]]:
    functions = [mode for mode in _get_current_function_mode_stack() if not isinstance(mode, DeviceContext)]
    return functions, _get_current_dispatch_mode_stack()


def _leave_modes(before: tuple[list[Any], list[Any]]) -> None:
    """Exit modes entered since `before`; a mode exited since then cannot be entered again from here."""
    for kept, pop, now in zip(before, (_pop_mode, _pop_dispatch_mode), _read_modes(), strict=True):
        for _ in now[len(kept) :]:
            pop()


def _read_hooks() -> dict[str, dict[int, Any]]:
    return {name: dict(vars(modules)[name]) for name in HOOKS}


def _set_hooks(hooks: Mapping[str, Mapping[int, Any]]) -> None:
    for name, found in hooks.items():
        vars(modules)[name].clear()
        vars(modules)[name].update(found)


def _read_anomaly() -> tuple[bool, bool]:
    return torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()


def _set_anomaly(found: tuple[bool, bool]) -> None:
    torch.set_anomaly_enabled(*found)


def _read_folder() -> str:
    try:
        return os.getcwd()
    except OSError:  # the folder was removed
        return ""


def _set_folder(folder: str) -> None:
    with suppress(OSError):
        os.chdir(folder)


def _read_umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _without_torchs_own(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith(TORCHS_OWN)}


def _set_environment(environment: Mapping[str, str]) -> None:
    for name in set(_without_torchs_own(os.environ)) - set(environment):
        del os.environ[name]
    os.environ.update(environment)


def _read_handlers() -> dict[str, Any]:
    return {number.name: signal.getsignal(number) for number in signal.Signals}


def _set_handlers(handlers: Mapping[str, Any]) -> None:
    if threading.current_thread() is not threading.main_thread():
        return  # only the main thread can set handlers, so a model has set none
    for name, handler in handlers.items():
        number = signal.Signals[name]
        if handler is not None and signal.getsignal(number) is not handler:
            signal.signal(number, handler)


def _select_general(filters: list[Any]) -> list[Any]:
    """Select filters without a message, module or non-builtin category; libraries add others for their own warnings."""
    return [each for each in filters if each[1] is None and each[3] is None and each[2].__module__ == "builtins"]


def _set_filters(filters: list[Any]) -> None:
    warnings.filters[:] = filters  # type: ignore[index]
    warnings._filters_mutated()  # type: ignore[attr-defined]


def _set_collecting(enabled: bool) -> None:
    (gc.enable if enabled else gc.disable)()


MODES = Setting("torch's function and dispatch modes", _read_modes, _leave_modes, show=None)
# messages omit values of environment variables: some are secrets
PROCESS = (
    Setting("torch's threads", torch.get_num_threads, torch.set_num_threads),
    Setting("torch's interop threads", torch.get_num_interop_threads, _set_interop_threads),
    Setting("torch's seed", torch.initial_seed, torch.manual_seed),
    Setting("torch's {} of all modules", _read_hooks, _set_hooks, show=None),
    Setting("torch's anomaly detection", _read_anomaly, _set_anomaly),
    Setting("numpy's handling of {} in floating point", np.geterr, lambda found: np.seterr(**found)),
    Setting("the working directory", _read_folder, _set_folder),
    Setting("the umask", _read_umask, os.umask, show=oct),
    Setting(
        "the environment variable {}",
        lambda: dict(os.environ),
        _set_environment,
        compared=_without_torchs_own,
        show=None,
    ),
    Setting("the handler of {}", _read_handlers, _set_handlers, show=None),
    Setting("the warnings filters", lambda: list(warnings.filters), _set_filters, compared=_select_general, show=None),
    Setting("the locale", lambda: locale.setlocale(locale.LC_ALL), lambda old: locale.setlocale(locale.LC_ALL, old)),
    Setting(
        "the recursion limit",
        sys.getrecursionlimit,
        sys.setrecursionlimit,
        compared=lambda limit: max(limit, COMPILERS_DEPTH),
    ),
    Setting("garbage collection", gc.isenabled, _set_collecting),
)
