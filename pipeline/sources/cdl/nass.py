"""The Cropland Data Layer as published by NASS: one zipped national GeoTIFF of 30 m per year; no account.

A year is some 2 GB, so this is for large areas, or for networks that cannot reach CropScape. The file is fetched whole,
resumed after an interruption, unpacked once and kept under the data folder. It is not read inside its zip (GDAL's
/vsizip/ could): a zipped file can only be read from its beginning, so each block would unpack all that precedes it.
"""

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import requests
from numpy.typing import NDArray

from mmvsf.datasets.cube.legend import Legend
from mmvsf.datasets.errors import IncompleteError, InputError, one_line
from mmvsf.datasets.recipe.region import Labels
from mmvsf.datasets.storage.location import atomic_file
from mmvsf.pipeline.disk_space import ensure_space
from mmvsf.pipeline.layers.labels.cdl_classes import CDL, CDL_ATTRIBUTION, CDL_FIRST_YEAR, CDL_LICENCE
from mmvsf.pipeline.layers.registry import register_source
from mmvsf.pipeline.layers.source import LabelSource, Origin, SourceSite
from mmvsf.pipeline.raster.crs import same_crs
from mmvsf.pipeline.raster.io import ReadError, raster_grid, read_raster
from mmvsf.pipeline.raster.scene import Asset, RasterGrid
from mmvsf.pipeline.raster.tiles import Mosaic, mosaics
from mmvsf.pipeline.sources.transport.download import Attempts, BusyError, locked, seconds_asked, server_folder
from mmvsf.pipeline.sources.transport.endpoints import ENDPOINTS, address, plain_url
from mmvsf.pipeline.sources.transport.http import RetryPolicy, reason_of, session
from mmvsf.pipeline.sources.transport.reach import reach_of_service

from .cropscape import CRS, national_grid

CORNER = (-2_356_095.0, 3_172_605.0)
"""West and north edge of the rasters of 2008 to 2024, in metres; that of 2025 is larger, on the same lattice."""

PIXEL = 30.0
"""Metres. The 10 m rasters that exist from 2024 on are five times as large; CropScape gives pieces of those."""

CHUNK = 2**20
"""Bytes written at a time."""

RETRY_POLICY = RetryPolicy(attempts=8, deadline=4 * 3600.0)
"""Attempts without a byte of progress: what was fetched before a failure is kept."""


