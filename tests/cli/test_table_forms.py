"""`--latex` and `--csv` of `compare` and `report`."""

import csv
import io
import math

import pytest


@pytest.mark.slow
def test_the_commands_print_them_and_take_one_form_at_a_time(run_zoo, tmp_path) -> None:
    (tmp_path / "words.txt").write_text("anna\nbob\ncarla\ndora\nemil\n" * 8)
    made = run_zoo("compare", "--models", "bigram,bow(hidden=4)", "--data", "words.txt", "--steps", "2", "--seeds",
                   "1", "--csv")  # fmt: skip
    assert made.returncode == 0, made.stderr
    rows = list(csv.DictReader(io.StringIO(made.stdout, newline="")))
    assert {row["model"] for row in rows} == {"bigram", "bow(hidden=4)"}
    (study,) = (tmp_path / "runs").iterdir()
    again = run_zoo("report", str(study), "--csv")
    assert again.stdout == made.stdout
    latex = run_zoo("report", str(study), "--latex", "--bits").stdout
    assert f" & {float(rows[0]['test']) / math.log(2):.4f} & " in latex
    both = run_zoo("report", str(study), "--latex", "--json")
    assert both.returncode == 2
    assert "--latex and --json are two ways to print one result" in both.stderr
