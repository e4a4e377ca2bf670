"""Find which layers a layer takes its input from, by walking the graph of autograd back to what others returned."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from zoo.probes.recorder import Call


def find_sources(calls: Sequence[Call]) -> list[tuple[int, ...]]:
    """For every call, the places of the innermost calls whose results its input was computed from; () in a container.

    Sums of branches and other work between layers are passed through, so a residual connection is a second source.
    Calls without a graph (the first ones, a stream) have none.
    """
    inner = [place + 1 == len(calls) or calls[place + 1].depth <= call.depth for place, call in enumerate(calls)]
    makers = dict[Any, int]()
    sources = list[tuple[int, ...]]()
    for place, (call, is_inner) in enumerate(zip(calls, inner, strict=True)):
        found = _makers_of(call.taken, makers) if is_inner else set[int]()
        sources.append(tuple(sorted(found)))
        if is_inner:
            makers |= dict.fromkeys([*walk(call.returned, stop=call.taken), *call.returned], place)
    return sources


def walk(start: Iterable[Any], stop: Iterable[Any]) -> Iterator[Any]:
    """Yield the nodes of autograd's graph behind these, parameters aside, without those at which to stop."""
    open_, seen = [node for node in start if node is not None], set(stop)
    while open_:
        node = open_.pop()
        if node not in seen and type(node).__name__ != "AccumulateGrad":
            seen.add(node)
            yield node
            open_ += [own for own, _ in node.next_functions if own is not None]


def _makers_of(taken: Sequence[Any], makers: dict[Any, int]) -> set[int]:
    """The calls that returned what these nodes were computed from, the nearest on every path."""
    found, seen = set[int](), set[Any]()
    open_ = list(taken)
    while open_:
        node = open_.pop()
        if node in makers:
            found.add(makers[node])
        elif node not in seen:
            seen.add(node)
            open_ += [own for own, _ in node.next_functions if own is not None]
    return found
