"""The page of one run: its curves from the first step, its end and the reason, and next commands."""

import re
import shlex
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import pytest
from test_page import Page

from zoo.calls import Call
from zoo.config import DataConfig, RunConfig, TrainingConfig
from zoo.experiments.judge.positions import Place
from zoo.experiments.judge.single import RunSummary
from zoo.experiments.records.run import CurvePoint, DataRecord, Environment, Recorded, Result
from zoo.experiments.records.study import Cost
from zoo.reports.figures.draw import NARROW, WIDE, standalone
from zoo.reports.figures.run import draw_run, is_bent
from zoo.reports.run_facts import describe_end, describe_setting, next_commands
from zoo.reports.run_page import render_run_page

SVG = "{http://www.w3.org/2000/svg}"
POINTS = ((0, None, 9.0), (100, 4.0, 2.4), (200, 2.3, 2.2), (300, 2.1, 2.1), (400, 2.0, 2.15))


SETTINGS = {"batch_size": 128, "optimizer": "adamw", "schedule": "cosine", "lr": 0.003, "weight_decay": 0.01,
            "warmup": 0.05, "clip": 1.0, "evaluations": 10, "dtype": "float32"}  # fmt: skip


def make_run(
    label: str = "gru", *, curve: Any = POINTS, cost: bool = False, stream: bool = False, **result: Any
) -> RunSummary:
    return RunSummary(
        folder=f"{label}-on-names",
        name=f"{label}-seed1-0123456789",
        recorded=Recorded(
            fingerprint="0123456789",
            run=RunConfig(label=label, model=Call(name="gru"), data=DataConfig(), seed=1, context=8,
                          training=TrainingConfig(steps=400), trial=False),
            data=DataRecord(name="names", digest="5f" * 32, is_stream=stream, characters="abn", floor={"test": 1.9},
                            targets={"train": 182625, "validation": 22655, "test": 22866}),
            model_source="ab", settings=SETTINGS, lr_from="recipe",
        ),
        environment=Environment(zoo="0.1.0", python="3.12.3", torch="2.13.0", platform="Linux", device="cpu",
                                threads=1, commit=None, dirty=None),
        curve=tuple(CurvePoint(step=step, tokens=70 * step, seconds=step / 50, train_loss=train, validation_loss=loss)
                    for step, train, loss in curve),
        result=Result(**{"status": "finished", "parameters": 24000, "receptive_field": None, "steps": 400,
                         "tokens": 28000, "seconds": 8.0, "flops": 4 * 10**9, "best_step": 300, "train_loss": None,
                         "validation_loss": 2.1, "test_loss": 2.105, "tested_at": None, **result}),
        by_position=tuple(Place(first=n, last=n, tokens=100, mean=3 / n, low=3 / n - 0.1, high=3 / n + 0.1)
                          for n in range(1, 6)),
        cost=Cost(parameters=24000, flops_forward=1.0, flops_training=3.0, train_tokens_per_second=9e4,
                  evaluation_tokens_per_second=4e5, peak_bytes=9_200_000, memory="RSS", state_bytes=512,
                  state_tokens=64, state_grows=False, receptive_field=None, probed_tokens=64,
                  declared_field=None) if cost else None,
        samples=("anna", "<script>alert(1)</script>", "a\nb"),
    )  # fmt: skip


NOTHING = {"best_step": None, "validation_loss": None, "test_loss": None}
RUNS: dict[str, Callable[[], RunSummary]] = {
    "finished": make_run,
    "stream": lambda: make_run(stream=True, cost=True),
    "diverged": lambda: make_run(curve=POINTS[:3], status="diverged", diverged_at=230, steps=250, test_loss=None,
                                 validation_loss=None, best_step=200),
    "refused": lambda: make_run(status="refused", reason="It peeks.", test_loss=None, validation_loss=None),
    "pruned": lambda: make_run(curve=POINTS[:3], status="pruned", steps=200, best_step=200, test_loss=None),
    "failed": lambda: make_run(curve=(), status="failed", reason="Model 'gru' failed: no.", steps=0, **NOTHING),
    "label": lambda: make_run("<b>\"a' & \u202e$(x)"),
    "far off": lambda: make_run(curve=[*POINTS[:2], (200, 1e30, 4e37)], status="diverged", diverged_at=230, steps=250,
                                **NOTHING),
    "odd": lambda: make_run(curve=[(0, None, 0.0), (0, 1e59, 2.0), (0, 2.0, 0.0)]),
    "one point": lambda: make_run(curve=POINTS[:1]),
}  # fmt: skip


@pytest.fixture(params=RUNS)
def run(request: pytest.FixtureRequest) -> RunSummary:
    return RUNS[request.param]()


def test_it_asks_for_nothing_allows_nothing_and_shows_text_as_text(run: RunSummary) -> None:
    page = Page(render_run_page(run))
    for tag, attributes in page.elements:
        assert tag not in ("img", "iframe", "object", "base", "form", "a")
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")]
    assert [tag for tag, _ in page.elements].count("script") == 1
    assert "<script>alert(1)</script>" in page.text
    assert "<b>" not in page.html.replace("</b>", "") or run.label == "gru"
    assert not re.search("[\u202a-\u202e]", page.html)


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_its_figures_are_well_formed_and_nothing_lies_off_the_canvas(run: RunSummary, width: float) -> None:
    for markup in draw_run(run, width).values():
        root = ET.fromstring(standalone(markup))
        assert "nan" not in markup
        for element in ET.fromstring(markup).iter():
            for x, y in (("x", "y"), ("x1", "y1"), ("x2", "y2"), ("cx", "cy")):
                if x in element.attrib:
                    assert -0.1 <= float(element.attrib[x]) <= width + 0.1
                    assert -0.1 <= float(element.attrib[y]) <= float(root.attrib["height"])


