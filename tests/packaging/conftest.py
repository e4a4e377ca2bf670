"""Build wheels and clean environments to install them in, without a network."""

import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

Completed = subprocess.CompletedProcess[str]
BuildWheel = Callable[[Path], Path]


class Programs:
    """The programs of an environment: `programs("zoo", "list")`, run without the checkout on their path."""

    def __init__(self, home: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
        paths = sysconfig.get_paths(vars={"base": str(home), "platbase": str(home)})
        ours = dict.fromkeys([sysconfig.get_path("purelib"), sysconfig.get_path("platlib")])
        Path(paths["purelib"], "dependencies.pth").write_text("\n".join([*ours, ""]))
        self.home, self.scripts = home, Path(paths["scripts"])

    def __call__(self, program: str, *words: str, cwd: Path) -> Completed:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        environment |= {"OMP_NUM_THREADS": "1", "COLUMNS": "80"}
        command = [self.scripts / program, *words]
        return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, check=False)

    def pip(self, command: str, *words: str | Path) -> None:
        """Install or uninstall from local files alone."""
        pip = [sys.executable, "-m", "pip", "--python", self.scripts / "python", command, "--quiet"]
        done = subprocess.run([*pip, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


MakePrograms = Callable[..., Programs]


@pytest.fixture(scope="session")
def build_wheel(tmp_path_factory: pytest.TempPathFactory) -> BuildWheel:
    """Build the wheel of a project as `pip install` does."""

    def build(project: Path) -> Path:
        folder = tmp_path_factory.mktemp("wheel")
        command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, project]
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        (path,) = folder.glob("*.whl")
        return path

    return build


@pytest.fixture(scope="session")
def wheel(build_wheel: BuildWheel) -> Path:
    """The wheel of this project."""
    return build_wheel(ROOT)


@pytest.fixture(scope="session")
def make_programs(tmp_path_factory: pytest.TempPathFactory) -> MakePrograms:
    """Make a clean environment with these wheels, which sees the dependencies of this environment."""

    def make(*wheels: Path) -> Programs:
        programs = Programs(tmp_path_factory.mktemp("environment"))
        programs.pip("install", "--no-deps", "--no-index", *wheels)
        return programs

    return make
