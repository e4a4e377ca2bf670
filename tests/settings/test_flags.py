"""Pydantic fields declare the options of the command line."""

from typing import Annotated, Any, Literal

import click
import pytest
from click.testing import CliRunner
from pydantic import BaseModel, Field

from zoo.config import Positive
from zoo.errors import UsageError
from zoo.experiments.study.parse import build_study, read_flags
from zoo.experiments.study.settings import NAMES, SETTINGS, nest_settings
from zoo.settings.command import LateCommand
from zoo.settings.flag import Flag
from zoo.settings.options import make_options, make_set_option
from zoo.settings.setting import list_settings


def double(text: str) -> int:
    if not text.isdigit():
        raise ValueError(f"'{text}' cannot be doubled.")
    return 2 * int(text)


class Table(BaseModel):
    kind: Annotated[Literal["a", "b"], Flag()] = Field("a", description="Which kind.")
    deep: Annotated[bool, Flag()] = Field(False, description="Deeper.")
    count: Annotated[int | None, Flag(default="many")] = Field(None, ge=2, le=9, description="How many.")
    rate: Annotated[float, Flag()] = Field(0.5, gt=0, description="How fast.")
    decay: Annotated[float | None, Flag()] = Field(None, ge=0, description="How much less.")
    shift: Annotated[float, Flag()] = Field(0.0, description="Where.")
    twice: Annotated[int | None, Flag("pair", double, "N", after="deep")] = Field(None, description="Doubled.")
    depth: Annotated[Positive | None, Flag()] = Field(None, description="How deep.")
    hidden: Literal["x", "y"] = Field("x", description="Without a flag.")


class Whole(BaseModel):
    title: str = ""
    table: Table = Table()
    size: Annotated[int, Flag(after="kind")] = Field(3, ge=1, description="How large.")


WHOLE = list_settings(Whole)


def run(*words: str) -> Any:
    """Run a command with these options; returns its arguments, or its output."""
    given: dict[str, Any] = {}
    options = [*make_options(WHOLE), make_set_option(WHOLE)]
    done = CliRunner().invoke(
        click.Command("it", params=list(options), callback=lambda **flags: given.update(flags)), words
    )
    return given if done.exit_code == 0 and given else done.output


def test_options_stand_in_the_order_of_the_fields_unless_one_says_behind_which() -> None:
    assert [option.opts[0] for option in make_options(WHOLE)] == [
        *("--kind", "--size", "--deep", "--pair", "--count", "--rate", "--decay", "--shift", "--depth"),
    ]


def test_help_has_the_description_the_values_and_the_default() -> None:
    said = " ".join(run("--help").split())
    for part in (
        "--kind [a|b] Which kind. [a]",
        "--deep Deeper. --pair N Doubled.",
        "--count INTEGER RANGE How many. [many] [x>=2]",
        "--rate FLOAT How fast. [0.5]",
        "--depth INTEGER RANGE How deep. [x>=1]",
        "--set KEY=VALUE Another setting: hidden=x|y; --set help describes each.",
    ):
        assert part in said


def test_values_have_the_types_of_the_fields_and_what_is_not_given_is_none() -> None:
    given = run("--kind", "b", "--deep", "--count", "4", "--rate", "1e-3", "--pair", "4", "--decay", "0", "--shift=-1")
    assert given.pop("assignments") == ()
    assert (given["kind"], given["size"], given["deep"], given["pair"], given["count"]) == ("b", None, True, 8, 4)
    assert (given["rate"], given["decay"], given["shift"]) == (1e-3, 0.0, -1.0)
    assert set(run("--kind", "a").values()) == {"a", None, ()}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--kind", "c"], "'--kind': 'c' is not one of 'a', 'b'"),
        (["--count", "1"], "'--count': 1 is not in the range x>=2"),
        (["--pair", "odd"], "'--pair': 'odd' cannot be doubled."),
        (["--rate", "0"], "'--rate': '0' is not a number greater than 0."),
        *(
            (["--rate", text], f"'--rate': '{text}' is not a number greater than 0.")
            for text in ("nan", "inf", "-1", "x")
        ),
        *((["--decay", text], f"'--decay': '{text}' is not a number of 0 or more.") for text in ("nan", "inf", "-1")),
        *((["--shift", text], f"'--shift': '{text}' is not a number.") for text in ("nan", "inf", "x")),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_the_name_of_the_flag(words: list[str], said: str) -> None:
    assert f"Error: Invalid value for {said}" in run(*words)


