"""One line declares a setting: flag, name in Python, key of a study file, and line of the docs follow."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
(STORED,) = (ROOT / "tests" / "cli" / "older" / "stored").glob("study-*.json")
LINE = '    z_loss: Annotated[float, Flag()] = Field(0.0, ge=0, description="Weight of the squared log partition.")\n'
BEFORE = "    device: Annotated[str, Flag()]"

USES = """
import json, sys
from pathlib import Path
from click.testing import CliRunner
import cli, zoo
from zoo.experiments.study.settings import SETTINGS
from zoo.settings.table import render_page
from zoo.experiments.compare import record_name
from zoo.experiments.records.study import read_study

stored = Path(sys.argv[1])

def run(*words):
    done = CliRunner().invoke(cli.cli, words)
    assert done.exit_code == 0, (done.output, done.exception)
    return done.output

def configure(*words):
    return json.loads(run("compare", *words, "--print-config"))["training"]["z_loss"]

open("study.toml", "w").write('models = ["bigram"]\\n[training]\\nz_loss = 0.25\\n')
bigram = ("--models", "bigram")
trained = zoo.train("bigram", data="invented(documents=20)", steps=1, threads=1, z_loss=0.5, progress=False)
json.dump({
    "help": [run(command, "--help") for command in ("train", "compare")],
    "config": [configure(*bigram), configure(*bigram, "--z-loss", "0.1"), configure(*bigram, "--set", "z_loss=0.2"),
               configure("study.toml"), configure("study.toml", "--z-loss", "0.3")],
    "refused": CliRunner().invoke(cli.cli, ["compare", *bigram, "--z-loss", "nan"]).output,
    "trained": trained.config.training.z_loss,
    "page": render_page(SETTINGS),
    "record": record_name(read_study(stored).study, read_study(stored).read_runs(stored.parent)),
}, sys.stdout)
"""


def test_one_line_adds_a_setting_to_every_face(tmp_path: Path) -> None:
    for name in ("zoo", "registry"):
        shutil.copytree(ROOT / name, tmp_path / name)  # including bytecode, which is up to date
    shutil.copy2(ROOT / "cli.py", tmp_path)
    config = tmp_path / "zoo" / "config.py"
    text = config.read_text()
    assert text.count(BEFORE) == 1
    config.write_text(text.replace(BEFORE, LINE + BEFORE))
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", USES, str(STORED)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    for said in seen["help"]:
        assert "--z-loss FLOAT" in said
        assert "Weight of the squared log partition." in said
    assert seen["config"] == [0.0, 0.1, 0.2, 0.25, 0.3]
    assert "Invalid value for '--z-loss': 'nan'" in seen["refused"]
    assert seen["trained"] == 0.5
    assert seen["record"] == STORED.name, "a setting that is new renames no record"
    assert "| `z_loss` | `--z-loss` | `[training] z_loss` | number, ≥ 0 | 0.0 | Weight of the" in seen["page"]
