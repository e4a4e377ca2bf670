"""What a model says of its parameters' rates and decay: `parameter_groups`."""

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError
from torch import nn

from zoo.config import Multiples
from zoo.errors import UsageError, describe_faults


@dataclass(frozen=True)
class Rule:
    """How a parameter is trained: multiples of the learning rate and of the weight decay of a run."""

    rate: float
    decay: float


def parameter_rules(model: nn.Module) -> dict[str, Rule]:
    """Return the rule of every trained parameter by name; weight decay applies to two or more axes unless a group says.

    Raises:
        UsageError: `parameter_groups` gives something else, a pattern matches no parameter, or two match one.
    """
    who = f"Model {type(model).__name__}: parameter_groups"
    groups: object = getattr(model, "parameter_groups", dict)()
    if not isinstance(groups, Mapping):
        raise UsageError(f"{who} returns a {type(groups).__name__}: return {{pattern: {{'rate': 1.0, 'decay': 1.0}}}}.")
    names = {parameter: name for name, parameter in model.named_parameters()}
    every = dict(model.named_parameters(remove_duplicate=False))  # a tied parameter has several names
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    rules = {name: Rule(1.0, 1.0 if parameter.dim() >= 2 else 0.0) for name, parameter in trained.items()}
    taken: dict[str, str] = {}
    for pattern, given in groups.items():
        multiples = _parse(given, f"{who}['{pattern}']")
        matching = {names[every[name]] for name in fnmatch.filter(every, str(pattern))}
        if not matching:
            raise UsageError(f"{who} has '{pattern}', which no parameter matches: {', '.join(list(every)[:5])}, ...")
        for name in sorted(matching & trained.keys()):
            if name in taken:
                raise UsageError(f"{who}: '{taken[name]}' and '{pattern}' both match '{name}'.")
            taken[name] = pattern
            decay = rules[name].decay if multiples.decay is None else multiples.decay
            rules[name] = Rule(multiples.rate, decay)
    return rules


def describe_ignored(kind: type) -> str:
    """Return a notice if a model configures its own optimizer, which is ignored; "" if it does not."""
    if not callable(getattr(kind, "configure_optimizers", None)):
        return ""
    return "configure_optimizers is ignored: choose --optimizer, and say rates and decay in parameter_groups()."


def _parse(given: object, where: str) -> Multiples:
    try:
        return Multiples.model_validate(given)
    except ValidationError as error:
        raise UsageError(f"{where}: {describe_faults(error)}. It takes rate and decay.") from None
