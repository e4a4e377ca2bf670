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

_OK = "\nimported\n"
"""What a child says last; an exit code alone could be the provider's own."""


def check(holder: str, names: Sequence[str], *, timeout: float = 60.0) -> dict[str, str | None]:
    """Name -> what is wrong with its provider, or None; `holder` is where the registry lives, "module:attribute"."""

    def one(name: str) -> str | None:
        try:
            done = subprocess.run(
                # -P: no module of the working directory takes the place of ours
                [sys.executable, "-P", "-m", "registry.check", holder, name],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=timeout,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)},
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"'{name}' did not import within {timeout:g} s."
        if done.returncode == 0 and done.stdout.endswith(_OK):
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
    print(_OK, end="", flush=True)
    return 0


if __name__ == "__main__":
    code = _main(*sys.argv[1:3])
    sys.stderr.flush()
    os._exit(code)  # whatever threads and exit hooks a provider left behind
