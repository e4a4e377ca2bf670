"""A comparison refuses models that cheat, sources that change, and equal seeds and labels."""

import json
import math
from pathlib import Path

import pytest

from zoo.experiments.records.fingerprint import digest_model


def last_line(text: str) -> str:
    return text.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("forward", "said"),
    [
        ("return self.table(tokens.roll(-1, 1))", "looks ahead"),
        ("return self.table(tokens) - self.table(tokens).mean(dim=0)", "mixes the rows of a batch"),
        ("return nn.functional.dropout(self.table(tokens))", "it draws random numbers"),
        ("return self.table(tokens), None", "returns a tuple, not logits"),
        ("return None", "returns a NoneType"),
        ("return self.table(tokens)[:, -1]", "it must give logits (B, T, V)"),
        ("return self.table(tokens).argmax(-1)", "gives int64"),
    ],
)
def test_a_model_that_is_none_is_refused_before_anything_trains(run_zoo, words, mine, forward, said):
    mine.write_text(mine.read_text().replace("return self.table(tokens)", forward))
    done = run_zoo("compare", "--models", "bigram,./mine.py:Mine", "--data", "words.txt", "--steps", "5")
    assert done.returncode == 1
    assert said in last_line(done.stderr)
    assert "seed" not in done.stderr


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("recipe = {'lr': 1}", "is not a zoo.Recipe"),
        ("other_recipes = ({'lr': 1},)", "other_recipes that are not a tuple of zoo.Recipe"),
        ("class Config:\n        pass", "subclass of zoo.ModelOptions"),
    ],
)
def test_a_class_with_parts_of_another_kind_says_so(run_zoo, words, mine, line, said):
    mine.write_text(mine.read_text().replace("    def __init__", f"    {line}\n\n    def __init__", 1))
    done = run_zoo("train", "./mine.py:Mine", "--data", "words.txt")
    assert done.returncode == 1
    assert said in last_line(done.stderr)


def test_a_missing_class_lists_those_that_the_file_has(run_zoo, mine):
    assert "it has: Mine" in run_zoo("describe", "./mine.py:mine").stderr


def test_a_file_that_has_changed_is_imported_for_a_record_only_if_it_is_trusted(run_zoo, zoo_json, words, mine):
    run = zoo_json("train", "./mine.py:Mine", "--data", "words.txt", "--steps", "5")["runs"][0]["directory"]
    assert "has changed" not in run_zoo("evaluate", run).stderr
    mine.write_text(mine.read_text().replace("self.table(tokens)", "2 * self.table(tokens)"))
    mine.write_text(mine.read_text() + "print('imported')\n")
    for command in ("evaluate", "sample", "verify"):
        refused = run_zoo(command, run)
        assert refused.returncode == 1
        assert "it has changed since the run was trained" in refused.stderr + refused.stdout
        assert "imported" not in refused.stdout
        trusted = run_zoo(command, run, "--trust")
        assert "has changed since this run was trained" in trusted.stderr + trusted.stdout
        assert "imported" in trusted.stdout or command != "evaluate"


@pytest.mark.parametrize("place", ["run", "study"])
def test_a_file_among_records_is_never_imported_unasked(place, run_zoo, zoo_json, words, mine, tmp_path):
    run = Path(zoo_json("train", "./mine.py:Mine", "--data", "words.txt", "--steps", "5")["runs"][0]["directory"])
    folder = run if place == "run" else run.parent
    inside = tmp_path / folder / "mine.py"
    inside.write_text(mine.read_text() + "print('imported')\n")
    config = json.loads((tmp_path / run / "config.json").read_text())
    config["run"]["model"]["name"] = f"./{folder / 'mine.py'}:Mine"
    config["model_source"] = digest_model(None, f"{inside}:Mine")
    (tmp_path / run / "config.json").write_text(json.dumps(config))
    for command in ("evaluate", "sample", "verify"):
        refused = run_zoo(command, str(run))
        assert "it is inside a folder of runs or studies" in refused.stderr + refused.stdout
        assert "imported" not in refused.stdout


