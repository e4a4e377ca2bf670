"""`ablate` trains a model and its variants, and says what every change does to the loss."""

import json
import shutil
from pathlib import Path

import pytest

import zoo

TINY = ("--data", "words.txt", "--steps", "8", "--batch-size", "8", "--set", "evaluations=1", "--threads", "1")
OPTIONS = "embedding, hidden, n, dropout, tree, norm, activation, gate, residual, skips, gain, head_gain"
WAVENET = "wavenet(embedding=3,hidden=4)"

IDLE = """
from typing import Literal

from pydantic import Field
from torch import nn

from zoo import ModelOptions, SequenceModel


class Mine(SequenceModel):
    class Config(ModelOptions):
        width: int = Field(4, ge=1, description="channels")
        idle: bool = Field(True, description="read by nothing")
        bias: bool = Field(True, description="whether the head has a bias")
        mixer: Literal["sum", "mean"] = Field("sum", description="no choice of nothing")

    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.table = nn.Embedding(vocab_size, config.width)
        self.head = nn.Linear(config.width, vocab_size, bias=config.bias)

    def forward(self, tokens):
        x = self.table(tokens)
        return self.head(x if self.config.mixer == "sum" else x / 2)
"""


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A folder for the runs of `ablated`, which are trained once."""
    return tmp_path_factory.mktemp("ablated") / "runs"


@pytest.fixture
def ablated(zoo_json, words, kept, tmp_path):
    """The document of an ablation with a pair. The command finds its runs if they are there already."""
    if kept.exists():
        shutil.copytree(kept, tmp_path / "runs")
    changes = (
        "--drop",
        "norm",
        "--swap",
        "activation=relu,gelu gate=true",
        "--scale",
        "hidden=0.5",
        "--pairs",
        "norm,gate",
    )
    found = zoo_json("ablate", WAVENET, *changes, *TINY)
    if not kept.exists():
        shutil.copytree(tmp_path / "runs", kept)
    return found


def test_every_change_is_a_variant_under_the_same_seeds_and_budget(ablated):
    found = ablated["ablation"]
    assert {own["label"]: own["change"] for own in found["effects"]} == {
        "norm=none": {"norm": "none"},
        "activation=relu": {"activation": "relu"},
        "activation=gelu": {"activation": "gelu"},
        "gate=true": {"gate": True},
        "hidden=2": {"hidden": 2},
        "norm=none,gate=true": {"norm": "none", "gate": True},
    }
    assert {(run["seed"], run["steps"]) for run in ablated["runs"]} == {(1, 8), (2, 8), (3, 8)}
    assert len(ablated["runs"]) == 3 * 7
    assert ablated["pairs"] == []


def test_effects_are_differences_from_the_model_and_are_ordered(ablated):
    means = {model["label"]: model["test"]["mean"] for model in ablated["models"]}
    effects = ablated["ablation"]["effects"]
    for own in effects:
        assert own["pair"]["difference"] == pytest.approx(means[own["label"]] - means[WAVENET], abs=1e-9)
        assert own["pair"]["joint_low"] < own["pair"]["difference"] < own["pair"]["joint_high"]
    assert [own["pair"]["difference"] for own in effects] == sorted(
        (own["pair"]["difference"] for own in effects), reverse=True
    )
    half = next(own for own in effects if own["label"] == "hidden=2")
    full = next(model for model in ablated["models"] if model["label"] == WAVENET)
    assert half["parameters_off"] == pytest.approx(half["parameters"] / full["parameters"] - 1)
    assert half["flops_off"] < 0


def test_means_have_the_intervals_that_they_have_in_a_comparison(ablated, zoo_json):
    models = [WAVENET, "wavenet(embedding=3,hidden=4,norm=none)"]
    compared = {own["model"]: own["test"] for own in zoo_json("compare", "--models", ",".join(models), *TINY)["models"]}
    for own in ablated["models"]:
        if own["model"] in compared:
            assert (own["test"]["low"], own["test"]["high"]) == pytest.approx(
                (compared[own["model"]]["low"], compared[own["model"]]["high"])
            )


def test_an_interaction_is_the_joint_effect_minus_both(ablated):
    effect = {own["label"]: own["pair"]["difference"] for own in ablated["ablation"]["effects"]}
    (found,) = ablated["ablation"]["interactions"]
    assert found["parts"] == ["norm=none", "gate=true"]
    assert found["together"] == pytest.approx(effect["norm=none,gate=true"])
    assert found["apart"] == pytest.approx(effect["norm=none"] + effect["gate=true"])
    assert found["difference"] == pytest.approx(found["together"] - found["apart"])


def test_the_report_is_drawn_again_and_verified(ablated, run_zoo, tmp_path):
    directory = ablated["directory"]
    page, document = ((tmp_path / directory / name).read_text() for name in ("report.html", "report.md"))
    assert all(words in page for words in ('id="effects"', 'id="interactions"', "Two changes together"))
    assert all(words in document for words in ("## Effects", "figures/effects.svg"))
    assert "## Pairs" not in document
    told = run_zoo("report", directory).stdout
    assert max(map(len, told.splitlines())) <= 160
    for words in ("change", "effect", "cannot tell", "Of 6 changes to wavenet", "together: effect of both changes"):
        assert words in told
    done = run_zoo("verify", directory)
    assert done.returncode == 0, done.stdout


def test_the_full_models_settings_are_told_unless_each_has_its_own(ablated, zoo_json, words):
    assert "ablation" in {note["kind"] for note in ablated["notes"]}
    own = zoo_json("ablate", WAVENET, "--drop", "norm", "--lr-grid", "0.001,0.01", "--seeds", "1", *TINY)
    assert "ablation" not in {note["kind"] for note in own["notes"]}
    assert own["ablation"]["own_settings"] is True


def test_a_change_that_changes_nothing_is_told_by_exact_equality(zoo_json, run_zoo, words):
    found = zoo_json("ablate", WAVENET, "--swap", "residual=true gate=true", "--context", "2", *TINY)
    inert = {own["label"]: own["inert"] for own in found["ablation"]["effects"]}
    assert inert == {"residual=true": True, "gate=true": False}  # one level has no level before it to add
    assert "1 changes nothing at all (residual=true)" in " ".join(found["verdict"].split())


def test_an_inert_change_is_not_called_small(zoo_json, run_zoo, words):
    changes = ("--swap", "residual=true", "--context", "2", "--margin", "0.5")
    found = zoo_json("ablate", WAVENET, *changes, *TINY)
    told = run_zoo("report", found["directory"]).stdout
    assert "changes nothing" in told
    assert "by less than the margin" not in told


UNSOUND = """
import torch
from pydantic import BaseModel, Field
from torch import nn

