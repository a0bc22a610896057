"""NASS's file server on loopback: the national rasters of a made-up Cropland Data Layer, zipped.

python -m tests.servers.nass --port 8005
"""

from __future__ import annotations

import argparse
import io
import re
import zipfile
from functools import lru_cache

import numpy as np

from .base import Request, Response, StandIn, main
from .cropscape import FIRST_YEAR, LAST_YEAR, LEFT, TOP, codes_of
from .ground import geotiff


class NassServer(StandIn):
    """Serves `{year}_30m_cdls.zip`, by ranges if asked. Not of the whole country but of a window of its pixels, as
    (first row, rows, first column, columns)."""

    def __init__(self, window: tuple[int, int, int, int], port: int = 0) -> None:
        super().__init__(port)
        self.window = window

    def environment(self) -> dict[str, str]:
        return {"MMVSF_NASS_URL": self.url}

    def answer(self, request: Request) -> Response:
        found = re.fullmatch(r"/(\d{4})_30m_cdls\.zip", request.path)
        if found is None or not FIRST_YEAR <= int(found.group(1)) <= LAST_YEAR:
            return Response(404, b"<html>not found</html>", "text/html")
        return Response.of_bytes(national_zip(int(found.group(1)), self.window), request, "application/zip")


@lru_cache(maxsize=4)
def national_zip(year: int, window: tuple[int, int, int, int]) -> bytes:
    """A zip with the raster and what else NASS puts beside it."""
    row, rows, column, columns = window
    # The codes of 2023 are those of 30 m too: the made-up layer has 10 m from 2024 on.
    codes = codes_of(min(year, 2023), row + np.arange(rows), column + np.arange(columns))
    raster = geotiff(codes, (30, 0, LEFT + 30 * column, 0, -30, TOP - 30 * row), "EPSG:5070")
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"metadata_Cropland-Data-Layer-{year}.htm", "<html></html>")
        archive.writestr(f"{year}_30m_cdls.tif", raster)
        archive.writestr(f"{year}_30m_cdls.tfw", "30\n0\n0\n-30\n")
    return content.getvalue()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--window", type=int, nargs=4, default=(33_000, 2_000, 77_000, 2_000), help="rows, columns")
    main(arguments, lambda given: NassServer(tuple(given.window), given.port))
