"""gridMET and the Cropland Data Layer as the stand-in of Earth Engine holds them: the same made-up content as the
stand-ins of THREDDS and CropScape serve, on the grids of the real collections."""

from __future__ import annotations

import argparse
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np

from .base import main
from .cropscape import BOTTOM, FIRST_YEAR, LAST_YEAR, LEFT, RIGHT, TOP, codes_of, pixel_size
from .earthengine import Band, EarthEngine, Grid, Image, Values, archive_images
from .weather import LATITUDES, LONGITUDES, PACKING, SEA_WEST_OF, STEP, gridmet_truth

GRIDMET = "IDAHO_EPSCOR/GRIDMET"
GRIDMET_GRID = Grid(
    "EPSG:4326",
    (STEP, 0.0, LONGITUDES[0] - STEP / 2, 0.0, -STEP, LATITUDES[0] + STEP / 2),
    (LATITUDES.size, LONGITUDES.size),
)


def gridmet_images(first: date, last: date) -> list[Image]:
    """One image a day, its bands unpacked to float32, the sea masked."""
    images = []
    for number in range((last - first).days + 1):
        day = first + timedelta(number)
        bands = {file: Band(GRIDMET_GRID, partial(_gridmet, file, day)) for file in PACKING}
        start = datetime(day.year, day.month, day.day, 6, tzinfo=UTC)
        images.append(Image(f"{GRIDMET}/{day:%Y%m%d}", start, bands, {"status": "permanent"}))
    return images


def _gridmet(file: str, day: date, rows: slice, columns: slice) -> Values:
    _, _, scale, offset = PACKING[file]
    lat, lon = LATITUDES[rows, None], LONGITUDES[columns]
    values = gridmet_truth(file, (day - date(1970, 1, 1)).days, lat, lon)
    unpacked = (np.round((values - offset) / scale) * scale + offset).astype(np.float32)
    return unpacked, np.broadcast_to(lon >= SEA_WEST_OF, unpacked.shape)


def cdl_images(years: range) -> list[Image]:
    """One image a year on the country's grid."""
    images = []
    for year in years:
        size = pixel_size(year)
        grid = Grid("EPSG:5070", (size, 0.0, LEFT, 0.0, -size, TOP), ((TOP - BOTTOM) // size, (RIGHT - LEFT) // size))
        band = Band(grid, partial(_cdl, year))
        images.append(Image(f"USDA/NASS/CDL/{year}", datetime(year, 1, 1, tzinfo=UTC), {"cropland": band}))
    return images


def _cdl(year: int, rows: slice, columns: slice) -> Values:
    codes = codes_of(year, np.arange(rows.start, rows.stop), np.arange(columns.start, columns.stop))
    return codes, codes != 0


def serve() -> None:
    """The command line of the stand-in."""

    def make(given: argparse.Namespace) -> EarthEngine:
        images = archive_images(given.archive)
        if given.public:
            images = [image for image in images if not image.id.startswith("USDA/")]
            images += [
                *gridmet_images(date(2015, 1, 1), date(2026, 6, 30)),
                *cdl_images(range(FIRST_YEAR, LAST_YEAR + 1)),
            ]
        return EarthEngine(images, given.port)

    arguments = argparse.ArgumentParser(description="Earth Engine on loopback, over an archive folder.")
    arguments.add_argument("archive", type=Path, help="folder with items.json, scenes and labels")
    arguments.add_argument("--public", action="store_true", help="gridMET and CDL of the whole country beside them")
    main(arguments, make)