from zoo import ModelOptions, SequenceModel


class Inner(BaseModel):
    a: int = 1


class Mine(SequenceModel):
    class Config(ModelOptions):
        wild: bool = Field(True, description="no finite logits")
        width: int = Field(4, ge=1, description="channels")
        inner: Inner = Field(Inner(), description="no number")
        sizes: tuple[int, ...] = Field((1, 2), description="no number")
        tag: str = Field("", description="a name")

    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.table = nn.Embedding(vocab_size, config.width)
        self.head = nn.Linear(config.width, vocab_size)

    def forward(self, tokens):
        return self.head(self.table(tokens)) * (float("nan") if self.config.wild and self.training else 1.0)
"""


def test_without_a_mean_of_the_model_there_are_no_effects_and_no_pairs(zoo_json, run_zoo, words, tmp_path):
    (tmp_path / "mine.py").write_text(UNSOUND)
    found = zoo_json("ablate", "./mine.py:Mine", "--drop", "wild", "--scale", "width=2", *TINY)
    assert found["pairs"] == []
    effects = {own["label"]: own for own in found["ablation"]["effects"]}
    assert effects["wild=false"]["missing"] == "Mine diverged 3 of 3"
    assert effects["width=8"]["missing"] == "diverged 3 of 3"
    assert all(own["pair"] is None for own in effects.values())
    assert {model["letters"] for model in found["models"]} == {""}
    assert "No verdict: Mine has no mean to compare its variants with." in found["verdict"]
    assert "Mine diverged 3 of 3" in run_zoo("report", found["directory"]).stdout


def test_what_no_option_of_a_call_can_be_is_not_dropped(run_zoo, words, tmp_path):
    (tmp_path / "mine.py").write_text(UNSOUND)
    for option in ("width", "inner", "sizes", "tag"):
        done = run_zoo("ablate", "./mine.py:Mine", "--drop", option, *TINY)
        assert done.returncode == 2
        assert "cannot be dropped, only swapped or scaled. To drop: wild." in done.stderr


def test_a_text_in_a_file_stays_text(run_zoo, words, tmp_path):
    (tmp_path / "mine.py").write_text(UNSOUND)
    study = '[ablation]\nmodel = "./mine.py:Mine(wild=false)"\nswap = {tag = ["1", "x,y", " z "]}\n'
    (tmp_path / "study.toml").write_text(study)
    config = json.loads(run_zoo("ablate", "study.toml", "--print-config").stdout)
    assert [model["model"]["options"].get("tag") for model in config["models"]] == [None, "1", "x,y", " z "]


def test_a_match_does_not_undo_a_change(run_zoo, words):
    done = run_zoo("ablate", WAVENET, "--scale", "hidden=2", "--match", "parameters=500", *TINY)
    assert (done.returncode, "--match sets hidden of every variant, which would undo hidden=8" in done.stderr) == (
        2,
        True,
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("ablation = 3", "A study's 'ablation' is a table of settings, not 3."),
        ('data = "names"\n[ablation]\nmodel = "mlp"\nscale = {hidden = 2}', "A study's 'data' is a table of settings"),
        ('models = ["mlp"]\n[ablation]\nmodel = "mlp"\nscale = {hidden = 2}', "has models beside [ablation]"),
        ('baseline = "mlp"\n[ablation]\nmodel = "mlp"\nscale = {hidden = 2}', "has baseline beside [ablation]"),
        ('[ablation]\nmodel = "mlp"\nscale = {hidden = true}', "scale.hidden.0=True: input should be a valid number"),
        ('[ablation]\nmodel = "mlp"\ndrop = 3', "Ablation: drop.0=3: input should be a valid string"),
        ('[ablation]\nmodel = "wavenet"\ndrop = ["norm"]\npairs = ["norm", "norm"]', "--pairs needs two pieces"),
    ],
)  # fmt: skip
def test_a_file_of_another_shape_is_one_line(text, told, run_zoo, words, tmp_path):
    (tmp_path / "study.toml").write_text(f"{text}\n")
    done = run_zoo("ablate", "study.toml", "--print-config")
    assert done.returncode == 2
    assert told in done.stderr


def test_a_strangers_model_is_ablated_by_its_own_options(zoo_json, run_zoo, words, tmp_path):
    (tmp_path / "mine.py").write_text(IDLE)
    found = zoo_json(
        "ablate", "./mine.py:Mine", "--drop", "bias,idle", "--scale", "width=2", "--pairs", "--seeds", "1", *TINY
    )
    labels = {own["label"] for own in found["ablation"]["effects"]}
    assert labels == {"bias=false", "idle=false", "width=8", "bias=false,idle=false"}
    assert {own["label"] for own in found["ablation"]["effects"] if own["inert"]} == {"idle=false"}
    assert found["ablation"]["baseline"] == "Mine"
    wrong = run_zoo("ablate", "./mine.py:Mine", "--drop", "mixer", *TINY)
    assert (wrong.returncode, "To drop: idle, bias." in wrong.stderr) == (2, True)


STUDY = """
[ablation]
model = "wavenet(embedding=3,hidden=4)"
drop = "norm"
swap = {gate = true}
pairs = ["norm", "gate"]
[training]
steps = 8
batch_size = 8
evaluations = 1
[data]
corpus = "words.txt"
"""


def test_a_file_declares_an_ablation_and_flags_override_it(zoo_json, run_zoo, words, tmp_path):
    (tmp_path / "study.toml").write_text(STUDY)
    config = json.loads(run_zoo("ablate", "study.toml", "--print-config").stdout)
    assert [model["label"] for model in config["models"]] == [WAVENET, "norm=none", "gate=true", "norm=none,gate=true"]
    assert (config["name"], config["baseline"]) == ("study", WAVENET)
    other = json.loads(run_zoo("ablate", "study.toml", "--swap", "gate=true skips=true", "--print-config").stdout)
    assert [model["label"] for model in other["models"]][2:4] == ["gate=true", "skips=true"]
    refused = run_zoo("compare", "study.toml")
    assert (refused.returncode, "declares an ablation: run it with `ablate FILE`" in refused.stderr) == (2, True)
    (tmp_path / "saved.json").write_text(json.dumps(config))
    for command in ("ablate", "compare"):
        again = zoo_json(command, "saved.json", "--seeds", "1", "--threads", "1")
        assert again["ablation"]["baseline"] == WAVENET
    assert "declares no ablation" in run_zoo("ablate", str(_write(tmp_path, "[training]\nsteps = 3\n"))).stderr


def _write(folder: Path, text: str) -> Path:
    path = folder / "none.toml"
    path.write_text(text)
    return path


def test_the_function_gives_what_the_command_gives(ablated, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = zoo.ablate(
        WAVENET, drop="norm", swap={"activation": ["relu", "gelu"], "gate": True}, scale={"hidden": 0.5},
        pairs=["norm", "gate"], data="words.txt", steps=8, batch_size=8, evaluations=1, threads=1, progress=False,
    )  # fmt: skip
    document = found.comparison.ablation.model_dump(mode="json")
    assert document == ablated["ablation"]
    pytest.importorskip("pandas")
    frame = found.to_pandas("effects")
    assert list(frame.label) == [own["label"] for own in document["effects"]]
    assert list(frame.effect) == [own["pair"]["difference"] for own in document["effects"]]
    assert found.plot("effects").svg == (found.directory / "figures" / "effects.svg").read_text()


@pytest.mark.parametrize(
    ("words_given", "told"),
    [
        (["--drop", "nrm"], f"no option 'nrm'. Its options: {OPTIONS}. Did you mean 'norm'?"),
        (["--drop", "hidden"], "'hidden' of 'wavenet' cannot be dropped, only swapped or scaled. To drop: norm"),
        (["--drop", "gate"], "has no gate to drop: gate=false. --swap gate=VALUE adds it."),
        (["--swap", "activation=tanh"], "activation=tanh is what 'wavenet' has: that changes nothing."),
        (["--swap", "activation=foo"], "activation=foo: input should be 'none', 'tanh'"),
        (["--swap", "gate"], "'gate' is not written as key=value."),
        (["--swap", "gate=true", "--swap", "gate=false"], "--swap gives 'gate' twice: write gate=A,B."),
        (["--scale", "norm=2"], "'batch', which has no size: swap it instead of scaling."),
        (["--scale", "hidden=0"], "a factor is a number greater than 0"),
        (["--scale", "hidden=wide"], "a factor is a number greater than 0"),
        (["--scale", "hidden=0.001"], "hidden=0: input should be greater than or equal to 1"),
        (["--scale", "hidden=1"], "hidden=68 is what 'wavenet' has: that changes nothing."),
        ([], "Nothing is changed: give --drop, --swap or --scale. Options of 'wavenet': embedding, hidden"),
        (["--drop", "norm", "--pairs"], "--pairs needs two pieces"),
        (["--swap", "tree=true", "--pairs", "norm,tree"], "--pairs names 'norm', which is not changed alone"),
        (["--drop", "norm", "--pairs", "norm,colour"], "no option 'colour'"),
        (["--drop", "norm", "--until", "decided"], "an ablation has one number of seeds: leave out until"),
        (["--drop", "norm", "--seeds", "3..5"], "An ablation has one number of seeds"),
        (["--swap", "n=3"], "context 8 is no power of n=3"),
        (["--drop", "norm", "--recipe", "fast"], "--recipe chooses a recipe of a study file: give the file."),
    ],
)  # fmt: skip
def test_a_wrong_change_is_one_line_that_says_what_there_is(words_given, told, run_zoo, words):
    done = run_zoo("ablate", "wavenet", *words_given, "--data", "words.txt", "--steps", "8", "--batch-size", "8")
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert len([line for line in done.stderr.splitlines() if line.startswith("Error")]) == 1
