"""The table of a comparison for a paper and for a spreadsheet."""

import csv
import io
import math
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from zoo.experiments.judge.comparison import Comparison
from zoo.reports.latex import ESCAPED, escape, render_latex
from zoo.reports.spreadsheet import FORMULA, render_csv

COMMAND = re.compile(r"\\[A-Za-z]+(?:\{\})?|\\.|\{.\}|\$[^$]*\$|.")


def read_latex(words: str) -> str:
    """The text that LaTeX prints for escaped words; fails on any command that we do not write."""
    back = {written: character for character, written in ESCAPED.items()}
    return "".join(back.get(part, part) for part in COMMAND.findall(words))


def cells_of(document: str) -> list[list[str]]:
    """Cells of the rows between the rules, each row ended by two backslashes."""
    inside = document.partition("\\toprule\n")[2].partition("\\bottomrule")[0].replace("    \\midrule\n", "")
    return [re.split(r"(?<!\\) & ", line.strip().removesuffix(" \\\\")) for line in inside.splitlines() if line.strip()]


def read_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


@pytest.mark.parametrize(
    "words", ["a & b", "50% #1 $x$ a_b {c} ~ ^", "\\\\[2em]", "[x] *", '--- `a\' "b"', "<|>", "é 波"]
)
def test_special_characters_are_escaped_and_read_back_as_they_were(words: str) -> None:
    escaped = escape(words)
    assert read_latex(escaped) == words
    assert not re.search(r"(?<!\\)[&%#_]|--|^\[|^\*", escaped)
    assert escaped.replace("\\{", "").count("{") == escaped.replace("\\}", "").count("}")


def test_a_table_has_a_row_a_model_and_as_many_cells_as_columns(every_example: Comparison) -> None:
    document = render_latex(every_example)
    assert "\\usepackage{booktabs}" in document
    head, *rows = cells_of(document)
    (columns,) = re.findall(r"\\begin\{tabular\}\{([lr]+)\}", document)
    assert {len(row) for row in [head, *rows]} == {len(columns)}
    for cells, model in zip(rows, every_example.models, strict=True):
        row = dict(zip(map(read_latex, head), map(read_latex, cells), strict=True))
        assert row["model"] == " ".join(re.sub("[\x00\x1b\u202e]", "\ufffd", model.label).split())
        if model.test is None:
            assert row["test"] == model.without_mean
        elif model.test.high is None:
            assert row["test"] == f"{model.test.mean:.4f}"
        else:
            assert row["test"] == f"{model.test.mean:.4f} ± {model.test.high - model.test.mean:.4f}"


@pytest.mark.slow
def test_latex_itself_reads_every_table_and_every_special_character(every_example: Comparison, tmp_path: Path) -> None:
    """Without the two letters of its examples that no font of plain LaTeX has."""
    if not shutil.which("pdflatex"):
        pytest.skip("NEEDS LATEX: no pdflatex on the path")
    table = "".join(c if c.isascii() or c in "±−≥≈é" else "?" for c in render_latex(every_example))
    words = escape("".join(character for character in ESCAPED if character.isascii()))
    packages = "\\usepackage{booktabs,textcomp}\\usepackage[T1]{fontenc}"
    (tmp_path / "paper.tex").write_text(
        f"\\documentclass{{article}}{packages}\\begin{{document}}\n{table}\n{words}\n\\end{{document}}\n"
    )
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=120)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Missing character" not in (tmp_path / "paper.log").read_text(errors="replace")


def test_a_spreadsheet_has_every_digit_and_the_ends_of_intervals_in_columns(every_example: Comparison) -> None:
    for bits, unit in ((False, 1.0), (True, math.log(2))):
        rows = read_csv(render_csv(every_example, bits=bits))
        assert len(rows) == len(every_example.models)
        for row, model in zip(rows, every_example.models, strict=True):
            assert None not in row.values()
            for title, value in {
                "test": model.test and model.test.mean,
                "test low": model.test and model.test.low,
                "test high": model.test and model.test.high,
                "validation": model.validation and model.validation.mean,
            }.items():
                assert (float(row[title]) if row[title] else None) == (None if value is None else value / unit)
            assert int(row["parameters"]) == model.parameters
            assert float(row["receptive field"]) == (model.receptive_field or math.inf)
            assert row["status"] == (model.without_mean or "finished")
            assert row["unit"] == ("bits per token" if bits else "nats per token")


@pytest.mark.parametrize("label", ["=1+1", "+1", "-2", "@SUM(A1)", 'a,"b"', "two\nlines", "a;b"])
def test_no_label_becomes_a_formula_or_breaks_the_table(label: str, example, changed) -> None:
    comparison = example("two")
    models = [comparison.models[0].model_copy(update={"label": label}), comparison.models[1]]
    rows = read_csv(render_csv(changed(comparison, models=tuple(models))))
    assert len(rows) == 2
    assert rows[0]["model"] == ("'" if label.startswith(FORMULA) else "") + label
