"""A run that another study beside it has finished is not trained twice; one that only looks the same is explained."""

import json
import shutil
from pathlib import Path

import pytest

TRAIN = ["train", "bow(hidden=4)", "--steps", "2", "--threads"]
COMPARE = ["compare", "--models", "bow(hidden=4),bigram", "--steps", "2", "--seeds", "1", "--threads", "1", "--out"]
COPIED = "(already there)"


def train(run_zoo, out: Path, threads: int = 1) -> Path:
    assert run_zoo(*TRAIN, str(threads), "--out", str(out)).returncode == 0
    (result,) = out.glob("bow*/bow*/result.json")
    return result.parent


def read_bytes(run: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in run.iterdir()}


def compare(run_zoo, out: Path, *more: str) -> tuple[Path, str]:
    result = run_zoo(*COMPARE, str(out), *more)
    assert result.returncode == 0, result.stderr
    (run,) = (path.parent for path in out.glob("bow*bigram*/bow*/result.json"))
    return run, result.stdout + result.stderr


def test_compare_takes_over_a_run_of_train(run_zoo, tmp_path: Path) -> None:
    before = train(run_zoo, tmp_path)
    after, output = compare(run_zoo, tmp_path)
    assert COPIED in output
    assert read_bytes(after) == read_bytes(before)
    assert run_zoo("verify", str(after.parent)).returncode == 0


def test_a_dry_run_copies_nothing(run_zoo, tmp_path: Path) -> None:
    train(run_zoo, tmp_path)
    assert run_zoo(*COMPARE, str(tmp_path), "--dry-run").returncode == 0
    assert not list(tmp_path.glob("bow*bigram*/*/result.json"))


def test_fresh_runs_are_trained(run_zoo, tmp_path: Path) -> None:
    train(run_zoo, tmp_path)
    assert COPIED not in compare(run_zoo, tmp_path, "--fresh")[1]


def test_a_run_on_other_threads_is_explained_and_left_alone(run_zoo, tmp_path: Path) -> None:
    before = train(run_zoo, tmp_path, threads=2)
    after, output = compare(run_zoo, tmp_path)
    assert f"{before} has the same settings and is another run: threads 2 there, 1 here" in output
    assert "with --threads 2 it is the same" in output
    assert after.name != before.name


def test_a_run_of_another_version_is_explained(run_zoo, tmp_path: Path) -> None:
    before = train(run_zoo, tmp_path)
    config = json.loads((before / "config.json").read_text())
    config |= {"fingerprint": "0123456789", "harness": "0" * 64}
    (before / "config.json").write_text(json.dumps(config))
    shutil.move(before, before.with_name(before.name.rpartition("-")[0] + "-0123456789"))
    assert "is another run: another code of the harness." in compare(run_zoo, tmp_path)[1]


def test_a_run_with_other_settings_is_not_mentioned(run_zoo, tmp_path: Path) -> None:
    assert run_zoo(*TRAIN, "1", "--set", "lr=0.1", "--out", str(tmp_path)).returncode == 0
    assert "another run" not in compare(run_zoo, tmp_path)[1]


@pytest.mark.parametrize("file", ["config.json", "losses.safetensors", "weights.safetensors"])
def test_a_damaged_run_is_trained_again(run_zoo, tmp_path: Path, file: str) -> None:
    before = train(run_zoo, tmp_path)
    data = bytearray((before / file).read_bytes())
    data[-9] ^= 1
    (before / file).write_bytes(data)
    after, output = compare(run_zoo, tmp_path)
    assert COPIED not in output
    assert (after / "result.json").is_file()
