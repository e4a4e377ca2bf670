"""`trace` prints every layer of a model or of a run, fits 80 columns, and holds a model against a recorded trace."""

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import zoo

SMALL = ("--data", "invented(documents=300)")
SVG = "{http://www.w3.org/2000/svg}"
LECTURE = "wavenet(embedding=10,hidden=200,tree=true)"

SPOILT = """
import torch
from torch import nn

from zoo import SequenceModel


class Spoilt(SequenceModel):
    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.table = nn.Embedding(vocab_size, vocab_size)
        self.logs = Logs()

    def forward(self, tokens):
        return self.logs(self.table(tokens))


class Logs(nn.Module):
    def forward(self, x):
        return torch.log(x)


class Broken(Spoilt):
    def forward(self, tokens):
        return self.nowhere(tokens)


class Loop(SequenceModel):
    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.table = nn.Embedding(vocab_size, 8)
        self.cell = nn.GRUCell(8, 8)
        self.head = nn.Linear(8, vocab_size)

    def forward(self, tokens):
        state, out = None, []
        for x in self.table(tokens).unbind(1):
            state = self.cell(x, state)
            out.append(self.head(state))
        return torch.stack(out, 1)
"""


@pytest.fixture
def spoilt(tmp_path: Path) -> Path:
    path = tmp_path / "spoilt.py"
    path.write_text(SPOILT)
    return path


def test_the_network_of_the_lecture_is_listed_in_the_order_of_its_calls(run_zoo) -> None:
    done = run_zoo("trace", LECTURE, "--batch", "4", *SMALL)
    assert done.returncode == 0, done.stderr
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    assert lines[0] == f"{LECTURE} on invented, tree (b=4)"
    shapes = [
        "b 8 -> b 8 c10",
        "b 8 c10 -> b 4 (2 c10)",
        "b 4 c20 -> b 4 c200",
        "b 2 c400 -> b 2 c200",
        "b c200 -> b c21",
    ]
    places = [next(n for n, line in enumerate(lines) if shape in line) for shape in shapes]
    assert places == sorted(places)
    assert max(map(len, lines)) <= 80


def test_on_names_the_network_of_the_lecture_ends_in_27_logits(zoo_json, zoo_data) -> None:
    layers = zoo_json("trace", LECTURE, "--batch", "4", "--data", "names")["trace"]["layers"]
    sizes = ["x".join(map(str, layer["made"][0]["shape"])) for layer in layers]
    assert layers[0]["given"][0]["shape"] == [4, 8]
    levels = [size for T in (4, 2, 1) for size in (f"4x{T}x{20 if T == 4 else 400}", *[f"4x{T}x200"] * 4)]
    assert sizes == ["4x27", "4x8x10", *levels, "4x200", "4x27"]


@pytest.mark.parametrize("model", ["mlp", "transformer", "lstm"])
@pytest.mark.parametrize("form", ["rows", "packed", "step"])
def test_a_table_of_any_form_fits_eighty_columns(run_zoo, model: str, form: str) -> None:
    done = run_zoo("trace", model, "--as", form, *SMALL)
    assert done.returncode == 0, done.stderr
    assert max(len(line.rstrip()) for line in done.stdout.splitlines()) <= 80


def test_signals_and_rules_of_thumb_stand_below_the_table(run_zoo) -> None:
    done = run_zoo("trace", "wavenet(tree=true)", "--stats", "--nan", *SMALL)
    assert "levels.0.tanh" in done.stdout
    assert "gradient / weight" in done.stdout
    assert "All numbers are finite, forward and backward." in done.stdout
    assert max(len(line.rstrip()) for line in done.stdout.splitlines()) <= 80


def test_a_run_is_traced_with_its_own_weights_and_text(run_zoo, zoo_json, tmp_path: Path) -> None:
    made = run_zoo("train", "bow(hidden=4)", "--steps", "40", *SMALL)
    run = made.stdout.split()[-1]
    traced = zoo_json("trace", run, "--stats")
    assert traced["trained"]
    fresh = zoo_json("trace", "bow(hidden=4)", "--stats", *SMALL)
    assert not fresh["trained"]
    assert traced["signals"]["loss"] < fresh["signals"]["loss"]


@pytest.mark.parametrize("model", ["transformer", "wavenet(tree=true)", "gru"])
def test_the_page_has_the_network_its_numbers_and_its_signals_and_needs_no_other_file(
    run_zoo, tmp_path: Path, model: str
) -> None:
    done = run_zoo("trace", model, "--stats", "--nan", "--html", "page.html", *SMALL)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "page.html").read_text()
    assert "All numbers are finite, forward and backward." in page
    assert "gradient / weight" in page
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)
    pictures = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(pictures) == 2, "wide and narrow"
    words = [element.text for element in ElementTree.fromstring(pictures[0]).iter(f"{SVG}text")]
    layers = json.loads(run_zoo("trace", model, "--json", *SMALL).stdout)["trace"]["layers"]
    assert layers[-1]["name"] in words
    assert "params" in words


