"""`--tune` and `sweep`: equal trials for all, chosen on validation, trained again under fresh seeds, nothing twice."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from zoo.errors import RunError
from zoo.experiments.records.study import read_study
from zoo.experiments.runs.tuning.suggest import Suggestions
from zoo.experiments.verify.rebuild import Rebuild
from zoo.experiments.verify.search import search_differences

ROOT = Path(__file__).parents[2]
SMALL = ("--data", "invented(documents=60)", "--batch-size", "8", "--steps", "20", "--set", "evaluations=5")
SPACE = ("--search", "lr=log(1e-3,1)")
COMPARE = ("compare", "--models", "bigram,bow(embedding=4)", "--seeds", "3", *SPACE, "--tune", "6", *SMALL)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished search of two models."""
    place = tmp_path_factory.mktemp("searched")
    command = [sys.executable, str(ROOT / "cli.py"), *COMPARE]
    subprocess.run(command, cwd=place, check=True, capture_output=True)
    return place


@pytest.fixture
def study(searched: Path, tmp_path: Path) -> Path:
    """A copy of the folder of the finished study."""
    shutil.copytree(searched / "runs", tmp_path / "runs")
    return tmp_path / "runs" / "bigram-bow(embedding=4)-on-invented(documents=60)"


def read(path: Path) -> dict:
    return json.loads(path.read_text())


def test_every_model_has_as_many_trials_none_of_which_saw_the_test_split(study: Path) -> None:
    tuned = read(study / "comparison.json")["tuned"]
    assert {own["label"] for own in tuned} == {"bigram", "bow(embedding=4)"}
    for own in tuned:
        assert len(own["trials"]) == own["runs"] == 6
        assert own["trials"][own["best"]]["loss"] == min(t["loss"] for t in own["trials"] if t["status"] == "finished")
        assert own["steps"] == sum(trial["steps"] for trial in own["trials"]) <= 6 * 20
        assert set(own["importances"]) in ({"lr"}, set())
    trials = sorted((study / "search").iterdir())
    assert len(trials) == 12
    for trial in trials:
        assert read(trial / "result.json")["test_loss"] is None
        assert read(trial / "config.json")["run"]["seed"] == 0


def test_the_chosen_settings_are_trained_again_under_the_reported_seeds_beside_those_as_written(study: Path) -> None:
    comparison = read(study / "comparison.json")
    record = read(study / comparison["record"])
    chosen = {own["label"]: own["trials"][own["best"]]["chosen"]["lr"] for own in comparison["tuned"]}
    assert [run["seed"] for run in comparison["runs"] if run["label"] == "bigram"] == [1, 2, 3]
    assert all(run["lr"] == chosen[run["label"]] for run in comparison["runs"])
    assert len(record["untuned"]) == 6
    assert {row["lr_from"] for row in comparison["models"]} == {"search"}
    for own in comparison["tuned"]:
        tuned = [run["test_loss"] for run in comparison["runs"] if run["label"] == own["label"]]
        written = [read(study / place / "result.json") for place in record["untuned"] if place.startswith(own["label"])]
        losses = [result["test_loss"] for result in written]
        if own["unchanged"]:
            assert tuned == losses
        else:
            assert own["worth"]["difference"] == pytest.approx(sum(tuned) / 3 - sum(losses) / 3)
            assert own["worth"]["low"] < own["worth"]["difference"] < own["worth"]["high"]


@pytest.mark.slow
def test_the_same_command_repeats_nothing_and_more_trials_continue_the_search(study: Path, run_zoo) -> None:
    before = read(study / "comparison.json")
    again = run_zoo(*COMPARE)
    assert "trying" not in again.stderr
    assert again.stderr.count("already there") == 12
    assert read(study / "comparison.json") == before
    more = run_zoo(*COMPARE, "--tune", "8")
    assert more.stderr.count("trying") == 4
    for old, new in zip(before["tuned"], read(study / "comparison.json")["tuned"], strict=True):
        if old["label"] == new["label"]:
            assert new["trials"][:6] == old["trials"]


