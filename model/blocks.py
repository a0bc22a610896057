"""Whole blocks of a cube, which are forecast, mapped and embedded tile by tile, and the size of these tiles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.grid import BlockIndex
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.windows import Window, chunk_window
from mmvsf.datasets.variables import Split


def window_size(
    cubes: Sequence[Cube],
    patch: int,
    most: int | None = None,
    *,
    advice: str = "choose a chunk that is a power of two in its recipe",
) -> int:
    """Pixels a side of the windows that a network with patches of `patch` pixels sees: `most`, or by default the size
    that forecasts are made with (32, with large patches 128); or a smaller chunk. Raises InputError, with `advice`,
    where windows would reach beyond a chunk, or patches beyond a window."""
    size = min(most or (32 if patch < 8 else 128), *(cube.grid.chunk for cube in cubes))
    for cube in cubes:
        if size % patch or cube.grid.chunk % size:
            patches = f" of whole patches of {patch}" if patch > 1 else ""
            raise InputError(
                f"{cube.path}: its chunks of {cube.grid.chunk} pixels cannot be cut into windows of {size}"
                f" pixels{patches}; {advice}"
            )
    return size


def block_tiles(
    cube: Cube, block: BlockIndex, year: int, clear: NDArray[np.bool_], size: int, *, since: int | None = None
) -> Iterator[Window]:
    """The windows of at most `size` pixels a side that cover a block, in one season; `clear` as `clear_days` gives
    it, `since` as in `chunk_window`. Some may have no clear day."""
    n = cube.grid.chunks_per_block
    for cy in range(block[0] * n, block[0] * n + n):
        for cx in range(block[1] * n, block[1] * n + n):
            yield from chunk_window(cube, cy, cx, year, clear, since=since).tiles(size)


def by_novelty(cube: Cube) -> dict[BlockIndex, str]:
    """Every block, held-out places first, and in words how new it is to a model trained on this cube."""
    split, n = cube.array("chunks/split"), cube.grid.chunks_per_block
    codes = {(by, bx): split[by * n : by * n + n, bx * n : bx * n + n] for by, bx in cube.grid.blocks}
    share = {block: float((part == Split.TEST).mean()) for block, part in codes.items()}
    return {block: _novelty(codes[block]) for block in sorted(share, key=lambda b: (-share[b], b))}


def _novelty(codes: NDArray[np.uint8]) -> str:
    """How new a block with the `Split` codes (chunk_y, chunk_x) is; NONE is a buffer around a held-out place."""
    words = {Split.TRAIN: "known place", Split.VALIDATION: "validation place", Split.TEST: "new place"}
    first = Split(int(codes.flat[0]))
    return words.get(first, "buffer") if (codes == first).all() else "partly new"


def held_out_years(cube: Cube) -> list[int]:
    """The years that the recipe holds out for testing."""
    codes = cube.array("seasons/split")
    return [year for year, code in zip(cube.years, codes, strict=True) if code == Split.TEST]
