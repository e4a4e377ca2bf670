"""Reference lines: losses that known predictors have on the scored tokens, beside those of the models."""

from collections.abc import Sequence

from zoo.config import Frozen
from zoo.experiments.judge.rows import ModelRow
from zoo.experiments.judge.verdict import join
from zoo.experiments.records.run import DataRecord

FLOOR, MEMORYLESS, COMPRESSED = "floor", "without memory", "xz -9"


class Reference(Frozen):
    """A line: what a predictor knows, its loss in nats per token, and the share of tokens that it predicts right."""

    name: str
    loss: float
    accuracy: float | None = None


def list_references(data: DataRecord, floor: float | None, compressed: float | None = None) -> tuple[Reference, ...]:
    """List the lines of a corpus from the lowest loss, that of a perfect model, to the highest.

    Args:
        floor: the loss of a perfect model on the test split, over all splits.
        compressed: nats per token of a text that a general compressor takes.
    """
    if data.task is None:
        known = {FLOOR: floor, COMPRESSED: compressed}
        lines = [Reference(name=name, loss=loss) for name, loss in known.items() if loss is not None]
        return tuple(sorted(lines, key=lambda reference: reference.loss))
    named = {FLOOR: data.task.floor, **data.task.lines, MEMORYLESS: data.task.memoryless}
    found = (Reference(name=name, loss=line.loss, accuracy=line.accuracy) for name, line in named.items())
    return tuple(sorted(found, key=lambda reference: reference.loss))


def find_unbeaten(model: ModelRow, references: Sequence[Reference]) -> Reference | None:
    """Find the highest line, that of the least knowledge, that a model is not shown to be below; never the floor.

    A model is below a line if its interval is, or its mean where it has no interval.
    """
    if model.test is None:
        return None
    reach = model.test.mean if model.test.high is None else model.test.high
    return next((own for own in reversed(references) if own.name != FLOOR and reach >= own.loss), None)


def say_unbeaten(
    models: Sequence[ModelRow], references: Sequence[Reference], unit: float = 1.0, name: str = "nats"
) -> list[str]:
    """Say which models do no better than a line, a sentence for each line, the highest first.

    Args:
        unit: the size of the unit, and its name.
    """
    found = {model.label: find_unbeaten(model, references) for model in models}
    return [
        f"{join(labels)} {'does' if len(labels) == 1 else 'do'} no better than {_describe(own)} "
        f"({own.loss / unit:.4f} {name})."
        for own in reversed(references)
        if (labels := [label for label, unbeaten in found.items() if unbeaten == own])
    ]


def _describe(reference: Reference) -> str:
    named = {MEMORYLESS: "a model without memory", COMPRESSED: "xz -9, a general compressor"}
    return named.get(reference.name, f"the line '{reference.name}'")
