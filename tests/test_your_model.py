"""docs/your-model.md works step by step, with budgets of three steps."""

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "your-model.md").read_text()
BLOCKS: list[tuple[str, str]] = re.findall(r"```(sh|python)\n(.*?)```", PAGE, re.DOTALL)

PYTHON = """#!/bin/sh
# python, but a training stops after three steps
if [ "$1" != cli.py ]; then exec {python} "$@"; fi
command=$2
shift 2
case $command in
  train) set -- "$@" --steps 3 ;;
  compare) set -- "$@" --steps 3 --seeds 1 ;;
esac
exec {python} {root}/cli.py $command "$@"
"""
PIP = """#!/bin/sh
# pip, but into a folder of the test, and without a network
for last; do :; done
exec {python} -m pip install --quiet --no-deps --no-index --no-build-isolation --target {site} "./$last"
"""


def write(block: str, folder: Path) -> None:
    """Write a file, replace its last method, or append lines, as the first line of the block says."""
    first, _, text = block.partition("\n")
    name, _, where = first.removeprefix("# ").partition(", ")
    path = folder / name
    if where == "at the end of the class":
        text = f"{path.read_text()}\n{text}"
    elif where:
        text = path.read_text().rpartition(f"    def {where}(")[0] + text
    path.write_text(text)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_page_takes_a_stranger_from_nothing_to_a_compared_model(tmp_path: Path) -> None:
    site, programs = tmp_path / "site", tmp_path / "bin"
    programs.mkdir()
    for name, text in {"python": PYTHON, "pip": PIP}.items():
        program = programs / name
        program.write_text(text.format(python=sys.executable, root=ROOT, site=site))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    environment = {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(site),
        "OMP_NUM_THREADS": "1",
    }
    said = []
    for language, block in BLOCKS:
        if language == "python":
            write(block, tmp_path)
        elif "make compare" not in block:
            command = ["bash", "-eo", "pipefail", "-c", block]
            done = subprocess.run(
                command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
            )
            assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
            said.append(done.stdout)
    assert "Fading breaks the contract: causality" in said[0]
    assert said[1].rstrip().endswith("Fading holds the contract.")
    assert any("my-model" in text and "built in" not in text for text in said)
