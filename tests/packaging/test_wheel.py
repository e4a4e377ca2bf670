"""The project's wheel works in an environment of its own, outside of the checkout."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

Run = Callable[..., str]


@pytest.fixture(scope="module")
def programs(make_programs, wheel: Path):
    return make_programs(wheel)


@pytest.fixture
def run(programs, tmp_path: Path) -> Run:
    """Return the output of a program."""

    def run_program(program: str, *words: str) -> str:
        done = programs(program, *words, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run_program


def test_the_wheel_has_every_module_and_template_and_nothing_else(wheel: Path) -> None:
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    files = [path for part in ("zoo", "registry") for path in (ROOT / part).rglob("*") if path.suffix != ".pyc"]
    assert {path.relative_to(ROOT).as_posix() for path in files if path.is_file()} | {"cli.py"} == inside
    assert {"zoo/py.typed", "zoo/templates/plugin/model.py.jinja"} <= inside


def test_the_wheel_brings_its_license_and_the_console_script(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    metadata = {name.partition(".dist-info/")[2]: name for name in archive.namelist() if ".dist-info/" in name}
    assert "licenses/LICENSE" in metadata
    assert "zoo = cli:main" in archive.read(metadata["entry_points.txt"]).decode()


def test_the_installed_project_is_the_wheel_and_not_the_checkout(programs, run: Run) -> None:
    code = "import cli, registry, zoo; print(zoo.__file__, registry.__file__, cli.__file__)"
    files = run("python", "-c", code).split()
    assert all(Path(file).is_relative_to(programs.home) for file in files), files


def test_the_console_script_lists_the_models(run: Run) -> None:
    lines = [line.split(maxsplit=1) for line in run("zoo", "list").splitlines()]
    assert ["wavenet", "built in"] in lines
    assert ["invented", "built in"] in lines


def test_the_console_script_shows_its_commands(run: Run) -> None:
    shown = run("zoo", "--help")
    assert all(command in shown for command in ("list", "describe", "train", "evaluate", "sample", "compare"))


def test_the_console_script_knows_its_version(wheel: Path, run: Run) -> None:
    assert wheel.name.split("-")[1] in run("zoo", "--version")


def test_an_installed_model_is_described(run: Run) -> None:
    assert "22,097" in run("zoo", "describe", "mlp")
