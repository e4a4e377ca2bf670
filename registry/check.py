"""Import every provider in a process of its own, with a time limit: a broken one harms nothing else.

python -m registry.check zoo.catalog:MODELS wavenet
"""

import importlib
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from registry.errors import RegistryError


def check(holder: str, names: Sequence[str], *, timeout: float = 60.0) -> dict[str, str | None]:
    """Name -> what is wrong with its provider, or None; `holder` is where the registry lives, "module:attribute"."""

    def one(name: str) -> str | None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}
        command = [sys.executable, "-m", "registry.check", holder, name]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=timeout, env=environment, check=False
            )
        except subprocess.TimeoutExpired:
            return f"'{name}' did not import within {timeout:g} s."
        if done.returncode == 0:
            return None
        said = done.stderr.strip().splitlines()
        return said[-1] if said else f"'{name}' ended its process with exit code {done.returncode}."

    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        return dict(zip(names, pool.map(one, names), strict=True))


def _main(holder: str, name: str) -> int:
    module, _, attribute = holder.partition(":")
    try:
        getattr(importlib.import_module(module), attribute).get(name)
    except RegistryError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    code = _main(*sys.argv[1:3])
    sys.stderr.flush()
    os._exit(code)  # whatever threads and exit hooks a provider left behind
