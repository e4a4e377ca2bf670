"""After any change, a stored comparison is listed, drawn and sampled from, or refused with one of our errors."""

import hashlib
import io
import json
import shutil
from pathlib import Path

import pytest
from hypothesis import strategies as st

from registry import RegistryError
from tests.fuzz.generated import DOCUMENT_CHANGES, Change, damage_bytes, generate
from zoo.commands import draw_report
from zoo.errors import ZooError
from zoo.experiments.judge.summarise import summarise
from zoo.experiments.records.listing import list_runs
from zoo.experiments.records.study import find_study, read_study
from zoo.experiments.runs.samples import open_samples
from zoo.experiments.runs.strategy import read_ways
from zoo.reports.console import PlainConsole
from zoo.reports.table import print_comparison

STORED = Path(__file__).resolve().parents[1] / "cli" / "older" / "stored"
RUN = sorted(STORED.glob("mlp-*"))[0].name
(RECORD,) = (path.name for path in STORED.glob("study-*.json"))
DOCUMENTS = [
    f"{RUN}/config.json",
    f"{RUN}/result.json",
    f"{RUN}/environment.json",
    RECORD,
    "ways.json",
    "comparison.json",
]
WEIGHTS = f"{RUN}/weights.safetensors"
LINES = [f"{RUN}/curve.jsonl"]
BYTES = [*DOCUMENTS, *LINES, f"{RUN}/losses.safetensors", WEIGHTS]

DAMAGE = st.builds(lambda seed: lambda data: damage_bytes(data, seed), st.integers(0, 2**32))
EDITS = st.tuples(st.sampled_from(DOCUMENTS), DOCUMENT_CHANGES) | st.tuples(
    st.sampled_from(LINES), DOCUMENT_CHANGES.map(lambda change: change_line(change))
)
DAMAGES = st.tuples(st.sampled_from(BYTES), DAMAGE)


def change_line(change: Change) -> Change:
    """Change the last line of a file of JSON lines."""

    def apply(data: bytes) -> bytes:
        *before, last = data.splitlines()
        return b"\n".join([*before, change(last)]) + b"\n"

    return apply


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(STORED, tmp_path_factory.mktemp("runs") / "stored"))


@generate(st.lists(EDITS, max_size=2), st.lists(DAMAGES, max_size=1), st.integers(0, 19))
def test_a_comparison_that_was_changed_is_read_or_refused(
    folder: Path, edits: list[tuple[str, Change]], damages: list[tuple[str, Change]], turn: int
) -> None:
    changes, sample = [*edits, *damages], turn == 1  # edits need valid JSON, so they come first
    try:
        for name, change in changes:
            (folder / name).write_bytes(change((folder / name).read_bytes()))
            sample |= name == WEIGHTS
        sign_weights(folder)
        use(folder, page=turn == 0, sample=sample)
    finally:
        for name in {*(name for name, _ in changes), f"{RUN}/result.json", "comparison.json"}:
            shutil.copy(STORED / name, folder / name)


def sign_weights(folder: Path) -> None:
    """Write the digest of the present weights into the result, as anyone who can write a record could."""
    digest = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    recorded = json.loads((STORED / RUN / "result.json").read_text())["weights_sha256"]
    result = folder / RUN / "result.json"
    result.write_bytes(result.read_bytes().replace(recorded.encode(), digest.encode()))


def use(folder: Path, *, page: bool, sample: bool) -> None:
    """Use the folder as each of the commands does."""

    def draw() -> None:
        record = find_study(folder)
        comparison = draw_report(folder).comparison if page else summarise(record, read_study(record))
        print_comparison(comparison, bits=False, console=PlainConsole(file=io.StringIO(), width=80))

    assert len(list_runs(str(folder.parent), "*")) == 6
    for command in (
        draw,
        lambda: read_ways(folder),
        lambda: sample and open_samples(str(folder / RUN)).draw(count=1),
    ):
        try:
            command()
        except (ZooError, RegistryError):
            continue
