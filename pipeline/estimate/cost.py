"""Estimate of a build without a catalogue: a model of passes, tiles, files and clouds.

Each number below names its source; those called assumptions are rough and are the ones to change. Where there is a
catalogue, `mmvsf plan` counts scenes instead.
"""

from dataclasses import dataclass, fields
from datetime import timedelta
from math import ceil, prod
from pathlib import Path

import numpy as np
import shapely
from pyproj import Transformer

from mmvsf.datasets.cube.calendar import calendar_for
from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.cube.spec import CubeSpec
from mmvsf.datasets.recipe.region import Period, Region
from mmvsf.pipeline.build.executor import MOST_THREADS
from mmvsf.pipeline.build.layers import cube_bytes
from mmvsf.pipeline.layers.imagery.plan import BAND_BYTES, MASK_BYTES, PIXELS_PER_SECOND, block_groups
from mmvsf.pipeline.layers.imagery.products import Product
from mmvsf.pipeline.layers.imagery.rectangles import extent
from mmvsf.pipeline.layers.imagery.table import ProductTable
from mmvsf.pipeline.layers.source import SourceSite

from .radar import expected_effort

OVERCAST_SHARE = 0.3
"""Share of the days seen on which a block is too cloudy to be stored; an assumption. Over the contiguous US about half
of Landsat's pixels are cloudy (Egorov et al. 2019, doi:10.3390/rs11040447), in whole blocks or not."""

HEADER_BYTES = 32_768
"""Fetched on opening a file (`remote_raster.HEADER_BYTES`)."""
REQUESTS_TO_OPEN = 1
"""For the header of a file; each row of internal tiles is one more (measured: 5.6 for a window of 1024 x 1024 pixels,
`python -m tests.bench race`)."""

NETWORK_MBIT = 100.0
"""Mbit/s assumed for the time of a download."""
SECONDS_PER_REQUEST = 0.15
"""From the request to the last byte, for an archive on the same continent: an assumption."""
REQUESTS_AT_ONCE = 32
"""Of one process (`line.REQUESTS_AT_ONCE`)."""

LABEL_TILE_KM = 61.44
LABEL_TILE_BYTES = 4.2e6
"""CropScape delivers the CDL in tiles of this side, uncompressed."""
WEATHER_CELLS_PER_DEGREE = 24
"""gridMET's; a value takes two bytes when downloaded."""


@dataclass(frozen=True)
class Cost:
    """The estimate for one cube, or for several together."""

    blocks: int
    square_kilometres: float
    units: float
    """(day, block) units that a satellite sees"""
    requests: float
    download_bytes: float
    disk_bytes: float
    seconds: float
    """of the slowest of network, server and processors"""

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(Cost)))


def region_cost(region: Region, grid: Grid, workers: int, mbit: float = NETWORK_MBIT) -> Cost:
    """The estimate for a recipe on its grid, built by so many workers over a network of so many Mbit/s. Asks no server.
    Static layers count on disk only: their download is small beside years of scenes."""
    table, days = ProductTable.of(region.imagery), _days(region.period)
    products = {name: table.named(name) for name in region.imagery.products}
    latitude = _latitude(grid)
    passes = {name: days * min(1.0, product.constellation.passes_a_day(latitude)) for name, product in products.items()}
    seen = days * (1 - prod(1 - count / days for count in passes.values()))
    units, pixels = seen * len(grid.blocks), seen * len(grid.blocks) * grid.block**2
    stored = units * (1 - OVERCAST_SHARE)
    requests = fetched = 0.0
    for name, count in passes.items():
        for group in _groups(grid, len(region.imagery.bands)):
            requests_per_pass, bytes_per_pass = _group_cost(
                group, grid, products[name], region.imagery.source == "earthengine"
            )
            requests += count * requests_per_pass
            fetched += count * bytes_per_pass
    years = len(region.labels.years) if region.labels else 0
    area = len(grid.blocks) * (grid.block * grid.resolution / 1000) ** 2
    weather_days = (region.period.end - region.weather_start).days + 1
    tiles = years * ceil(1.5 * area / LABEL_TILE_KM**2)
    west, south, east, north = SourceSite(grid, Path(), Path()).weather_bounds
    cells = (east - west) * (north - south) * WEATHER_CELLS_PER_DEGREE**2
    names = region.weather.variables if region.weather else ()
    requests += 2 * tiles + len(names) * (region.period.end.year - region.weather_start.year + 1)
    fetched += tiles * LABEL_TILE_BYTES + 2 * cells * weather_days * len(names)
    if region.radar is not None:
        radar = expected_effort(region.radar, grid, days, latitude)
        requests, fetched = requests + radar.requests, fetched + radar.bytes
    disk = cube_bytes(CubeSpec(region, grid, calendar_for(region), None), stored)
    disk += round((units - stored) * grid.block**2 * MASK_BYTES)
    seconds = build_seconds(pixels * (1 - OVERCAST_SHARE) * len(region.imagery.bands), requests, fetched, workers, mbit)
    return Cost(len(grid.blocks), area, units, requests, fetched, disk, seconds)