@pytest.mark.slow
def test_fewer_trials_are_the_first_ones_of_an_earlier_search(study: Path, run_zoo) -> None:
    before = {own["label"]: own["trials"] for own in read(study / "comparison.json")["tuned"]}
    assert "trying" not in run_zoo(*COMPARE, "--tune", "3").stderr
    for own in read(study / "comparison.json")["tuned"]:
        assert own["trials"] == before[own["label"]][:3]
    assert run_zoo("verify", str(study / read(study / "comparison.json")["record"])).returncode == 0


@pytest.mark.slow
def test_a_removed_trial_is_trained_again_with_the_same_result(study: Path, run_zoo) -> None:
    trial = min((study / "search").iterdir())
    before = read(trial / "result.json")["validation_loss"]
    shutil.rmtree(trial)
    assert run_zoo(*COMPARE).stderr.count("trying") == 1
    assert read(trial / "result.json")["validation_loss"] == before


@pytest.mark.slow
def test_verify_computes_a_search_again(study: Path, run_zoo) -> None:
    done = run_zoo("verify", str(study / "comparison.json"))
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("/search/") == 12


def change_best(search: dict) -> None:
    search["best"] = (search["best"] + 1) % len(search["trials"])


def drop_last(search: dict) -> None:
    search["best"] = 0
    del search["trials"][-1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (change_best, "learning rate of|settings of|best trial"),
        (drop_last, "trials of|file name|number of"),
        (lambda search: search["trials"][1]["chosen"].update(lr=0.5), "lr"),
        (lambda search: search["trials"][5].update(prune_above=[None, 9.0]), "prune|limits|it is not the run"),
        (lambda search: search["importances"].update(lr=0.123), "importance"),
        (lambda search: search["space"].update(lr="log(0.0001,1)"), "search spaces"),
        (lambda search: search.update(starts_as_written=False), "as written"),
        (lambda search: search["trials"][0].update(run="../elsewhere"), "below the folder"),
        (lambda search: search.update(best=99), "none of its 6 trials"),
    ],
    ids=["best", "missing", "setting", "limits", "importance", "space", "first", "outside", "range"],
)
def test_verify_finds_a_search_that_was_changed(study: Path, run_zoo, change, says: str) -> None:
    import re

    path = study / read(study / "comparison.json")["record"]
    record = read(path)
    change(record["searches"]["bigram"])
    path.write_text(json.dumps(record))
    done = run_zoo("verify", str(path))
    assert done.returncode == 1
    assert re.search(says, done.stdout + done.stderr), done.stdout


@pytest.mark.slow
def test_a_killed_search_ends_like_one_that_was_never_cut(searched: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "cli.py"), *COMPARE]
    for seconds in (2.5, 4.0, 5.5, 7.0):
        process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL, start_new_session=True)
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    name = "bigram-bow(embedding=4)-on-invented(documents=60)"
    whole, cut = (read(place / "runs" / name / "comparison.json") for place in (searched, tmp_path))
    for one, other in zip(whole["tuned"], cut["tuned"], strict=True):
        assert one["trials"] == other["trials"]
        assert one["worth"] == other["worth"]
    assert [run["test_loss"] for run in whole["runs"]] == [run["test_loss"] for run in cut["runs"]]


