"""Runs on byte pairs: their tokenizer is saved, checked, and goes wherever the run goes."""

import json
from pathlib import Path

SMALL = ["--batch-size", "8", "--threads", "1", "--steps", "4", "--set", "evaluations=2"]
DATA = ["--data", "invented(documents=400)", "--tokens", "bpe:270"]


def flat(text: str) -> str:
    return " ".join(text.split())


def test_a_run_on_byte_pairs_is_compared_sampled_evaluated_trained_on_and_verified(run_zoo, tmp_path: Path) -> None:
    done = run_zoo("compare", "--models", "bigram,gru(hidden=4)", *DATA, *SMALL, "--seeds", "2")
    assert done.returncode == 0, done.stderr
    assert "vocabulary 271" in done.stderr
    assert "bits a byte: " in done.stdout
    assert {line.rpartition(": ")[2] for line in run_zoo("verify", "runs").stdout.splitlines()} == {"ok"}
    run = next(tmp_path.glob("runs/*/gru*seed1*"))
    assert len(run_zoo("sample", str(run), "-n", "3", "--prompt", "ma").stdout.splitlines()) >= 3
    assert run_zoo("evaluate", str(run)).returncode == 0
    onward = run_zoo("train", str(run), "--steps", "6")
    assert onward.returncode == 0, onward.stderr
    other = run_zoo("train", "gru(hidden=4)", "--from", str(run), "--data", "invented(documents=300)", "--tokens",
                    "bpe:270", *SMALL)  # fmt: skip
    assert other.returncode == 2
    assert "for another tokenizer than that of invented: a token would mean something else." in flat(other.stderr)
    comparison = json.loads(next(tmp_path.glob("runs/*/comparison.json")).read_text())
    assert comparison["contrasts"][0]["passages"][0]["text"]
    assert comparison["bytes_per_token"] > 1


def test_a_changed_or_missing_tokenizer_is_told(run_zoo, tmp_path: Path) -> None:
    run_zoo("train", "bigram", *DATA, *SMALL)
    (path,) = tmp_path.glob("runs/*/*/tokenizer.json")
    text = path.read_text()
    path.write_text(text.replace('"a":', '"a" :', 1))
    told = run_zoo("evaluate", str(path.parent))
    assert told.returncode == 1
    assert "is not the tokenizer of the run: its SHA-256 differs from that in config.json." in flat(told.stderr)
    assert "is not the tokenizer of the run" in flat(run_zoo("verify", str(path.parent)).stdout)
    path.unlink()
    assert run_zoo("sample", str(path.parent)).returncode == 1
