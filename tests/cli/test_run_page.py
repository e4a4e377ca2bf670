"""`train` writes a page of its run and prints next commands; `report` draws the page again."""

import csv
import io
import json
import shlex
import shutil
from pathlib import Path

import pytest

import zoo

SMALL = ["--data", "words.txt", "--batch-size", "8", "--steps", "4"]


def next_of(stderr: str) -> list[list[str]]:
    """The commands below "next:", split as a shell splits them."""
    lines = stderr.partition("next:\n")[2].splitlines()
    return [shlex.split(line, comments=True) for line in lines]


def test_train_leaves_a_page_beside_the_run_and_report_draws_the_same_again(run_zoo, tmp_path, words) -> None:
    done = run_zoo("train", "gru(hidden=4)", *SMALL)
    place = Path(done.stdout.splitlines()[-1])
    page = tmp_path / f"{place}.html"
    assert f"report: {shlex.quote(str(page.relative_to(tmp_path)))}" in done.stderr.splitlines()  # it can be pasted
    assert "report.html" not in {path.name for path in (tmp_path / place).iterdir()}
    html = page.read_text()
    assert "<h2>Samples</h2>" in html
    page.unlink()
    again = run_zoo("report", str(place))
    assert again.returncode == 0, again.stderr
    assert page.read_text() == html
    assert "Training stopped after all 4 steps of its budget" in again.stdout
    document = json.loads(run_zoo("report", str(place), "--json").stdout)
    assert [point["step"] for point in document["curve"]] == [0, 1, 2, 3, 4]
    rows = list(csv.DictReader(io.StringIO(run_zoo("report", str(place), "--csv").stdout)))
    assert [float(row["validation_loss"]) for row in rows] == [point["validation_loss"] for point in document["curve"]]
    assert f"{document['result']['test_loss']:.4f}" in run_zoo("report", str(place), "--latex").stdout


@pytest.mark.slow
def test_the_last_lines_of_train_are_commands_that_work(run_zoo, words) -> None:
    done = run_zoo("train", "gru(hidden=4)", *SMALL)
    commands = next_of(done.stderr)
    assert [command[1] for command in commands] == ["sample", "evaluate", "report", "train"]
    for program, *command in commands:
        assert program == "zoo"
        ran = run_zoo(*command)
        assert ran.returncode == 0, ran.stderr
    assert "next:" not in run_zoo("train", "gru(hidden=4)", *SMALL, "--json").stderr


@pytest.mark.slow
def test_a_run_of_a_comparison_has_a_page_with_its_costs_and_the_first_seeds_samples(run_zoo, zoo_json, words) -> None:
    study = zoo_json("compare", "--models", "bigram,bow(hidden=4)", *SMALL, "--seeds", "2")
    pages = {}
    for run in study["runs"]:
        pages[run["label"], run["seed"]] = zoo_json("report", run["directory"])
        assert Path(f"{run['directory']}.html").name.startswith(run["label"].partition("(")[0])
    costs = {row["label"]: row["cost"] for row in study["models"]}
    for (label, seed), document in pages.items():
        assert document["cost"] == costs[label]
        assert bool(document["samples"]) == (seed == 1)


def test_an_older_run_draws_what_it_has(run_zoo, tmp_path) -> None:
    stored = Path(__file__).resolve().parent / "older" / "stored"
    shutil.copytree(stored, tmp_path / "runs" / "stored")
    (run,) = (tmp_path / "runs" / "stored").glob("mlp-seed1-*")
    done = run_zoo("report", str(run))
    assert done.returncode == 0, done.stderr
    html = Path(f"{run}.html").read_text()
    assert "<h2>Learning</h2>" in html
    assert "<h2>Context</h2>" not in html


def test_python_gives_the_curve_and_the_figures_that_a_notebook_shows(tmp_path, words, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = zoo.train("gru(hidden=4)", data="words.txt", batch_size=8, steps=4, progress=False)
    assert [point.step for point in run.curve] == [0, 1, 2, 3, 4]
    assert run.curve[0].train_loss is None
    assert run.report == run.directory.with_name(f"{run.directory.name}.html")
    for name in ("curve", "position"):
        assert run.plot(name)._repr_svg_().startswith("<svg ")
    with pytest.raises(zoo.errors.UsageError, match=r"No figure 'forest' of this run\. Figures: curve, position"):
        run.plot("forest")
    plain = zoo.train("bigram", data="words.txt", batch_size=8, steps=2, progress=False, report=False)
    assert plain.report is None