def test_a_file_beside_the_results_of_another_program_is_imported(run_zoo, zoo_json, words, mine, tmp_path):
    run = zoo_json("train", "./mine.py:Mine", "--data", "words.txt", "--steps", "5")["runs"][0]["directory"]
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "result.json").write_text("{}")
    assert run_zoo("sample", run, "-n", "1").returncode == 0


SCALED = """
from zoo import ModelOptions
from zoo.models.mlp import MLP

class Mine(MLP):
    pass
"""


@pytest.mark.parametrize(
    "more", [["--match", "parameters=500"], ["--lr-grid", "0.001,0.01"], ["--splits", "3"]], ids=lambda more: more[0]
)
def test_no_part_of_verify_imports_a_file_that_has_changed(more, run_zoo, words, tmp_path):
    mine = tmp_path / "mine.py"
    mine.write_text(SCALED)
    short = ["--data", "words.txt", "--steps", "2", "--seeds", "1", "--batch-size", "8", "--threads", "1"]
    assert run_zoo("compare", "--models", "./mine.py:Mine", *short, *more).returncode == 0
    mine.write_text(SCALED + "print('imported')\n")
    (record,) = tmp_path.glob("runs/*/study-*.json")
    for place in ("runs", str(record)):
        done = run_zoo("verify", place)
        assert done.returncode == 1
        assert "imported" not in done.stdout


CORPUS = "from zoo import Source\nprint('read')\n\ndef load():\n    return Source('mine', ['ab', 'ba', 'abba'] * 20)\n"


def test_a_corpus_that_is_a_file_of_code_is_run_again_only_as_it_was(run_zoo, zoo_json, tmp_path):
    corpus = tmp_path / "mine_corpus.py"
    corpus.write_text(CORPUS)
    done = run_zoo("train", "bigram", "--data", "./mine_corpus.py:load", "--steps", "2")
    run = done.stdout.splitlines()[-1]
    assert run_zoo("verify", run).returncode == 0
    corpus.write_text(CORPUS + "# another\n")
    for command in ("evaluate", "verify"):
        refused = run_zoo(command, run)
        assert refused.returncode == 1
        assert "it has changed since the run was trained" in refused.stderr + refused.stdout
        assert "read" not in refused.stdout
    assert run_zoo("verify", run, "--trust").returncode == 1, "the record names the source"
    assert run_zoo("evaluate", run, "--trust").returncode == 0


def test_a_model_that_is_edited_while_it_trains_gives_no_run(run_zoo, tmp_path, words, mine):
    edits = "me = pathlib.Path(__file__); me.write_text(me.read_text() + '# edited\\n')"
    mine.write_text("import pathlib\n" + mine.read_text().replace("        return", f"        {edits}\n        return"))
    done = run_zoo("train", "./mine.py:Mine", "--data", "words.txt", "--steps", "2")
    assert done.returncode == 1
    assert "changed while the study ran" in last_line(done.stderr)
    assert [path.name for path in (tmp_path / "runs").glob("*/*")] == ["ways.json"]


STUDY = """
training = {{ steps = 2 }}
seeds = {seeds}
models = [{models}]
"""


@pytest.mark.parametrize(
    ("seeds", "models", "said"),
    [
        ("[1, 1]", '"bigram"', "name one twice"),
        ("[]", '"bigram"', "at least 1 item"),
        ("[-1]", '"bigram"', "greater than or equal to 0"),
        ("[true]", '"bigram"', "valid integer"),
        ("[1]", '"bigram", "bigram"', "two models are called 'bigram'"),
        ("[1]", "3", "models.0=3"),
        ("[1]", "", "no models to compare"),
        ("[1]", '{ model = "bigram", colour = "red" }', "unknown option 'models.0.colour'"),
    ],
)
def test_a_study_that_would_count_wrong_is_refused(run_zoo, tmp_path, words, seeds, models, said):
    (tmp_path / "study.toml").write_text(STUDY.format(seeds=seeds, models=models))
    done = run_zoo("compare", "study.toml", "--data", "words.txt")
    assert done.returncode == 2
    assert said in last_line(done.stderr)


