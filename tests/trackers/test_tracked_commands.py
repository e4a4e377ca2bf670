"""Every command that trains sends its runs: trials, ablations, sizes, and from Python; plug-ins are found."""

from pathlib import Path

import pytest
from lines_tracker import DATA, LINES, assemble, read_calls

import zoo
from zoo.experiments.records.run import read_run

ROOT = Path(__file__).resolve().parents[2]


def test_points_are_sent_while_a_run_trains(run_zoo, tmp_path: Path, lines: str) -> None:
    done = run_zoo("train", "bigram", *DATA, "--steps", "12", "--watch", "--track", lines)
    run = read_run(tmp_path / done.stdout.splitlines()[-1])
    calls = [call for call in read_calls(tmp_path / "lines.jsonl") if call["name"] == run.directory.name]
    assert [call["call"] for call in calls] == ["begin", *["log"] * (len(run.curve) + 1), "end"]
    sent = assemble(tmp_path / "lines.jsonl")
    assert sent[run.directory.name]["numbers"]["loss/train"] == [
        [point.step, point.train_loss] for point in run.curve if point.train_loss is not None
    ]
    (summary,) = (name for name in sent if name.startswith("study-"))
    assert "samples/bigram" in sent[summary]["end"]["texts"]
    assert "report.html" in sent[summary]["end"]["files"]


@pytest.mark.slow
def test_trials_are_sent_as_trials(run_zoo, tmp_path: Path, lines: str) -> None:
    command = ["compare", "--models", "bigram", "--seeds", "1", *DATA, "--steps", "12", "--lr-grid", "0.01,0.1"]
    assert run_zoo(*command, "--track", lines).returncode == 0
    sent = assemble(tmp_path / "lines.jsonl")
    assert sorted(run["begin"]["kind"] for run in sent.values()) == ["run", "study", "trial", "trial"]
    assert {run["begin"]["group"] for run in sent.values()} == {"bigram-on-invented(documents=200)"}
    assert all(run["end"]["status"] == "finished" for run in sent.values())
    assert run_zoo("track", "runs/bigram-on-invented(documents=200)", "--to", lines).stdout.startswith(
        f"{lines}: 0 sent, 4 there already"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "studies"),
    [
        (("ablate", "mlp(dropout=0.1)", "--drop", "dropout", "--seeds", "1"), 1),
        (("sweep", "--models", "bigram", "--trials", "2", "--seeds", "1"), 1),
        (("compare", "--models", "mlp", "--sizes", "2k,4k", "--seeds", "1"), 2),
    ],
    ids=["ablate", "sweep", "sizes"],
)
def test_a_command_sends_all_of_its_runs(run_zoo, tmp_path: Path, lines: str, words, studies: int) -> None:
    done = run_zoo(*words, *DATA, "--steps", "6", "--track", lines)
    assert done.returncode == 0, done.stderr
    sent = assemble(tmp_path / "lines.jsonl")
    assert len({run["begin"]["group"] for run in sent.values()}) == studies
    runs = {path.parent.relative_to(path.parents[len(path.relative_to(tmp_path / "runs").parts) - 2]).as_posix()
            for path in (tmp_path / "runs").rglob("result.json")}  # fmt: skip
    assert {name for name, run in sent.items() if run["begin"]["kind"] != "study"} == runs


@pytest.mark.slow
def test_a_run_side_by_side_is_sent_while_it_trains(run_process, tmp_path: Path, lines: str) -> None:
    command = ["compare", "--models", "bigram,mlp", "--seeds", "2", *DATA, "--steps", "12"]
    done = run_process(*command, "--set", "execution=side-by-side", "--track", lines)
    assert done.returncode == 0, done.stderr
    sent = assemble(tmp_path / "lines.jsonl")
    assert len(sent) == 5
    assert all(run["end"]["status"] == "finished" for run in sent.values())


@pytest.mark.slow
def test_a_call_from_python_sends_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: str) -> None:
    monkeypatch.chdir(tmp_path)
    options = {"data": "invented(documents=200)", "steps": 6, "progress": False, "track": [lines]}
    zoo.train("bigram", **options)
    zoo.compare(["bigram", "mlp"], seeds=1, report=False, **options)
    assert [call["call"] for call in read_calls(tmp_path / "lines.jsonl")].count("end") == 2 + 3
    (sent,) = zoo.track(tmp_path / "runs" / "bigram-mlp-on-invented(documents=200)", lines)
    assert (sent.sent, sent.there, sent.unsent) == (0, 3, 0)


@pytest.mark.slow
def test_a_tracker_of_a_package_is_found_by_its_entry_point_and_listed(
    run_zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    metadata = site / "lines_of_runs-1.0.dist-info"
    metadata.mkdir(parents=True)
    (site / "lines_of_runs.py").write_text(LINES)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: lines-of-runs\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[zoo.trackers]\nlines = lines_of_runs:Lines\n")
    monkeypatch.syspath_prepend(site)
    assert "lines        lines-of-runs 1.0" in run_zoo("list", "lines").stdout.replace("  lines  ", "  lines        ")
    done = run_zoo("train", "bigram", *DATA, "--steps", "6", "--track", "lines")
    assert "tracker lines: 2 sent; cat lines.jsonl" in done.stderr
    assert len(assemble(tmp_path / "lines.jsonl")) == 2
