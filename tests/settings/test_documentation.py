"""Functions and documentation show every setting."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

import zoo
from zoo.experiments.study.settings import NAMES, SETTINGS
from zoo.settings.table import render_page

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_page_of_settings_is_current() -> None:
    assert (DOCS / "settings.md").read_text() == render_page(SETTINGS), "run `make settings`"


def test_every_setting_says_what_it_is_in_a_sentence() -> None:
    for setting in SETTINGS:
        assert setting.help.endswith("."), setting.name


@pytest.mark.parametrize("call", [zoo.train, zoo.compare])
def test_a_function_shows_every_setting_in_its_signature_and_its_docstring(call: Callable[..., Any]) -> None:
    shown = inspect.signature(call).parameters
    assert [name for name in shown if name in NAMES] == list(NAMES)
    assert not any(parameter.kind is parameter.VAR_KEYWORD for parameter in shown.values())
    documented = (call.__doc__ or "").partition("Settings:")[2]
    assert all(f"    {name}: " in documented for name in NAMES)


def test_a_signature_has_the_types_of_the_fields() -> None:
    shown = inspect.signature(zoo.train).parameters
    assert shown["lr"].annotation == float | None
    assert shown["schedule"].annotation == Literal["cosine", "linear", "constant", "step", "wsd", "one-cycle"] | None
    assert shown["split_seed"].annotation == int | None
    assert {shown[name].default for name in NAMES} == {None}


def test_evaluate_takes_the_settings_of_a_corpus() -> None:
    own = [setting.name for setting in SETTINGS if setting.section == "data"]
    assert list(inspect.signature(zoo.evaluate).parameters) == ["run", "splits", *own, "device", "trust"]
