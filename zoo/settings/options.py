"""Make options of the command line from settings."""

from collections.abc import Iterable
from typing import Any

import click

from zoo.settings.command import make_type
from zoo.settings.setting import Setting, index_by_name
from zoo.settings.values import parse_finite, parse_not_negative, parse_positive


def make_options(settings: Iterable[Setting]) -> list[click.Option]:
    """An option for each setting that has a flag."""
    return [_make_option(setting) for setting in settings if setting.flag]


def make_set_option(settings: Iterable[Setting]) -> click.Option:
    """`--set KEY=VALUE`; its help lists the settings that have no flag."""
    unflagged = [setting for setting in index_by_name(settings).values() if not setting.flag]
    others = [_describe(setting) for setting in unflagged]
    text = f"Another setting: {', '.join(others)}; --set help describes each."

    def list_them(context: click.Context, _: click.Parameter, words: tuple[str, ...]) -> tuple[str, ...]:
        if "help" not in words:
            return words
        formatter = context.make_formatter()
        formatter.write_dl([(f"{s.name}={_describe_choices(s)}", _describe_help(s)) for s in unflagged])
        click.echo(formatter.getvalue(), nl=False)
        raise click.exceptions.Exit

    return click.Option(
        ["--set", "assignments"], multiple=True, metavar="KEY=VALUE", help=text, callback=list_them, is_eager=True
    )


def _describe(setting: Setting) -> str:
    return f"{setting.name}={'|'.join(setting.choices)}" if setting.choices else setting.name


def _describe_help(setting: Setting) -> str:
    return f"{setting.help} [{setting.default}]" if setting.default else setting.help


def _describe_choices(setting: Setting) -> str:
    kinds = {int: "INTEGER", float: "FLOAT", bool: "true|false"}
    return "|".join(setting.choices) or kinds.get(setting.type, "TEXT")


def _make_option(setting: Setting) -> click.Option:
    flag, text = setting.flag, _describe_help(setting)
    words = [f"--{setting.name.replace('_', '-')}", setting.name]
    return click.Option(words, help=text, multiple=bool(flag and flag.multiple), **_describe_value(setting))


def _describe_value(setting: Setting) -> dict[str, Any]:
    """Arguments of an option that describe its value. Pydantic checks upper bounds, and reports all faults at once."""
    flag, kind, lowest = setting.flag, setting.type, setting.bound("ge")
    metavar = flag.metavar if flag else None
    if flag and flag.parse:
        return {"type": make_type(flag.parse), "metavar": metavar}
    if setting.choices:
        return {"type": click.Choice(setting.choices)}
    if kind is bool:
        return {"is_flag": True, "default": None}
    if kind is int:
        return {"type": click.INT if lowest is None else click.IntRange(int(lowest)), "metavar": metavar}
    if kind is float:
        parse = parse_positive if setting.bound("gt") == 0 else parse_not_negative if lowest == 0 else parse_finite
        return {"type": make_type(parse), "metavar": metavar or "FLOAT"}
    return {"metavar": metavar}
