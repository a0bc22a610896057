"""USDA's Cropland Data Layer (CDL) through CropScape's web service; no account is needed.

`GetCDLFile?year=Y&bbox=xmin,ymin,xmax,ymax` (metres of EPSG:5070) answers with a few lines of XML that name a
GeoTIFF, made for the request; that is fetched next. The service refuses more than two million square kilometres at
once, so labels are requested in tiles of 61 km, only where there are blocks, and kept under the data folder for later
builds. Described in Han et al. (2012), doi:10.1016/j.compag.2012.03.005; the CDL is in the public domain.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import requests
from numpy.typing import NDArray

from mmvsf.datasets.cube.legend import Legend
from mmvsf.datasets.errors import IncompleteError, InputError, one_line
from mmvsf.datasets.recipe.region import Labels
from mmvsf.datasets.storage.location import atomic_file
from mmvsf.pipeline.layers.labels.cdl_classes import CDL, CDL_ATTRIBUTION, CDL_FIRST_YEAR, CDL_LICENCE
from mmvsf.pipeline.layers.registry import register_source
from mmvsf.pipeline.layers.source import LabelSource, Origin, SourceSite
from mmvsf.pipeline.raster.crs import same_crs
from mmvsf.pipeline.raster.io import ReadError, raster_grid, read_raster
from mmvsf.pipeline.raster.scene import Asset, RasterGrid
from mmvsf.pipeline.sources.transport.download import Attempts, BusyError, locked, server_folder
from mmvsf.pipeline.sources.transport.endpoints import ENDPOINTS, address, plain_url
from mmvsf.pipeline.sources.transport.http import RetryPolicy, reason_of, session
from mmvsf.pipeline.sources.transport.reach import reach_of_service

CRS = "EPSG:5070"
TILE = 61_440
"""Metres a side of a tile: 2048 pixels of 30 m, 6144 of 10 m."""

EXTENT = (-2_600_000, 100_000, 2_500_000, 3_400_000)
"""xmin, ymin, xmax, ymax in metres that the tiles are counted in; a little more than the CDL of any year covers."""

COVERED = (-2_356_085, 276_925, 2_258_225, 3_172_595)
"""The rectangle that every year covers: that of the 10 m of 2024. The years of 30 m begin and end 10 m beyond it, and
2025 far beyond."""

PROBE = (0, 1_800_000, 3_000, 1_803_000)
"""A piece of Kansas: requesting it shows whether a year is published, and the size of its pixels."""

PROBE_ATTEMPTS = 3
"""The probe comes before all work, so an unreachable service is reported soon."""

MOST_REFUSALS = 2
"""A refusal counts from the second time on: an overloaded service refuses too."""

RETRY_POLICY = RetryPolicy(request=180.0, deadline=900.0)
"""CropScape cuts out a tile during the request."""

MARGIN = 30
"""Metres requested beyond a tile's edges, so that rounding by the server loses none of its pixels."""

Bounds = tuple[float, float, float, float]


