"""The parts of a split that must hold something, by a cube's recipe, and the pixels of them that a layer has."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.grid import BlockIndex, Grid
from mmvsf.datasets.recipe.region import Region
from mmvsf.datasets.variables import Split

PART_NAMES = {Split.TRAIN: "training", Split.VALIDATION: "validation", Split.TEST: "test"}


def requested_parts(region: Region) -> Iterator[tuple[Split, bool, bool]]:
    """(part, restricts places, restricts years) of everything that must hold pixels by a region's recipe.

    A trial of a few blocks (`area.blocks`) may be too small to hold places out.
    """
    yield Split.TRAIN, True, True
    places, years = region.split.places, region.split.years
    held_out = (
        (Split.VALIDATION, places.validation or places.validation_share, years.validation),
        (Split.TEST, places.test or places.test_share, years.test),
    )
    for part, wants_places, wants_years in held_out:
        if wants_places and not isinstance(region.area.blocks, int):
            yield part, True, False
        if wants_years:
            yield part, False, True


def empty_parts(cube: Cube, known: NDArray[np.int64], years: tuple[int, ...] | None = None) -> list[str]:
    """The parts that hold no known pixel, in words. `known`: (chunk_y, chunk_x) pixels, or (year, chunk_y, chunk_x)
    with the `years` of its first axis; a part of years that has none of these is left out."""
    places = cube.array("chunks/split")
    by_year = known if years is not None else known[None]
    of_years = dict(zip(cube.years, cube.array("seasons/split").tolist(), strict=True))
    problems = []
    for part, by_places, restricts_years in requested_parts(cube.region):
        restricts_years = restricts_years and years is not None
        if not (by_places or restricts_years):
            continue
        chosen = by_year[:, places == part] if by_places else by_year.reshape(len(by_year), -1)
        if restricts_years and years is not None:
            rows = [position for position, year in enumerate(years) if of_years.get(year) == part]
            if not rows:
                continue
            chosen = chosen[rows]
        if chosen.size and not chosen.any():
            kind = " and ".join(["places"] * by_places + ["years"] * restricts_years)
            problems.append(f"the {PART_NAMES[part]} {kind}")
    return problems


def by_chunk(known: NDArray[np.bool_], chunk: int) -> NDArray[np.int64]:
    """(chunk_y, chunk_x) known pixels of a block."""
    rows, columns = known.shape[0] // chunk, known.shape[1] // chunk
    counts: NDArray[np.int64] = known.reshape(rows, chunk, columns, chunk).sum(axis=(1, 3), dtype=np.int64)
    return counts


def chunks_of(grid: Grid, block: BlockIndex) -> tuple[slice, slice]:
    """Rows and columns of a block in the grid of chunks."""
    side = grid.chunks_per_block
    return slice(block[0] * side, (block[0] + 1) * side), slice(block[1] * side, (block[1] + 1) * side)
