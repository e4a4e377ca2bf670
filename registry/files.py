"""Objects in a file of the user's own, named as `./mine.py:Mine`."""

import hashlib
import importlib.util
import re
import sys
from pathlib import Path

_REFERENCE = re.compile(r"(?P<path>.*\.py)(?::(?P<attribute>[A-Za-z_]\w*))?")


def is_file_reference(name: str) -> bool:
    """True for `./mine.py:Mine`, and for `./mine.py`, which lacks its class and gets its own error."""
    return _REFERENCE.fullmatch(name) is not None


def split_file_reference(name: str) -> tuple[Path, str | None]:
    """`./mine.py:Mine` -> (the path as written, "Mine")."""
    match = _REFERENCE.fullmatch(name)
    if match is None:
        raise ValueError(f"{name!r} is not written as ./file.py:Name")
    return Path(match["path"]), match["attribute"]


def import_file(path: Path) -> object:
    """The module in `path`, imported as a script would be (its folder is importable), again when its text changed."""
    path = path.resolve()
    digest = hashlib.sha256(str(path).encode() + b"\0" + path.read_bytes()).hexdigest()[:16]
    module_name = f"_zoo_file_{path.stem}_{digest}"
    if module_name in sys.modules:
        return sys.modules[module_name]
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"Python cannot import {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[module_name]
        raise
    return module