@pytest.mark.slow
def test_a_round_that_is_cut_between_two_suggestions_is_completed_before_any_of_it_runs(
    searched: Path, tmp_path: Path, run_zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask, asked = Suggestions.ask, []

    def cut(*given) -> None:
        asked.append(given)
        if len(asked) == 10:  # two rounds of four, and one of the next two
            raise KeyboardInterrupt
        ask(*given)

    with monkeypatch.context() as patch:
        patch.setattr(Suggestions, "ask", cut)
        assert run_zoo(*COMPARE).returncode == 130
    assert run_zoo(*COMPARE).returncode == 0
    name = "bigram-bow(embedding=4)-on-invented(documents=60)"
    whole, continued = (read(place / "runs" / name / "comparison.json") for place in (searched, tmp_path))
    assert [own["trials"] for own in continued["tuned"]] == [own["trials"] for own in whole["tuned"]]


@pytest.mark.slow
def test_two_commands_share_a_search_and_no_trial_is_trained_by_both(searched: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "cli.py"), *COMPARE]
    both = [subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    name = "bigram-bow(embedding=4)-on-invented(documents=60)"
    whole, shared = (read(place / "runs" / name / "comparison.json") for place in (searched, tmp_path))
    assert [own["trials"] for own in whole["tuned"]] == [own["trials"] for own in shared["tuned"]]
    assert len(list((tmp_path / "runs" / name / "search").iterdir())) == 12


def test_verify_imports_no_optimizer_that_only_a_space_of_a_record_names(study: Path, tmp_path: Path, run_zoo) -> None:
    (tmp_path / "evil.py").write_text(f"from pathlib import Path\nPath({str(tmp_path / 'ran')!r}).touch()\n")
    path = study / read(study / "comparison.json")["record"]
    record = read(path)
    record["study"]["search"]["space"]["optimizer"] = f"choice(adamw,{tmp_path}/evil.py:Evil)"
    path.write_text(json.dumps(record))
    assert run_zoo("verify", str(path)).returncode == 1
    changed = read_study(path)
    with pytest.raises(RunError, match="--trust"):  # even if nothing else gave the change away
        next(search_differences(changed.study, changed, path.parent, Rebuild(torch.device("cpu"))))
    assert not list(tmp_path.rglob("ran"))


COPIES = '''
import torch
from torch import nn

from zoo import ModelOptions, SequenceModel


class Copies(SequenceModel):
    """A model whose option changes nothing but the initial weights: every value is a copy of one setting."""

    class Config(ModelOptions):
        copy_: int = 0

    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        for _ in range(config.copy_ + 1):
            self.table = nn.Embedding(vocab_size, vocab_size)
        self.mix = nn.Linear(vocab_size, vocab_size)

    def forward(self, tokens):
        return self.mix(torch.tanh(self.table(tokens)))
'''


@pytest.mark.slow
def test_the_luckiest_of_sixteen_copies_of_one_setting_is_worth_nothing(tmp_path: Path, zoo_json) -> None:
    (tmp_path / "copies.py").write_text(COPIES)
    space = f"copy_=choice({','.join(map(str, range(16)))})"
    document = zoo_json("compare", "--models", "./copies.py:Copies", "--seeds", "4", "--search", space, "--tune", "16",
                        *SMALL, "--lr", "0.1", "--set", "sampler=qmc", "--set", "prune=false")  # fmt: skip
    (tuned,) = document["tuned"]
    losses = [trial["loss"] for trial in tuned["trials"]]
    assert len(set(losses)) > 4
    assert losses[tuned["best"]] < losses[0]  # it looked like a gain
    assert tuned["worth"]["low"] < 0 < tuned["worth"]["high"]  # and was luck
    assert tuned["worth"]["verdict"] == "undecided"


def test_trials_of_equal_flops_stop_before_they_pass_them(zoo_json) -> None:
    one = zoo_json("train", "bow(embedding=4)", *SMALL)["runs"][0]["flops"]
    flags = ("--models", "bow(embedding=4),bow(embedding=16)", *SMALL, "--seeds", "1", *SPACE, "--set", "prune=false")
    document = zoo_json("compare", *flags, "--tune-flops", str(one * 5.5))
    for own in document["tuned"]:
        each = own["flops"] / own["runs"]
        assert own["flops"] <= one * 5.5 < own["flops"] + each
    assert len({own["runs"] for own in document["tuned"]}) == 2  # a cheap model has more trials


def test_a_sweep_of_a_grid_tries_every_point_and_an_option_is_one_of_the_model(zoo_json) -> None:
    words = ("--search", "lr=log(0.01,1,2) embedding=choice(2,4)", "--set", "sampler=grid", "--seeds", "1")
    document = zoo_json("sweep", "--models", "bow", *words, *SMALL)
    (own,) = document["tuned"]
    assert [tuple(trial["chosen"].values()) for trial in own["trials"]] == [(0.01, 2), (0.01, 4), (1.0, 2), (1.0, 4)]
    best = own["trials"][own["best"]]["chosen"]
    assert document["models"][0]["model"] == f"bow(embedding={best['embedding']})"
    assert document["models"][0]["parameters"] == own_parameters(best["embedding"])
    assert own["written"] is None


def own_parameters(embedding: int) -> int:
    from zoo.catalog import MODELS
    from zoo.models.build import count_parameters

    kind = MODELS.get("bow")
    return count_parameters(kind(kind.Config(embedding=embedding), vocab_size=21, context=8))


def test_a_model_declares_what_else_is_searched(tmp_path: Path, zoo_json, run_zoo) -> None:
    text = COPIES.replace("copy_: int = 0", 'copy_: Annotated[int, Searched("int(0,3)")] = 0')
    text = "from typing import Annotated\n" + text.replace("from zoo import", "from zoo import Searched,")
    (tmp_path / "copies.py").write_text(text)
    document = zoo_json("compare", "--models", "./copies.py:Copies", "--seeds", "1", "--tune", "2", *SMALL)
    (own,) = document["tuned"]
    assert list(own["space"]) == ["lr", "weight_decay", "warmup", "copy_"]
    assert own["trials"][0]["chosen"]["copy_"] == 0
    done = run_zoo("train", "./copies.py:Copies(copy_=1)", "--lr", "0.1", "--tune", "2", *SMALL, "--dry-run")
    assert "for Copies(copy_=1): weight_decay=log(0.01,1) warmup=uniform(0,0.3)\n" in done.stderr


def test_any_database_that_optuna_takes_holds_the_search_and_is_recorded_nowhere(tmp_path: Path, run_zoo) -> None:
    done = run_zoo("compare", "--models", "bigram", "--seeds", "1", "--tune", "2", *SPACE, *SMALL,
                   "--storage", f"sqlite:///{tmp_path}/elsewhere.db?timeout=54321")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "elsewhere.db").is_file()
    assert not list((tmp_path / "runs").rglob("search.db"))
    texts = [path.read_bytes() for path in (tmp_path / "runs").rglob("*") if path.is_file()]
    assert not any(b"54321" in text for text in texts)
    assert "54321" not in done.stderr + done.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--search", "hiden=choice(1,2)"), "has no option 'hiden' to search. Its options: "),
        (("--search", "device=choice(cpu,cuda)"), "has no option 'device' to search"),
        (("--search", "batch_size=choice(4,8)"), "needs a budget in tokens"),
        (("--search", "warmup=uniform(0,2)"), "The search of warmup=uniform(0,2): warmup=2"),
        (("--search", "optimizer=choice(adamw,adamm)"), "adamm"),
        (("--tune", "0"), "--tune"),
        (("--tune-flops", "10", "--models", "bow"), "do not suffice for one trial"),
        (("--tune-flops", "10"), "multiplies nothing"),
        (("--search", "lr=log(0.1,1)", "--optimizer", "sgd"), "give a learning rate (--lr)"),
        (("--tune", "2", "--storage", "nosuch://a:b@c"), "cannot be opened"),
        (("--search", "lr=log(0.1,1)", "--set", "sampler=grid"), "needs a number of points"),
    ],
    ids=lambda words: words[1] if isinstance(words, tuple) else "",
)
def test_a_search_that_cannot_be_made_is_told_in_one_line_before_anything_trains(
    run_zoo, tmp_path: Path, words: tuple, says: str
) -> None:
    done = run_zoo("compare", "--models", "bigram", *SMALL, *words)
    assert done.returncode in (1, 2)
    assert says in " ".join(done.stderr.split()), done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("result.json"))


