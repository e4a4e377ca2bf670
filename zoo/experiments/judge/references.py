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

    A model is shown to be below a line if its interval is, or its mean where it has no interval. A compressor was
    measured on the very text of the test split, so it is held against the mean.
    """
    return next((own for own in reversed(references) if own.name != FLOOR and not _is_below(model, own)), None)


def _is_below(model: ModelRow, reference: Reference) -> bool:
    if model.test is None:
        return True
    alone = model.test.high is None or reference.name == COMPRESSED
    return (model.test.mean if alone or model.test.high is None else model.test.high) < reference.loss


def say_unbeaten(
    models: Sequence[ModelRow], references: Sequence[Reference], unit: float = 1.0, name: str = "nats"
) -> list[str]:
    """Say which models are no better than a line, or not shown to be, the highest line first.

    Args:
        unit: the size of the unit, and its name.
    """
    found = [(model, own) for model in models if (own := find_unbeaten(model, references))]
    sentences = []
    for line in reversed(references):
        where = f"{_describe(line)} ({line.loss / unit:.4f} {name})"
        at = [model for model, own in found if own == line]
        above = [model.label for model in at if model.test and model.test.mean >= line.loss]
        open_ = [model.label for model in at if model.label not in above]
        if above:
            sentences.append(f"{join(above)} {'does' if len(above) == 1 else 'do'} no better than {where}.")
        if open_:
            are = "is" if len(open_) == 1 else "are"
            sentences.append(f"{join(open_)} {are} not shown to be better than {where}.")
    return sentences


def _describe(reference: Reference) -> str:
    named = {MEMORYLESS: "a model without memory", COMPRESSED: "xz -9, a general compressor"}
    return named.get(reference.name, f"the line '{reference.name}'")
