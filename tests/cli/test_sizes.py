"""`compare --sizes`: the same comparison at several sizes."""

import json
from pathlib import Path

import pytest

import zoo.errors

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
    called = zoo.compare_sizes(
        ["bow", "mlp"],
        [12_000, 3_000],
        data="invented(documents=60)",
        batch_size=8,
        steps=4,
        evaluations=1,
        out=tmp_path / "runs",
        progress=False,
    )
    assert called.scaling.model_dump(mode="json") == document
    assert called.table() in again.stdout
    assert [each.directory.name for each in called.comparisons] == [size["folder"] for size in document["sizes"]]
    assert "<svg" in called.plot("flops").svg
    document["sizes"][0]["models"][0]["test"]["mean"] += 0.01
    (folder / "sizes.json").write_text(json.dumps(document))
    broken = run_zoo("verify", str(folder / "sizes.json"))
    assert broken.returncode == 1
    assert "sizes[0].models[0].test.mean" in broken.stdout


@pytest.mark.parametrize("sizes", [[3000], [3000, 3000], [0, 3000]])
def test_sizes_that_are_none_are_refused_in_python_too(sizes: list[int]) -> None:
    with pytest.raises(zoo.errors.UsageError, match="are not two numbers of parameters"):
        zoo.compare_sizes(["bow"], sizes, progress=False)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--sizes", "10k"), "'10k' is not a list of sizes: give at least two numbers of parameters, such as 10k,30k."),
        (("--sizes", "10k,x"), "'x' is not a number greater than 0"),
        (("--sizes", "1k,2k", "--match", "parameters=1k"), "sizes and match both set the size of all models"),
    ],
)
def test_sizes_that_are_none_are_refused_in_a_line(words: tuple[str, ...], said: str, run_zoo) -> None:
    done = run_zoo("compare", "--models", "bow,mlp", *words)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())
