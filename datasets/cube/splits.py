"""Which places and years are for training, validation and testing.

Places are held out as whole units (connected blocks by default), so that a held-out pixel never shares its fields,
and seldom its weather, with a training pixel. Years are held out whole.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.place import ClusterSampling, SpatialSplit
from mmvsf.datasets.recipe.region import Region
from mmvsf.datasets.variables import Split

from .grid import Grid
from .grid_of_recipe import draw_clusters


def place_split(region: Region, grid: Grid) -> NDArray[np.uint8]:
    """(chunk_y, chunk_x) uint8 of `Split` codes; NONE outside the recipe's blocks and in buffers.

    A trial of a few blocks (`area.blocks`) that cannot be split is entirely for training. Raises InputError if no place
    is left to train on, or for a split that the recipe asks for.
    """
    places, sample = region.split.places, region.area.sample
    trial = isinstance(region.area.blocks, int)
    if places.test or places.validation:
        split = _named_sites(region, grid)
    elif region.area.blocks == "all" and sample is not None and places.unit == "cluster":
        split = _beside_the_sample(places, grid, sample, region.name)
    else:
        units = _units(places.unit, grid)
        side = 1 if places.unit == "chunk" else grid.chunks_per_block
        if trial and int(units.max()) < 3:
            places = SpatialSplit()
        split = _strips(places, units, side) if places.layout == "strips" else _scattered(places, units)
    if not trial:
        _refuse_empty(split, region)
    return split


def _refuse_empty(split: NDArray[np.uint8], region: Region) -> None:
    """Raise InputError where the recipe asks for a split that no place belongs to."""
    places = region.split.places
    if not np.any(split == Split.TRAIN):
        raise InputError(f"region '{region.name}': split.places leaves no place to train on; hold out fewer")
    for code, wanted in (
        (Split.VALIDATION, places.validation or places.validation_share),
        (Split.TEST, places.test or places.test_share),
    ):
        if wanted and not np.any(split == code):
            raise InputError(
                f"region '{region.name}': split.places leaves no place for {code.name.lower()}; make its share larger"
                " or the buffer smaller, or do not hold any out"
            )


def year_split(region: Region) -> NDArray[np.uint8]:
    """(year,) uint8 of `Split` codes for the years of the period."""
    years = region.split.years
    code = {**dict.fromkeys(years.test, Split.TEST), **dict.fromkeys(years.validation, Split.VALIDATION)}
    return np.array([code.get(year, Split.TRAIN) for year in region.period.years], np.uint8)


def _named_sites(region: Region, grid: Grid) -> NDArray[np.uint8]:
    blocks = np.where(grid.block_mask(), Split.TRAIN, Split.NONE).astype(np.uint8)
    for names, code in ((region.split.places.validation, Split.VALIDATION), (region.split.places.test, Split.TEST)):
        for site in region.area.sites or ():
            block = grid.block_of_point(site.lon, site.lat)
            if site.name in names and block in grid.blocks:
                blocks[block] = code
    return _with_buffer(_to_chunks(blocks, grid), _units("block", grid), region.split.places.buffer)


def _beside_the_sample(places: SpatialSplit, grid: Grid, sample: ClusterSampling, region: str) -> NDArray[np.uint8]:
    """The split of a whole area whose recipe also has a sample: the clusters of the sample keep their split, so that
    held-out places stay held out; all else is for training except the blocks beside a held-out cluster."""
    drawn = replace(grid, blocks=tuple(draw_clusters(set(grid.blocks), sample, region)))
    split = _scattered(places.model_copy(update={"buffer": 0}), _units("cluster", drawn))
    split[(split == Split.NONE) & _to_chunks(grid.block_mask(), grid)] = Split.TRAIN
    return _with_buffer(split, _units("block", grid), max(1, places.buffer))


def _to_chunks(blocks: NDArray[Any], grid: Grid) -> NDArray[Any]:
    n = grid.chunks_per_block
    return blocks.repeat(n, axis=0).repeat(n, axis=1)


def _units(unit: str, grid: Grid) -> NDArray[np.int32]:
    """(chunk_y, chunk_x) int32: number of the unit that a chunk belongs to, from 1; 0 outside the blocks."""
    mask = grid.block_mask()
    if unit == "cluster":
        from scipy import ndimage  # long to import, and few recipes need it

        labels, _ = ndimage.label(mask, structure=np.ones((3, 3)))
        return _to_chunks(labels, grid).astype(np.int32)
    if unit == "block":
        numbers = np.cumsum(mask.ravel()).reshape(mask.shape) * mask
        return _to_chunks(numbers, grid).astype(np.int32)
    chunks = _to_chunks(mask.astype(np.uint8), grid) > 0
    return (np.cumsum(chunks.ravel()).reshape(chunks.shape) * chunks).astype(np.int32)


def _scattered(places: SpatialSplit, units: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Units drawn at random."""
    count = int(units.max())
    order = np.random.default_rng(places.seed).permutation(count) + 1
    tests, validations = _shares(places, count)
    split = np.where(units > 0, Split.TRAIN, Split.NONE).astype(np.uint8)
    split[np.isin(units, order[:tests])] = Split.TEST
    split[np.isin(units, order[tests : tests + validations])] = Split.VALIDATION
    return _with_buffer(split, units, places.buffer)


def _with_buffer(split: NDArray[np.uint8], units: NDArray[np.int32], buffer: int) -> NDArray[np.uint8]:
    """The split without the units of other codes that lie within `buffer` units of a held-out unit."""
    if buffer:
        from scipy import ndimage

        side = _unit_side(units)
        for held_out, others in ((Split.TEST, (Split.TRAIN, Split.VALIDATION)), (Split.VALIDATION, (Split.TRAIN,))):
            reach = ndimage.maximum_filter(split == held_out, size=2 * buffer * side + 1)
            near = np.isin(units, np.unique(units[reach & (units > 0)]))
            split[near & np.isin(split, others)] = Split.NONE
    return split


def _shares(places: SpatialSplit, count: int) -> tuple[int, int]:
    """Numbers of (test, validation) units; a share above 0 is at least one unit. Raises InputError if no unit is
    left."""
    shares = places.test_share, places.validation_share
    tests, validations = (max(1, round(share * count)) if share else 0 for share in shares)
    if tests + validations >= count:
        raise InputError(
            f"split.places holds out {tests} + {validations} of {count} {places.unit}s and leaves nothing to train"
            " on; choose a smaller unit (block, chunk) or smaller shares"
        )
    return tests, validations


def _strips(places: SpatialSplit, units: NDArray[np.int32], side: int) -> NDArray[np.uint8]:
    """Columns of units (`side` chunks wide) from west to east: test, buffer, validation, buffer, training."""
    columns = np.flatnonzero(np.asarray((units > 0).any(axis=0))[::side])
    tests, validations = _shares(places, columns.size)
    code = np.full(columns.size, Split.NONE, np.uint8)
    start = 0
    for width, value in ((tests, Split.TEST), (validations, Split.VALIDATION)):
        if width:
            code[start : start + width] = value
            start += width + places.buffer
    code[start:] = Split.TRAIN
    of_column = np.zeros(units.shape[1] // side, np.uint8)
    of_column[columns] = code
    return np.where(units > 0, of_column.repeat(side), Split.NONE).astype(np.uint8)


def _unit_side(units: NDArray[np.int32]) -> int:
    """Chunks per side of the largest unit."""
    from scipy import ndimage

    boxes = [box for box in ndimage.find_objects(units) if box is not None]
    return max(int(side.stop - side.start) for box in boxes for side in box)
