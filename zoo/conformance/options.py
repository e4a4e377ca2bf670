"""Check that every option of a model changes its parameters, its logits or its cost."""

from collections.abc import Iterator
from functools import cache
from typing import Any, Literal, get_args, get_origin

from pydantic import ValidationError

from zoo.conformance.check import Check, Finding, failure, information, note_place
from zoo.conformance.determinism import digests
from zoo.conformance.subject import Subject, compute_logits
from zoo.errors import UsageError
from zoo.models.interface import ModelOptions
from zoo.probes.flops import FlopCounter


def find(subject: Subject) -> Iterator[Finding]:
    """Change one option after the other, starting from the given options and from those with one other changed."""
    subject = subject.at_short_context()
    idle, untried = [], []
    effects = cache(lambda config: _measure_effects(subject, config))
    for name in subject.model.Config.model_fields:
        differ = (effects(one) != effects(other) for one, other in _pairs(subject, name))
        found = next(differ, None)
        if found is None:
            untried.append(name)
        elif not found and not any(differ):
            idle.append(name)
    if idle:
        yield failure(
            f"Option{'s' * (len(idle) > 1)} {', '.join(idle)}: another value changes neither parameters, logits nor "
            f"cost, at context {subject.context}. Use it, or remove it."
        )
    if untried:
        yield information(f"No other value could be found to try for: {', '.join(untried)}.")


def _pairs(subject: Subject, name: str) -> Iterator[tuple[ModelOptions, ModelOptions]]:
    """Pairs of valid options that differ in one field only."""
    for base in _bases(subject):
        found = 0
        for value in _other_values(getattr(base, name), subject.model.Config.model_fields[name].annotation):
            other = _change_option(subject, base, {name: value})
            if other is not None and found < 6:
                found += 1
                yield base, other


def _bases(subject: Subject) -> Iterator[ModelOptions]:
    """The given options, and those with one of them changed: an option may only matter beside another's value."""
    yield subject.config
    for name, value in dict(subject.config).items():
        changed = (
            _change_option(subject, subject.config, {name: other})
            for other in _other_values(value, subject.model.Config.model_fields[name].annotation)
        )
        if base := next(filter(None, changed), None):
            yield base


def _change_option(subject: Subject, base: ModelOptions, change: dict[str, Any]) -> ModelOptions | None:
    """The options with a change, or None where the model refuses it."""
    try:
        with note_place(f"with {', '.join(f'{name}={value!r}' for name, value in change.items())}"):
            config = subject.model.Config(**{**dict(base), **change})
            subject.build(config=config)
    except (ValidationError, UsageError):
        return None
    return config


def _other_values(value: Any, annotation: Any) -> list[Any]:
    if get_origin(annotation) is Literal:
        return [other for other in get_args(annotation) if other != value]
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        others = (value + 1, 2 * value, 1, 2, value // 2, value - 1, value + 2, 3 * value, 4 * value)
        return [other for other in dict.fromkeys(others) if other != value]
    if isinstance(value, float):
        return [value + 0.25, value / 2, 2 * value, value + 1, 1 - value]
    return []


def _measure_effects(subject: Subject, config: ModelOptions) -> tuple[Any, ...]:
    """What an option may change: weights and their shapes, logits in both modes, FLOPs, the size of a state."""
    length = 3 * subject.context
    model, tokens = subject.build(config=config), subject.tokens(2, length)
    shapes = [(name, tuple(tensor.shape)) for name, tensor in model.state_dict().items()]
    start = tuple(digests(model).items())
    training, evaluation = compute_logits(model, tokens), compute_logits(model.eval(), tokens)
    flops, state = FlopCounter(subject.build(config=config)).training(length), model.begin(2)
    sizes = [value.shape for value in state.values()] if isinstance(state, dict) else []
    return tuple(shapes), start, training.numpy().tobytes(), evaluation.numpy().tobytes(), flops, sizes


CHECK = Check("options", "Every option changes parameters, logits or cost.", find, needs=("shape", "determinism"))
