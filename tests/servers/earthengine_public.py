"""gridMET, the Cropland Data Layer and the ground as the stand-in of Earth Engine holds them: the same made-up content
as the stand-ins of THREDDS, CropScape and the Planetary Computer serve, on the grids of the real collections."""

from __future__ import annotations

import argparse
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import shapely

from .base import main
from .cropscape import BOTTOM, FIRST_YEAR, LAST_YEAR, LEFT, RIGHT, TOP, codes_of, pixel_size
from .earthengine import Band, EarthEngine, Grid, Image, Values, archive_images
from .ground import (
    CDL_PIXEL,
    NO_CONFIDENCE,
    NO_SOIL,
    SOIL_CORNER,
    SOIL_PIXEL,
    confidence_of,
    elevation_at,
    soil_water_at,
)
from .ground import DEM_STEP as STEP_DEM
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
        bands = {"cropland": Band(grid, partial(_cdl, year))}
        if size == CDL_PIXEL:  # as in 2024, the first year of 10 m
            bands["confidence"] = Band(grid, partial(_confidence, year))
        images.append(Image(f"USDA/NASS/CDL/{year}", datetime(year, 1, 1, tzinfo=UTC), bands))
    return images


def ground_images() -> list[Image]:
    """The elevation in tiles of a degree, and the soil water of the country in one image."""
    start = datetime(2010, 12, 1, tzinfo=UTC)
    images = []
    for lat in range(24, 50):
        for lon in range(-125, -66):
            grid = Grid(
                "EPSG:4326", (STEP_DEM, 0.0, lon - STEP_DEM / 2, 0.0, -STEP_DEM, lat + 1 + STEP_DEM / 2), (3600,) * 2
            )
            square = shapely.geometry.mapping(shapely.box(lon, lat, lon + 1, lat + 1))
            name = f"COPERNICUS/DEM/GLO30/Copernicus_DSM_COG_10_N{lat}_00_W{-lon:03d}_00_DEM"
            bands = {"DEM": Band(grid, partial(_elevation, grid)), "EDM": Band(grid, partial(_elevation, grid))}
            images.append(Image(name, start, bands, {}, square))
    left, top = LEFT // SOIL_PIXEL * SOIL_PIXEL + SOIL_CORNER, TOP // SOIL_PIXEL * SOIL_PIXEL + SOIL_CORNER
    shape = ((TOP - BOTTOM) // SOIL_PIXEL, (RIGHT - LEFT) // SOIL_PIXEL)
    soil = Grid("EPSG:5070", (SOIL_PIXEL, 0.0, left, 0.0, -SOIL_PIXEL, top), shape)
    images.append(
        Image(
            "projects/sat-io/open-datasets/gNATSGO/raster/aws0_100/conus",
            start,
            {"b1": Band(soil, partial(_soil, soil))},
        )
    )
    return images


def _elevation(grid: Grid, rows: slice, columns: slice) -> Values:
    a, _, c, _, e, f = grid.transform
    lon, lat = c + a * (np.arange(columns.start, columns.stop) + 0.5), f + e * (np.arange(rows.start, rows.stop) + 0.5)
    values = elevation_at(lon[None], lat[:, None]).astype(np.float32)
    return values, np.ones(values.shape, bool)


def _soil(grid: Grid, rows: slice, columns: slice) -> Values:
    a, _, c, _, e, f = grid.transform
    x, y = c + a * (np.arange(columns.start, columns.stop) + 0.5), f + e * (np.arange(rows.start, rows.stop) + 0.5)
    values = soil_water_at(x[None], y[:, None]).astype(np.float32)
    known = ~np.isnan(values)
    # Half of the unknown is masked, the other half holds the number that stands for it in the files.
    return np.where(known, values, np.float32(NO_SOIL)), known | (y[:, None] // 500 % 2 == 0)


def _confidence(year: int, rows: slice, columns: slice) -> Values:
    percent = confidence_of(year, np.arange(rows.start, rows.stop), np.arange(columns.start, columns.stop))
    return percent, percent != NO_CONFIDENCE


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
                *ground_images(),
            ]
        return EarthEngine(images, given.port)

    arguments = argparse.ArgumentParser(description="Earth Engine on loopback, over an archive folder.")
    arguments.add_argument("archive", type=Path, help="folder with items.json, scenes and labels")
    arguments.add_argument("--public", action="store_true", help="gridMET and CDL of the whole country beside them")
    main(arguments, make)
