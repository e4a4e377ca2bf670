"""Packages of a model, examples/plugin and the output of `new`, work installed beside the project's wheel."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from zoo.scaffold import write_package

PLUGIN = Path(__file__).resolve().parents[2] / "examples" / "plugin"
DATA = ("--data", "brackets(documents=200)", "--steps", "3")


@pytest.fixture(scope="module")
def plugin(build_wheel) -> Path:
    """The wheel of the example."""
    return build_wheel(PLUGIN)


@pytest.fixture(scope="module")
def programs(make_programs, wheel: Path, plugin: Path):
    return make_programs(wheel, plugin)


@pytest.fixture
def zoo(programs, tmp_path: Path):
    """Return the output of a command, run in a folder without files of the example."""

    def run(*words: str) -> str:
        done = programs("zoo", *words, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_the_example_is_laid_out_as_what_new_writes(tmp_path: Path) -> None:
    package = write_package("my-model", str(tmp_path))
    written = {Path(path).relative_to(package.directory).as_posix() for path in package.files}
    own = {
        path.relative_to(PLUGIN).as_posix() for suffix in ("py", "toml", "md") for path in PLUGIN.rglob(f"*.{suffix}")
    }
    assert {path.replace("my_model", "min_lstm") for path in written} == own - {"brackets.py", "tests/test_brackets.py"}
    projects = [tomllib.loads(Path(folder, "pyproject.toml").read_text()) for folder in (package.directory, PLUGIN)]
    for project in projects:
        for changing in ("name", "description", "entry-points"):
            del project["project"][changing]
        del project["tool"]["hatch"]
    assert projects[0] == projects[1]


@pytest.mark.slow
def test_its_own_tests_pass_as_they_stand() -> None:
    command = [sys.executable, "-W", "error", "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:benchmark", "-q"]
    environment = {**os.environ, "PYTHONPATH": str(PLUGIN.parents[1])}
    done = subprocess.run(command, capture_output=True, text=True, cwd=PLUGIN, env=environment, check=False)
    assert done.returncode == 0, done.stdout


def test_its_model_and_its_corpus_are_listed_beside_the_others(zoo) -> None:
    listed = json.loads(zoo("list", "--json"))
    origins = {row["name"]: row["origin"] for rows in listed.values() for row in rows}
    assert origins["min-lstm"] == origins["brackets"] == "min-lstm 0.1.0"
    assert origins["gru"] == origins["invented"] == "built in"


@pytest.mark.slow
def test_its_model_is_described_with_its_options_paper_and_owner(zoo) -> None:
    shown = zoo("describe", "min-lstm(layers=2)")
    assert shown.startswith("min-lstm (min-lstm 0.1.0)")
    assert all(word in shown for word in ("Feng et al. 2024", "channels", "layers", "everything before"))


@pytest.mark.slow
def test_its_model_and_its_corpus_are_what_they_should_be(zoo) -> None:
    assert [line.split() for line in zoo("list", "min-lstm", "--check").splitlines()[1:2]] == [
        ["min-lstm", "ok", "min-lstm", "0.1.0"]
    ]
    assert "brackets  ok  min-lstm 0.1.0" in zoo("list", "brackets", "--check")
    assert zoo("check", "min-lstm").endswith("min-lstm holds the contract.\n")


@pytest.mark.slow
def test_its_model_is_trained_evaluated_and_sampled_on_its_corpus(zoo) -> None:
    run = zoo("train", "min-lstm(channels=8)", *DATA).splitlines()[-1]
    assert len(zoo("sample", run, "-n", "3").splitlines()) == 3
    assert "validation" in zoo("evaluate", run)


@pytest.mark.slow
def test_its_model_is_compared_with_a_built_in_one(zoo) -> None:
    document = json.loads(zoo("compare", "--models", "gru,min-lstm", "--match", "parameters=3k", *DATA, "--json"))
    assert {row["label"] for row in document["models"]} == {"gru", "min-lstm"}
    assert all(0 < row["floor"] < row["test"]["mean"] for row in document["models"])


@pytest.mark.slow
def test_uninstalled_it_is_gone(make_programs, wheel: Path, plugin: Path, tmp_path: Path) -> None:
    programs = make_programs(wheel, plugin)
    programs.pip("uninstall", "--yes", "min-lstm")
    listed = programs("zoo", "list", cwd=tmp_path)
    assert listed.returncode == 0
    assert "min-lstm" not in listed.stdout
    for words in (["describe", "min-lstm"], ["train", "bigram", *DATA]):
        done = programs("zoo", *words, cwd=tmp_path)
        assert done.returncode == 2
        (line,) = done.stderr.splitlines()
        assert line.startswith("Error: Unknown ")


@pytest.mark.slow
def test_what_new_writes_is_listed_once_it_is_installed_in_place(make_programs, wheel: Path, tmp_path: Path) -> None:
    programs = make_programs(wheel)
    written = programs("zoo", "new", "my-model", cwd=tmp_path)
    assert written.returncode == 0, written.stderr
    programs.pip("install", "--no-deps", "--no-index", "--no-build-isolation", "--editable", tmp_path / "my-model")
    assert "my-model         my-model 0.1.0" in programs("zoo", "list", cwd=tmp_path).stdout
    described = programs("zoo", "describe", "my-model", cwd=tmp_path)
    assert described.returncode == 0, described.stderr
    assert described.stdout.startswith("my-model (my-model 0.1.0)")
    again = programs("zoo", "new", "my-model", "--out", "elsewhere", cwd=tmp_path)
    assert again.returncode == 2
    assert "a model of this name exists (my-model 0.1.0)" in again.stderr
