"""The judge works without torch."""

import subprocess
import sys

SCRIPT = """
import importlib, pkgutil, sys
import zoo.experiments.judge as judge
for module in pkgutil.walk_packages(judge.__path__, judge.__name__ + "."):
    importlib.import_module(module.name)
    print(module.name)
assert "torch" not in sys.modules
"""


def test_no_module_of_the_judge_imports_torch() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "zoo.experiments.judge.summarise" in done.stdout.split()
