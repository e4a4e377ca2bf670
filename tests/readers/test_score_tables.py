"""Tables of scores are read by the names of their columns; what is wrong with a file is one clear line."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from zoo.errors import DataError
from zoo.readers import Columns, Scores
from zoo.readers.read import read_scores

Read = Callable[..., Scores]
HEADER = "model,seed,item,loss,tokens\n"


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Write files (name=content) and read them together."""

    def read_files(columns: Columns = Columns(), **files: str) -> Scores:  # noqa: B008
        paths = []
        for name, content in files.items():
            path = tmp_path / name.replace("_", ".", 1)
            path.write_bytes(content.encode())
            paths.append(path)
        return read_scores(paths, columns=columns)

    return read_files


def test_columns_are_found_by_their_names_and_told(read: Read) -> None:
    scores = read(a_csv=HEADER + "gru,1,x,2.0,5\nlstm,1,x,1.5,5\n")
    assert scores.models.tolist() == ["gru", "lstm"]
    assert scores.totals.tolist() == [10.0, 7.5]
    assert scores.weights.tolist() == [5.0, 5.0]
    assert (scores.measure, scores.higher) == ("loss", False)
    assert "'tokens' is the weight" in scores.notes[0]


@pytest.mark.parametrize(("delimiter", "name"), [(";", "a_csv"), ("\t", "a_csv"), ("\t", "a_tsv"), (",", "a_csv")])
@pytest.mark.parametrize("begin", ["", "\ufeff", "\n"])
def test_other_delimiters_and_a_byte_order_mark_are_read_alike(
    read: Read, delimiter: str, name: str, begin: str
) -> None:
    scores = read(**{name: begin + (HEADER + "gru,1,x,2.0,5\n").replace(",", delimiter)})
    assert scores.totals.tolist() == [10.0]


def test_json_lines_and_a_table_say_the_same(read: Read, tmp_path: Path) -> None:
    rows = [
        {"model": "a", "seed": 1, "acc": True, "note": {"x": 1}},
        {"model": "b", "seed": 1, "acc": False, "note": {}},
    ]
    lines = read(a_jsonl="\n".join(map(json.dumps, rows)) + "\n")
    table = read(b_csv="model,seed,acc\na,1,true\nb,1,false\n")
    assert lines.totals.tolist() == table.totals.tolist() == [1.0, 0.0]
    assert lines.seeds is not None
    assert lines.seeds.tolist() == ["1", "1"]
    assert lines.higher is True


def test_parquet_and_a_table_say_the_same(tmp_path: Path) -> None:
    parquet, pyarrow = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pyarrow")
    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.table({"model": ["a", "b"], "seed": [1, 1], "loss": [0.1, 1e-300]}), path)
    scores = read_scores([path])
    assert scores.totals.tolist() == [0.1, 1e-300]
    assert scores.models.tolist() == ["a", "b"]


def test_a_file_without_a_column_of_the_model_is_one_model(read: Read) -> None:
    scores = read(gru_csv="seed,loss\n1,2.0\n", lstm_csv="seed,loss\n1,1.5\n")
    assert scores.models.tolist() == ["gru", "lstm"]
    assert "no column is the model" in scores.notes[0]


def test_named_columns_win_over_guesses(read: Read) -> None:
    scores = read(Columns(score="late", model="what"), a_csv="what,model,loss,late\na,x,1,3\n")
    assert scores.models.tolist() == ["a"]
    assert scores.totals.tolist() == [3.0]
    assert scores.higher is None


