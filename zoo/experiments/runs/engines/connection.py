"""Join a Ray cluster and leave it, without a word on the terminal and with the project's own signal handlers."""

import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from types import ModuleType
from typing import Any

from zoo import interrupt
from zoo.errors import RunError
from zoo.experiments.runs.engines.scout import Found

SILENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_DEDUP_LOGS": "0",
}
"""Variables that keep Ray from sending statistics, writing to the terminal, and shipping the folder of `uv run`."""


def join(found: Found | None) -> ModuleType:
    """Join a cluster and return the module `ray`.

    Args:
        found: the cluster; None: start one on this machine, which ends with this process.

    Raises:
        RunError: it refuses this process, as with another version of Ray or Python.
    """
    for name, value in SILENT.items():
        os.environ.setdefault(name, value)
    if found:
        use_token(found.demands_token)
    import ray

    where = found.address if found else "local"
    beside: dict[str, Any] = {} if found else {"include_dashboard": False}
    try:
        with _silent(), interrupt.held(), _own_signals():
            ray.init(address=where, log_to_driver=False, logging_level=logging.CRITICAL, **beside)
    except Exception as error:
        raise RunError(f"Cannot join the Ray cluster at '{where}': {_in_one_line(error)}") from None
    # whatever `log_to_driver` says, a thread prints the log of a node that died on standard output
    vars(import_module("ray._private.worker"))["print_to_stdstream"] = lambda *_, **__: None
    return ray


def use_token(demanded: bool) -> None:
    """Send the user's token, or none, as the cluster demands: with the wrong mode its tasks die."""
    os.environ["RAY_AUTH_MODE"] = "token" if demanded else "disabled"
    if "ray" in sys.modules:  # which has read the variable before
        with suppress(ImportError):
            import_module("ray._raylet").Config.initialize("")


def leave(ray: ModuleType) -> None:
    """Leave the cluster; one that `join` started ends."""
    with _silent(), interrupt.held(), _own_signals():
        ray.shutdown()


@contextmanager
def _silent() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _own_signals() -> Iterator[None]:
    """Restore the handlers of signals, which Ray replaces."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _in_one_line(error: Exception) -> str:
    words = " ".join(str(error).split())
    return words if len(words) <= 300 else f"{words[:300]}…"
