"""Check that every option of a model changes its parameters, its logits or its cost."""

from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import Any, Literal, get_args, get_origin

from pydantic import ValidationError

from zoo.conformance.check import Check, Finding, failure, information, note_place, remark
from zoo.conformance.determinism import digests
from zoo.conformance.subject import CPU, Subject, compute_logits
from zoo.models.build import describe_refusal
from zoo.models.interface import ModelOptions, SequenceModel, is_counted
from zoo.probes.flops import FlopCounter
from zoo.probes.receptive_field import perturb_weights
from zoo.surroundings import isolated

MOST_VALUES = 6
"""Maximum number of values tried for an option while the other options stay."""
MISTAKES = (AttributeError, NameError)
"""Exceptions that show a bug in the model's code, not an unsupported value."""


def find(subject: Subject) -> Iterator[Finding]:
    """Change each option in turn, starting from the given options and from variants with one other option changed."""
    trials = Trials(subject.at_short_context())
    idle, untried = [], []
    for name in trials.subject.model.Config.model_fields:
        if next(trials.pairs(name), None) is None:
            untried.append(name)
        elif not trials.differ(name):
            idle.append(name)
    if idle:
        yield failure(
            f"Option{'s' * (len(idle) > 1)} {', '.join(idle)}: another value changes neither parameters, logits nor "
            f"cost, at context {trials.subject.context}. Use it, or remove it."
        )
    yield from _remarks(trials, untried)
    if unknown := [name for name in untried if name not in trials.refused | trials.broken]:
        yield information(f"Not checked, as no other allowed value was found: {', '.join(unknown)}.")


def _remarks(trials: "Trials", untried: list[str]) -> Iterator[Finding]:
    """Report values that build but do not run, and options without another value that builds."""
    bound = "Restrict it in Config: Field(ge=..., multiple_of=...)."
    for name, (value, why) in trials.broken.items():
        yield remark(f"{name}={value!r} builds a model that fails when it runs: {why}. {bound}")
    for name, refused in trials.refused.items():
        if name in untried:
            value, why = next(iter(refused.items()))
            yield remark(
                f"Option {name}: none of {len(refused)} other values builds a model. {name}={value!r} raises {why}. "
                f"{bound}"
            )


class Trials:
    """Trials of other option values of a model, and their results."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.effects: dict[ModelOptions, tuple[Any, ...]] = {}
        """Options that build and run -> what `_measure_effects` gives."""
        self.costs = cache(lambda config: _count_flops(subject, config))
        self.refused: dict[str, dict[Any, str]] = {}
        """Option -> value -> why the model's constructor refuses it."""
        self.broken: dict[str, tuple[Any, str]] = {}
        """Option -> the first value that builds but does not run, and why."""

    def differ(self, name: str) -> bool:
        """Return whether models of any pair differ. FLOPs, which take long to count, come last."""
        return any(
            effect(one) != effect(other)
            for effect in (self.effects.__getitem__, self.costs)
            for one, other in self.pairs(name)
        )

    def pairs(self, name: str) -> Iterator[tuple[ModelOptions, ModelOptions]]:
        """Yield pairs of options that the model accepts and that differ only in the field `name`."""
        for base in self._bases():
            others = (self._change(base, name, value) for value in self._other_values(base, name))
            yield from ((base, other) for other in islice(filter(None, others), MOST_VALUES))

    def _bases(self) -> Iterator[ModelOptions]:
        """Yield the given options, then variants with one changed: an option may matter only beside another value.

        A choice is changed to each of its values, because it may be one of them alone beside which another matters.
        """
        given = self.subject.config
        if given not in self.effects:
            self.effects[given] = _measure_effects(self.subject, self.subject.build())
        yield given
        for name, field in self.subject.model.Config.model_fields.items():
            changed = (self._change(given, name, other) for other in self._other_values(given, name))
            yield from islice(filter(None, changed), MOST_VALUES if get_origin(field.annotation) is Literal else 1)

    def _other_values(self, base: ModelOptions, name: str) -> list[Any]:
        return _other_values(getattr(base, name), self.subject.model.Config.model_fields[name].annotation)

    def _change(self, base: ModelOptions, name: str, value: Any) -> ModelOptions | None:
        """Return the options with one changed; None, and a note in `refused` or `broken`, if the model refuses it.

        Raises:
            Exception: one of `MISTAKES`, or an error caused by one.
        """
        try:
            config = self.subject.model.Config(**{**dict(base), name: value})
        except ValidationError:
            return None
        if config in self.effects:
            return config
        built = False
        try:
            with note_place(f"with {name}={value!r}"):
                model = self.subject.build(config=config)
                built = True
                self.effects[config] = _measure_effects(self.subject, model)
        except Exception as error:  # libraries raise any type for a value they refuse
            if isinstance(error, MISTAKES) or isinstance(error.__cause__, MISTAKES):
                raise
            if built:
                self.broken.setdefault(name, (value, describe_refusal(error)))
            else:
                self.refused.setdefault(name, {}).setdefault(value, describe_refusal(error))
            return None
        return config


def _other_values(value: Any, annotation: Any) -> list[Any]:
    """Return other values to try; none unless the type is Literal, bool, int or float."""
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


def _measure_effects(subject: Subject, model: SequenceModel) -> tuple[Any, ...]:
    """Return what an option may change but FLOPs: weights, their shapes, logits in both modes, sizes of the state."""
    tokens = subject.tokens(2, 3 * subject.context)
    if is_counted(subject.model):
        with isolated(CPU, seed=0):
            perturb_weights(model)  # options matter once it has counts
    shapes = [(name, tuple(tensor.shape)) for name, tensor in model.state_dict().items()]
    start = tuple(digests(model).items())
    training, evaluation = compute_logits(model, tokens), compute_logits(model.eval(), tokens)
    state = model.begin(2)
    sizes = [value.shape for value in state.values()] if isinstance(state, dict) else []
    return tuple(shapes), start, training.numpy().tobytes(), evaluation.numpy().tobytes(), sizes


def _count_flops(subject: Subject, config: ModelOptions) -> float | str:
    """Return the FLOPs of training on a row, or why they cannot be counted."""
    if is_counted(subject.model):
        return 0.0
    try:
        return FlopCounter(subject.build(config=config)).training(3 * subject.context)
    except Exception as error:  # a library's
        if isinstance(error, MISTAKES):
            raise
        return describe_refusal(error)


CHECK = Check("options", "Every option changes parameters, logits or cost.", find, needs=("shape", "determinism"))
