"""Draw the layers of a trace from top to bottom: a tree of windows as a tree, branches as branches."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from zoo.probes.values import Layer, Trace, has_inner
from zoo.reports.figures.svg import circle, drawing, path, shorten, tag, text
from zoo.reports.numbers import short

STEP, JOIN_STEP, TOP = 30.0, 22.0, 30.0
"""Height of a layer, of a join of branches, and above the first layer."""
MOST_CELLS, MOST_LAYERS = 16, 150
"""Number of positions that are drawn one by one, and of layers that are drawn."""
LANE = 13.0
"""Distance of two branches."""
NUMBERS = {"params": "parameters", "FLOPs": "flops", "bytes": "saved_bytes"}
"""Title of a column -> field of a layer."""


@dataclass
class Node:
    """A layer, or a join of branches (None), and the nodes before it."""

    layer: Layer | None
    sources: list[int]
    cells: int = 1
    y: float = 0.0


def network(trace: Trace, *, width: float = 860.0) -> str:
    """Draw the layers that have none inside, with the numbers of each; narrow: their names alone."""
    narrow = width < 600
    nodes = make_nodes(trace)[:MOST_LAYERS]
    room = 110.0 if narrow else 230.0
    y = TOP
    for node in nodes:
        node.y, y = y, y + (STEP if node.layer else JOIN_STEP)
    arcs = list(_give_lanes(nodes))
    left = LANE * (1 + max((lane for *_, lane in arcs), default=0))
    spine = left + (room - left) / 2 if any(node.cells > 1 for node in nodes) else left + 12
    spread = room - left - 10
    marks = [_straight(nodes, place, spine, spread) for place in range(1, len(nodes))]
    marks += [_arc(nodes[start].y, nodes[end].y, spine, lane) for start, end, lane in arcs]
    marks += [_mark(node, spine, spread) for node in nodes]
    start = room + 8 if any(node.cells > 1 for node in nodes) else spine + 20
    marks += _titles(width) if not narrow else []
    marks += [_words(node, node.layer, start, width, narrow=narrow) for node in nodes if node.layer]
    return drawing(width, y + 4, *marks, label=f"Layers of {trace.model}")


def make_nodes(trace: Trace) -> list[Node]:
    """The layers that have none inside, and the joins of their sources, in order; a sum continues earlier sums."""
    nodes, place_of, joins = list[Node](), dict[int, int](), dict[frozenset[int], int]()
    for place, layer in enumerate(trace.layers):
        if has_inner(trace.layers, place):
            continue
        sources = frozenset(source for source in layer.sources if source in place_of)
        if len(sources) > 1 and sources not in joins:
            before = max((join for join in joins if join < sources), key=len, default=frozenset[int]())
            parts = [joins[before]] if before else []
            nodes.append(Node(None, [*parts, *(place_of[source] for source in sorted(sources - before))]))
            joins[sources] = len(nodes) - 1
        own = [joins[sources]] if len(sources) > 1 else [place_of[source] for source in sources]
        nodes.append(Node(layer, own, _count_cells(layer, trace)))
        place_of[place] = len(nodes) - 1
    return nodes


def _count_cells(layer: Layer, trace: Trace) -> int:
    """Number of positions of a window that a layer returns, if they are drawn one by one."""
    made = layer.made[0].shape if layer.made else ()
    return made[1] if trace.form == "tree" and len(made) == 3 and made[1] <= MOST_CELLS else 1


def _give_lanes(nodes: Sequence[Node]) -> Iterator[tuple[int, int, int]]:
    """Yield every connection that passes other nodes: start, end, and a lane in which it meets no other."""
    wanted = [(source, place) for place, node in enumerate(nodes) for source in node.sources if source < place - 1]
    lanes: list[list[tuple[int, int]]] = []
    for start, end in sorted(wanted, key=lambda arc: (arc[1] - arc[0], arc)):
        free = (all(end <= other or start >= last for other, last in taken) for taken in lanes)
        lane = next((number for number, is_free in enumerate(free) if is_free), len(lanes))
        if lane == len(lanes):
            lanes.append([])
        lanes[lane].append((start, end))
        yield start, end, lane


def _straight(nodes: Sequence[Node], place: int, spine: float, spread: float) -> Markup:
    """Connect a node with the one above it, position by position, if it takes its result."""
    above, node = nodes[place - 1], nodes[place]
    if place - 1 not in node.sources:
        return Markup()
    ends = _places(node.cells, spine, spread)
    starts = _places(above.cells, spine, spread)
    if len(starts) % len(ends):
        starts, ends = [spine], [spine]
    each = len(starts) // len(ends)
    lines = [path([(x, above.y), (ends[number // each], node.y)], "wire") for number, x in enumerate(starts)]
    return Markup().join(lines)


def _arc(start: float, end: float, spine: float, lane: int) -> Markup:
    """Connect two nodes by a branch on the left."""
    x = spine - LANE * (lane + 1)
    return path([(spine, start), (x, start + 8), (x, end - 8), (spine, end)], "wire")


def _mark(node: Node, spine: float, spread: float) -> Markup:
    """Draw a node: a dot, a square for every position, or a small dot where branches join."""
    if node.layer is None:
        return circle(spine, node.y, 3.0, "joint")
    if node.cells == 1:
        return tag("g", circle(spine, node.y, 6.0, "end"), class_=_colour(node.layer))
    cells = [
        tag("rect", x=x - 4.5, y=node.y - 4.5, width=9, height=9, rx=2, class_="end")
        for x in _places(node.cells, spine, spread)
    ]
    return tag("g", *cells, class_=_colour(node.layer))


def _places(cells: int, spine: float, spread: float) -> list[float]:
    """Where the positions of a window stand, evenly, so that a group stands above what it is fused into."""
    return [spine + spread * ((number + 0.5) / cells - 0.5) for number in range(cells)]


def _colour(layer: Layer) -> str:
    """Layers with parameters in one colour, others in another."""
    return "m0" if layer.parameters else "signs"


def _titles(width: float) -> list[Markup]:
    return [text(x, 12, title, "tick", "end") for x, title in zip(_columns(width), NUMBERS, strict=True)]


def _columns(width: float) -> list[float]:
    return [width - 130, width - 65, width]


def _words(node: Node, layer: Layer, start: float, width: float, *, narrow: bool) -> Markup:
    """Write the name of a layer, and unless narrow its shapes and numbers."""
    names = width - start if narrow else 190.0
    words = [text(start, node.y + 4.5, shorten(layer.name, names, 13), "number")]
    if not narrow:
        room = _columns(width)[0] - 50 - start - names
        words.append(text(start + names + 8, node.y + 4.5, shorten(layer.text, room, 12), "tick"))
        values = (getattr(layer, field) for field in NUMBERS.values())
        words += [
            text(x, node.y + 4.5, short(value), "number", "end")
            for x, value in zip(_columns(width), values, strict=True)
            if value
        ]
    return tag("g", tag("title", f"{layer.name} ({layer.kind}): {layer.text}"), *words)
