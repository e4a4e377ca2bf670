"""Write a package for a new model that passes its checks and tests unchanged: the command `new`. Imports no torch."""

import keyword
import os
import re
import tempfile
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from shlex import quote
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from zoo.catalog import MODELS
from zoo.errors import UsageError, ZooError

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
FILES = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "{module}.py": "model.py",
    "tests/test_{module}.py": "tests/test_model.py",
}
"""Path of a file -> its template."""


class Names(NamedTuple):
    """The name of a package in its three spellings: my-model, my_model, MyModel."""

    name: str
    module: str
    class_name: str


class Package(NamedTuple):
    """A written package: its names, directory and files."""

    names: Names
    directory: str
    files: list[str]

    @property
    def commands(self) -> list[str]:
        """The commands to run next."""
        folder, (name, module, class_name) = quote(self.directory), self.names
        model = quote(f"{os.path.join(self.directory, module)}.py:{class_name}")
        install = f"pip install --no-deps -e {folder}"
        return [f"zoo check {model}", f"pytest {folder}", install, f"zoo compare --models gru,{name}"]


def write_package(name: str, out: str) -> Package:
    """Write the package `out`/`name`, whole or not at all.

    Raises:
        UsageError: `name` cannot name a package and a model.
        ZooError: the folder already exists.
    """
    names = spell_name(name)
    directory = os.path.join(out, name)
    if os.path.lexists(directory):
        raise ZooError(f"'{directory}' already exists: choose another name, or another folder (--out).")
    texts = {path.format(module=names.module): _render(template, names) for path, template in FILES.items()}
    os.makedirs(out, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=f".{name}.") as hidden:
        for path, text in texts.items():
            file = Path(hidden, name, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        os.rename(os.path.join(hidden, name), directory)
    return Package(names, directory, [os.path.join(directory, path) for path in texts])


def spell_name(name: str) -> Names:
    """Check a name and return its three spellings.

    Raises:
        UsageError: the name is malformed, or Python, pytest or the zoo already use it.
    """
    if not NAME.fullmatch(name):
        likely = re.sub(r"[^a-z0-9]+", "-", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()).strip("-")
        hint = f" Did you mean '{likely}'?" if name.isascii() and NAME.fullmatch(likely) else ""
        raise UsageError(
            f"{name!r} cannot be a model's name: lower-case letters a to z, digits, and dashes between them, a letter "
            f"first.{hint}"
        )
    names = Names(name, name.replace("-", "_"), "".join(part.capitalize() for part in name.split("-")))
    if taken := _find_clash(names):
        raise UsageError(f"'{name}' cannot be a new model's name: {taken}. Take another one.")
    return names


def _find_clash(names: Names) -> str | None:
    """Describe what already uses a name; None if nothing does."""
    name, module, class_name = names
    if keyword.iskeyword(module) or keyword.iskeyword(class_name):
        return "it is a Python keyword"
    if name.startswith("test"):
        return "pytest would run it as a test, as it begins with 'test'"
    if owners := [entry.origin for entry in MODELS.entries() if entry.name == name]:
        return f"a model of this name exists ({owners[0]})"
    if find_spec(module):
        return f"a Python module '{module}' exists"
    try:
        return f"a distribution '{distribution(name).name}' is installed"
    except PackageNotFoundError:
        return None


def _render(template: str, names: Names) -> str:
    loader = PackageLoader("zoo", "templates/plugin")
    environment = Environment(loader=loader, undefined=StrictUndefined, keep_trailing_newline=True)
    return environment.get_template(f"{template}.jinja").render(names._asdict())
