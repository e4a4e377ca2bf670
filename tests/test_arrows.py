"""The import arrows of docs/design.md, checked in the sources."""

import ast
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
OURS = {"cli", "registry", "zoo"}

PLAIN = {
    "registry",
    "zoo.byte_level",
    "zoo.config",
    "zoo.cache",
    "zoo.calls",
    "zoo.errors",
    "zoo.packing",
    "zoo.regular_file",
    "zoo.tokens",
    "zoo.whole_file",
}
"""Modules that know nothing of models and data."""
TEXT = PLAIN | {"zoo.data", "zoo.catalog", "zoo.blame", "zoo.surroundings"}
MODELS = PLAIN | {"zoo.models", "zoo.layers", "zoo.blame", "zoo.surroundings"}
STUDY = PLAIN | {"zoo.settings", "zoo.experiments.study"}
RECORDS = STUDY | {"zoo.experiments.records", "zoo.surroundings"}
TRAINING = TEXT | MODELS | {"zoo.training"}

ALLOWED = {
    "registry": {"registry"},
    "zoo/settings": {"zoo.settings", "zoo.byte_level"},
    "zoo/layers": {"zoo.layers", "zoo.packing", "zoo.tokens"},
    "zoo/surroundings": {"zoo.surroundings", "zoo.errors"},
    "zoo/models": MODELS,
    "zoo/data": TEXT,
    "zoo/training": TRAINING,
    "zoo/probes": MODELS | {"zoo.probes"},
    "zoo/conformance": TRAINING | {"zoo.probes", "zoo.conformance"},
    "zoo/experiments/study": STUDY,
    "zoo/experiments/records": RECORDS,
    "zoo/experiments/judge": RECORDS - {"zoo.surroundings"} | {"zoo.experiments.judge"},
    "zoo/experiments/runs": RECORDS
    | TRAINING
    | {"zoo.probes", "zoo.sampling", "zoo.interrupt", "zoo.experiments.runs"},
    "zoo/experiments/verify": {"zoo", "registry"},
    "zoo/experiments": {"zoo", "registry"},
}
"""Room -> our modules that it may import."""
FACES = {"zoo.commands", "zoo.api", "zoo.results"}
RUNNING = {"zoo.experiments.compare", "zoo.experiments.forecast", "zoo.experiments.runs", "zoo.experiments.verify"}
FORBIDDEN = {
    "zoo": {"cli"},
    "zoo/experiments": {"zoo.reports", "zoo.conformance", *FACES},
    "zoo/experiments/judge": {"zoo.experiments.records.environment", "zoo.experiments.records.fingerprint"},
    "zoo/experiments/verify": {"zoo.experiments.forecast", "zoo.experiments.describe"},
    "zoo/experiments/*.py": {"zoo.experiments.verify"},
    "zoo/conformance": {"zoo.reports", *FACES},
    "zoo/reports": {*RUNNING, *FACES, "zoo.training", "zoo.data", "zoo.models", "zoo.layers", "zoo.probes"},
}
EXCEPTIONS = {  # types: what is reported of a run in progress, and of samples while they are drawn
    "zoo/reports/progress.py": {"zoo.training.loop", "zoo.experiments.runs.batch", "zoo.experiments.runs.resolve"},
    "zoo/reports/samples.py": {"zoo.experiments.runs.samples"},
    "zoo/reports/notebook.py": {"zoo.probes.values"},
    "zoo/reports/trace.py": {"zoo.probes.values"},
    "zoo/reports/trace_page.py": {"zoo.probes.values"},
    "zoo/reports/figures/embedding.py": {"zoo.probes.values"},
    "zoo/reports/figures/network.py": {"zoo.probes.values"},
}


def sources(place: str) -> list[Path]:
    """The modules below a folder, or those that match a pattern; at least one."""
    found = sorted(ROOT.glob(place) if place.endswith(".py") else (ROOT / place).rglob("*.py"))
    assert found, f"{place} has no modules"
    return found


def imports(path: Path) -> set[str]:
    """The modules that a file imports anywhere; `from zoo import x` is `zoo.x`."""
    here = path.relative_to(ROOT).parent.parts
    found = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(here[: len(here) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, [base, node.module]))
            found |= {f"zoo.{alias.name}" for alias in node.names} if module == "zoo" else {module}
    return found


def within(module: str, places: set[str]) -> bool:
    return any(module == place or module.startswith(f"{place}.") for place in places)


def against(place: str, wrong: Callable[[str], bool]) -> dict[str, set[str]]:
    """File -> forbidden imports, without the allowed exceptions."""
    found = {path.relative_to(ROOT).as_posix(): set(filter(wrong, imports(path))) for path in sources(place)}
    found = {file: names - EXCEPTIONS.get(file, set()) for file, names in found.items()}
    return {file: names for file, names in found.items() if names}


@pytest.mark.parametrize("place", ALLOWED)
def test_a_part_imports_only_what_stands_right_of_it(place: str) -> None:
    def wrong(name: str) -> bool:
        return within(name, OURS) and name != "zoo" and not within(name, ALLOWED[place])

    assert against(place, wrong) == {}  # `zoo` itself has only version and place


@pytest.mark.parametrize("place", FORBIDDEN)
def test_a_part_never_imports_what_stands_left_of_it(place: str) -> None:
    assert against(place, lambda name: within(name, FORBIDDEN[place])) == {}


@pytest.mark.parametrize("file", EXCEPTIONS)
def test_an_exception_is_still_needed(file: str) -> None:
    assert EXCEPTIONS[file] <= imports(ROOT / file)


def test_the_registry_is_written_with_the_standard_library_alone() -> None:
    tops = {name.partition(".")[0] for path in sources("registry") for name in imports(path)}
    assert tops <= set(sys.stdlib_module_names) | {"registry"}


def test_the_command_line_imports_only_click_before_a_command_runs() -> None:
    tree = ast.parse((ROOT / "cli.py").read_bytes())
    outside = [node for top in tree.body if not isinstance(top, ast.FunctionDef) for node in ast.walk(top)]
    modules = {alias.name for node in outside if isinstance(node, ast.Import) for alias in node.names}
    modules |= {str(node.module) for node in outside if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in modules} - set(sys.stdlib_module_names) == {"click", "zoo"}