@pytest.mark.parametrize(("channels", "method"), [(2, "its two channels"), (3, "two principal components of its 3")])
def test_the_embedding_of_a_run_is_a_picture_of_its_characters(
    run_zoo, zoo_json, tmp_path: Path, channels: int, method: str
) -> None:
    run = run_zoo("train", f"mlp(embedding={channels},hidden=8)", "--steps", "3", *SMALL).stdout.split()[-1]
    done = run_zoo("trace", run, "--embedding")
    assert done.returncode == 0, done.stderr
    plane = zoo_json("trace", run, "--embedding")["plane"]
    assert plane["method"].startswith(method)
    table = zoo.load(tmp_path / run).model.embedding.weight.detach().double().numpy()
    points = np.array(plane["points"])
    if channels == 2:
        assert points == pytest.approx(table)
    else:
        centred = table - table.mean(0)
        assert np.linalg.norm(points) ** 2 == pytest.approx(np.linalg.eigvalsh(centred.T @ centred)[-2:].sum())
    picture = ElementTree.parse(tmp_path / f"{run}.embedding.svg")
    words = [element.text for element in picture.iter(f"{SVG}text")]
    assert set(plane["tokens"]) <= set(words)
    assert len(plane["tokens"]) == len(table)


def test_a_recorded_trace_holds_for_another_batch_and_names_the_first_layer_that_differs(
    run_zoo, tmp_path: Path
) -> None:
    path = tmp_path / "shapes.json"
    path.write_text(run_zoo("trace", "mlp(hidden=20)", "--json", *SMALL).stdout)
    same = run_zoo("trace", "mlp(hidden=20)", "--expect", str(path), "--batch", "5", *SMALL)
    assert (same.returncode, "equals" in same.stderr) == (0, True)
    other = run_zoo("trace", "mlp(hidden=21)", "--expect", str(path), *SMALL)
    assert other.returncode == 1
    assert "layer 4: recorded hidden (Linear, 1,600 parameters): b t c80 -> b t c20; now" in other.stderr
    shorter = run_zoo("trace", "bigram", "--expect", str(path), *SMALL)
    assert shorter.returncode == 1


def test_a_loop_over_tokens_is_folded(run_zoo, spoilt: Path) -> None:
    done = run_zoo("trace", f"{spoilt}:Loop", *SMALL)
    assert done.returncode == 0, done.stderr
    first, others = [line.split("  ")[1] for line in done.stdout.splitlines() if line.startswith("  cell")]
    assert (first, others) == ("cell", "cell ×7")  # the first has no state


def test_a_number_that_is_not_finite_is_named_with_exit_code_1(run_zoo, spoilt: Path) -> None:
    done = run_zoo("trace", f"{spoilt}:Spoilt", "--nan", *SMALL)
    assert done.returncode == 1
    assert "forward: logs (Logs) returns" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nope"], "Unknown model 'nope'"),
        (["mlp", "--layer", "lavels*"], "No layer of this trace is called 'lavels*'. Layers: embedding, flatten"),
        (["mlp", "--as", "step", "--stats"], "A step of a stream has no gradients"),
        (["mlp", "--embedding"], "'mlp' is not trained: the embedding of a run is drawn."),
        (["mlp", "--html", "nowhere/page.html"], "nowhere"),
        (["mlp", "--expect", "nowhere.json"], "'nowhere.json' is no trace"),
        (["mlp", "--as", "pyramid"], "'pyramid' is not one of"),
        (["wavenet", "--context", "9"], "is no power of n"),
    ],
)
def test_what_does_not_fit_is_one_clear_line(run_zoo, words: list[str], said: str) -> None:
    done = run_zoo("trace", *words, *SMALL)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_an_error_of_a_model_is_told_with_its_own_lines(run_zoo, spoilt: Path) -> None:
    done = run_zoo("trace", f"{spoilt}:Broken", *SMALL)
    assert done.returncode == 1
    assert "return self.nowhere(tokens)" in done.stderr


def test_a_trace_is_a_value_in_python_that_shows_itself_as_the_command_does(run_zoo) -> None:
    traced: Any = zoo.trace("mlp(hidden=20)", data="invented(documents=300)", batch=4, stats=True)
    assert traced.layers[4].text == "b t c20"
    assert traced.signals.loss > 0
    shown = run_zoo("trace", "mlp(hidden=20)", "--batch", "4", "--stats", *SMALL).stdout
    assert [line.rstrip() for line in repr(traced).splitlines()] == [line.rstrip() for line in shown.splitlines()]


def test_json_is_what_python_has(zoo_json) -> None:
    document = zoo_json("trace", "bigram", "--batch", "4", *SMALL)
    traced = zoo.trace("bigram", data="invented(documents=300)", batch=4)
    assert document == json.loads(traced.traced.model_dump_json())
