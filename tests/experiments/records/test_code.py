"""The modules of the harness digest, and the parts of each that count."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import token
import tokenize
from collections.abc import Callable
from pathlib import Path

import pytest

from zoo.experiments.records import code
from zoo.experiments.records.code import (
    EXCLUDED,
    ROOT,
    STARTS,
    compute_harness,
    digest_code,
    digest_harness,
    digest_ours,
    is_excluded,
    list_covered,
    split_statements,
)

COVERED = [path.relative_to(ROOT).as_posix() for path in list_covered([ROOT / start for start in STARTS])]

MODULE = '''
"""About this module."""

from zoo.tokens import BOUNDARY
import math

WIDTH = 3
"""About the width."""


def area(r, *, name="r"):
    # why
    """About the area."""
    if r < 0:
        raise ValueError(f"{name}={r!r:>{WIDTH}} {'below'} zero")
    return math.pi * r**2 + BOUNDARY


class Empty(Exception):
    """Nothing."""
'''


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources."""
    root = tmp_path_factory.mktemp("tree")
    for package in ("zoo", "registry"):
        shutil.copytree(ROOT / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
    return root


def change_a_constant(text: str) -> str:
    """Change the first number of the text; add a constant where it has none."""
    for kind, word, (line, column), (_, end), _ in tokenize.generate_tokens(io.StringIO(text).readline):
        if kind == token.NUMBER:
            lines = text.splitlines(keepends=True)
            lines[line - 1] = f"{lines[line - 1][:column]}{word}1{lines[line - 1][end:]}"
            return "".join(lines)
    return text + "\nNEW_CONSTANT = 1\n"


@pytest.fixture(scope="module")
def before(tree: Path) -> str:
    """The digest of the unchanged copy."""
    return compute_harness(tree)


@pytest.mark.parametrize("name", COVERED)
def test_a_changed_constant_in_any_module_that_is_covered_makes_another_fingerprint(
    name: str, tree: Path, before: str
) -> None:
    file = tree / name
    text = file.read_text()
    try:
        file.write_text(change_a_constant(text))
        assert compute_harness(tree) != before
    finally:
        file.write_text(text)


def test_better_sentences_leave_the_fingerprint(tree: Path, before: str) -> None:
    texts = {tree / name: (tree / name).read_text() for name in COVERED}
    try:
        for file, text in texts.items():
            file.write_text(f'"""Another sentence."""\n\n# and a reason\n{text}\n\n\n# the end\n')
        assert compute_harness(tree) == before
    finally:
        for file, text in texts.items():
            file.write_text(text)


def test_a_move_into_a_new_room_leaves_the_fingerprint(tree: Path, before: str) -> None:
    old, new = "zoo.training.rounding", "zoo.training.numbers.errors"
    changed: dict[Path, str] = {}
    room = tree / "zoo/training/numbers"
    try:
        for path in tree.rglob("*.py"):
            text = path.read_text()
            if old in text:
                changed[path] = text
                path.write_text(text.replace(old, new))
        room.mkdir()
        (room / "__init__.py").write_text('"""A room."""\n')
        (tree / "zoo/training/rounding.py").rename(room / "errors.py")
        assert changed
        assert compute_harness(tree) == before
    finally:
        (room / "errors.py").rename(tree / "zoo/training/rounding.py")
        shutil.rmtree(room)
        for path, text in changed.items():
            path.write_text(text)


def test_the_same_name_from_another_module_makes_another_fingerprint(tmp_path: Path) -> None:
    package = tmp_path / "zoo"
    package.mkdir()
    for name, text in (("__init__", ""), ("a", "def f():\n    return 1\n"), ("b", "def f():\n    return 2\n")):
        (package / f"{name}.py").write_text(text)
    digests = []
    for place in "ab":
        (package / "c.py").write_text(f"from zoo.{place} import f\n\nf()\n")
        digests.append(digest_ours([package / f"{name}.py" for name in "abc"], tmp_path))
    assert digests[0] != digests[1]


def test_the_digest_is_kept_under_the_sources_and_a_damaged_one_is_computed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_CACHE_DIR", str(tmp_path))
    expected = compute_harness(ROOT)
    assert digest_harness.__wrapped__() == expected
    (kept,) = (tmp_path / "code").iterdir()
    assert kept.read_text() == expected
    kept.write_text("0" * 64)
    assert digest_harness.__wrapped__() == "0" * 64
    for damage in ("", "0" * 63, "0" * 65, "no digest"):
        kept.write_text(damage)
        assert digest_harness.__wrapped__() == expected
    monkeypatch.setattr(code, "_digest_tree", lambda root: "another tree")
    assert digest_harness.__wrapped__() == expected
    assert len(list((tmp_path / "code").iterdir())) == 2


def test_every_edit_of_a_source_has_a_digest_of_its_own(tree: Path) -> None:
    before, file = code._digest_tree(tree), tree / COVERED[0]
    text = file.read_text()
    try:
        file.write_text(text + "# an edit\n")
        assert code._digest_tree(tree) != before
    finally:
        file.write_text(text)


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ZOO_CACHE_DIR", str(tmp_path / "file"))
    assert digest_harness.__wrapped__() == compute_harness(ROOT)


CHILD = """
import json, sys
from pathlib import Path
from zoo.config import Call, DataConfig, RunConfig, TrainingConfig
from zoo.data.load import load_corpus
from zoo.experiments.runs.resolve import resolve
from zoo.experiments.runs.train import execute
training = TrainingConfig(steps=2, batch_size=4, device="cpu")
config = RunConfig(model=Call(name="mlp", options={"hidden": 4}), label="mlp", training=training)
corpus = load_corpus(DataConfig(corpus=Call(name="invented", options={"documents": 60})))
assert execute(resolve(config, corpus, Path("runs")), corpus).result.status == "finished"
print(json.dumps([m.__file__ for name, m in sys.modules.items() if name.partition(".")[0] in ("zoo", "registry")]))
"""


def test_what_executing_a_run_imports_is_covered_or_excluded_or_of_the_model_or_optimizer(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHILD],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {Path(name).relative_to(ROOT).as_posix() for name in json.loads(done.stdout)}
    named = [ROOT / "zoo/models/mlp.py", ROOT / "zoo/training/optimizers/muon.py"]  # their sources are recorded
    own = {path.relative_to(ROOT).as_posix() for path in list_covered(named)}
    left = {name for name in loaded - set(COVERED) - own if not is_excluded(name)}
    assert left == {"zoo/data/invented.py"}, "whose text has a digest of its own"


DECISIVE = (
    *(
        "training/loop.py",
        "training/update.py",
        "training/stacked/fit.py",
        "data/rows.py",
        "data/large/read_file.py",
    ),
    *("experiments/runs/score.py", "probes/formulas.py", "models/build.py", "models/adapt.py", "tokens.py"),
)


def test_what_decides_a_number_is_covered() -> None:
    assert {f"zoo/{name}" for name in DECISIVE} <= set(COVERED)


@pytest.mark.parametrize("name", EXCLUDED)
def test_an_exclusion_is_there_and_is_needed(name: str) -> None:
    assert (ROOT / name).exists()
    assert not any(path == name or path.startswith(f"{name}/") for path in COVERED)


def edit(old: str, new: str) -> str:
    assert old in MODULE
    return MODULE.replace(old, new)


SAME: dict[str, Callable[[], str]] = {
    "docstrings": lambda: re.sub("About", "Another sentence about", MODULE),
    "no docstring": lambda: edit('"""About the width."""\n', ""),
    "comments": lambda: edit("    # why\n", "    # because, and\n    # so on\n"),
    "blank lines": lambda: edit("\n\n\ndef", "\n\ndef"),
    "broken line": lambda: edit("raise ValueError(", "raise ValueError(\n            "),
    "another place": lambda: edit("from zoo.tokens import", "from zoo.data.tokens import"),
}  # fmt: skip
OTHER: dict[str, Callable[[], str]] = {
    "constant": lambda: edit("WIDTH = 3", "WIDTH = 4"),
    "power": lambda: edit("r**2", "r**3"),
    "default": lambda: edit('name="r"', 'name="radius"'),
    "words of an error": lambda: edit("'below'", "'under'"),
    "width in a format": lambda: edit(":>{WIDTH}", ":>{WIDTH + 1}"),
    "name from us": lambda: edit("import BOUNDARY", "import IGNORED"),
    "another library": lambda: edit("import math", "import cmath as math"),
    "indentation": lambda: edit("    return math.pi", "        return math.pi"),
    "base class": lambda: edit("Empty(Exception)", "Empty(ValueError)"),
}


@pytest.mark.parametrize("case", SAME)
def test_words_and_places_do_not_count(case: str) -> None:
    changed = SAME[case]()
    assert changed != MODULE
    assert digest_code(changed.encode()) == digest_code(MODULE.encode())


@pytest.mark.parametrize("case", OTHER)
def test_code_counts(case: str) -> None:
    assert digest_code(OTHER[case]().encode()) != digest_code(MODULE.encode())


def test_an_f_string_is_one_token_in_every_python() -> None:
    words = [word for statement in split_statements(MODULE.encode()) for word in statement]
    assert """f"{name}={r!r:>{WIDTH}} {'below'} zero\"""" in words