def test_cells_with_line_ends_keep_the_numbers_of_lines(read: Read) -> None:
    with pytest.raises(DataError, match=r"line 4, column 'loss': 'x' is not"):
        read(a_csv='model,loss\n"a\nb",1\nc,x\n')


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty: it needs a header"),
        ("model,loss\n", "has a header and no rows"),
        ("model,seed\na,1\n", "no column is called like a score"),
        ("model,loss,acc\na,1,1\n", "may each be the score (loss, acc): give --score COLUMN"),
        ("model,loss,loss\na,1,1\n", "two columns are called 'loss'"),
        ("model,loss\na,n/a\n", "line 2, column 'loss': 'n/a' is not a finite number"),
        ("model,loss\na,nan\n", "'nan' is not a finite number"),
        ("model;loss\na;1,5\n", "Write a decimal point"),
        ("model;loss\na;-0,5\n", "Write a decimal point"),
        ("model,loss\n,1\n", "the model is empty"),
        ("model,loss\na,1,2\n", "3 cells, and 2 columns"),
        ("model,loss,weight\na,1,0\n", "a weight of 0; it must be above 0"),
        ("model,loss\na,1\na,2\n", "Two scores are given for model a"),
        ("model,seed,loss\na,1,1\na,1,2\n", "Two scores are given for model a, seed 1"),
        ('model,loss\n"a,1\n', "unexpected end of data"),
    ],
)
def test_a_wrong_table_is_told_in_one_line(read: Read, content: str, said: str) -> None:
    with pytest.raises(DataError) as error:
        read(a_csv=content)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"model": "a", "loss": 1}\n{"model": "b"}\n', "line 2: 'loss' is missing, which line 1 has"),
        ('{"model": "a", "loss": 1}\n[1]\n', "line 2 is not a JSON object"),
        ('{"model": "a", "loss": 1}\n{"mod\n', "line 2 is not a JSON object"),
        ('{"model": "a", "loss": null}\n', "no column is called like a score"),
        ("{}\n", "has no JSON object with scores"),
    ],
)
def test_wrong_json_lines_are_told_in_one_line(read: Read, content: str, said: str) -> None:
    with pytest.raises(DataError, match=said.replace("(", r"\(")):
        read(a_jsonl=content)


def test_an_integer_beyond_any_float_is_told_in_one_line(read: Read) -> None:
    with pytest.raises(DataError, match=r"line 1, column 'loss': .* is not a finite number"):
        read(a_jsonl='{"model": "a", "loss": 1' + "0" * 400 + "}\n")


def test_a_column_that_does_not_exist_is_told_with_those_that_do(read: Read) -> None:
    with pytest.raises(DataError, match=r"has no column 'x' for --seed\. Columns: model, loss\."):
        read(Columns(seed="x"), a_csv="model,loss\na,1\n")


def test_files_that_do_not_fit_together_are_told(read: Read) -> None:
    with pytest.raises(DataError, match=r"has seeds, and .* has none"):
        read(a_csv="model,seed,loss\na,1,1\n", b_csv="model,loss\nb,1\n")
    with pytest.raises(DataError, match=r"has the score 'loss', .* has 'acc'"):
        read(a_csv="model,loss\na,1\n", b_csv="model,acc\nb,1\n")


def test_a_file_that_is_no_table_or_does_not_exist_is_told(read: Read, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is of no known kind"):
        read(a_txt="x")
    with pytest.raises(DataError, match="does not exist"):
        read_scores([tmp_path / "none.csv"])
    (tmp_path / "bad.csv").write_bytes(b"model,loss\n\xff,1\n")
    with pytest.raises(DataError, match="is not UTF-8"):
        read_scores([tmp_path / "bad.csv"])
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read(a_parquet="no parquet")


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_a_pipe_is_not_read(tmp_path: Path, name: str) -> None:
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow.parquet")
    os.mkfifo(tmp_path / name)
    with pytest.raises(DataError, match="it is a pipe"):
        read_scores([tmp_path / name])


def test_a_million_scores_are_read_by_their_arrays(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("model,item,loss\n" + "".join(f"a,{i},{i}\n" for i in range(20_000)))
    scores = read_scores([path])
    assert scores.totals.sum() == sum(range(20_000))
    assert isinstance(scores.items, np.ndarray)
