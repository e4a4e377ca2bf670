"""Describe a model in plain values: options, paper, recipe, number of parameters."""

import typing
from typing import Any

from zoo.calls import parse_call
from zoo.catalog import MODELS
from zoo.config import as_json
from zoo.models.build import build, count_parameters, model_config
from zoo.models.recipes import list_recipes


def describe_model(text: str, *, context: int, vocab_size: int) -> dict[str, Any]:
    """Describe the model that `text` names, with or without options, as a JSON document.

    Raises:
        RegistryError, UsageError: the model is unknown, or does not accept the options.
    """
    call = parse_call(text)
    entry = MODELS.find(call.name)
    model = MODELS.get(call.name)
    config = model_config(model, call.options, call.name)
    built = build(model, config, vocab_size=vocab_size, context=context, seed=0)
    return {
        "name": call.name,
        "origin": entry.origin,
        "about": (model.__doc__ or "").strip().partition("\n")[0],
        "paper": model.paper,
        "options": [
            {
                "name": name,
                "type": _type_name(field.annotation),
                "default": None if field.is_required() else field.get_default(call_default_factory=True),
                "value": getattr(config, name),
                "description": field.description or "",
            }
            for name, field in model.Config.model_fields.items()
        ],
        "recipes": [as_json(recipe) for recipe in list_recipes(model)],
        "context": context,
        "vocab_size": vocab_size,
        "parameters": count_parameters(built),
        "receptive_field": built.receptive_field,
    }


def _type_name(annotation: Any) -> str:
    if typing.get_origin(annotation) is typing.Literal:
        return "|".join(str(value) for value in typing.get_args(annotation))
    return getattr(annotation, "__name__", str(annotation))
