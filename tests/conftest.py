"""A small cube whose fields grow with its weather, written without the pipeline, for tests of what reads cubes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

# One thread each: small tensors gain nothing from more, and tests that run side by side lose much.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
import zarr
from hypothesis import settings
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import calendar_for, day_number
from mmvsf.datasets.cube.cube import Cube, create_template
from mmvsf.datasets.cube.grid import grid_from_recipe
from mmvsf.datasets.cube.legend import Legend, LegendClass
from mmvsf.datasets.cube.spec import CubeSpec
from mmvsf.datasets.cube.splits import place_split, year_split
from mmvsf.datasets.recipe.region import parse_region
from mmvsf.datasets.storage.store import open_pixels
from mmvsf.datasets.variables import BAND_NAMES, DEFAULT_WEATHER, Quality, Status

# An example that takes long on a busy machine is no failure.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

SOIL = np.array([0.07, 0.10, 0.14, 0.22, 0.30, 0.27])
LEAF = np.array([0.03, 0.08, 0.035, 0.48, 0.20, 0.09])
# Growing-degree days (over 5 C) at which half of the leaves are out and half are gone, and full cover.
CROPS = {"early": (450, 1300, 0.9), "late": (900, 2300, 0.95), "meadow": (250, 5000, 0.6)}


def grow_cube(
    path: Path,
    *,
    sites: int = 3,
    years: Sequence[int] = (2019, 2020, 2021),
    block: int = 32,
    chunk: int = 16,
    test_sites: int = 1,
    validation_sites: int = 0,
    test_years: Sequence[int] = (2021,),
    labels: bool = True,
    field: int = 8,
    dose: float = 1.0,
    seed: int = 0,
    variables: Sequence[str] = DEFAULT_WEATHER,
) -> Cube:
    """Write a finished cube of `sites` blocks, each with its own weather, an image every four days."""
    names = [f"s{i}" for i in range(sites)]
    recipe = {
        "name": path.stem,
        "title": "grown for a test",
        "area": {"sites": [{"name": n, "lon": -94 + 0.1 * i, "lat": 42} for i, n in enumerate(names)]},
        "grid": {"crs": "EPSG:32615", "block": block, "chunk": chunk, "weather_cell": block},
        "period": {"start": f"{years[0]}-04-01", "end": f"{years[-1]}-10-31", "months": [4, 5, 6, 7, 8, 9, 10]},
        "imagery": {"source": "archive", "path": "none", "products": ["hls-l30"]},
        "weather": {"source": "archive", "path": "none", "variables": list(variables)},
        "split": {
            "places": {
                "test": names[:test_sites],
                "validation": names[test_sites : test_sites + validation_sites],
            },
            "years": {"test": list(test_years)},
        },
    }
    if labels:
        recipe["labels"] = {"source": "archive", "path": "{year}", "legend": "none", "years": list(years)}
    region = parse_region(recipe, "test")
    grid, calendar = grid_from_recipe(region, path, path), calendar_for(region)
    legend = (
        Legend(tuple(LegendClass(10 + i, n, ("#e0c020", "#3080d0", "#40a040")[i]) for i, n in enumerate(CROPS)))
        if labels
        else None
    )
    create_template(path, CubeSpec(region, grid, calendar, legend), {"digest": f"grown-{seed}"})

    rng = np.random.default_rng(seed)
    days, side = calendar.days, block
    weather = _weather(rng, days, sites, dose)  # (sites, days, variables)
    # Variables beyond the six copy the wind.
    weather = np.concatenate([weather, *[weather[..., -1:]] * (len(variables) - weather.shape[-1])], axis=-1)
    rows, columns = grid.weather_shape
    cells = np.zeros((len(region.weather.variables), len(days), rows, columns), np.float32)
    status = np.zeros((len(days), grid.blocks_y, grid.blocks_x), np.uint8)
    clear_fraction = np.full((len(days), *grid.chunk_shape), 255, np.uint8)
    reflectance = open_pixels(path, "imagery/reflectance", write=True)
    quality = open_pixels(path, "imagery/quality", write=True)
    crops = open_pixels(path, "labels/crop", write=True) if labels else None
    moments = {
        key: np.zeros((len(years), *grid.chunk_shape, n))
        for n, kind in ((len(BAND_NAMES), "imagery"), (cells.shape[0], "weather"))
        for key in (f"{kind}_count", f"{kind}_sum", f"{kind}_sum_of_squares")
    }
    n = grid.chunks_per_block
    for site, (by, bx) in enumerate(grid.blocks):
        ys, xs = grid.block_slices((by, bx))
        cy, cx = slice(by * n, by * n + n), slice(bx * n, bx * n + n)
        cells[:, :, by, bx] = weather[site].T
        for place, year in enumerate(years):
            crop = rng.integers(0, len(CROPS), (side // field + 1, side // field + 1))
            crop = crop.repeat(field, 0).repeat(field, 1)[:side, :side]
            if crops is not None:
                crops[place, ys, xs].write(crop.astype(np.uint16) + 10).result()
            first = calendar.index(day_number(date(year, 1, 1)))
            mean = weather[site, first : first + 330, :2].mean(1)
            heat = np.maximum(mean - 5, 0).cumsum()
            wet = np.convolve(weather[site, first : first + 330, 2], 0.75 ** np.arange(12))[:330] / 20
            for doy in range(95 + int(rng.integers(4)), 300, 4):
                green = np.zeros((side, side))
                for code, (up, down, cover) in enumerate(CROPS.values()):
                    leaf = cover / (1 + np.exp((up - heat[doy]) / 70)) / (1 + np.exp((heat[doy] - down) / 90))
                    green[crop == code] = leaf
                ground = SOIL * (1 - 0.4 * np.clip(wet[doy - 1], 0, 1))
                image = green[..., None] * LEAF + (1 - green[..., None]) * ground
                image += rng.normal(0, 0.006, image.shape)
                cloud = np.zeros((side, side), bool)
                if rng.random() < 0.6:
                    a, b = rng.integers(0, side, 2)
                    cloud[a : a + side // 2, b : b + side // 2] = True
                if rng.random() < 0.3:
                    cloud[:] = True
                image[cloud] = 0.6
                stored = np.round(image * 1e4).astype(np.int16).transpose(2, 0, 1)
                at = first + doy
                reflectance[at, :, ys, xs].write(stored).result()
                quality[at, ys, xs].write(np.where(cloud, Quality.CLOUD, 0).astype(np.uint8)).result()
                status[at, by, bx] = Status.STORED
                tiles = (~cloud).reshape(n, chunk, n, chunk)
                clear_fraction[at, cy, cx] = (tiles.mean((1, 3)) * 100).astype(np.uint8)
                values = (stored * ~cloud).reshape(-1, n, chunk, n, chunk).astype(np.float64)
                moments["imagery_count"][place, cy, cx] += tiles.sum((1, 3))[..., None]
                moments["imagery_sum"][place, cy, cx] += values.sum((2, 4)).transpose(1, 2, 0)
                moments["imagery_sum_of_squares"][place, cy, cx] += (values**2).sum((2, 4)).transpose(1, 2, 0)
            season = weather[site, first : first + 330].astype(np.float64)
            moments["weather_count"][place, cy, cx] = len(season)
            moments["weather_sum"][place, cy, cx] = season.sum(0)
            moments["weather_sum_of_squares"][place, cy, cx] = (season**2).sum(0)

    _write(path, {f"weather/{name}": cells[i] for i, name in enumerate(region.weather.variables)})
    _write(path, {"imagery/status": status, "imagery/clear_fraction": clear_fraction})
    _write(path, {f"statistics/{name}": values for name, values in moments.items()})
    _write(path, {"splits/split": place_split(region, grid), "splits/year_split": year_split(region)})
    zarr.open_group(str(path), mode="r+").attrs["complete"] = True
    return Cube.open(path)


def _write(path: Path, arrays: dict[str, NDArray[np.generic]]) -> None:
    for name, values in arrays.items():
        array = zarr.open_array(str(path / name), mode="r+")
        array[...] = values.astype(array.dtype)


def _weather(rng: np.random.Generator, days: NDArray[np.int32], sites: int, dose: float) -> NDArray[np.float64]:
    """(sites, days, 6): seasons, spells of weeks, and for each year a warm or cool turn of its own."""
    n = len(days)
    season = 10 - 14 * np.cos((days % 1461 / 365.25 - 20 / 365.25) * 2 * np.pi)
    out = np.zeros((sites, n, 6))
    for site in range(sites):
        year = np.repeat(rng.normal(0, 2.0, n // 200 + 2), 200)[:n]
        spell = np.convolve(rng.normal(0, 1.5, n + 20), np.full(10, 0.4))[:n]
        mean = season + dose * (year + spell)
        rain = np.where(rng.random(n) < 0.3, rng.gamma(0.8, 11, n), 0)
        wet = rain > 0
        out[site] = np.stack(
            [mean - 5, mean + 6, rain, np.where(wet, 9, 18) + season / 3, np.clip(mean / 20, 0.1, 3) * ~wet, 2 + wet],
            -1,
        )
    return out


@pytest.fixture(scope="session")
def make_cube() -> Callable[..., Cube]:
    """`grow_cube`, for a test that wants another cube."""
    return grow_cube


@pytest.fixture(scope="session")
def grown_cube(tmp_path_factory: pytest.TempPathFactory) -> Cube:
    """Three sites of 2 x 2 chunks of 16 pixels, three years; the first site and the last year are for testing."""
    return grow_cube(tmp_path_factory.mktemp("cubes") / "grown.zarr")
