"""Record what is known of a task."""

from zoo.data import task
from zoo.data.task import TEST, Task
from zoo.experiments.records.run import Line, TaskRecord


def describe_task(own: Task) -> TaskRecord:
    """Return the record of a task: its floor on the documents of test, its other lines, its goal."""
    return TaskRecord(
        length=own.length,
        documents=own.documents,
        floor=_line(own.measure_floor(own.held_out(TEST))),
        memoryless=_line(own.memoryless),
        lines={name: _line(line) for name, line in own.lines.items()},
        goal=str(own.goal),
        averaged=own.averaged,
        is_next_token=own.is_next_token,
    )


def _line(line: task.Line) -> Line:
    return Line(loss=line.loss, accuracy=line.accuracy)
