"""A small cube whose fields grow with its weather, written without the pipeline, for tests of what reads cubes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import SHARD_DAYS, calendar_for, day_number
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.grid import BlockIndex
from mmvsf.datasets.cube.grid_of_recipe import grid_from_recipe
from mmvsf.datasets.cube.legend import Legend, LegendClass
from mmvsf.datasets.cube.spec import CubeSpec
from mmvsf.datasets.cube.splits import place_split, year_split
from mmvsf.datasets.cube.write import (
    Content,
    finish_cube,
    root_attributes_of,
    shard_objects,
    write_shards,
    write_template,
)
from mmvsf.datasets.recipe.load import parse_region
from mmvsf.datasets.storage.manifest import Record
from mmvsf.datasets.variables import DEFAULT_BANDS, DEFAULT_WEATHER, QUALITY_FILL, REFLECTANCE_FILL, Quality, Status

Array = NDArray[Any]

SOIL = np.array([0.07, 0.10, 0.14, 0.22, 0.30, 0.27])
LEAF = np.array([0.03, 0.08, 0.035, 0.48, 0.20, 0.09])
CROPS = {"early": (450, 1300, 0.9), "late": (900, 2300, 0.95), "meadow": (250, 5000, 0.6)}
"""Growing-degree days (over 5 C) at which half of the leaves are out and half are gone, and full cover."""
COLORS = ("#e0c020", "#3080d0", "#40a040")
SEASON_DAYS = 330
"""Days of a year for which weather is drawn."""
FIRST_SEEN, LAST_SEEN, REVISIT = 95, 300, 4
"""Days of the year between which a site is seen, and the days between two images."""


@dataclass(frozen=True)
class CubeBuilder:
    """The options of a cube of `sites` blocks, each with its own weather and an image every four days."""

    sites: int = 3
    years: tuple[int, ...] = (2019, 2020, 2021)
    block: int = 32
    """pixels a side of a block"""
    chunk: int = 16
    weather_cells: int = 1
    """a side of a block, all with the weather of the site"""
    test_sites: int = 1
    validation_sites: int = 0
    test_years: tuple[int, ...] = (2021,)
    labels: bool = True
    yields: bool = False
    """whether there is the target `yield`: 3, 6 and 9 t/ha of the three crops, unknown in the first row of a block"""
    terrain: bool = False
    """whether there are the static layers `elevation`, 100 m for each crop of the first year counted from 0, and
    `soil_water`, 150 mm, unknown in the first row of a block"""
    field: int = 8
    """pixels a side of a field"""
    variables: tuple[str, ...] = DEFAULT_WEATHER
    """weather variables; those beyond the six of `DEFAULT_WEATHER` copy the wind. Without any, fields grow with a
    weather that the cube does not tell."""
    bands: tuple[str, ...] = DEFAULT_BANDS
    """of the six, or `surface_temperature`, which is 20 degrees Celsius where there are no leaves and 15 under them"""
    weather_start: str | None = None
    """first day of the weather; by default that of the first season's"""
    dose: float = 1.0
    """how far the weather departs from its season"""
    seed: int = 0

    def write(self, path: Path) -> Cube:
        """Write the finished cube to `path` and open it."""
        region = parse_region(self._recipe(path.stem), "test")
        grid, calendar = grid_from_recipe(region, path, path), calendar_for(region)
        classes = (LegendClass(10 + i, name, color) for i, (name, color) in enumerate(zip(CROPS, COLORS, strict=True)))
        legend = Legend(tuple(classes)) if self.labels else None
        spec = CubeSpec(region, grid, calendar, legend)
        write_template(path, spec, {})
        _Growth(self, path, spec).write()
        return Cube.open(path)

    def _recipe(self, name: str) -> dict[str, Any]:
        names = [f"s{i}" for i in range(self.sites)]
        first, last = self.years[0], self.years[-1]
        start = f"{first}-04-01" if self.variables else f"{first}-01-01"
        recipe: dict[str, Any] = {
            "name": name,
            "title": "grown for a test",
            "area": {"sites": [{"name": n, "lon": -94 + 0.1 * i, "lat": 42} for i, n in enumerate(names)]},
            "grid": {
                "crs": "EPSG:32615",
                "block": self.block,
                "chunk": self.chunk,
                "weather_cell": self.block // self.weather_cells,
            },
            "period": {"start": start, "end": f"{last}-10-31", "months": [4, 5, 6, 7, 8, 9, 10]},
            "imagery": {"source": "archive", "path": "none", "products": ["hls-l30"], "bands": list(self.bands)},
            "weather": {"source": "archive", "path": "none", "variables": list(self.variables)}
            if self.variables
            else "none",
            "split": {
                "places": {
                    "test": names[: self.test_sites],
                    "validation": names[self.test_sites : self.test_sites + self.validation_sites],
                },
                "years": {"test": list(self.test_years)},
            },
        }
        if self.weather_start is not None:
            recipe["weather"]["start"] = self.weather_start
        if self.labels:
            years = list(self.years)
            recipe["labels"] = {"source": "archive", "path": "{year}", "legend": "none", "years": years}
        if self.terrain:
            recipe["static"] = {"source": "archive", "path": "none", "layers": ["elevation", "soil_water"]}
        if self.yields:
            target = {"source": "archive", "path": "{year}", "units": "t ha-1", "years": list(self.years)}
            recipe["targets"] = {"yield": target}
        return recipe


