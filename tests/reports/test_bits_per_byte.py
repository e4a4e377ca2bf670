"""Losses as bits a byte, in every form of a comparison."""

import io
import math

import pytest
from rich.console import Console

from zoo.experiments.judge.comparison import Comparison
from zoo.reports.markdown import render_markdown
from zoo.reports.page import render_page
from zoo.reports.spreadsheet import render_csv
from zoo.reports.table import print_comparison


@pytest.fixture
def bytewise(example, changed) -> Comparison:
    """Two models on a text of 1.25 bytes a token."""
    made: Comparison = changed(example("two"), bytes_per_token=1.25)
    return made


def test_every_form_has_the_loss_by_bytes(bytewise: Comparison) -> None:
    best = bytewise.models[0]
    assert best.test is not None
    assert best.test.high is not None
    expected = best.test.mean / math.log(2) / 1.25
    reach = (best.test.high - best.test.mean) / math.log(2) / 1.25
    out = io.StringIO()
    print_comparison(bytewise, bits=False, console=Console(file=out, width=80))
    shown = f"{expected:.4f} ± {reach:.4f}"
    assert f"bits a byte: wavenet {shown}, mlp" in " ".join(out.getvalue().split())
    assert shown in render_markdown(bytewise, {})
    assert f">{expected:.4f}</td>" in render_page(bytewise)
    head, first, *_ = render_csv(bytewise).splitlines()
    assert float(dict(zip(head.split(","), first.split(","), strict=True))["bits per byte"]) == pytest.approx(expected)


def test_a_comparison_without_a_count_of_bytes_has_no_column_of_it(example) -> None:
    assert "bits a byte" not in render_markdown(example("two"), {})
    assert "bits per byte" not in render_csv(example("two"))
