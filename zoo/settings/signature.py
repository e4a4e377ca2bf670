"""List settings in the signature and docstring of functions that take them as keywords."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from zoo.settings.setting import Setting, index_by_name

Function = TypeVar("Function", bound=Callable[..., Any])


def show_settings(
    settings: Iterable[Setting], *, before: str, types: Mapping[str, Any]
) -> Callable[[Function], Function]:
    """Decorator that lists the settings in the signature and docstring of a function that takes `**settings`.

    Args:
        settings: the settings to list.
        before: name of the parameter that follows them.
        types: types of settings whose keyword takes other values than the field.
    """
    named = index_by_name(settings).values()

    def decorate(function: Function) -> Function:
        signature = inspect.signature(function)
        own = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
        place = [p.name for p in own].index(before)
        shown = [_make_parameter(setting, types) for setting in named]
        vars(function)["__signature__"] = signature.replace(parameters=[*own[:place], *shown, *own[place:]])
        lines = [f"    {setting.name}: {_describe(setting)}" for setting in named]
        function.__doc__ = "\n".join([inspect.cleandoc(function.__doc__ or ""), "", "Settings:", *lines])
        return function

    return decorate


def _make_parameter(setting: Setting, types: Mapping[str, Any]) -> inspect.Parameter:
    kind = types.get(setting.name, setting.type | None)
    return inspect.Parameter(setting.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)


def _describe(setting: Setting) -> str:
    choices = f" ({'|'.join(setting.choices)})" if setting.choices else ""
    default = f" [{setting.default}]" if setting.default else ""
    return f"{setting.help}{choices}{default}"
