"""Group blocks that one call of a fused kernel can update."""

from collections.abc import Iterator, Sequence

from torch import Tensor

from zoo.training.optimizers.interface import Block


def group_alike(blocks: Sequence[Block]) -> list[list[int]]:
    """Return the numbers of blocks of one dtype, decay and multiple; each block of a stack by itself."""
    alike: dict[object, list[int]] = {}
    for number, block in enumerate(blocks):
        key = number if block.replicas is not None else (block.tensor.dtype, block.decay, block.multiple)
        alike.setdefault(key, []).append(number)
    return list(alike.values())


def select_present(
    groups: Sequence[Sequence[int]], gradients: Sequence[Tensor | None]
) -> Iterator[tuple[list[int], list[Tensor]]]:
    """Yield, for every group, the numbers of its blocks that have a gradient, and these gradients."""
    for numbers in groups:
        present = [(number, gradient) for number in numbers if (gradient := gradients[number]) is not None]
        if present:
            yield [number for number, _ in present], [gradient for _, gradient in present]