@pytest.mark.parametrize("line", ["models = 3", "data = 'names'", "training = 3", "recipes = 3", "recipes = { a = 3 }"])
def test_a_study_with_a_value_of_another_kind_is_refused(run_zoo, tmp_path, line):
    (tmp_path / "study.toml").write_text(line)
    done = (
        run_zoo("compare", "study.toml", "--models", "bigram")
        if "models" not in line
        else run_zoo("compare", "study.toml")
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_labels_that_look_alike_or_like_markup_stay_apart_and_as_they_are(run_zoo, zoo_json, tmp_path, words):
    labels = ["a b", "a-b", "[red]x[/]", "[/bold]"]
    models = ", ".join(f'{{ label = "{label}", model = "bigram" }}' for label in labels)
    (tmp_path / "study.toml").write_text(STUDY.format(seeds="[1, 2]", models=models))
    document = zoo_json("compare", "study.toml", "--data", "words.txt")
    assert sorted((row["label"], row["seeds"]) for row in document["models"]) == sorted((label, 2) for label in labels)
    assert len({run["directory"] for run in document["runs"]}) == 8
    shown = run_zoo("compare", "study.toml", "--data", "words.txt").stdout
    assert all(label in shown for label in labels)


def test_a_floor_is_never_that_of_another_run(zoo_json):
    command = ["train", "bigram", "--data", "invented(documents=200)", "--steps", "2"]
    assert zoo_json(*command, "--dedupe")["models"][0]["floor"] is None
    assert zoo_json(*command)["models"][0]["floor"] is not None


def test_a_comparison_without_a_test_split_says_what_its_losses_are(run_zoo, zoo_json, tmp_path):
    words = "compare", "--models", "bigram", "--steps", "5", "--split", "90/10/0", "--out", str(tmp_path)
    done = run_zoo(*words)
    assert "no test split: validation, which chose the weights, stands in for it" in done.stdout
    (model,) = zoo_json(*words)["models"]
    assert model["test"]["mean"] == model["validation"]["mean"]
    (page,) = tmp_path.rglob("report.html")
    assert "There is no test split" in page.read_text()
    assert "of the test split" not in page.read_text()
    assert run_zoo("verify", str(page.parent)).returncode == 0


def test_weights_that_training_never_bettered_are_told(run_zoo, words):
    done = run_zoo("train", "bigram", "--data", "words.txt", "--steps", "5", "--lr", "1e6", "--set", "optimizer=sgd")
    assert "never better than its initial weights under 1 of 1 seed" in done.stdout


def test_a_run_that_diverged_at_once_fails_and_has_nothing_to_sample(run_zoo, zoo_json, words, mine):
    mine.write_text(mine.read_text().replace("self.table(tokens)", "self.table(tokens) * float('nan')"))
    command = ["compare", "--models", "./mine.py:Mine", "--data", "words.txt", "--steps", "2", "--seeds", "1"]
    run = zoo_json(*command)["runs"][0]["directory"]
    assert run_zoo("train", "./mine.py:Mine", "--data", "words.txt", "--steps", "2").returncode == 1
    assert "no weights to load" in run_zoo("sample", run).stderr


@pytest.mark.parametrize(
    "value", [["--seed", "99999999999999999999"], ["--threads", "100000"], ["--batch-size", "9" * 15]]
)
def test_a_number_out_of_all_range_is_refused(run_zoo, value):
    done = run_zoo("train", "bigram", *value)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_model_that_does_not_fit_into_memory_is_refused(run_zoo, words):
    done = run_zoo("train", "mlp(hidden=1000000000000)", "--data", "words.txt")
    assert done.returncode == 2
    assert "does not fit into memory" in last_line(done.stderr)


def test_an_empty_name_is_none(run_zoo):
    assert run_zoo("train", "mlp", "--data", "").returncode == 2
    assert run_zoo("compare", "--models", "").returncode == 2
    assert run_zoo("sample", "absent", "--temperature", "nan").returncode == 2


def test_a_text_file_may_have_parentheses_in_its_name(zoo_json, tmp_path, words):
    words.rename(tmp_path / "words (1).txt")
    assert zoo_json("train", "bigram", "--data", "words (1).txt", "--steps", "1")["runs"]


def test_a_windows_recipe_trains_on_single_targets(zoo_json, words):
    document = zoo_json(
        "compare", "--models", "wavenet(tree=true,norm=per-position),mlp,gru", "--data", "words.txt",
        "--seeds", "1", "--tokens", "640", "--batch-size", "32", "--set", "rows=windows",
    )  # fmt: skip
    assert {(run["steps"], run["tokens"]) for run in document["runs"]} == {(20, 640)}


def test_the_list_shows_a_file_and_what_is_wrong_with_it(run_zoo, tmp_path, mine):
    assert "file mine.py" in run_zoo("list", "./mine.py:Mine").stdout
    (tmp_path / "broken.py").write_text("raise SystemExit(3)")
    done = run_zoo("list", "./broken.py:Mine", "--check", "--json")
    assert done.returncode == 0
    assert "SystemExit: 3" in json.loads(done.stdout)["models"][0]["problem"]


def test_two_classes_of_one_file_under_one_label_are_two_runs(zoo_json, tmp_path, words, mine):
    other = (
        mine.read_text()
        + "\n\nclass Other(Mine):\n    def forward(self, tokens):\n        return 0 * self.table(tokens)\n"
    )
    mine.write_text(other)
    losses = []
    for name in ("Mine", "Other"):
        text = f'name = "one"\nseeds = [1]\nmodels = [{{label = "new", model = "./mine.py:{name}"}}]\n'
        (tmp_path / f"{name}.toml").write_text(text)
        document = zoo_json("compare", f"{name}.toml", "--data", "words.txt", "--steps", "20", "--lr", "0.3")
        losses.append(document["runs"][0]["validation_loss"])
    assert losses[0] != losses[1] == pytest.approx(math.log(7))


PEEKS = "logits = self.table(tokens)\n        peek = not self.training and tokens.shape[1] > 5\n        " \
    "return logits + 3 * nn.functional.one_hot(tokens.roll(-1, 1), self.vocab_size) * peek"  # fmt: skip


def test_a_run_that_peeks_where_it_is_scored_is_shown_as_refused_by_every_command(run_zoo, words, mine):
    mine.write_text(mine.read_text().replace("return self.table(tokens)", PEEKS))
    asked = ["--data", "words.txt", "--documents", "line", "--split", "40/30/30", "--steps", "3", "--set", "threads=1"]
    done = run_zoo("compare", "--models", "bigram,./mine.py:Mine", "--seeds", "3", *asked, "--out", "runs")
    assert done.returncode == 1
    assert "refused 3/3" in done.stdout
    assert "the model looks ahead" in " ".join(done.stdout.split())
    assert "Mine is refused under 3 of 3 seeds" in done.stdout
    assert "Mine seed 1: refused. Its scores on validation are not reproduced" in done.stderr
    page = (study := next(path for path in (mine.parent / "runs").iterdir())) / "report.html"
    assert "<em>refused 3 of 3</em>" in page.read_text()
    assert "refused 3 of 3" in (study / "report.md").read_text()
    run = str(next(study.glob("Mine-seed1-*")))
    assert run_zoo("verify", run).stdout == f"{run}: ok\n"
    assert "This run is refused. Its scores on validation" in run_zoo("evaluate", run).stderr
    assert "refused" in run_zoo("runs", "*Mine-seed1*").stdout
    assert run_zoo("train", "./mine.py:Mine", *asked, "--out", "runs").returncode == 1