@register_source("cropscape")
@dataclass(frozen=True)
class CropScapeLabels(LabelSource):
    """Codes of the CDL, each year on its own national grid (30 m, or 10 m from 2024)."""

    cache: Path
    """folder of the tiles"""
    service: str = ENDPOINTS["cropscape"].url
    retry_policy: RetryPolicy = RETRY_POLICY

    @classmethod
    def from_recipe(cls, section: Labels, site: SourceSite) -> Self:
        """See `LabelSource`."""
        return cls(site.cache("cdl"), address("cropscape"))

    def origin(self) -> Origin:
        """See `LabelSource`."""
        return Origin("cropscape", plain_url(self.service), source=CDL_ATTRIBUTION, licence=CDL_LICENCE)

    def legend(self) -> Legend:
        """See `LabelSource`."""
        return CDL

    def asset(self, year: int) -> Asset:
        """See `LabelSource`. Requests one small piece of the year and no more. Raises InputError for a year that is
        not published, IncompleteError if the service does not answer."""
        if year < CDL_FIRST_YEAR:
            raise InputError(
                f"labels.years: the CDL covers the contiguous US from {CDL_FIRST_YEAR} on; leave {year} out"
            )
        try:
            probe = raster_grid(self._ensure(year, "probe", PROBE))
        except _RefusedError as error:
            raise InputError(
                f"labels of {year}: CropScape has no CDL of that year ({error}); a season is published in the first"
                " months of the next year. Leave it out of labels.years"
            ) from error
        except ReadError as error:
            raise IncompleteError(
                f"labels of {year}: {error}; try again later, or take NASS's national GeoTIFFs (labels.source: nass),"
                " or files on disk (labels.source: archive with legend: cdl)"
            ) from error
        if TILE % probe.resolution:
            raise InputError(
                f"labels of {year}: CropScape has pixels of {probe.resolution:g} m, not of 30 or 10; take"
                " labels.source: nass (30 m), or leave the year out of labels.years"
            )
        return Asset(f"cropscape:{year}", national_grid(probe))

    def read(self, asset: Asset, window: tuple[slice, slice]) -> NDArray[Any]:
        """See `LabelSource`. Fetches the tiles that are not in the cache; 0 beyond the borders of the CDL."""
        year, size = int(asset.href.rpartition(":")[2]), asset.grid.resolution
        rows, columns = window
        codes = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.uint8)
        side = round(TILE / size)
        for tile_y in range(rows.start // side, (rows.stop - 1) // side + 1):
            for tile_x in range(columns.start // side, (columns.stop - 1) // side + 1):
                left, top = asset.grid.transform[2] + tile_x * TILE, asset.grid.transform[5] - tile_y * TILE
                try:
                    path = self._ensure(year, f"{tile_y}-{tile_x}", (left, top - TILE, left + TILE, top), asset.grid)
                except _RefusedError as error:
                    raise ReadError(f"CropScape, CDL {year}: {error}") from error
                inner = (
                    slice(max(rows.start, tile_y * side), min(rows.stop, (tile_y + 1) * side)),
                    slice(max(columns.start, tile_x * side), min(columns.stop, (tile_x + 1) * side)),
                )
                _paste(codes, window, inner, path, asset.grid)
        return codes

    def _ensure(self, year: int, name: str, bounds: Bounds, grid: RasterGrid | None = None) -> Path:
        """Path of a tile in the cache, fetched if it is not there. Raises _RefusedError or ReadError."""
        # A folder for each server: simulated tiles of a test server are never taken for the CDL.
        path = server_folder(self.cache, self.service) / str(year) / f"{name}.tif"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            with locked(path.with_suffix(".lock")):
                if not path.is_file():
                    self._fetch(year, bounds, path, grid)
        return path

    def _fetch(self, year: int, bounds: Bounds, path: Path, grid: RasterGrid | None) -> None:
        """Fetch a tile, or the probe (without grid); it takes its name only once it was read to its end. What fails is
        tried again."""
        west, south, east, north = bounds
        wide = f"{west - MARGIN:.0f},{south - MARGIN:.0f},{east + MARGIN:.0f},{north + MARGIN:.0f}"
        most = self.retry_policy.attempts if grid is not None else min(PROBE_ATTEMPTS, self.retry_policy.attempts)
        attempts = Attempts(replace(self.retry_policy, attempts=most))
        with session(self.retry_policy, reach_of_service(self.service), retry=False) as client:
            while True:
                try:
                    with atomic_file(path) as draft:
                        draft.write_bytes(self._get(client, self._file_url(client, year, wide)))
                        _verify(draft, bounds, grid)
                    return
                except (_RefusedError, ReadError) as error:
                    final = isinstance(error, _RefusedError) and attempts.count >= MOST_REFUSALS - 1
                    if final or not attempts.again(getattr(error, "asked", 0.0)):
                        raise

    def _file_url(self, client: requests.Session, year: int, bbox: str) -> str:
        """The address of the file that CropScape made. Raises _RefusedError with its reason, or ReadError."""
        text = self._get(client, f"{self.service}/GetCDLFile?year={year}&bbox={bbox}").decode(errors="replace")
        if address_of_file := re.search(r"<returnURL>\s*(https?://[^<\s]+)\s*</returnURL>", text):
            return address_of_file.group(1)
        if fault := re.search(r"(?s)<faultstring[^>]*>(.*?)</faultstring>", text):
            raise _RefusedError(one_line(Exception(fault.group(1)), 200))
        raise ReadError(f"{self.service} responded without naming a file")

    def _get(self, client: requests.Session, url: str) -> bytes:
        """The whole body of an answer; an error of the service (500) is an answer in XML. Raises ReadError."""
        where = url.split("?")[0]
        try:
            answer = client.get(url, timeout=(self.retry_policy.connect, self.retry_policy.request))
        except requests.RequestException as error:
            raise ReadError(f"{where}: {reason_of(error)}") from error
        body = bytes(answer.content)
        if answer.status_code == 200 or (answer.status_code == 500 and b"<faultstring" in body):
            return body
        raise BusyError(where, answer)


def national_grid(piece: RasterGrid) -> RasterGrid:
    """The grid of a whole year of the CDL that a piece of it lies on."""
    size, left, top = piece.transform[0], piece.transform[2], piece.transform[5]
    west, south, east, north = EXTENT
    x, y = left - (left - west) // size * size, top + (north - top) // size * size
    shape = int((y - south) // size), int((east - x) // size)
    return RasterGrid(CRS, (size, 0.0, x, 0.0, -size, y), shape)


class _RefusedError(Exception):
    """The service refused the request, with its reason."""


def _verify(path: Path, bounds: Bounds, national: RasterGrid | None) -> None:
    """Raise ReadError unless a file is readable to its end, in the CDL's CRS, on the grid of its year (where that is
    known), and covers what of the bounds the CDL covers."""
    grid = raster_grid(path)
    rows, columns = grid.shape
    read_raster(Asset(str(path), grid), (slice(0, rows), slice(0, columns)))
    if not same_crs(grid.crs, CRS):
        raise ReadError(f"{path} is in {grid.crs}, expected {CRS}")
    left, top, size = grid.transform[2], grid.transform[5], grid.resolution
    if national is not None and not _shares_pixels(grid, national):
        raise ReadError(f"{path} is not on the grid of its year: {grid.transform}, expected {national.transform}")
    west, south = (max(pair) for pair in zip(bounds[:2], COVERED[:2], strict=True))
    east, north = (min(pair) for pair in zip(bounds[2:], COVERED[2:], strict=True))
    right, bottom = left + columns * size, top - rows * size
    if west < east and south < north and (left > west or right < east or bottom > south or top < north):
        raise ReadError(f"{path} covers {left, bottom, right, top} only, expected {west, south, east, north}")


def _shares_pixels(grid: RasterGrid, national: RasterGrid) -> bool:
    """Whether the pixels of a grid are pixels of the national one, to a thousandth of their side."""
    steps = (
        (grid.transform[2] - national.transform[2]) / national.resolution,
        (grid.transform[5] - national.transform[5]) / national.resolution,
    )
    return grid.resolution == national.resolution and all(abs(step - round(step)) <= 1e-3 for step in steps)


def _paste(
    codes: NDArray[np.uint8],
    window: tuple[slice, slice],
    inner: tuple[slice, slice],
    path: Path,
    grid: RasterGrid,
) -> None:
    """Copy the part `inner` (rows, columns of the national grid) of a tile into the array of the window."""
    tile = raster_grid(path)
    size = grid.resolution
    # Row and column of the national grid that the tile begins at; its pixels are the national grid's.
    row = round((grid.transform[5] - tile.transform[5]) / size)
    column = round((tile.transform[2] - grid.transform[2]) / size)
    rows, columns = (
        slice(max(wanted.start, first), min(wanted.stop, first + count))
        for wanted, first, count in zip(inner, (row, column), tile.shape, strict=True)
    )
    if rows.start < rows.stop and columns.start < columns.stop:
        inside = slice(rows.start - row, rows.stop - row), slice(columns.start - column, columns.stop - column)
        to = tuple(
            slice(part.start - whole.start, part.stop - whole.start)
            for part, whole in zip((rows, columns), window, strict=True)
        )
        codes[to] = read_raster(Asset(str(path), tile), inside)