def build_seconds(pixels: float, requests: float, fetched: float, workers: int, mbit: float = NETWORK_MBIT) -> float:
    """The longest of the times of processors, servers and network for so many band pixels, requests and bytes."""
    processes = workers if workers > MOST_THREADS else 1
    return max(
        pixels / PIXELS_PER_SECOND / workers,
        requests * SECONDS_PER_REQUEST / (REQUESTS_AT_ONCE * processes),
        fetched * 8e-6 / mbit,
    )


def earth_engine_bytes(bands: int) -> int:
    """Bytes of a pixel from Earth Engine, which sends what is requested, but uncompressed: float32 and a mask."""
    return 4 * bands + 1


def requests_of(height: int, product: Product) -> int:
    """Requests for a window of so many rows of a remote file."""
    tile = product.tiling.internal_tile
    return REQUESTS_TO_OPEN + ceil(height / tile) + 1


def overhead(height: int, width: int, product: Product) -> float:
    """Pixels fetched per pixel of a window: files are read in whole tiles."""
    tile = product.tiling.internal_tile
    return (height + tile) * (width + tile) / (height * width)


def _group_cost(group: tuple[int, int], grid: Grid, product: Product, earth_engine: bool) -> tuple[float, float]:
    """Requests and bytes of one pass over a group of (rows, columns) blocks that is read together.

    A group of side s meets ((T + s) / P)^2 tiles of side T and pitch P: all their masks are read. Bands are read of
    those that give a pixel, (P + s) / P in each direction, and not at all if the group is overcast.
    """
    height, width = group[0] * grid.block, group[1] * grid.block
    sides = [length * grid.resolution / 1000 for length in (height, width)]
    tiling, count = product.tiling, len(product.bands)
    masks = prod((tiling.side_km + side) / tiling.pitch_km for side in sides)
    bands = prod((tiling.pitch_km + side) / tiling.pitch_km for side in sides) * (1 - OVERCAST_SHARE)
    twice = (tiling.side_km / tiling.pitch_km) ** 2
    pixels = height * width * twice
    if earth_engine:
        return masks, pixels * earth_engine_bytes(count)
    more = overhead(height, width, product)
    size = pixels * more * (MASK_BYTES + (1 - OVERCAST_SHARE) * count * BAND_BYTES * tiling.band_pixels)
    files = masks + bands * count
    return files * requests_of(height, product), size + files * HEADER_BYTES


def _groups(grid: Grid, bands: int) -> list[tuple[int, int]]:
    """(rows, columns) in blocks of each group that is read together."""
    return [extent(blocks) for blocks in block_groups(grid.blocks, grid.block, bands)]


def _days(period: Period) -> int:
    span = (period.end - period.start).days + 1
    return sum(period.contains(period.start + timedelta(number)) for number in range(span))


def _latitude(grid: Grid) -> float:
    """Latitude of the middle of the blocks."""
    boxes = np.array([list(grid.block_geobox(block).boundingbox) for block in grid.blocks])
    x, y = shapely.union_all(shapely.box(*boxes.T)).centroid.coords[0]
    return float(Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True).transform(x, y)[1])