def test_options_of_a_late_command_are_made_once_and_when_it_is_used() -> None:
    made = []

    def late() -> list[click.Option]:
        made.append(1)
        return [click.Option(["--late"], is_flag=True)]

    command = LateCommand(
        "it",
        params=[click.Option(["--early"])],
        callback=lambda **flags: click.echo(sorted(flags)),
        late=late,
        before="early",
    )
    assert made == []
    assert "--early TEXT" in CliRunner().invoke(command, ["--help"]).output
    assert CliRunner().invoke(command, ["--late"]).output == "['early', 'late']\n"
    assert made == [1]


def test_every_field_of_a_study_s_tables_is_a_setting() -> None:
    assert {"data", "documents", "lr", "lr_grid", "match", "context", "execution"} < set(NAMES)
    assert not {"models", "seeds", "title", "source", "rotation"} & set(NAMES)
    own = {setting.name: (setting.section, setting.key) for setting in SETTINGS if setting.key == "tokens"}
    assert own == {"tokenizer": ("data", "tokens"), "train_tokens": ("training", "tokens")}


@pytest.mark.parametrize("given", [{"tokens": ("bytes", 200)}, {"tokens": [200, "bytes"]}, {"tokens": "bytes"}, {}])
def test_tokens_is_an_older_name_of_two_settings(given: dict[str, Any]) -> None:
    values = given.get("tokens", ())
    values = [values] if isinstance(values, str) else values
    nested = nest_settings({**given, "lr": 0.1})
    assert nested["data"] == ({"tokens": "bytes"} if "bytes" in values else {})
    assert nested["training"] == {"lr": 0.1, **({"tokens": 200} if 200 in values else {})}
    assert nest_settings({"tokens": "bytes", "tokenizer": "characters"})["data"] == {"tokens": "characters"}


def test_set_help_lists_what_has_no_flag_in_80_columns() -> None:
    said = run("--set", "help")
    assert said.splitlines()[0].split() == ["hidden=x|y", "Without", "a", "flag.", "[x]"]
    assert max(map(len, said.splitlines())) <= 80


def test_tokens_are_a_kind_a_budget_or_both_and_the_last_of_each_counts() -> None:
    def tokens(*given: str | int) -> tuple[Any, Any]:
        nested = nest_settings({"tokens": given})
        return nested["data"].get("tokens"), nested["training"].get("tokens")

    assert tokens() == (None, None)
    assert tokens("bytes") == ("bytes", None)
    assert tokens(200, "bytes", 300, "characters") == ("characters", 300)
    assert nest_settings({"tokens": 5}) == {"data": {}, "training": {"tokens": 5}, "search": {}}


def test_flags_lie_over_assignments_and_every_setting_can_be_assigned() -> None:
    words = ("lr=0.1", "tokens=200", "context=4", "split=60/20/20", "schedule=constant")
    given = read_flags({"assignments": words, "lr": 0.2, "tokens": ("bytes",), "steps": None})
    study = build_study(given, models=["bigram"], seeds=[1])
    assert (study.training.lr, study.training.tokens, study.data.tokens) == (0.2, 200, "bytes")
    assert (study.context, study.data.split, study.training.schedule) == (4, "60/20/20", "constant")


def test_set_takes_what_the_flag_takes() -> None:
    words = ["lr_grid=1e-3,3e-3", "match=parameters=76k", "tokens=6.4M", "split_seed=7", "flops=2T"]
    taken = [read_flags({"assignments": [word]}) for word in words]
    assert taken[0]["lr_grid"] == [1e-3, 3e-3]
    assert taken[1]["match"] == {"parameters": 76_000}
    assert taken[2]["tokens"] == [6_400_000]
    assert taken[4]["flops"] == 2e12
    with pytest.raises(UsageError, match="--set lr_grid: 'many' is"):
        read_flags({"assignments": ["lr_grid=many"]})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
@pytest.mark.parametrize("name", ["lr", "weight_decay", "clip", "seconds", "flops", "warmup"])
def test_a_number_that_is_none_is_refused_by_every_door(name: str, value: float) -> None:
    for read in (lambda: {name: value}, lambda: read_flags({"assignments": [f"{name}={value}"]})):
        with pytest.raises(UsageError, match=f"training.{name}=|--set {name}: "):
            build_study(read(), models=["bigram"], seeds=[1])