def test_a_given_rate_is_the_one_as_written_where_the_rate_is_searched(zoo_json) -> None:
    flags = ("--optimizer", "sgd", "--lr", "0.5", "--search", "lr=log(0.1,1)", "--tune", "2", "--seeds", "1", *SMALL)
    (own,) = zoo_json("compare", "--models", "bigram", *flags)["tuned"]
    assert own["written"] == own["trials"][0]["chosen"] == {"lr": 0.5}


BAD = """
from torch import nn

from zoo import SequenceModel


class Bad(SequenceModel):
    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.table = nn.Linear(vocab_size, vocab_size)
        self.start = self.table.bias.sum().item()

    def forward(self, tokens):
        if self.table.bias.sum().item() != self.start:
            raise RuntimeError("worn out")
        return self.table(nn.functional.one_hot(tokens, self.vocab_size).float())
"""


@pytest.mark.parametrize(
    "flags", [("--search", "clip=choice(1,2)"), ("--search", "clip=choice(1,2)", "--set", "sampler=grid")]
)
def test_a_search_by_flops_ends_where_settings_repeat(zoo_json, flags: tuple[str, ...]) -> None:
    one = zoo_json("train", "bow(embedding=4)", *SMALL)["runs"][0]["flops"]
    words = ("--models", "bow(embedding=4)", *SMALL, "--seeds", "1", "--set", "prune=false")
    (own,) = zoo_json("compare", *words, "--search", "clip=choice(1,2)", *flags, "--tune-flops", str(one * 5.5))[
        "tuned"
    ]
    assert own["runs"] == 2
    assert len(own["trials"]) == (2 if "sampler=grid" in flags else 5)  # a repeated setting spends like another one