class _Growth:
    """Draws the fields of every site and year and writes what was seen of them."""

    def __init__(self, options: CubeBuilder, path: Path, spec: CubeSpec) -> None:
        grid, calendar = spec.grid, spec.calendar
        self.options, self.path, self.spec, self.grid, self.calendar = options, path, spec, grid, calendar
        self.variables = spec.weather
        self.shards: dict[str, dict[str, Record]] = {}
        self.rng = np.random.default_rng(options.seed)
        days, years = len(calendar), len(options.years)
        six = _weather(self.rng, calendar.days, options.sites, options.dose)
        more = [six[..., -1:]] * (len(self.variables) - six.shape[-1])
        self.weather = np.concatenate([six, *more], axis=-1)
        self.cells = np.zeros((len(self.variables), days, *grid.weather_shape), np.float32)
        self.status = np.zeros((days, grid.blocks_y, grid.blocks_x), np.uint8)
        self.clear_fraction = np.full((days, *grid.chunk_shape), 255, np.uint8)
        self.moments = {
            f"{kind}_{moment}": np.zeros((years, *grid.chunk_shape, size))
            for kind, size in (("imagery", len(options.bands)), ("weather", len(self.variables)))
            for moment in ("count", "sum", "sum_of_squares")
        }

    def write(self) -> None:
        for site in range(len(self.grid.blocks)):
            self._write_site(site)
        arrays: dict[str, Array] = {f"weather/{name}": self.cells[i] for i, name in enumerate(self.variables)}
        arrays |= {"blocks/status": self.status, "chunks/clear_fraction": self.clear_fraction}
        arrays |= {f"chunks/{name}": values for name, values in self.moments.items()}
        arrays |= {
            "chunks/split": place_split(self.spec.region, self.grid),
            "seasons/split": year_split(self.spec.region),
        }
        attributes = root_attributes_of(self.spec, {})
        finish_cube(self.path, self.spec, Content(arrays), self.shards, attributes, time="2026-01-01T00:00:00+00:00")

    def _write_site(self, site: int) -> None:
        block = self.grid.blocks[site]
        rows, columns = (slice(at * self.options.weather_cells, (at + 1) * self.options.weather_cells) for at in block)
        self.cells[:, :, rows, columns] = self.weather[site].T[: len(self.variables), :, None, None]
        length, side = len(self.calendar), self.options.block
        reflectance = np.full((length, len(self.options.bands), side, side), REFLECTANCE_FILL, np.int16)
        quality = np.full((length, side, side), QUALITY_FILL, np.uint8)
        crops = np.stack([self._grow(site, i, reflectance, quality) for i in range(len(self.options.years))])
        for shard in range(self.calendar.shards):
            days = slice(shard * SHARD_DAYS, shard * SHARD_DAYS + SHARD_DAYS)
            self._store(block, shard, {"imagery/reflectance": reflectance[days], "imagery/quality": quality[days]})
        if self.options.labels:
            for season, crop in enumerate(crops):
                self._store(block, season, {"labels/crop": crop + 10})
        if self.options.yields:
            for season, crop in enumerate(crops):
                numbers = 3 * (crop + 1).astype(np.float32)
                numbers[0] = np.nan
                self._store(block, season, {"targets/yield": numbers})

        if self.options.terrain:
            water = np.full((side, side), 150, np.float32)
            water[0] = np.nan
            self._store(block, 0, {"static/elevation": 100 * crops[0].astype(np.float32), "static/soil_water": water})

    def _store(self, block: BlockIndex, first: int, arrays: dict[str, Array]) -> None:
        records = write_shards(self.path, self.spec, block, first, arrays)
        for part, name, record in shard_objects(self.spec, block, first, records):
            self.shards.setdefault(part, {})[name] = record

    def _grow(self, site: int, year: int, reflectance: Array, quality: Array) -> NDArray[np.uint16]:
        """Fill in the images of a site and the year with this index; returns the crops (y, x), counted from 0."""
        rng, side, field = self.rng, self.options.block, self.options.field
        crop = rng.integers(0, len(CROPS), (side // field + 1, side // field + 1))
        crop = crop.repeat(field, 0).repeat(field, 1)[:side, :side]
        first = self.calendar.index(day_number(date(self.options.years[year], 1, 1)))
        season = self.weather[site, first : first + SEASON_DAYS]
        heat = np.maximum(season[:, :2].mean(1) - 5, 0).cumsum()
        wet = np.convolve(season[:, 2], 0.75 ** np.arange(12))[:SEASON_DAYS] / 20
        for day in range(FIRST_SEEN + int(rng.integers(4)), LAST_SEEN, REVISIT):
            green = np.zeros((side, side))
            for code, (up, down, cover) in enumerate(CROPS.values()):
                leaf = cover / (1 + np.exp((up - heat[day]) / 70)) / (1 + np.exp((heat[day] - down) / 90))
                green[crop == code] = leaf
            ground = SOIL * (1 - 0.4 * np.clip(wet[day - 1], 0, 1))
            image = green[..., None] * LEAF + (1 - green[..., None]) * ground
            image += rng.normal(0, 0.006, image.shape)
            cloud = self._cloud()
            image[cloud] = 0.6
            stored = self._in_order(np.round(image * 1e4).astype(np.int16).transpose(2, 0, 1), green)
            reflectance[first + day], quality[first + day] = stored, np.where(cloud, Quality.CLOUD, 0)
            self._count(site, year, first + day, stored, ~cloud)
        told = season[:, : len(self.variables)]
        self._add("weather", site, year, len(told), told.sum(0), (told**2).sum(0))
        return crop.astype(np.uint16)

    def _in_order(self, six: Array, green: Array) -> Array:
        """The bands of the cube, (band, y, x), of the six."""
        warm = np.round(2000 - 500 * green).astype(np.int16)
        by_name = {**dict(zip(DEFAULT_BANDS, six, strict=True)), "surface_temperature": warm}
        return np.stack([by_name[name] for name in self.options.bands])

    def _cloud(self) -> NDArray[np.bool_]:
        side = self.options.block
        cloud = np.zeros((side, side), bool)
        if self.rng.random() < 0.6:
            row, column = self.rng.integers(0, side, 2)
            cloud[row : row + side // 2, column : column + side // 2] = True
        if self.rng.random() < 0.3:
            cloud[:] = True
        return cloud

    def _count(self, site: int, year: int, day: int, stored: Array, clear: Array) -> None:
        """Enter an image (band, y, x) into status, clear fraction and statistics."""
        n, chunk = self.grid.chunks_per_block, self.grid.chunk
        by, bx = self.grid.blocks[site]
        self.status[day, by, bx] = Status.STORED
        tiles = clear.reshape(n, chunk, n, chunk)
        self.clear_fraction[day, by * n : by * n + n, bx * n : bx * n + n] = (tiles.mean((1, 3)) * 100).astype(np.uint8)
        values = (stored * clear).reshape(-1, n, chunk, n, chunk).astype(np.float64)
        sums, squares = values.sum((2, 4)).transpose(1, 2, 0), (values**2).sum((2, 4)).transpose(1, 2, 0)
        self._add("imagery", site, year, tiles.sum((1, 3))[..., None], sums, squares)

    def _add(self, kind: str, site: int, year: int, count: Any, total: Array, squares: Array) -> None:
        """Add to the moments of a site's chunks in the year with this index."""
        n = self.grid.chunks_per_block
        by, bx = self.grid.blocks[site]
        place = (year, slice(by * n, by * n + n), slice(bx * n, bx * n + n))
        for moment, values in (("count", count), ("sum", total), ("sum_of_squares", squares)):
            self.moments[f"{kind}_{moment}"][place] += values


def _weather(rng: np.random.Generator, days: NDArray[np.int32], sites: int, dose: float) -> NDArray[np.float64]:
    """(sites, days, 6): seasons, spells of weeks, and for each year a warm or cool departure of its own."""
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
