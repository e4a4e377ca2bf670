"""A comparison at several sizes draws, prints and writes every loss and difference at its size."""

import io
import json
import re
import xml.etree.ElementTree as ET
from html import unescape
from pathlib import Path

import pytest
from rich.console import Console

from zoo.experiments.judge.scaling import Scaling, collect_scaling
from zoo.experiments.study.config import Match
from zoo.reports.figures.scaling import scaling_figure
from zoo.reports.scaling import list_differences, list_losses, print_scaling, write_scaling

TARGETS = (10_000, 30_000, 100_000)


@pytest.fixture
def scaling(example) -> Scaling:
    """Three sizes of one comparison, with lower and more distant losses at larger sizes."""
    found = []
    for place, target in enumerate(TARGETS):
        whole = example("two")
        study = whole.study.model_copy(update={"match": Match(parameters=target), "name": f"s-{target}"})
        models = [
            row.model_copy(update={
                "parameters": target + number,
                "used": row.used.model_copy(update={"flops": 6e3 * target}),
                "test": row.test.model_copy(update={"mean": row.test.mean - place / 10}),
            })
            for number, row in enumerate(whole.models)
        ]  # fmt: skip
        found.append(whole.model_copy(update={"study": study, "folder": study.name, "models": tuple(models)}))
    return collect_scaling(found)


def test_every_model_has_a_loss_at_every_size_and_every_pair_a_difference(scaling: Scaling) -> None:
    header, *losses = list_losses(scaling)
    assert header == ["size", "model", "test", "params", "FLOPs", "lr"]
    assert [(row[0], row[1]) for row in losses] == [
        (f"{size:,}", label) for size in TARGETS for label in scaling.labels
    ]
    _, *differences = list_differences(scaling)
    assert [row[1] for row in differences] == [f"{size:,}" for size in TARGETS]
    assert {row[0] for row in differences} == {" - ".join(scaling.labels)}


def test_a_pair_keeps_its_order_and_sign_whoever_is_better(scaling: Scaling, example) -> None:
    a, b = scaling.labels
    for size in scaling.sizes:
        (pair,) = size.pairs
        assert (pair.a, pair.b) == (a, b)
        (before,) = example("two").pairs
        assert pair.difference == (before.difference if before.a == a else -before.difference)


@pytest.mark.parametrize("against", ["parameters", "flops"])
def test_the_figure_has_a_line_a_model_and_an_interval_a_size_on_its_canvas(scaling: Scaling, against: str) -> None:
    root = ET.fromstring(scaling_figure(scaling, against))
    svg = "{http://www.w3.org/2000/svg}"
    groups = [group for group in root.iter(f"{svg}g") if re.fullmatch(r"m\d+", group.get("class") or "")]
    assert [group.find(f"{svg}title").text for group in groups] == list(scaling.labels)
    for group in groups:
        assert sum(mark.get("class") == "whisker" for mark in group) == len(TARGETS)
        across = [float(mark.get("cx")) for mark in group.iter(f"{svg}circle")]
        assert across == sorted(across)
        assert 0 < across[0] < across[-1] < float(root.attrib["width"])


def test_no_law_is_fitted_and_the_sizes_are_told_not_to_be_in_the_p_values(scaling: Scaling) -> None:
    assert scaling.notes[-1] == "No law is fitted to 3 sizes."
    assert "not for the number of sizes" in scaling.notes[1]


def test_what_is_printed_and_what_is_written_has_every_verdict_and_loss(scaling: Scaling, tmp_path: Path) -> None:
    out = io.StringIO()
    print_scaling(scaling, Console(file=out, width=160), bits=False)
    page = write_scaling(scaling, tmp_path)
    for words in (out.getvalue(), page.read_text()):
        for row in list_losses(scaling)[1:]:
            assert row[2] in words
        together = " ".join(unescape(words).replace("\\", "").split())
        assert (
            sum(together.count(" ".join(verdict.split())) for verdict in {size.verdict for size in scaling.sizes}) == 3
        )
    assert Scaling.model_validate(json.loads((tmp_path / "sizes.json").read_text())) == scaling
    assert {path.name for path in tmp_path.iterdir()} == {
        "sizes.md",
        "sizes.json",
        "loss-parameters.svg",
        "loss-flops.svg",
    }
