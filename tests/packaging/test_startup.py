"""Before any computation only click and the standard library are imported."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LATE = {
    "einops",
    "jinja2",
    "numpy",
    "platformdirs",
    "pydantic",
    "rich",
    "safetensors",
    "scipy",
    "torch",
}
COMPLETION = {"_ZOO_COMPLETE": "bash_complete", "COMP_WORDS": "zoo ", "COMP_CWORD": "1"}


def python(code: str, tmp_path: Path, extra: dict[str, str] | None = None) -> set[str]:
    """Run a process, which must exit with 0; returns the top-level modules that it imported."""
    report = "import atexit, sys\natexit.register(lambda: open('modules', 'w').write(' '.join(sys.modules)))\n"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **(extra or {})}
    command = [sys.executable, "-c", report + code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return {name.partition(".")[0] for name in (tmp_path / "modules").read_text().split()}


@pytest.mark.parametrize("words", [["--help"], ["list"], ["list", "*wave*", "--json"]], ids=" ".join)
def test_help_and_list_import_no_heavy_library(tmp_path: Path, words: list[str]) -> None:
    loaded = python(f"sys.argv = ['zoo', *{words!r}]\nimport cli\ncli.main()", tmp_path)
    assert "click" in loaded
    assert not loaded & LATE


@pytest.mark.parametrize("command", ["train", "compare", "evaluate"])
def test_the_help_of_a_command_with_settings_imports_pydantic_alone(tmp_path: Path, command: str) -> None:
    loaded = python(f"sys.argv = ['zoo', '{command}', '--help']\nimport cli\ncli.main()", tmp_path)
    assert loaded & LATE == {"pydantic"}


def test_a_study_is_printed_without_torch(tmp_path: Path) -> None:
    words = ["compare", "--models", "gru,lstm", "--print-config"]
    loaded = python(f"sys.argv = ['zoo', *{words!r}]\nimport cli\ncli.main()", tmp_path)
    assert loaded & LATE == {"pydantic"}


def test_shell_completion_imports_no_heavy_library(tmp_path: Path) -> None:
    loaded = python("sys.argv = ['zoo']\nimport cli\ncli.main()", tmp_path, COMPLETION)
    assert not loaded & LATE


@pytest.mark.parametrize("module", ["zoo", "zoo.catalog", "registry", "cli"])
def test_a_module_of_names_imports_no_heavy_library(tmp_path: Path, module: str) -> None:
    assert not python(f"import {module}", tmp_path) & LATE


@pytest.mark.parametrize(
    "module",
    ["zoo.config", "zoo.experiments.records.run", "zoo.experiments.study.config", "zoo.settings.table"],
)
def test_configuration_and_records_are_read_without_torch(tmp_path: Path, module: str) -> None:
    assert "torch" not in python(f"import {module}", tmp_path)


def test_what_only_a_report_needs_is_not_imported_before_training(tmp_path: Path) -> None:
    stop = (
        "import cli, zoo.experiments.compare as compare\n"
        "compare.run_study = lambda *_: sys.exit('scipy.special' in sys.modules)\n"
    )
    words = ["compare", "--models", "bigram", "--data", "invented(documents=20)", "--steps", "1"]
    loaded = python(f"{stop}sys.argv = ['zoo', *{words!r}]\ncli.main()", tmp_path)
    assert {"torch", "rich"} <= loaded
    assert "jinja2" not in loaded


def test_training_imports_no_sympy(tmp_path: Path) -> None:
    """torch 2.13 imports it, in half a second, to check the shape of a gradient passed to `backward`."""
    words = ["train", "bigram", "--data", "invented(documents=20)", "--steps", "1"]
    loaded = python(f"import cli\nsys.argv = ['zoo', *{words!r}]\ntry: cli.main()\nexcept SystemExit: pass", tmp_path)
    assert "torch" in loaded
    assert "sympy" not in loaded
