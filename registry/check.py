"""Import each provider in its own process under a time limit, so that a broken one cannot harm the others.

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
"""Last line of a successful child; an exit code alone could come from the provider."""


def check(holder: str, names: Sequence[str], *, timeout: float = 60.0) -> dict[str, str | None]:
    """Map each name to what is wrong with its provider, or None.

    Args:
        holder: location of the registry, "module:attribute".
        names: names to import.
        timeout: seconds that one import may take.
    """

    def one(name: str) -> str | None:
        try:
            done = subprocess.run(
                # -P: modules of the working directory must not shadow ours
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
        errors = done.stderr.strip().splitlines()
        return errors[-1] if errors else f"'{name}' ended its process with exit code {done.returncode}."

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
    os._exit(code)  # skips threads and exit hooks that the provider left behind
