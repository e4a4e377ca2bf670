"""Name the axes of shapes by comparing two passes whose sizes differ: `b 8 c24`.

b, t and m (rows, tokens of a row, packed tokens) are recognised by how a size changes, in sums, products and parts of
them: t+1, (b t), t/2. A size that does not change stays a number, and is a number of channels on the last axis: c24.
"""

from collections.abc import Iterator, Mapping, Sequence

from torch import Tensor

Sizes = Mapping[str, tuple[int, int]]
"""Letter -> its size in both passes."""
UNKNOWN = "?"
"""After a size that changes in another way."""


def name_axes(first: Tensor, second: Tensor | None, sizes: Sizes, length: int | None = None) -> list[str]:
    """Name the axes of a tensor.

    Args:
        first, second: the tensor in both passes; None: the second has no such tensor.
        sizes: what changes between the passes.
        length: number of tokens, where it does not change: a last axis of this size may be no channels.
    """
    shape = tuple(first.shape)
    other = tuple(second.shape) if second is not None and second.ndim == first.ndim else shape
    names = [name_size(one, two, sizes) for one, two in zip(shape, other, strict=True)]
    if names and first.is_floating_point() and names[-1].isdigit() and (len(names) == 1 or shape[-1] != length):
        names[-1] = f"c{names[-1]}"
    return names


def name_size(first: int, second: int, sizes: Sizes) -> str:
    """Name a size by its values in both passes."""
    if first == second:
        return str(first)
    return next(
        (name for name, one, two in _list_names(first, sizes) if (one, two) == (first, second)), f"{first}{UNKNOWN}"
    )


def name_fused(given: Sequence[str], made: Sequence[str]) -> Sequence[str]:
    """The names of what a layer without parameters returns, with `(n c24)` where it fuses n times the channels."""
    channels = given[-1] if given else ""
    varies = any(not name.isdigit() for name in given[:-1])  # else it is a weight
    if made and made[-1][:1] == channels[:1] == "c" and varies:
        one, many = int(channels[1:]), int(made[-1][1:])
        if one and many > one and many % one == 0:
            return [*made[:-1], f"({many // one} {channels})"]
    return made


def _list_names(first: int, sizes: Sizes) -> Iterator[tuple[str, int, int]]:
    """Candidates for the name of a size, with their values in both passes, the plainest first."""
    for letter, (one, two) in sizes.items():
        yield letter, one, two
    letters = list(sizes.items())
    for place, (letter, (one, two)) in enumerate(letters):
        for other, (own, its) in letters[place + 1 :]:
            yield f"({letter} {other})", one * own, two * its
    for letter, (one, two) in letters:
        if one and first % one == 0:
            yield f"({first // one} {letter})", first, two * (first // one)
        if first and one % first == 0 and two % (one // first) == 0:
            yield f"{letter}/{one // first}", first, two // (one // first)
    for letter, (one, two) in letters:
        if letter != "b":  # rows are not padded
            yield f"{letter}{first - one:+d}", first, two + first - one
