"""The functions of `zoo` do the same as the commands, also for models and corpora typed in a notebook."""

import json
import linecache
import shlex
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import zoo
from registry import DuplicateNameError, ProviderError, RegistryError, UnknownNameError
from zoo.errors import RunError, UsageError, ZooError
from zoo.models.recurrent import GRU

DATA = "invented(documents=80)"
SHORT: dict[str, Any] = {"data": DATA, "steps": 4, "batch_size": 8, "evaluations": 2, "threads": 1}
FLAGS = ("--data", DATA, "--steps", "4", "--batch-size", "8", "--set", "evaluations=2", "--threads", "1")

CELL = """
import zoo
from torch import nn

SCALE = 1.0

class Mine(zoo.SequenceModel):
    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.table = nn.Embedding(vocab_size, vocab_size)

    def forward(self, tokens):
        return SCALE * self.table(tokens)
"""
CORPUS = """
@zoo.register("shouts")
def loud(*, count: int = 40):
    return zoo.Source("shouts", ["ha" * (1 + n % 5) for n in range(count)])
"""

RunCell = Callable[[str], ModuleType]


@pytest.fixture(autouse=True)
def _afresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start in an empty folder with nothing registered and short probes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("zoo.experiments.runs.timing.SECONDS_A_TURN", 0.0)
    monkeypatch.setattr("zoo.experiments.runs.cost.FLOP_BATCHES", 2)
    for registry in (zoo.MODELS, zoo.CORPORA):
        monkeypatch.setattr(registry, "_registered", {})


