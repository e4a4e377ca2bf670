"""Training on a finished run makes the run of a larger budget, or a new run from its weights."""

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

import zoo
from tests.cli.conftest import MINE

COMMON = ["--data", "words.txt", "--batch-size", "8", "--threads", "1"]
SAME = {
    "wsd": ("mlp(hidden=8)", ["--set", "schedule=wsd"]),
    "constant": ("mlp(hidden=8)", ["--set", "schedule=constant", "--set", "evaluations=3"]),
    "norm and dropout": ("wavenet(hidden=8,dropout=0.2)", ["--set", "schedule=wsd", "--set", "warmup=0.3"]),
    "sgd": ("gru(hidden=8)", ["--set", "schedule=constant", "--set", "optimizer=sgd", "--lr", "0.1"]),
    "bf16": ("transformer(channels=16,dropout=0.1)", ["--set", "schedule=wsd", "--dtype", "bfloat16"]),
    "no warm-up": ("bigram", ["--set", "schedule=constant", "--set", "warmup=0"]),
}
MEASURED = {"seconds", "tested_at", "reproduced"}


@pytest.fixture(autouse=True)
def _words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_words("words.txt", "abcdef")


def write_words(name: str, letters: str) -> None:
    draw = random.Random(0)
    text = "\n".join(["".join(letters), *("".join(draw.choices(letters, k=5)) for _ in range(60))])
    Path(name).write_text(f"{text}\n")


def last_line(done: Any) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


def describe(run: str) -> dict[str, Any]:
    """The records of a run without measured times."""
    found: dict[str, Any] = {}
    for path in sorted(Path(run).iterdir()):
        if path.suffix in (".json", ".jsonl"):
            lines = [json.loads(line) for line in (path.read_text().splitlines() if path.suffix == ".jsonl"
                                                   else [path.read_text()])]  # fmt: skip
            found[path.name] = [{key: value for key, value in line.items() if key not in MEASURED} for line in lines]
        elif not path.name.startswith("state-"):
            found[path.name] = path.read_bytes()
    return found


@pytest.mark.parametrize(
    "case", [case if case in ("wsd", "constant") else pytest.param(case, marks=pytest.mark.slow) for case in SAME]
)
def test_a_larger_budget_goes_on_inside_and_is_bitwise_the_run_from_scratch(case: str, run_zoo) -> None:
    model, settings = SAME[case]
    short = last_line(run_zoo("train", model, *COMMON, *settings, "--steps", "30"))
    done = run_zoo("train", short, "--steps", "60")
    longer = last_line(done)
    common = 24 if "schedule=wsd" in settings else 30
    assert f"continued from its step {common}" in done.stderr
    assert f"goes on at step {common}" in done.stderr
    config = json.loads((Path(longer) / "config.json").read_text())
    training = config["run"]["training"]
    assert config["run"]["start"] is None
    gone_on = describe(longer)
    shutil.rmtree("runs")
    exact = ["--set", f"warmup={training['warmup']!r}", "--set", f"evaluations={training['evaluations']}"]
    done = run_zoo("train", model, *COMMON, *settings, *exact, "--steps", "60")
    assert last_line(done) == longer, "its fingerprint"
    assert "goes on" not in done.stderr
    assert describe(longer) == gone_on
    assert run_zoo("verify", "runs").returncode == 0


TWO = """
from zoo.config import Recipe
from zoo.models.bigram import Bigram


class Two(Bigram):
    recipe = Recipe(lr=0.01, targets=500)
    other_recipes = (Recipe(optimizer="muon", lr=0.02, weight_decay=0.5, targets=50_000),)
"""


def test_a_run_keeps_its_recipe_where_another_is_nearer_to_the_larger_budget(run_zoo) -> None:
    Path("two.py").write_text(TWO)
    short = last_line(run_zoo("train", "two.py:Two", *COMMON, "--set", "schedule=constant", "--steps", "20"))
    done = run_zoo("train", short, "--steps", "600")
    assert "goes on at step 20" in done.stderr
    found = [json.loads((Path(run) / "config.json").read_text())["settings"] for run in (short, last_line(done))]
    assert [(own["optimizer"], own["lr"], own["weight_decay"]) for own in found] == [("adamw", 0.01, 0.01)] * 2
    fresh = last_line(run_zoo("train", "two.py:Two", *COMMON, "--set", "schedule=constant", "--steps", "600"))
    assert json.loads((Path(fresh) / "config.json").read_text())["settings"]["optimizer"] == "muon"


