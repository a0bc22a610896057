"""Resample static layers from their tiles to the cube's pixels, and compute the slope from the elevation."""

from collections import defaultdict
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.grid import BlockIndex, Grid
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.variables import STATIC_BY_NAME
from mmvsf.pipeline.layers.source import StaticSource
from mmvsf.pipeline.layers.weather_series import WeatherCells
from mmvsf.pipeline.raster.crs import in_degrees
from mmvsf.pipeline.raster.extent import bounds_in, bounds_of
from mmvsf.pipeline.raster.fingerprint import content_fingerprint
from mmvsf.pipeline.raster.io import ReadError, gdal_environment
from mmvsf.pipeline.raster.parts import parts_of
from mmvsf.pipeline.raster.resample import relate
from mmvsf.pipeline.raster.scene import Asset, RasterGrid
from mmvsf.pipeline.raster.smoothing import pixel_metres
from mmvsf.pipeline.raster.tiles import mosaics

STATIC_VERSION = 2
"""Raised when the same rasters give other layers: those of an older version are then redone."""

MEASURED = {"elevation": "elevation", "slope": "elevation", "soil_water": "soil_water"}
"""layer -> the raster that it is made from"""

LEAST_KNOWN = 0.5
"""A pixel of which less than this share is known is unknown."""

NEIGHBOURS = 2
"""Pixels of a raster beyond a block's outline that may count for its pixels."""

MOST_AT_ONCE = 2_000_000
"""Points that are interpolated at a time: 600 MB, most of it for the weights of their neighbours."""

MOST_POINTS = 1_400
"""Points along a side of a pixel, so that those of one pixel are not more."""

Reach = dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]]
"""CRS -> numbers (n,) of the tiles in it, and (n, 4) left, bottom, right, top"""


@dataclass(frozen=True)
class StaticTask:
    """The static layers of one block."""

    block: BlockIndex
    entry: str
    """name of its ledger entry"""
    tiles: tuple[tuple[str, tuple[Asset, ...]], ...]
    """(measured layer, its rasters that meet the block)"""
    digest: str


def static_tasks(source: StaticSource, grid: Grid, layers: tuple[str, ...]) -> list[StaticTask]:
    """One task a block. A task's digest holds what its layers depend on: rasters, their grids and the block's.

    Raises what `StaticSource.tiles` raises, and InputError where the rasters of a layer meet no block.
    """
    if not layers:
        return []
    rasters = {name: source.tiles(name, grid) for name in dict.fromkeys(MEASURED[layer] for layer in layers)}
    reaches = {name: _reach(tiles) for name, tiles in rasters.items()}
    identities = {tile.href: content_fingerprint(tile.href) for tiles in rasters.values() for tile in tiles}
    tasks = []
    for block in grid.blocks:
        place = _padded(grid, block)
        meeting = tuple((name, _meeting(tiles, reaches[name], place)) for name, tiles in rasters.items())
        text = repr([(name, [(identities[tile.href], tile.grid) for tile in tiles]) for name, tiles in meeting])
        digest = sha256(f"{STATIC_VERSION} {layers} {place} {text}".encode()).hexdigest()
        tasks.append(StaticTask(block, f"static/{grid.block_name(block)}", meeting, digest))
    reached = {name for task in tasks for name, tiles in task.tiles if tiles}
    if elsewhere := [name for name in rasters if name not in reached]:
        raise InputError(
            f"static: the rasters of {', '.join(elsewhere)} are in another place: none overlaps a block of the region;"
            " check static.path and their CRS, or leave the layer out of static.layers"
        )
    return tasks


def read_static(
    task: StaticTask, grid: Grid, source: StaticSource, layers: tuple[str, ...]
) -> dict[str, NDArray[np.float32]]:
    """The layers of a block: name -> (block, block) float32 in the units of `variables.STATIC`, NaN where unknown.

    Raises ReadError for a raster that cannot be read, or whose numbers the layer cannot have.
    """
    place = _padded(grid, task.block)
    measured = {name: _resampled(name, tiles, place, source) for name, tiles in task.tiles}
    result = {}
    for layer in layers:
        values = measured[MEASURED[layer]]
        inner = horn_slope(values, grid.resolution) if layer == "slope" else values[1:-1, 1:-1]
        result[layer] = inner.astype(np.float32)
    return result


def horn_slope(elevation: NDArray[np.float64], size: float) -> NDArray[np.float64]:
    """Slope in degrees of all but the outermost pixels of an elevation (metres) on square pixels of `size` metres:
    (rows, columns) -> (rows - 2, columns - 2), NaN beside a pixel of unknown elevation.

    The third-order finite difference weighted by distance of Horn (1981), Hill shading and the reflectance map, Proc.
    IEEE 69(1), as in GDAL and ArcGIS. It is worked out on the cube's grid, where pixels are square and in metres, so
    that it is the slope of the elevation stored beside it; on the DEM's grid of degrees each row would need
    another metric. A cube of coarser pixels has gentler slopes.
    """
    z = elevation
    left, right, upper, lower = z[:, :-2], z[:, 2:], z[:-2], z[2:]
    east = (right - left)[:-2] + 2 * (right - left)[1:-1] + (right - left)[2:]
    south = (lower - upper)[:, :-2] + 2 * (lower - upper)[:, 1:-1] + (lower - upper)[:, 2:]
    slope: NDArray[np.float64] = np.degrees(np.arctan(np.hypot(east, south) / (8 * size)))
    return slope


