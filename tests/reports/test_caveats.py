"""Every report of a verdict shows its caveats."""

import io
import json
from html import unescape

import pytest
from rich.console import Console

from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.sentence import verdict_sentence
from zoo.reports.markdown import render_markdown
from zoo.reports.page import render_page
from zoo.reports.table import print_comparison

CAVEAT = "Its 400 neighbouring stretches count for about 12 independent ones."
WHY = "fewer than 50 independent stretches"


@pytest.fixture
def doubtful(example, changed) -> Comparison:
    """A comparison on a stream in which the best model has an interval, and no verdict against the second."""
    whole: Comparison = example("nine")
    unjudged = {"low": None, "high": None, "p": None, "verdict": "none", "withheld": WHY, "seeds_needed": None}
    pairs = (whole.pairs[0].model_copy(update=unjudged), *whole.pairs[1:])
    data = whole.data.model_copy(update={"is_stream": True})
    verdict = verdict_sentence(whole.models, pairs, study=whole.study)
    doubt: Comparison = changed(whole, caveats=(CAVEAT,), pairs=pairs, data=data, verdict=verdict)
    return doubt


def table(comparison: Comparison) -> str:
    out = io.StringIO()
    print_comparison(comparison, bits=False, console=Console(file=out, width=200))
    return out.getvalue()


def test_table_page_and_document_tell_the_caveats_and_why_a_pair_has_no_verdict(doubtful: Comparison) -> None:
    for drawn in (table(doubtful), unescape(render_page(doubtful)), render_markdown(doubtful, {})):
        words = " ".join(drawn.split())
        assert CAVEAT in words.replace("\\", "")
        assert f"against {doubtful.models[1].label}: {WHY}" in words.replace("\\", "")
        assert "for new seeds and more text like this" in words
        assert "new documents" not in words.replace("over new documents", "")


def test_where_every_interval_is_withheld_it_is_said_why(doubtful: Comparison) -> None:
    gone = {"low": None, "high": None, "withheld": WHY}
    tests = [model.test and model.test.model_copy(update=gone) for model in doubtful.models]
    models = [model.model_copy(update={"test": test}) for model, test in zip(doubtful.models, tests, strict=True)]
    bare = doubtful.model_copy(update={"models": tuple(models)})
    for drawn in (unescape(render_page(bare)), render_markdown(bare, {})):
        assert f"There is no interval of any mean: {WHY}." in drawn
        assert "Fewer than three seeds" not in drawn


def test_a_comparison_stored_before_there_were_caveats_is_read_and_drawn(example) -> None:
    whole: Comparison = example("nine")
    stored = json.loads(whole.model_dump_json())
    del stored["caveats"]
    for row in [*stored["pairs"], *(model["test"] for model in stored["models"] if model["test"])]:
        del row["effective"], row["withheld"]
    assert Comparison.model_validate(stored) == whole