@pytest.mark.parametrize("damage", ["gone", "flipped"])
def test_without_a_state_to_go_on_from_the_longer_run_begins_anew_and_says_why(damage: str, run_zoo) -> None:
    short = last_line(run_zoo("train", "bigram", *COMMON, "--set", "schedule=constant", "--steps", "20"))
    (state,) = Path(short).glob("state-*")
    if damage == "gone":
        state.unlink()
    else:
        data = bytearray(state.read_bytes())
        data[len(data) // 2] ^= 1
        state.write_bytes(data)
    done = run_zoo("train", short, "--steps", "40")
    reason = {"gone": "not there any more", "flipped": "is damaged"}[damage]
    assert f"trained again from step 0: {'its state ' * (damage == 'gone')}" in done.stderr
    assert reason in done.stderr
    assert "goes on" not in done.stderr
    assert done.returncode == 0


def test_what_would_be_another_run_by_now_gives_its_weights_alone(run_zoo) -> None:
    short = last_line(run_zoo("train", "bigram", *COMMON, "--set", "schedule=constant", "--steps", "20"))
    write_words("words.txt", "abcdef" * 2)
    done = run_zoo("train", short, "--steps", "40")
    assert "a new run from the weights of" in done.stderr
    assert "the text, the code, torch, the device" in done.stderr
    assert json.loads((Path(last_line(done)) / "config.json").read_text())["run"]["start"]["run"] in short


COUNTS = {
    "counter": ("self.n = 0", "self.n += 1", "x * (1 + 0.1 * (self.n % 3))"),
    "generator": ("self.n = torch.Generator().manual_seed(5)", "pass", "x + torch.rand(x.shape, generator=self.n)"),
}


@pytest.mark.parametrize("kind", COUNTS)
def test_what_no_state_holds_is_no_reason_to_give_another_run_the_fingerprint(kind: str, run_zoo) -> None:
    begins, counts, output = COUNTS[kind]
    text = MINE.replace("from torch", "import torch\nfrom torch", 1).replace("        return self.table(tokens)", (
        f"        x = self.table(tokens)\n        if not self.training:\n            return x\n        {counts}\n"
        f"        return {output}"))  # fmt: skip
    Path("mine.py").write_text(text.replace("        self.table =", f"        {begins}\n        self.table ="))
    words = ["./mine.py:Mine", *COMMON, "--set", "schedule=constant", "--set", "warmup=0"]
    short = last_line(run_zoo("train", *words, "--steps", "20", "--set", "evaluations=2"))
    done = run_zoo("train", short, "--steps", "40")
    assert "from step 0: it keeps 'n' outside of parameters and buffers" in done.stderr
    longer = last_line(done)
    gone_on = describe(longer)
    shutil.rmtree("runs")
    assert last_line(run_zoo("train", *words, "--steps", "40", "--set", "evaluations=4")) == longer
    assert describe(longer) == gone_on


def test_fresh_trains_from_the_first_step_and_what_is_there_is_not_begun_again(run_zoo) -> None:
    short = last_line(run_zoo("train", "bigram", *COMMON, "--set", "schedule=constant", "--steps", "20"))
    longer = last_line(run_zoo("train", short, "--steps", "40"))
    again = run_zoo("train", short, "--steps", "40")
    assert "already there" in again.stderr
    assert "continued from its step" not in again.stderr
    fresh = run_zoo("train", short, "--steps", "40", "--fresh")
    assert "goes on" not in fresh.stderr
    assert describe(last_line(fresh)) == describe(longer)


def test_a_call_may_be_longer_than_a_file_name(run_zoo) -> None:
    assert run_zoo("train", f"mlp(hidden=8,{' ' * 300}embedding=4)", *COMMON, "--steps", "2").returncode == 0


def test_a_state_is_removed_by_clean_and_the_run_stays_sound(run_zoo) -> None:
    short = last_line(run_zoo("train", "bigram", *COMMON, "--set", "schedule=constant", "--steps", "20"))
    done = run_zoo("clean", "--yes")
    assert done.returncode == 0
    assert not list(Path(short).glob("state-*"))
    assert run_zoo("verify", "runs").returncode == 0


OTHERWISE = {
    "schedule": ([], ["--steps", "40"], "schedule=linear depends on the budget"),
    "settings": (["--set", "schedule=constant"], ["--steps", "40", "--lr", "0.001"], ": another lr"),
    "fewer": (["--set", "schedule=constant"], ["--steps", "10"], "10 steps are not more than the 20"),
    "threads": (["--set", "schedule=constant"], ["--steps", "40", "--threads", "2"], ": another threads"),
    "evaluations": (["--set", "schedule=wsd"], ["--steps", "40", "--set", "evaluations=4"], ": another evaluations"),
    "split": (["--set", "schedule=constant"], ["--steps", "40", "--split", "60/20/20"], ": another split"),
    "seconds": (["--set", "schedule=constant"], ["--seconds", "0.1"], "seconds"),
    "text": (["--set", "schedule=constant"], ["--data", "more.txt"], ": another corpus"),
}


@pytest.mark.parametrize(
    "case",
    [
        case if case in ("schedule", "text", "split") else pytest.param(case, marks=pytest.mark.slow)
        for case in OTHERWISE
    ],
)
def test_otherwise_it_is_a_new_run_from_its_weights_with_its_parent_in_the_record(case: str, run_zoo) -> None:
    write_words("more.txt", "abcdef" * 2)
    settings, changes, reason = OTHERWISE[case]
    first = last_line(run_zoo("train", "wavenet(hidden=8)", *COMMON, *settings, "--steps", "20"))
    done = run_zoo("train", first, *changes)
    assert f"a new run from the weights of '{first}'" in done.stderr
    assert reason in done.stderr
    second = Path(last_line(done))
    start = json.loads((second / "config.json").read_text())["run"]["start"]
    parent = json.loads((Path(first) / "config.json").read_text())["fingerprint"]
    assert start["run"] == parent
    assert "starts from the weights of run" in done.stdout.replace("\n  ", " ")
    curves = [[json.loads(line) for line in (Path(run) / "curve.jsonl").read_text().splitlines()]
              for run in (first, second)]  # fmt: skip
    if case not in ("text", "split"):
        best = min(point["validation_loss"] for point in curves[0])
        assert curves[1][0]["validation_loss"] == pytest.approx(best, abs=1e-6)
    assert run_zoo("verify", "runs").returncode == 0
    assert run_zoo("train", first, *changes).stderr.count("already there") == 1
    shutil.rmtree(first)
    assert run_zoo("verify", str(second)).returncode == 0, "without its parent too"


def test_weights_of_a_run_or_a_file_begin_a_run_of_a_model_that_they_fit(run_zoo) -> None:
    write_words("more.txt", "abcdef" * 2)
    first = last_line(run_zoo("train", "mlp(hidden=8)", *COMMON, "--steps", "20"))
    run = zoo.load(first)
    save_file({name: tensor.contiguous() for name, tensor in run.model.state_dict().items()}, "mine.safetensors")
    new = ["--data", "more.txt", "--batch-size", "8", "--threads", "1", "--steps", "10"]
    by_run = run_zoo("train", "mlp(hidden=8)", "--from", first, *new)
    by_file = run_zoo("train", "mlp(hidden=8)", "--from", "mine.safetensors", *new)
    assert "records no vocabulary" in by_file.stderr
    curves = [(Path(last_line(done)) / "curve.jsonl").read_text().splitlines() for done in (by_run, by_file)]
    losses = [[json.loads(line)["validation_loss"] for line in curve] for curve in curves]
    assert losses[0] == losses[1]
    names = [Path(last_line(done)).name for done in (by_run, by_file)]
    assert names[0] != names[1]


MISFITS = {
    "shape": (["mlp(hidden=9)", "--from", "RUN"], "'head.weight' is (7, 8) float32, in the model (7, 9) float32"),
    "names": (["gru(hidden=8)", "--from", "RUN"], "is not in the file"),
    "characters": (["mlp(hidden=8)", "--from", "RUN", "--data", "other.txt"], "'f', 'g' in only one of them"),
    "two": (["RUN", "--from", "RUN"], "which has weights of its own: name a model"),
    "nothing": (["mlp(hidden=8)", "--from", "nowhere"], "'nowhere' is neither a run nor a file of weights"),
    "text file": (["mlp(hidden=8)", "--from", "words.txt"], "'words.txt' is neither a run nor a file of weights"),
    "no weights": (["mlp(hidden=8)", "--from", "odd.safetensors"], "odd.safetensors"),
    "the same": (["RUN"], "has been trained with these settings"),
    "between": (["LONG", "--steps", "45"], "every 2 steps, and 45 is not a multiple: give --steps 44 or --steps 46"),
    "seeds": (["RUN", "--lr-grid", "0.1,0.2", "--steps", "30"], "need a study of one run"),
}


def test_what_does_not_fit_is_refused_in_one_line(run_zoo) -> None:
    write_words("other.txt", "abcdeg")
    Path("odd.safetensors").write_bytes(b"odd")
    first = last_line(run_zoo("train", "mlp(hidden=8)", *COMMON, "--steps", "20"))
    longer = last_line(run_zoo("train", "mlp(hidden=8)", *COMMON, "--set", "schedule=wsd", "--steps", "20"))
    for words, message in MISFITS.values():
        arguments = [{"RUN": first, "LONG": longer}.get(word, word) for word in words]
        rest = [] if words[0] in ("RUN", "LONG") else [*COMMON[2:], *([] if "--data" in words else COMMON[:2])]
        done = run_zoo("train", *arguments, *rest)
        assert done.returncode in (1, 2), words
        assert message in done.stderr, (words, done.stderr)
        assert "Traceback" not in done.stderr
    assert len(list(Path("runs").rglob("result.json"))) == 2


def test_python_trains_on_too() -> None:
    settings = {"data": "words.txt", "batch_size": 8, "threads": 1, "progress": False}
    run = zoo.train("bigram", steps=20, schedule="constant", **settings)
    longer = zoo.train(run, steps=40, progress=False)
    assert longer.result.steps == 40
    assert longer.config.start is None
    other = zoo.train("bigram", steps=10, start=run, **settings)
    assert other.config.start is not None
    assert other.config.start.run == run.record.recorded.fingerprint
    assert torch.isfinite(next(other.model.parameters())).all()


def test_a_record_from_elsewhere_is_trained_on_only_with_the_file_that_it_was_made_with(run_zoo) -> None:
    source = f"import pathlib\npathlib.Path('imported').touch()\n{MINE}"
    Path("mine.py").write_text(source)
    first = last_line(run_zoo("train", "./mine.py:Mine", *COMMON, "--set", "schedule=constant", "--steps", "20"))
    Path("mine.py").write_text(source + "\n")
    Path("imported").unlink()
    done = run_zoo("train", first, "--steps", "40")
    assert done.returncode == 1
    assert "it has changed since the run was trained" in done.stderr
    assert not Path("imported").exists()
    done = run_zoo("train", first, "--steps", "40", "--trust")
    assert done.returncode == 0
    assert "a new run from the weights of" in done.stderr
    assert "the text, the code, torch, the device" in done.stderr


def test_verify_finds_a_start_that_was_changed(run_zoo) -> None:
    first = last_line(run_zoo("train", "bigram", *COMMON, "--steps", "20"))
    second = Path(last_line(run_zoo("train", first, "--steps", "30")))
    config = json.loads((second / "config.json").read_text())
    config["run"]["start"]["sha256"] = "0" * 64
    (second / "config.json").write_text(json.dumps(config))
    assert run_zoo("verify", str(second)).returncode == 1