@register_source("nass")
@dataclass(frozen=True)
class NassLabels(LabelSource):
    """Codes of the CDL, each year on its own national grid of 30 m."""

    cache: Path
    """folder of the files"""
    service: str = ENDPOINTS["nass"].url
    retry_policy: RetryPolicy = RETRY_POLICY

    @classmethod
    def from_recipe(cls, section: Labels, site: SourceSite) -> Self:
        """See `LabelSource`."""
        return cls(site.cache("nass"), address("nass"))

    def origin(self) -> Origin:
        """See `LabelSource`."""
        return Origin("nass", plain_url(self.service), source=CDL_ATTRIBUTION, licence=CDL_LICENCE)

    def legend(self) -> Legend:
        """See `LabelSource`."""
        return CDL

    def asset(self, year: int) -> Asset:
        """See `LabelSource`. Checks that the year is published, and fetches nothing yet. Raises InputError if it is
        not, IncompleteError if the server does not answer."""
        if year < CDL_FIRST_YEAR:
            raise InputError(
                f"labels.years: the CDL covers the contiguous US from {CDL_FIRST_YEAR} on; leave {year} out"
            )
        if not self._path(year).is_file():
            self._ask(year)
        corner = RasterGrid(CRS, (PIXEL, 0.0, CORNER[0], 0.0, -PIXEL, CORNER[1]), (1, 1))
        return Asset(f"nass:{year}", national_grid(corner))

    def read(self, asset: Asset, window: tuple[slice, slice]) -> NDArray[Any]:
        """See `LabelSource`. The first to read a year fetches it; 0 beyond the borders of the CDL. Raises ReadError,
        InputError for a zip of another form or where the disk lacks room."""
        path = self._ensure(int(asset.href.rpartition(":")[2]))
        tile = Asset(str(path), raster_grid(path))
        if not same_crs(tile.grid.crs, CRS) or len(mosaics([tile, Asset(asset.href, asset.grid)])) > 1:
            raise ReadError(f"{path} is on another grid than NASS's of {PIXEL:g} m: {tile.grid}")
        return Mosaic(asset.grid, (tile,)).read(window, read_raster, 0, np.uint8)

    def _path(self, year: int) -> Path:
        # A folder for each server: simulated files of a test server are never taken for the CDL.
        return server_folder(self.cache, self.service) / f"{year}_30m_cdls.tif"

    def _url(self, year: int) -> str:
        return f"{self.service}/{year}_30m_cdls.zip"

    def _ask(self, year: int) -> None:
        """Raise InputError unless the year is published."""
        attempts = Attempts(
            RetryPolicy(attempts=3, request=self.retry_policy.request, first_wait=self.retry_policy.first_wait)
        )
        with session(self.retry_policy, reach_of_service(self.service), retry=False) as client:
            while True:
                asked = 0.0
                try:
                    answer = client.head(
                        self._url(year),
                        timeout=(self.retry_policy.connect, self.retry_policy.request),
                        allow_redirects=True,
                    )
                    if answer.status_code == 200:
                        return
                    if answer.status_code == 404:
                        raise InputError(
                            f"labels of {year}: NASS has no {self._url(year)}; a season is published in the first"
                            " months of the next year. Leave it out of labels.years"
                        )
                    asked = seconds_asked(answer.headers.get("Retry-After"))
                    reason = f"HTTP status {answer.status_code}"
                except requests.RequestException as error:
                    reason = reason_of(error)
                if not attempts.again(asked):
                    raise IncompleteError(f"labels of {year}: {self._url(year)}: {reason}; try again later")

    def _ensure(self, year: int) -> Path:
        """Path of a year's raster, fetched and unpacked if it is not there. Raises as `read`."""
        path = self._path(year)
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            with locked(path.with_suffix(".lock")):
                if not path.is_file():
                    self._fetch(year, path)
        return path

    def _fetch(self, year: int, path: Path) -> None:
        part = path.with_suffix(".zip.part")
        attempts = Attempts(self.retry_policy)
        while True:
            have = _size(part)
            try:
                self._continue(self._url(year), part)
                _unpack(part, path)
                part.unlink()
                return
            except ReadError as error:
                if _size(part) > have:
                    attempts = Attempts(self.retry_policy)
                if not attempts.again(getattr(error, "asked", 0.0)):
                    raise

    def _continue(self, url: str, part: Path) -> None:
        """Fetch what is missing of a file. Raises ReadError; what was received is kept."""
        have = _size(part)
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
        timeout = (self.retry_policy.connect, self.retry_policy.request)
        try:
            with (
                session(self.retry_policy, reach_of_service(self.service), retry=False) as client,
                client.get(url, headers=headers, timeout=timeout, stream=True) as answer,
            ):
                if answer.status_code == 416:
                    return  # the file is complete
                if answer.status_code not in (200, 206):
                    raise BusyError(url, answer)
                wanted = int(answer.headers.get("Content-Length", 0))
                ensure_space(part, wanted)
                with part.open("ab" if answer.status_code == 206 else "wb") as file:
                    got = sum(file.write(chunk) for chunk in answer.iter_content(CHUNK))
        except requests.RequestException as error:
            raise ReadError(f"{url}: {reason_of(error)}") from error
        if got < wanted:
            raise ReadError(f"{url}: the connection broke off")


def _size(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


def _unpack(archive: Path, path: Path) -> None:
    """Unpack the one GeoTIFF of a zip; it takes its name when it is whole and its checksum right. Raises ReadError for
    a damaged zip, which is removed so that it is fetched again, and InputError for an intact one of another form:
    fetching its 2 GB again would not help."""
    try:
        with zipfile.ZipFile(archive) as content:
            rasters = [entry for entry in content.infolist() if entry.filename.lower().endswith(".tif")]
            if len(rasters) != 1:
                raise InputError(
                    f"{archive} holds {len(rasters)} GeoTIFFs ({', '.join(content.namelist())[:200]}); expected one."
                    " NASS now packs it differently: use labels.source: cropscape, or unpack it yourself and use"
                    " labels.source: archive with legend: cdl"
                )
            ensure_space(path, rasters[0].file_size)
            with atomic_file(path) as draft, content.open(rasters[0]) as packed, draft.open("wb") as file:
                while piece := packed.read(CHUNK):
                    file.write(piece)
    except NotImplementedError as error:  # such as Deflate64, which Windows takes for large files
        raise InputError(
            f"{archive} is packed in a way that Python cannot unpack ({one_line(error)}); run"
            f" `unzip -p {archive} '*.tif' > {path}`, and build again"
        ) from error
    except (zipfile.BadZipFile, EOFError, ReadError, ValueError, zlib.error) as error:
        archive.unlink(missing_ok=True)
        raise ReadError(f"{archive}: {one_line(error)}") from error
