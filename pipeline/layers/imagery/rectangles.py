"""Rectangles of blocks that a task reads at once."""

from collections.abc import Sequence

from mmvsf.datasets.cube.grid import BlockIndex

OPENED = 2**17
"""What it costs to open a file, in pixels that could be decoded instead: 1 ms at 130 million a second."""

INNER = 256
"""Pixels on the side of an inner tile of a file. All tiles that a window touches are decoded, so that on average a
window costs so much more on each side."""


def extent(blocks: Sequence[BlockIndex]) -> tuple[int, int]:
    """(rows, columns) in blocks of the rectangle around some blocks, which is what is read for them."""
    rows, columns = (max(side) - min(side) + 1 for side in zip(*blocks, strict=True))
    return rows, columns


def rectangles(blocks: Sequence[BlockIndex], block_pixels: int) -> list[list[BlockIndex]]:
    """The blocks in groups, each sorted, to be read as the rectangle around each group, which it need not fill.

    Blocks are divided along a row or a column, where that costs least, until a division costs more than it saves.
    """
    divisions = [
        ([block for block in blocks if block[axis] < line], [block for block in blocks if block[axis] >= line])
        for axis in (0, 1)
        for line in sorted({block[axis] for block in blocks})[1:]
    ]
    rows, columns = extent(blocks)
    if not divisions or rows * columns == len(blocks):
        return [sorted(blocks)]
    best = min(divisions, key=lambda halves: sum(_cost(half, block_pixels) for half in halves))
    parts = [part for half in best for part in rectangles(half, block_pixels)]
    together = _cost(blocks, block_pixels) <= sum(_cost(part, block_pixels) for part in parts)
    return [sorted(blocks)] if together else parts


def _cost(blocks: Sequence[BlockIndex], block_pixels: int) -> int:
    """The cost of reading the rectangle around some blocks, in pixels."""
    rows, columns = extent(blocks)
    return OPENED + (rows * block_pixels + INNER) * (columns * block_pixels + INNER)
