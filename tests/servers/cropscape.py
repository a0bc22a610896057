"""CropScape's GetCDLFile on loopback: a made-up Cropland Data Layer of the whole country, cut out as asked.

python -m tests.servers.cropscape --port 8003      prints the environment in which mmvsf talks to it
"""

from __future__ import annotations

import argparse
import math

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.io import MemoryFile

from .base import Request, Response, StandIn, main

LEFT, TOP, RIGHT, BOTTOM = -2356095, 3172605, 2258235, 276915
"""The rectangle of the real CDL in EPSG:5070."""

FIRST_YEAR, LAST_YEAR, FIRST_FINE_YEAR = 2008, 2024, 2024
MOST_AREA = 2e12
"""Square metres that the service cuts out at once."""

CODES = np.array([1, 1, 1, 5, 5, 5, 24, 26, 36, 37, 61, 111, 121, 124, 141, 152, 176, 195, 205, 225], np.uint8)
FAULT = """<?xml version="1.0"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/">
<soapenv:Body><soapenv:Fault><faultcode>soapenv:Server</faultcode><faultstring>{}</faultstring></soapenv:Fault>
</soapenv:Body></soapenv:Envelope>"""


def pixel_size(year: int) -> int:
    return 10 if year >= FIRST_FINE_YEAR else 30


def edges(year: int) -> tuple[int, int, int, int]:
    """West, north, east and south edge of a year: the real raster of 10 m lacks a pixel all around."""
    inset = 10 if pixel_size(year) == 10 else 0
    return LEFT + inset, TOP - inset, RIGHT - inset, BOTTOM + inset


def codes_at(year: int, xs: NDArray[np.float64], ys: NDArray[np.float64]) -> NDArray[np.uint8]:
    """The class of every point (metres of EPSG:5070, broadcast against each other): fields of 390 x 270 m, with a
    road along two sides, crops that change by year; 0 outside the country's rectangle."""
    size = pixel_size(year)
    column, row = np.floor((xs - LEFT) / size).astype(np.int64), np.floor((TOP - ys) / size).astype(np.int64)
    down, across = 9 * 30 // size, 13 * 30 // size
    codes = np.where(
        (row % down < 1) | (column % across < 1), np.uint8(121), _crop(year, row // down, column // across)
    )
    left, top, right, bottom = edges(year)
    inside = (xs > left) & (ys < top) & (xs < right) & (ys > bottom)
    return np.where(inside, codes, np.uint8(0)).astype(np.uint8)


def codes_of(year: int, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The same for whole rows and columns of the country's pixels: (rows, columns), field by field and so faster."""
    down, across = 9 * 30 // pixel_size(year), 13 * 30 // pixel_size(year)
    field_rows, field_columns = (np.unique(part) for part in (rows // down, columns // across))
    fields = _crop(year, field_rows[:, None], field_columns[None])
    codes = fields[rows // down - field_rows[0]][:, columns // across - field_columns[0]]
    codes[rows % down < 1] = 121
    codes[:, columns % across < 1] = 121
    return codes


def _crop(year: int, row: NDArray[np.int64], column: NDArray[np.int64]) -> NDArray[np.uint8]:
    field = row * 7919 + column * 104729 + year * 31
    found: NDArray[np.uint8] = CODES[((field * 2654435761) % 2**32 >> 13) % len(CODES)]
    return found


class CropScape(StandIn):
    """Answers GetCDLFile, and serves each file that it made."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.files: dict[str, bytes] = {}
        self.service = f"{self.url}/axis2/services/CDLService"

    def environment(self) -> dict[str, str]:
        return {"MMVSF_CROPSCAPE_URL": self.service}

    def answer(self, request: Request) -> Response:
        if request.path.endswith("/GetCDLFile"):
            return self._cut(request.query)
        if request.path in self.files:
            return Response.of_bytes(self.files[request.path], request, "image/tiff")
        return Response(404, b"<html>not found</html>", "text/html")

    def _cut(self, query: dict[str, str]) -> Response:
        year = int(query["year"])
        west, south, east, north = (float(value) for value in query["bbox"].split(","))
        if not FIRST_YEAR <= year <= LAST_YEAR:
            return Response(500, FAULT.format(f"Error: The CDL of {year} is not available.").encode(), "text/xml")
        if (east - west) * (north - south) > MOST_AREA:
            return Response(500, FAULT.format("Error: The area of interest is too large.").encode(), "text/xml")
        size, (left, top, right, bottom) = pixel_size(year), edges(year)
        first, last = (math.floor((x - LEFT) / size) for x in (max(west, left), min(east, right) - 1e-6))
        upper, lower = (math.floor((TOP - y) / size) for y in (min(north, top) - 1e-6, max(south, bottom) + 1e-6))
        if last < first or lower < upper:
            return Response(500, FAULT.format("Error: The area lies outside the CDL.").encode(), "text/xml")
        codes = codes_of(year, np.arange(upper, lower + 1), np.arange(first, last + 1))
        path = f"/nass_data_cache/CDL_{year}_clip_{len(self.files)}.tif"
        self.files[path] = geotiff(codes, LEFT + first * size, TOP - upper * size, size)
        xml = (
            '<ns1:GetCDLFileResponse xmlns:ns1="http://cropscape.csiss.gmu.edu/CDLService/">'
            f"<returnURL>{self.url}{path}</returnURL></ns1:GetCDLFileResponse>"
        )
        return Response(200, xml.encode(), "text/xml")


def geotiff(codes: NDArray[np.uint8], left: float, top: float, size: float, crs: str = "EPSG:5070") -> bytes:
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff", height=codes.shape[0], width=codes.shape[1], count=1, dtype="uint8", crs=crs,
            transform=Affine(size, 0, left, 0, -size, top), compress="deflate", zlevel=1, tiled=True,
        ) as file:  # fmt: skip
            file.write(codes, 1)
        return bytes(memory.read())


if __name__ == "__main__":
    main(
        argparse.ArgumentParser(description=__doc__),
        lambda arguments: CropScape(arguments.port),
    )
