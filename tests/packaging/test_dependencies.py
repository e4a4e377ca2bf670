"""The sources import exactly the declared dependencies."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
OPTIONAL = {
    "pandas": "notebook",
    "pytest": "test",
    "optuna": "tune",
    "pyarrow": "parquet",
    "tokenizers": "bpe",
    "zstandard": "zstd",
    "datasets": "hf",
    "onnxruntime": "onnx",
    "onnxscript": "onnx",
    "tensorboard": "tensorboard",
    "mlflow-skinny": "mlflow",
    "ray": "cluster",
}
"""Distribution that the sources import -> extra that declares it."""


def name(text: str) -> str:
    """The normalised distribution name of a requirement."""
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", text, maxsplit=1)[0]).lower()


def imported() -> dict[str, set[str]]:
    """Distribution -> files that import it; a package without a distribution has its own name."""
    owners, found = packages_distributions(), {}
    for path in [ROOT / "cli.py", *(ROOT / "zoo").rglob("*.py"), *(ROOT / "registry").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_bytes())):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                modules.append(str(node.module))
            for top in {module.partition(".")[0] for module in modules} - set(sys.stdlib_module_names):
                if top not in ("cli", "registry", "zoo"):
                    found.setdefault(name(owners.get(top, [top])[0]), set()).add(path.relative_to(ROOT).as_posix())
    return found


def test_every_package_that_is_imported_is_a_dependency_or_belongs_to_an_extra() -> None:
    required = {name(text) for text in PROJECT["dependencies"]}
    others = {owner: files for owner, files in imported().items() if owner not in required}
    assert set(others) == set(OPTIONAL)
    assert all(owner in map(name, EXTRAS[OPTIONAL[owner]]) for owner in others)


def test_every_required_dependency_is_imported() -> None:
    assert {name(text) for text in PROJECT["dependencies"]} <= set(imported())


def test_every_library_of_the_project_is_pinned() -> None:
    pinned = {name(line) for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line}
    extras = [text for texts in EXTRAS.values() for text in texts if not text.startswith(PROJECT["name"])]
    assert {name(text) for text in [*PROJECT["dependencies"], *extras]} <= pinned


def test_the_contract_without_pytest_says_how_to_install_it() -> None:
    code = "import sys; sys.modules['pytest'] = None; import zoo.testing"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr.endswith(": pip install 'sequence-zoo[test]'\n")
