"""Plug-ins as real installed distributions: one with a good and a broken entry point, one that claims `wavenet`."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

RunZoo = Callable[..., subprocess.CompletedProcess[str]]
Here = Callable[[dict[str, str]], None]

MODEL = '''\
"""Always the same logits."""

import torch

from zoo import SequenceModel


class Constant(SequenceModel):
    """Every token is as likely as its weight says."""

    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.logits = torch.nn.Parameter(torch.zeros(vocab_size))

    def forward(self, tokens):
        return self.logits.expand(*tokens.shape, -1)
'''

PROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "{name}"
version = "{version}"

[project.entry-points."zoo.models"]
{points}
"""


def install(folder: Path, name: str, version: str, points: dict[str, str], modules: dict[str, str]) -> dict[str, str]:
    """Build and install the wheel of a small distribution; returns the environment variables that make it visible."""
    package = folder / "source" / name.replace("-", "_")
    package.mkdir(parents=True)
    for module, text in {"__init__": "", **modules}.items():
        (package / f"{module}.py").write_text(text)
    lines = "\n".join(f'{point} = "{value}"' for point, value in points.items())
    (package.parent / "pyproject.toml").write_text(PROJECT.format(name=name, version=version, points=lines))
    build = ["build", "--wheel", "--no-isolation", "--outdir", folder / "wheels", package.parent]
    target = folder / "installed"
    for command in (build, ["pip", "install", "--quiet", "--no-deps", "--no-index", "--target", target, name]):
        options = ["--find-links", folder / "wheels"] if command[0] == "pip" else []
        subprocess.run([sys.executable, "-m", *command, *options], capture_output=True, check=True, cwd=folder)
    return {"PYTHONPATH": os.pathsep.join([str(target), *filter(None, [os.environ.get("PYTHONPATH")])])}


@pytest.fixture(scope="module")
def extra(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """`zoo-extra 1.2.3`: a good entry point, and one that exits on import."""
    return install(
        tmp_path_factory.mktemp("extra"),
        "zoo-extra",
        "1.2.3",
        {"extra-good": "zoo_extra.good:Constant", "extra-broken": "zoo_extra.broken:Broken"},
        {"good": MODEL, "broken": "raise SystemExit('licence expired')\n"},
    )


@pytest.fixture(scope="module")
def greedy(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """`zoo-greedy 0.3`, which claims a built-in name."""
    return install(
        tmp_path_factory.mktemp("greedy"), "zoo-greedy", "0.3", {"wavenet": "zoo_greedy.good:Constant"}, {"good": MODEL}
    )


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[Here]:
    """Make the distributions of an environment visible in this process during the test."""

    def install_here(environment: dict[str, str]) -> None:
        monkeypatch.syspath_prepend(environment["PYTHONPATH"].partition(os.pathsep)[0])

    yield install_here
    for name in [name for name in sys.modules if name.startswith(("zoo_extra", "zoo_greedy"))]:
        del sys.modules[name]


def test_a_plugin_is_listed_with_its_distribution_and_version(run_process: RunZoo, extra: dict[str, str]) -> None:
    done = run_process("list", env=extra)
    assert done.returncode == 0
    lines = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
    assert ["extra-good", "zoo-extra 1.2.3"] in lines
    assert ["extra-broken", "zoo-extra 1.2.3"] in lines
    assert ["wavenet", "built in"] in lines


def test_check_shows_the_broken_plugin_with_its_reason_and_exits_0(run_process: RunZoo, extra: dict[str, str]) -> None:
    done = run_process("list", "extra-*", "--check", env=extra)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    broken = next(index for index, line in enumerate(lines) if "extra-broken" in line)
    assert "BROKEN" in lines[broken]
    assert "SystemExit: licence expired" in lines[broken + 1]
    assert "extra-broken = zoo_extra.broken:Broken" in lines[broken + 1]
    assert [line.split() for line in lines if "extra-good" in line] == [["extra-good", "ok", "zoo-extra", "1.2.3"]]


def test_a_plugin_is_described(zoo_json: Callable[..., Any], extra: dict[str, str], here: Here) -> None:
    here(extra)
    described = zoo_json("describe", "extra-good", "--vocab", "27")
    assert (described["origin"], described["parameters"]) == ("zoo-extra 1.2.3", 27)


def test_a_broken_plugin_that_is_asked_for_gets_one_line(run_process: RunZoo, extra: dict[str, str]) -> None:
    done = run_process("describe", "extra-broken", env=extra)
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert "zoo-extra 1.2.3 (entry point extra-broken = zoo_extra.broken:Broken)" in line
    assert "SystemExit: licence expired" in line


def test_a_plugin_that_claims_a_built_in_name_is_named_with_the_other_owner(
    run_zoo: RunZoo, greedy: dict[str, str], here: Here
) -> None:
    here(greedy)
    done = run_zoo("describe", "wavenet")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "built in (zoo.models.wavenet:WaveNet)" in line
    assert "zoo-greedy 0.3 (entry point wavenet = zoo_greedy.good:Constant)" in line


def test_a_name_claimed_twice_harms_no_other(run_zoo: RunZoo, greedy: dict[str, str], here: Here) -> None:
    here(greedy)
    assert run_zoo("describe", "mlp").returncode == 0


def test_a_name_claimed_twice_is_listed_twice(run_process: RunZoo, greedy: dict[str, str]) -> None:
    done = run_process("list", "wavenet", env=greedy)
    assert done.returncode == 0
    assert done.stdout.count("claimed twice") == 2
    assert "zoo-greedy 0.3" in done.stdout
