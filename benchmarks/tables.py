"""What the benchmarks come to, as tables in Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Case = tuple[Mapping[str, Any], float]
"""What a benchmark said of itself (table, model, column, ...), and its median in seconds."""
Cells = dict[tuple[str, int], str]


def tables(cases: Sequence[Case]) -> Iterator[tuple[str, list[str]]]:
    """Title and lines of each table for which there are cases."""
    for title, cells in {
        "tokens per second of one stream (times faster than forward again), by context": _by_context(cases),
        "microseconds a token at context 64, by the length of the stream so far": {
            key: f"{1e6 * seconds:,.0f}" for key, _, seconds in _of("length", cases)
        },
        "tokens per second at context 1,024 (times faster than forward again), by streams at once": {
            key: f"{facts['tokens_per_second']:,.0f} ({facts['ratio']:.0f}×)" for key, facts, _ in _of("streams", cases)
        },
    }.items():
        if cells:
            yield title, _pivot(cells)
    if seeds := list(_of("seeds", cases)):
        ratios = {key: f"{facts['ratio']:.1f}×" for key, facts, _ in seeds}
        yield f"K seeds as a stack, times faster than one after the other, on {seeds[0][1]['device']}", _pivot(ratios)
    goals = [facts for facts, _ in cases if facts["table"] == "goals"]
    if goals:
        head = ["| | measured | goal | how |", "|---|--:|--:|---|"]
        rows = [f"| {facts['what']} | {facts['measured']} | {facts['goal']} | {facts['how']} |" for facts in goals]
        yield f"on {goals[0]['device']}", head + rows


def _of(table: str, cases: Sequence[Case]) -> Iterator[tuple[tuple[str, int], Mapping[str, Any], float]]:
    for facts, seconds in cases:
        if facts["table"] == table:
            yield (facts["model"], facts["column"]), facts, seconds


def _by_context(cases: Sequence[Case]) -> Cells:
    found = list(_of("context", cases))
    again = {key: seconds for key, facts, seconds in found if facts["way"] == "forwarding"}
    return {
        key: f"{1 / seconds:,.0f} ({again[key] / seconds:.1f}×)"
        for key, facts, seconds in found
        if facts["way"] == "stepping" and key in again
    }


def _pivot(cells: Cells) -> list[str]:
    models, columns = (sorted(set(names)) for names in zip(*cells, strict=True))
    head = ["| model | " + " | ".join(f"{column:,}" for column in columns) + " |", "|---|" + "--:|" * len(columns)]
    return head + [f"| {model} | " + " | ".join(cells.get((model, c), "") for c in columns) + " |" for model in models]
