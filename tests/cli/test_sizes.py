"""`compare --sizes`: the same comparison at several sizes."""

import json
from pathlib import Path

import pytest

SMALL = ("--data", "invented(documents=60)", "--batch-size", "8", "--steps", "4", "--set", "evaluations=1")
COMPARE = ("compare", "--models", "bow,mlp", *SMALL)


@pytest.mark.slow
def test_each_size_is_a_comparison_of_its_own_and_all_stand_together(run_zoo, tmp_path: Path) -> None:
    done = run_zoo(*COMPARE, "--sizes", "3k,12k", "--json")
    document = json.loads(done.stdout)
    assert [size["target"] for size in document["sizes"]] == [3000, 12000]
    for size in document["sizes"]:
        assert all(abs(model["parameters"] / size["target"] - 1) < 0.05 for model in size["models"])
        alone = json.loads((tmp_path / "runs" / size["folder"] / "comparison.json").read_text())
        losses = {model["label"]: model["test"] for model in alone["models"]}
        assert {model["label"]: model["test"] for model in size["models"]} == losses
    folder = tmp_path / "runs" / "bow-mlp-on-invented(documents=60)-sizes"
    assert json.loads((folder / "sizes.json").read_text()) == document
    again = run_zoo(*COMPARE, "--sizes", "12k,3k")
    assert again.stderr.count("already there") == 2 * 2 * 3
    assert "No law is fitted to 2 sizes." in again.stdout
    checked = run_zoo("verify", "runs").stdout
    assert {line.rpartition(": ")[2] for line in checked.splitlines()} == {"ok"}
    forecast = json.loads(run_zoo(*COMPARE, "--sizes", "3k,12k", "--dry-run", "--json").stdout)
    assert all(row["there"] for row in forecast)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--sizes", "10k"), "'10k' is not several sizes: give at least two numbers of parameters, such as 10k,30k."),
        (("--sizes", "10k,x"), "'x' is not a number greater than 0"),
        (("--sizes", "1k,2k", "--match", "parameters=1k"), "--sizes says how large all models are, and so does match"),
    ],
)
def test_sizes_that_are_none_are_refused_in_a_line(words: tuple[str, ...], said: str, run_zoo) -> None:
    done = run_zoo("compare", "--models", "bow,mlp", *words)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())