def weather_cells(source: StaticSource, grid: Grid) -> WeatherCells:
    """The weather cells that hold a block, with the mean elevation of the blocks' pixels in each.

    Raises what `StaticSource.tiles` and `read_static` raise.
    """
    total, count = np.zeros(grid.weather_shape), np.zeros(grid.weather_shape)
    with gdal_environment():
        for task in static_tasks(source, grid, ("elevation",)):
            values = read_static(task, grid, source, ("elevation",))["elevation"].astype(np.float64)
            down, right = (np.arange(part.start, part.stop) for part in grid.block_slices(task.block))
            rows = np.array([grid.weather_cell_of(row, 0)[0] for row in down])
            columns = np.array([grid.weather_cell_of(0, column)[1] for column in right])
            known = ~np.isnan(values)
            np.add.at(total, (rows[:, None], columns[None]), np.where(known, values, 0.0))
            np.add.at(count, (rows[:, None], columns[None]), known)
    elevation = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    ys, xs = grid.weather_coordinates()
    # Rows of a source run from south to north.
    return WeatherCells(grid.crs, ys[::-1], xs, grid.weather_mask()[::-1], elevation[::-1])


def _resampled(name: str, tiles: tuple[Asset, ...], target: RasterGrid, source: StaticSource) -> NDArray[np.float64]:
    """A measured layer on a grid: bilinear, and the mean of as many such points a pixel as the raster is finer."""

    def read(tile: Asset, window: tuple[slice, slice]) -> NDArray[np.float64]:
        return _in_range(name, source.read(tile, window), tile.name)

    total, weight = np.zeros(target.shape), np.zeros(target.shape)
    for mosaic in mosaics(tiles):
        points = min(max(1, round(target.resolution / pixel_metres(mosaic.grid)[0])), MOST_POINTS)
        for part, grid in parts_of(target, points, MOST_AT_ONCE):
            place = relate(mosaic.grid, grid.refined(points))
            if not place.empty:
                sums = place.sums(mosaic.read(place.window, read, np.nan, np.float64))
                total[part] += _means(sums[0], points)
                weight[part] += _means(sums[1], points)
    return np.asarray(np.divide(total, weight, out=np.full(target.shape, np.nan), where=weight >= LEAST_KNOWN))


def _means(fine: NDArray[np.float64], points: int) -> NDArray[np.float64]:
    """The mean over points x points numbers."""
    rows, columns = fine.shape
    across = fine.reshape(rows // points, points, columns // points, points).sum(axis=3)
    total = np.zeros((rows // points, columns // points))
    for row in range(points):  # in this order, so that a pixel does not depend on the shape of what is read with it
        total += across[:, row]
    return total / points**2


def _in_range(name: str, values: NDArray[np.float64], file: str) -> NDArray[np.float64]:
    """The values. Raises ReadError for what the layer cannot be: another unit, or an undeclared no-data value."""
    layer = STATIC_BY_NAME[name]
    known = values[~np.isnan(values)]
    if known.size and (known.min() < layer.valid_min or known.max() > layer.valid_max):
        raise ReadError(
            f"{file}: {name} runs from {known.min():.6g} to {known.max():.6g}, possible are {layer.valid_min:g} to"
            f" {layer.valid_max:g} {layer.units}; if it is the unit, convert the raster, and if it is the no-data"
            " value, declare it, for example with `gdal_edit.py -a_nodata`"
        )
    return values


def _padded(grid: Grid, block: BlockIndex) -> RasterGrid:
    """A block's grid with one more pixel on each side, for slopes without seams."""
    (a, b, c, d, e, f), (rows, columns) = RasterGrid.of(grid.block_geobox(block))[1:]
    return RasterGrid(grid.crs, (a, b, c - a, d, e, f - e), (rows + 2, columns + 2))


def _reach(tiles: list[Asset]) -> Reach:
    """How far the tiles reach, with the neighbours that count beyond a block's outline."""
    boxes: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    places: dict[str, list[int]] = defaultdict(list)
    for number, tile in enumerate(tiles):
        left, bottom, right, top = bounds_of(tile.grid)
        x, y = NEIGHBOURS * tile.grid.transform[0], NEIGHBOURS * abs(tile.grid.transform[4])
        boxes[tile.grid.crs].append((left - x, bottom - y, right + x, top + y))
        places[tile.grid.crs].append(number)
    return {crs: (np.array(places[crs]), np.array(extents)) for crs, extents in boxes.items()}


def _meeting(tiles: list[Asset], reach: Reach, target: RasterGrid) -> tuple[Asset, ...]:
    """The tiles that may hold a contributor to a pixel of the target, in their order."""
    kept: list[int] = []
    for crs, (places, boxes) in reach.items():
        west, south, east, north = bounds_in(target, crs)
        left, bottom, right, top = boxes.T
        turns = np.array([-360, 0, 360] if in_degrees(crs) else [0])[:, None]
        beside = ((left + turns <= east) & (west <= right + turns)).any(axis=0)
        kept += places[beside & (bottom <= north) & (south <= top)].tolist()
    return tuple(tiles[number] for number in sorted(kept))
