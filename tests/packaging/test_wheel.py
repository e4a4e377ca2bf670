"""The wheel of the project, installed in an environment of its own and used from elsewhere."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as `pip install .` builds it."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a clean environment that has the wheel, and sees the dependencies of this one."""
    home = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
    paths = sysconfig.get_paths(vars={"base": str(home), "platbase": str(home)})
    python = Path(paths["scripts"]) / "python"
    command = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run(command, check=True, capture_output=True)
    ours = dict.fromkeys([sysconfig.get_path("purelib"), sysconfig.get_path("platlib")])
    (Path(paths["purelib"]) / "dependencies.pth").write_text("\n".join([*ours, ""]))
    return python.parent


def run(program: Path, *words: str, cwd: Path) -> str:
    """What it prints, without the checkout on its path."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["OMP_NUM_THREADS"] = "1"
    done = subprocess.run([program, *words], capture_output=True, text=True, cwd=cwd, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_has_every_module_and_nothing_else(wheel: Path) -> None:
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    modules = {
        path.relative_to(ROOT).as_posix() for part in ("zoo", "registry") for path in (ROOT / part).rglob("*.py")
    }
    assert modules | {"cli.py", "zoo/py.typed"} <= inside
    assert {name.partition("/")[0] for name in inside} == {"cli.py", "zoo", "registry"}


def test_the_wheel_brings_its_license_and_the_console_script(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    metadata = {name.partition(".dist-info/")[2]: name for name in archive.namelist() if ".dist-info/" in name}
    assert "licenses/LICENSE" in metadata
    assert "zoo = cli:main" in archive.read(metadata["entry_points.txt"]).decode()


def test_the_installed_project_is_the_wheel_and_not_the_checkout(programs: Path, tmp_path: Path) -> None:
    code = "import cli, registry, zoo; print(zoo.__file__, registry.__file__, cli.__file__)"
    files = run(programs / "python", "-c", code, cwd=tmp_path).split()
    assert all(Path(file).is_relative_to(programs.parent) for file in files), files


def test_the_console_script_lists_the_models(programs: Path, tmp_path: Path) -> None:
    lines = [line.split(maxsplit=1) for line in run(programs / "zoo", "list", cwd=tmp_path).splitlines()]
    assert ["wavenet", "built in"] in lines
    assert ["invented", "built in"] in lines


def test_the_console_script_shows_its_commands(programs: Path, tmp_path: Path) -> None:
    shown = run(programs / "zoo", "--help", cwd=tmp_path)
    assert all(command in shown for command in ("list", "describe", "train", "evaluate", "sample", "compare"))


def test_the_console_script_knows_its_version(programs: Path, wheel: Path, tmp_path: Path) -> None:
    assert wheel.name.split("-")[1] in run(programs / "zoo", "--version", cwd=tmp_path)


def test_an_installed_model_is_described(programs: Path, tmp_path: Path) -> None:
    assert "22,097" in run(programs / "zoo", "describe", "mlp", cwd=tmp_path)