@pytest.fixture
def run_cell(monkeypatch: pytest.MonkeyPatch) -> RunCell:
    """Execute a cell like a notebook: its module has no file, and only `linecache` has its text."""
    notebook, number = ModuleType("notebook_kernel"), count()
    monkeypatch.setitem(sys.modules, "notebook_kernel", notebook)

    def run(source: str) -> ModuleType:
        name = f"<cell {next(number)}>"
        monkeypatch.setitem(linecache.cache, name, (len(source), None, source.splitlines(keepends=True), name))
        exec(compile(source, name, "exec"), vars(notebook))
        return notebook

    return run


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> zoo.Compared:
    """A comparison of two models under three seeds, with a report."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zoo.experiments.runs.timing.SECONDS_A_TURN", 0.0)
        patch.setattr("zoo.experiments.runs.cost.FLOP_BATCHES", 2)
        return zoo.compare(["mlp(hidden=8)", "bigram"], **SHORT, out=tmp_path_factory.mktemp("out"))


def test_compare_is_the_command_and_reuses_its_runs(zoo_json: Any, capsys: pytest.CaptureFixture[str]) -> None:
    document = zoo_json("compare", "--models", "mlp(hidden=8),bigram", *FLAGS)
    compared = zoo.compare(["mlp(hidden=8)", "bigram"], **SHORT)
    out, err = capsys.readouterr()
    assert (out, err.count("already there")) == ("", 6)
    assert compared.comparison.model_dump(mode="json")["models"] == document["models"]
    assert [str(run.directory) for run in compared.runs] == [run["directory"] for run in document["runs"]]
    assert compared.verdict == document["verdict"]


def test_a_comparison_is_shown_as_the_command_shows_it(run_zoo: Any, compared: zoo.Compared) -> None:
    command = ["compare", "--models", "mlp(hidden=8),bigram", *FLAGS, "--out", str(compared.directory.parent)]
    done = run_zoo(*command)
    assert done.stdout == f"{compared}\n"
    assert done.stderr.splitlines()[-1] == f"report: {shlex.quote(str(compared.report))}"
    assert run_zoo(*command, "--bits").stdout == compared.table(bits=True) + "\n"
    assert max(map(len, compared.table(width=66).splitlines()[:4])) <= 66


def test_train_is_the_command_and_reuses_its_run(run_zoo: Any, capsys: pytest.CaptureFixture[str]) -> None:
    directory = run_zoo("train", "mlp(hidden=8)", *FLAGS, "--seed", "3").stdout.splitlines()[-1]
    run = zoo.train("mlp(hidden=8)", seed=3, **SHORT)
    out, err = capsys.readouterr()
    assert str(run.directory) == directory
    assert out == ""
    assert "80 documents" in err
    assert "already there" in err


def test_settings_have_the_names_of_the_command_line(run_zoo: Any) -> None:
    flags = [
        "--data",
        DATA,
        "--tokens",
        "bytes",
        "--tokens",
        "200",
        "--split",
        "70/20/10",
        "--split-seed",
        "7",
        "--dedupe",
        "--context",
        "4",
    ]
    more = ["--lr", "0.1", "--threads", "1", "--set", "optimizer=sgd", "--set", "schedule=constant"]
    directory = run_zoo("train", "bigram", *flags, *more).stdout.splitlines()[-1]
    run = zoo.train(
        "bigram",
        data=DATA,
        tokens=("bytes", 200),
        split="70/20/10",
        split_seed=7,
        dedupe=True,
        context=4,
        lr=0.1,
        threads=1,
        optimizer="sgd",
        schedule="constant",
    )
    assert str(run.directory) == directory


def test_nothing_is_told_without_progress(capsys: pytest.CaptureFixture[str]) -> None:
    zoo.train("bigram", **SHORT, progress=False)
    assert capsys.readouterr() == ("", "")


def test_a_notebook_that_asks_for_colours_gets_plain_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    compared = zoo.compare(["bigram"], seeds=2, report=False, **SHORT)
    assert "\x1b" not in capsys.readouterr().err + str(compared)


def test_a_class_of_a_notebook_is_trained_and_one_that_is_typed_again_is_another_run(run_cell: RunCell) -> None:
    first, again = (zoo.train(run_cell(CELL).Mine, **SHORT) for _ in range(2))
    other = zoo.train(run_cell(CELL.replace("1.0", "2.0")).Mine, **SHORT)
    assert first.config.label == "Mine"
    assert first.directory == again.directory != other.directory
    assert first.result.test_loss != other.result.test_loss


def test_a_run_whose_class_was_typed_again_says_so(run_cell: RunCell, capsys: pytest.CaptureFixture[str]) -> None:
    run = zoo.train(run_cell(CELL).Mine, **SHORT)
    capsys.readouterr()
    zoo.register("Mine")(run_cell(CELL.replace("1.0", "2.0")).Mine)
    assert zoo.load(run.directory).model
    assert capsys.readouterr().err == "The source of 'Mine' has changed since this run was trained.\n"


@pytest.mark.parametrize(("decorator", "name"), [("", "Mine"), ('@zoo.register("other")\n', "other")])
def test_a_class_goes_by_the_name_that_it_is_registered_under_or_its_own(
    run_cell: RunCell, decorator: str, name: str
) -> None:
    compared = zoo.compare([run_cell(CELL.replace("class", f"{decorator}class")).Mine, GRU], **SHORT, report=False)
    assert {row.label for row in compared.comparison.models} == {name, "gru"}
    assert compared.report is None
    assert not (compared.directory / "report.html").exists()


@pytest.mark.parametrize("thing", [3, int, GRU.Config])
def test_register_refuses_what_is_neither_model_nor_corpus(thing: Any) -> None:
    with pytest.raises(ProviderError, match=r"is not a (subclass|function)"):
        zoo.register("thing")(thing)


def test_register_refuses_a_name_that_somebody_owns_and_no_name(run_cell: RunCell) -> None:
    with pytest.raises(DuplicateNameError, match="'mlp' is claimed twice"):
        zoo.register("mlp")(run_cell(CELL).Mine)
    with pytest.raises(UsageError, match="register takes a name"):
        zoo.register(GRU)  # type: ignore[arg-type]


def test_a_function_is_a_corpus_under_its_name_with_options_and_by_itself(run_cell: RunCell) -> None:
    loud = run_cell(CELL + CORPUS).loud
    named, itself = (zoo.train("bigram", **{**SHORT, "data": data}) for data in ("shouts(count=40)", loud))
    assert named.record.recorded.data == itself.record.recorded.data
    assert named.vocabulary.characters == "ah"
    assert str(itself.config.data.corpus) == "shouts"


def test_a_path_is_a_corpus(tmp_path: Path) -> None:
    (tmp_path / "words (few).txt").write_text("ab\nabc\ncab\n" * 10)
    run = zoo.train("bigram", **{**SHORT, "data": tmp_path / "words (few).txt"})
    assert zoo.evaluate(run, data=Path("words (few).txt"))["test"] == run.result.test_loss


def test_a_run_gives_its_model_its_vocabulary_and_what_came_out() -> None:
    run = zoo.load(zoo.train("mlp(hidden=8)", **SHORT).directory)
    assert not run.model.training
    assert run.model.config.hidden == 8
    assert run.config.training.steps == run.result.steps == 4
    assert run.vocabulary.decode(run.vocabulary.encode("dab")) == "dab"
    assert repr(run) == (
        f"TrainedRun(mlp(hidden=8) on invented, seed 1, validation {run.result.validation_loss:.4f}, "
        f"test {run.result.test_loss:.4f}, {run.directory})"
    )


def test_a_run_that_diverged_is_told() -> None:
    run = zoo.train("mlp(hidden=8)", **SHORT, lr=1e38, optimizer="sgd", clip=0, schedule="constant")
    assert run.result.status == "diverged"
    assert f"diverged at step {run.result.diverged_at}, runs" in repr(run)


def test_evaluate_finds_the_recorded_losses_and_those_of_other_text(capsys: pytest.CaptureFixture[str]) -> None:
    run = zoo.train("bigram", **SHORT)
    assert zoo.evaluate(run) == {"validation": run.result.validation_loss, "test": run.result.test_loss}
    capsys.readouterr()
    (other,) = zoo.evaluate(str(run.directory), ["train"], data="invented(documents=70)").values()
    assert other > 0
    assert "70 documents" in capsys.readouterr().err


def test_sample_draws_what_the_command_draws(run_zoo: Any) -> None:
    run = zoo.train("bigram", **SHORT)
    flags = ["-n", "5", "--prompt", "da", "--temperature", "0.7", "--top-k", "9", "--top-p", "0.9", "--seed", "3"]
    document = json.loads(run_zoo("sample", str(run.directory), *flags, "--length", "6", "--json").stdout)
    drawn = zoo.sample(run, 5, prompt="da", temperature=0.7, top_k=9, top_p=0.9, seed=3, length=6)
    assert drawn == [entry["text"] for entry in document]


def test_a_study_file_is_compared_with_what_is_given_on_top(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text('models = ["bigram"]\nseeds = [5, 6]\nrecipes.one.lr = 0.1\n')
    compared = zoo.compare("study.toml", **SHORT, recipe="one", name="mine", report=False)
    assert compared.directory == Path("runs/mine")
    (row,) = compared.comparison.models
    assert (set(row.losses), row.lr) == ({5, 6}, 0.1)
    (other,) = zoo.compare(tmp_path / "study.toml", **SHORT, seeds=[9], report=False).runs
    assert other.config.seed == 9


def test_models_are_matched_and_tuned(run_cell: RunCell) -> None:
    grid = {"match": {"parameters": 3000}, "lr_grid": [1e-3, 1e-2]}
    compared = zoo.compare(["mlp", "rnn"], seeds=1, report=False, **grid, **SHORT)
    assert all(row.lr_from == "grid" and row.off_size is not None for row in compared.comparison.models)
    with pytest.raises(UsageError, match="Model 'Mine' has no width to scale"):
        zoo.compare([run_cell(CELL).Mine], **grid, **SHORT)


def test_fresh_trains_beside_what_is_there() -> None:
    first, second = zoo.train("bigram", **SHORT), zoo.train("bigram", **SHORT, fresh=True)
    assert second.directory.parent.name == f"{first.directory.parent.name}.2"
    assert second.result.weights_sha256 == first.result.weights_sha256


def test_a_frame_has_a_row_a_model_a_pair_a_run_or_a_point(compared: zoo.Compared) -> None:
    pytest.importorskip("pandas")
    frame, rows = compared.to_pandas(), compared.comparison.models
    assert list(frame.label) == [row.label for row in rows]
    assert list(frame.test) == [row.test and row.test.mean for row in rows]
    assert list(frame.flops_are) == ["counted" for _ in rows]
    assert list(frame.receptive_field) == [row.receptive_field for row in rows]
    assert {dtype.kind for dtype in frame.drop(columns=["label", "group", "flops_are"]).dtypes} == {"f", "i"}
    assert list(compared.to_pandas("pairs").difference) == [pair.difference for pair in compared.comparison.pairs]
    runs = compared.to_pandas("runs")
    assert zoo.load(runs.directory[0]).result.test_loss == runs.test_loss[0]
    assert list(compared.to_pandas("curves").groupby("label").size()) == [3, 3]


def test_a_frame_has_a_number_for_what_is_not_there() -> None:
    pytest.importorskip("pandas")
    frame = zoo.compare(["bow(hidden=4)"], seeds=1, report=False, **SHORT).to_pandas()
    assert frame.receptive_field[0] == float("inf")
    assert frame.low.isna().all()


def test_a_frame_without_pandas_says_what_to_install(compared: zoo.Compared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ZooError, match=r"pip install 'sequence-zoo\[notebook\]'"):
        compared.to_pandas()


def test_a_figure_is_that_of_the_report(compared: zoo.Compared, tmp_path: Path) -> None:
    figure = compared.plot()
    assert figure.svg == figure._repr_svg_() == (compared.directory / "figures" / "forest.svg").read_text()
    saved = compared.plot("curves-tokens").save(tmp_path / "curves.svg")
    assert ElementTree.parse(saved).getroot().tag.endswith("svg")
    with pytest.raises(UsageError, match=r"name it 'x\.svg'"):
        figure.save("x.png")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda: zoo.train("gru", step=3),
            r"Unknown setting 'step'\. Settings: seed, start, trust, data, .* steps, .*mean 'steps'\?",
        ),
        (lambda: zoo.compare(["gru"], seed=3), r"Unknown setting 'seed'\. Settings: .*report, .*mean 'seeds'\?"),
        (lambda: zoo.train("gru", steps=0, rows="odd"), "training.steps=0: .*; training.rows=odd: "),
        (lambda: zoo.train("gru", steps=3, seconds=1.0), "are 2 budgets: give one"),
        (lambda: zoo.train(3), "A model is given by its name, or as a class or function; int is neither"),
        (lambda: zoo.train("gru", data=["a"]), "A corpus is given by its name, or .* list is neither"),
        (lambda: zoo.compare("gru,lstm"), "No study file 'gru,lstm'. Models are given in a list"),
        (lambda: zoo.compare([]), "no models to compare"),
        (
            lambda: zoo.compare([f"mlp(hidden={width})" for width in range(1, 302)]),
            "301 models have 45,150 pairs to judge: compare at most 300",
        ),
        (lambda: zoo.compare(["gru", "gru"]), "two models are called 'gru'"),
        (lambda: zoo.compare(["gru"], seeds=0), "seeds=.*: .* at least 1"),
        (lambda: zoo.compare(["gru"], recipe="one"), "chooses a recipe of a study file"),
        (lambda: zoo.sample("nowhere", temp=1), "unknown option 'temp'. It takes: run, count, .*, top_p, "),
        (lambda: zoo.sample("nowhere", 0, top_p=2), "count=0: .*; top_p=2: "),
        (lambda: zoo.evaluate("nowhere", ["tset"]), "tset: input should be 'train', 'validation' or 'test'"),
        (lambda: zoo.evaluate("nowhere", documents="odd"), "documents=odd: input should be 'auto'"),
        (lambda: zoo.evaluate(3), "A run is what `train` returns, or its directory; int is neither"),
    ],
)
def test_a_wrong_name_or_value_is_refused_in_a_line(call: Callable[[], object], said: str) -> None:
    with pytest.raises(UsageError, match=said) as refusal:
        call()
    assert "\n" not in str(refusal.value)
    assert not Path("runs").exists()


def test_names_that_nobody_has_are_refused_before_the_text_is_read() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'gru'"):
        zoo.train("grru", data="nowhere.txt")
    with pytest.raises(RegistryError, match="Unknown model 'lstn'"):
        zoo.compare(["gru", "lstn"], data="nowhere.txt")
    with pytest.raises(RunError, match="'nowhere' does not exist"):
        zoo.load("nowhere")


@pytest.mark.parametrize(("method", "said"), [("plot", "Figures: forest, "), ("to_pandas", "Rows: models, pairs, ")])
def test_a_figure_or_frame_that_is_not_there_is_told_with_those_that_are(
    compared: zoo.Compared, method: str, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        getattr(compared, method)("none")


def test_a_class_of_a_notebook_is_checked_and_what_it_breaks_is_shown(run_cell: RunCell, run_zoo: Any) -> None:
    ahead = run_cell(CELL.replace("table(tokens)", "table(tokens.roll(-1, 1))")).Mine
    sound, broken = zoo.check("bigram", context=4), zoo.check(ahead)
    assert sound
    assert not broken
    assert repr(broken).endswith("Mine breaks the contract: causality; 5 more wait for it.")
    assert repr(sound) == run_zoo("check", "bigram", "--context", "4").stdout.rstrip()


def test_a_wrong_name_of_check_is_told() -> None:
    with pytest.raises(UsageError, match=r"unknown option 'contxt'. It takes: model, context, vocab_size, compile"):
        zoo.check("bigram", contxt=4)
