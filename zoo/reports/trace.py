"""Print a trace: every layer in the order in which it is called, and the signals in it."""

import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from zoo.probes.values import FORMS, Layer, Plane, Signals, Traced
from zoo.reports.console import PlainConsole
from zoo.reports.figures.draw import standalone
from zoo.reports.figures.embedding import embedding
from zoo.reports.numbers import short
from zoo.reports.run_page import page_of
from zoo.whole_file import write_whole

WIDTH = 80
AXES = (
    "b rows, t tokens, m packed tokens, c channels; (2 c24): two neighbours with 24 channels; other numbers did not "
    "change with the batch, those with ? in another way; one shape: in and out are alike."
)
ALL_FINITE = "All numbers are finite, forward and backward."
LONGEST_BLOCK = 50
"""Number of layers of the longest block of which repetitions are folded."""
FEWEST = 3
"""Repetitions that are folded."""


def print_trace(traced: Traced, layers: Sequence[Layer], console: Console | None = None) -> None:
    """Print these layers of a trace with their signals, the weights, and the rules of thumb that any layer breaks."""
    console = console or PlainConsole(highlight=False, markup=False, width=WIDTH)
    trace = traced.trace
    sizes = ", ".join(f"{letter}={size}" for letter, size in trace.sizes.items())
    console.print(Text.assemble((trace.model, "bold"), f" on {traced.corpus}, {trace.form} ({sizes})"))
    table = _table("layer", "shapes", "params", "FLOPs", "memory")
    for layer, times in fold(layers):
        repeated, whole = f" ×{times}" if times > 1 else "", len(layers) == len(trace.layers)
        name = f"{'  ' * layer.depth}{short_name(layer, trace.layers)}" if whole else layer.name
        table.add_row(
            Text(f"{name or layer.kind}{repeated}"),
            Text(layer.text),
            short(layer.parameters) if layer.parameters else "",
            short(layer.flops) if layer.flops else "",
            _bytes(layer.saved_bytes) if layer.saved_bytes else "",
        )
    console.print(table)
    for line in _legend(traced):
        _print_line(line, console)
    if traced.signals:
        _print_signals(traced, layers, traced.signals, console)
    if traced.nonfinite is not None:
        console.print(Text(f"\n{describe_nonfinite(traced)}", "bold"))


def describe_nonfinite(traced: Traced) -> str | None:
    """Say which number is the first that is not finite, or that all are; None if it was not asked."""
    if traced.nonfinite is None:
        return None
    return f"The first number that is not finite: {traced.nonfinite}." if traced.nonfinite else ALL_FINITE


def short_name(layer: Layer, layers: Sequence[Layer]) -> str:
    """The name of a layer below the layer around it."""
    place = next(index for index, other in enumerate(layers) if other is layer)
    around = next((other for other in reversed(layers[:place]) if other.depth < layer.depth), None)
    prefix = f"{around.module}." if around and around.module else ""
    return layer.name.removeprefix(prefix)


def fold(layers: Sequence[Layer]) -> Iterator[tuple[Layer, int]]:
    """Yield each layer and how often it is called in a row, with its block; a block that is repeated comes once."""
    place = 0
    while place < len(layers):
        length, times = _find_block(layers, place)
        for layer in layers[place : place + length]:
            yield layer, times
        place += length * times


def _find_block(layers: Sequence[Layer], place: int) -> tuple[int, int]:
    """Length of the block that begins here and is repeated at once, and how often; (1, 1) for none."""
    keys = [(layer.name, layer.depth, layer.text) for layer in layers[place:]]
    for length in range(1, min(LONGEST_BLOCK, len(keys) // FEWEST) + 1):
        times = 1
        while keys[times * length : (times + 1) * length] == keys[:length]:
            times += 1
        if times >= FEWEST:
            return length, times
    return 1, 1


def _legend(traced: Traced) -> Iterator[str]:
    trace = traced.trace
    yield f"{trace.form}: {FORMS[trace.form]}. {AXES}"
    yield (
        "params, FLOPs (forward, this batch) and memory (kept for the backward pass) include the layers inside. "
        "Work between layers belongs to the layer around it."
    )
    if trace.uncounted:
        yield f"FLOPs are at least these: not counted are {', '.join(trace.uncounted)}."


def _print_signals(traced: Traced, layers: Sequence[Layer], signals: Signals, console: Console) -> None:
    weights = "the run's weights" if traced.trained else "fresh weights"
    console.print(Text(f"\nsignals ({weights}, loss {signals.loss:.4f} nats per token)", "bold"))
    table = _table("layer", "mean", "std", "saturated", "dead", "gradient std", left=1)
    for layer, own in zip(traced.trace.layers, signals.layers, strict=True):
        if layer.depth and any(layer is chosen for chosen in layers):
            table.add_row(
                Text(layer.name),
                f"{own.mean:+.3f}",
                f"{own.std:.3f}",
                "" if own.saturated is None else f"{own.saturated:.1%}",
                "" if own.dead is None else f"{own.dead} of {own.channels}",
                "" if own.gradient_std is None else f"{own.gradient_std:.2e}",
            )
    console.print(table)
    table = _table("weight", "std", "gradient std", "gradient / weight", left=1)
    for weight in signals.weights:
        table.add_row(Text(weight.name), f"{weight.std:.3f}", f"{weight.gradient_std:.2e}", f"{weight.ratio:.2e}")
    console.print(table)
    for finding in signals.findings:
        _print_line(f"{finding.rule}: {finding.text} [{finding.source}]", console)
    if not signals.findings:
        _print_line("No rule of thumb is broken.", console)


def write_plane(plane: Plane, run: Path) -> Path:
    """Draw the embedding of a run beside its directory, whole or not at all; returns the file."""
    file = page_of(run).with_suffix(".embedding.svg")
    write_whole(file, standalone(embedding(plane)))
    return file


def _print_line(line: str, console: Console) -> None:
    console.print(Text(textwrap.fill(line, WIDTH, subsequent_indent="  ")))


def _bytes(count: int) -> str:
    return f"{short(count)}B"


def _table(*columns: str, left: int = 2) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for place, name in enumerate(columns):
        table.add_column(name, justify="left" if place < left else "right", overflow="fold")
    return table
