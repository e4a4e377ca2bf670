"""The search space of every model of a study: the one given, or the default with what the model declares."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from zoo.calls import Value
from zoo.config import TrainingConfig
from zoo.errors import UsageError, describe_faults
from zoo.experiments.runs.resolve import Cell
from zoo.experiments.study.config import StudyConfig
from zoo.experiments.study.search import SEARCHABLE, with_settings
from zoo.experiments.study.space import DEFAULT_SPACE, Dimension, list_grid, parse_dimension
from zoo.models.build import build, count_parameters, model_config
from zoo.models.interface import SequenceModel, is_counted
from zoo.settings.searched import Searched
from zoo.training.optimizers.find import find_optimizer

Spaces = Mapping[str, Mapping[str, Dimension]]
"""Label -> setting -> its values."""


def find_spaces(study: StudyConfig, cells: Sequence[Cell]) -> Spaces:
    """Return the space of every model; empty if the study has no search.

    Args:
        cells: a run of every model as written.

    Raises:
        UsageError: a model has no such option, or a setting cannot have such values.
    """
    if not study.search.wanted:
        return {}
    spaces = {}
    for cell in cells:
        label = cell.config.label
        if is_counted(cell.model.kind) and not any(name.startswith(f"{label}.") for name in study.search.space):
            continue  # it has no settings of training
        given = study.search.dimensions(label)
        space = given if study.search.space else _usual_space(study.training, cell)
        if not space:
            raise UsageError(f"The search has no settings of '{label}'.")
        _check_space(space, cell, study)
        spaces[label] = space
    if not spaces:
        raise UsageError("Every model is counted, not trained: there are no settings to search.")
    return spaces


def declared_space(kind: type[SequenceModel]) -> dict[str, Dimension]:
    """Return the options that a model's `Config` declares as `Searched`, with their values.

    Raises:
        UsageError: a declaration is written wrongly.
    """
    found = {}
    for name, field in kind.Config.model_fields.items():
        for item in field.metadata:
            if isinstance(item, Searched):
                try:
                    found[name] = parse_dimension(item.space)
                except ValueError as error:
                    raise UsageError(f"{kind.__name__}.Config.{name} declares a search: {error}") from None
    return found


def written_values(space: Mapping[str, Dimension], cell: Cell) -> dict[str, Value] | None:
    """Return the values of the model as written; None where the space lacks one of them."""
    options = cell.model.options
    values: dict[str, Any] = {
        name: getattr(cell.settings, name) if name in SEARCHABLE else getattr(options, name, None) for name in space
    }
    return values if all(space[name].has(value) for name, value in values.items()) else None


def _usual_space(training: TrainingConfig, cell: Cell) -> dict[str, Dimension]:
    usual = {name: parse_dimension(text) for name, text in DEFAULT_SPACE.items() if getattr(training, name) is None}
    given = cell.config.model.options
    return usual | {name: own for name, own in declared_space(cell.model.kind).items() if name not in given}


def _examples(dimension: Dimension) -> list[Value]:
    """Return every choice, or the ends of a range and a value within it that is not whole unless all are."""
    if dimension.kind == "choice":
        return list(dimension.values)
    low, high = dimension.low, dimension.high
    return [*dimension.values[:2], *([low + 0.3819 * (high - low)] if dimension.kind != "int" else [])]


def _hint(dimension: Dimension, value: Value) -> str:
    return "" if value in dimension.values else " For whole numbers write int(LOW,HIGH)."


def _check_option(name: str, dimension: Dimension, options: dict[str, Value], cell: Cell, study: StudyConfig) -> None:
    """Check that a model takes these options and, with `match`, keeps its size."""
    model = cell.model
    try:
        config = model_config(model.kind, options, cell.config.model.name)
    except UsageError as error:
        raise UsageError(f"The search of {name}={dimension}: {error}{_hint(dimension, options[name])}") from None
    if study.match:
        built = build(model.kind, config, vocab_size=model.vocab_size, context=model.context, seed=0)
        if count_parameters(built) != model.parameters:
            raise UsageError(
                f"match sets the size of '{cell.config.label}', which '{name}' changes: a search cannot choose it."
            )


def _check_space(space: Mapping[str, Dimension], cell: Cell, study: StudyConfig) -> None:
    """Check that every setting exists, and may have the ends of its range or each choice."""
    known = list(cell.model.kind.Config.model_fields)
    for name, dimension in space.items():
        if name in SEARCHABLE and name in known:
            raise UsageError(f"'{name}' is a setting of training and an option of '{cell.config.label}': rename it.")
        if name in SEARCHABLE:
            if name == "batch_size" and study.training.steps is not None:
                raise UsageError(
                    "A search of batch_size needs a budget in tokens, FLOPs or seconds (--train-tokens): equal steps "
                    "of larger batches see more data."
                )
        elif name not in known:
            raise UsageError(
                f"'{cell.config.label}' has no option '{name}' to search. Its options: {', '.join(known) or 'none'}; "
                f"of training: {', '.join(SEARCHABLE)}. Write LABEL.{name} to search an option of one model alone."
            )
        for value in _examples(dimension):
            try:
                changed = with_settings(cell.config, {name: value})
            except ValidationError as error:
                raise UsageError(
                    f"The search of {name}={dimension}: {describe_faults(error)}.{_hint(dimension, value)}"
                ) from None
            if name == "optimizer":
                find_optimizer(str(value))
            elif name not in SEARCHABLE:
                _check_option(name, dimension, changed.model.options, cell, study)
    if study.search.sampler == "grid":
        list_grid(space)