@pytest.mark.slow
def test_a_search_ends_where_every_trial_fails(tmp_path: Path, run_zoo) -> None:
    (tmp_path / "bad.py").write_text(BAD)
    done = run_zoo("compare", "--models", "./bad.py:Bad", *SMALL, "--seeds", "1", *SPACE, "--tune-flops", "100M")
    assert done.returncode == 1
    assert "worn out" in done.stderr


def test_a_range_for_one_model_goes_before_that_for_all_however_they_are_written(run_zoo) -> None:
    for text in ("bow.lr=log(0.1,1) lr=log(0.01,0.1)", "lr=log(0.01,0.1) bow.lr=log(0.1,1)"):
        done = run_zoo("compare", "--models", "bow,bigram", *SMALL, "--search", text, "--tune", "1", "--dry-run")
        assert "search: 1 trial for bow: lr=log(0.1,1)" in done.stderr
        assert "search: 1 trial for bigram: lr=log(0.01,0.1)" in done.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--search", "hidden=log(16,64)"), "For whole numbers write int(LOW,HIGH)."),
        (("--search", "batch_size=log(4,16)", "--train-tokens", "2k"), "For whole numbers write int(LOW,HIGH)."),
        (("--search", "embedding=choice(4,8)", "--match", "parameters=2k"), "match sets the size of 'bow'"),
    ],
)
def test_values_between_the_ends_are_checked_and_a_matched_size_is_kept(run_zoo, words: tuple, says: str) -> None:
    small = SMALL if "--train-tokens" not in words else (*SMALL[:4], *SMALL[6:])
    done = run_zoo("compare", "--models", "bow", *small, *words, "--tune", "2")
    assert done.returncode != 0
    assert says in " ".join(done.stderr.split()), done.stderr
    assert "Traceback" not in done.stderr


def test_settings_of_training_are_never_taken_for_options_of_a_model(tmp_path: Path, run_zoo) -> None:
    for name, says in (("steps", None), ("clip", "is a setting of training and an option of")):
        (tmp_path / f"{name}.py").write_text(COPIES.replace("copy_", name))
        words = (
            "compare",
            "--models",
            f"./{name}.py:Copies",
            *SMALL,
            "--seeds",
            "1",
            "--search",
            f"{name}=choice(1,2)",
        )
        done = run_zoo(*words, "--tune", "2", "--json")
        if says:
            assert says in done.stderr
        else:
            (own,) = json.loads(done.stdout)["tuned"]
            assert {trial["steps"] for trial in own["trials"]} == {20}


@pytest.mark.slow
def test_the_best_settings_as_written_are_not_trained_twice_in_a_stack(zoo_json) -> None:
    words = (
        "--models",
        "bow(embedding=4)",
        *SMALL,
        "--seeds",
        "3",
        *SPACE,
        "--tune",
        "1",
        "--set",
        "execution=stacked",
    )
    document = zoo_json("compare", *words)
    assert document["tuned"][0]["unchanged"]


@pytest.mark.slow
def test_verify_finds_limits_that_prune_every_rival(study: Path) -> None:
    from zoo.experiments.records.run import read_run
    from zoo.experiments.verify.search import _trial_differences

    record = read_study(study / read(study / "comparison.json")["record"])
    search = record.searches["bigram"]
    runs = [read_run(study / trial.run) for trial in search.trials]
    assert not list(_trial_differences("bigram", record.study, search, runs, None))
    forged = [
        trial.model_copy(update={"prune_above": (None, None, None, 1e-9, None, None)}) for trial in search.trials[1:]
    ]
    changed = search.model_copy(update={"trials": (search.trials[0], *forged)})
    assert any("limits of" in line for line in _trial_differences("bigram", record.study, changed, runs, None))