def test_training_and_validation_are_drawn_from_the_first_step_with_both_ends_readable() -> None:
    run = make_run()
    plot = ET.fromstring(draw_run(run)["curve"]).find(f"{SVG}svg")
    assert plot is not None
    left, top, width, height = (float(plot.attrib[name]) for name in ("x", "y", "width", "height"))
    found = {}
    for group in plot:
        (curve,) = group.findall(f"{SVG}path")
        found[group.findtext(f"{SVG}title")] = [
            tuple(map(float, pair.split())) for pair in curve.attrib["d"].removeprefix("M").split(" L")
        ]
    assert {name: len(points) for name, points in found.items()} == {"validation": 5, "training": 4}
    first, *_, last = found["validation"]
    assert first[0] == pytest.approx(58)  # step 0 stands at the axis
    assert last[0] == pytest.approx(width - 4)
    for points in found.values():
        assert all(left <= x <= width and top <= y <= top + height for x, y in points)
    (_, early), (_, kept), (_, end) = found["validation"][1], found["validation"][3], found["validation"][4]
    assert is_bent(run)
    assert kept - end > 10  # 0.05 nats of a range of 7
    assert kept - early > 60
    middles = [(x - 58) / (width - 4 - 58) * 400 for x, _ in found["training"]]
    assert middles == pytest.approx([50, 150, 250, 350], abs=1)


def test_of_a_run_that_diverged_far_the_beginning_can_still_be_read() -> None:
    plot = ET.fromstring(draw_run(RUNS["far off"]())["curve"]).find(f"{SVG}svg")
    assert plot is not None
    (curve,) = [group.find(f"{SVG}path") for group in plot if group.findtext(f"{SVG}title") == "validation"]
    assert curve is not None
    first, second, last = (float(pair.split()[1]) for pair in curve.attrib["d"].removeprefix("M").split(" L"))
    assert second - first > 4
    assert last < first


def test_it_says_where_training_stopped_and_why(run: RunSummary) -> None:
    words = describe_end(run)
    expected = {
        "finished": "after all 400 steps of its budget. The weights of step 300 are kept",
        "refused": "Its scores are refused. It peeks.",
        "diverged": "after 250 steps: the loss was no finite number at step 230.",
        "pruned": "A trial of a search, pruned at step 200: its lowest validation loss 2.1000 was above the median",
        "failed": "An error ended it. Model 'gru' failed: no.",
    }[run.result.status]
    assert expected in words
    assert words in Page(render_run_page(run)).text


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ({"best_step": 0}, "No evaluation was better than that of the initial weights"),
        ({"best_step": 400}, "The last weights are kept"),
    ],
)
def test_it_says_which_weights_were_kept(result: dict[str, int], words: str) -> None:
    assert words in describe_end(make_run(**result))


@pytest.mark.parametrize(
    ("trial", "words"),
    [(False, "best of its trials: lr=0.003 hidden=32"), (True, "a trial of lr=0.003 hidden=32")],
)
def test_it_says_which_settings_were_searched(trial: bool, words: str) -> None:
    run = make_run()
    changes = {"searched": ("lr", "hidden"), "model": Call(name="gru", options={"hidden": 32}), "trial": trial}
    config = run.recorded.run.model_copy(update=changes)
    recorded = run.recorded.model_copy(update={"run": config, "lr_from": "search"})
    facts = describe_setting(run.model_copy(update={"recorded": recorded}))
    assert facts["Search"] == words
    assert ("tried by a search" if trial else "best of a search") in facts["Learning rate"]
    assert "Search" not in describe_setting(run)


def test_a_pruned_trial_names_the_limit_that_it_was_above() -> None:
    run = RUNS["pruned"]()
    config = run.recorded.run.model_copy(update={"trial": True, "prune_above": (None, None, 2.05)})
    words = describe_end(run.model_copy(update={"recorded": run.recorded.model_copy(update={"run": config})}))
    assert words.endswith("above the median of the finished trials there, which was 2.0500.")


def test_all_numbers_stand_on_it() -> None:
    page = Page(render_run_page(make_run(cost=True)))
    assert page.tables["losses"] == [
        ["split", "loss", "targets", "floor", "above floor"],
        ["test", "2.1050", "22,866", "1.9000", "+0.2050"],
        ["validation", "2.1000", "22,655", "", ""],
    ]
    for words in ("24,000", "28,000", "8.0", "4.0G", "9.2 MB", "512 B", "400k", "0.003, of its recipe", "anna", "kept"):
        assert words in page.text
    assert "Memory, state and speed of evaluation are measured by compare" in Page(render_run_page(make_run())).text


def test_the_commands_can_be_pasted_whatever_the_run_is_called() -> None:
    run = RUNS["label"]()
    place = f"runs/{run.folder}/{run.name}"
    commands = next_commands(run, place, "zoo")
    assert [shlex.split(command)[:3] for command in commands] == [
        ["zoo", name, place] for name in ("sample", "evaluate", "report", "train")
    ]
    assert any(command.endswith("--steps 800") for command in commands)
    assert next_commands(RUNS["failed"](), place) == {}
    assert list(next_commands(RUNS["diverged"](), "x")) == ["python cli.py report x"]
