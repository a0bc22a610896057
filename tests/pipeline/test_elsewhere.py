"""Recipes of `mmvsf new` for places far from the US, built against stand-ins of the public services, and every pixel
compared with the formulas of what the satellites saw."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import shapely
import yaml
from numpy.typing import NDArray
from pyproj import Transformer

from mmvsf.datasets.cube.calendar import day_number
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.variables import Status
from mmvsf.pipeline.sources.transport import http
from mmvsf.pipeline.sources.transport.http import RetryPolicy

from ..servers.ground import elevation_at
from ..servers.public import public_services
from ..servers.reanalysis import power_truth
from ..servers.sights import cloudy, reflectance
from ..servers.tiles import tiles_over
from .conftest import Command

pytestmark = [pytest.mark.slow, pytest.mark.stand_in]

FIELDS = {"west": shapely.box(35.20, -0.03, 35.23, -0.01), "east": shapely.box(36.80, 0.01, 36.83, 0.03)}
"""One on either side of the equator, and of 36 degrees east, where zones 36 and 37 meet."""


@dataclass(frozen=True)
class Place:
    """A region as it is given to `mmvsf new`, and the tiles that its scenes come in."""

    options: tuple[str, ...]
    crs: str
    tiles: tuple[str, ...]
    sentinel_2: bool = False
    every: int = 4


PLACES = {
    "new-south-wales": Place(
        ("--bbox", "147.0,-33.1,147.05,-33.05", "--years", "2021", "--months", "1-2"), "EPSG:32755", ("55HDD", "55HED")
    ),
    "kenya": Place(
        ("--file", "fields.geojson", "--years", "2021", "--months", "3-3"),
        "EPSG:32637",
        ("36MYE", "36NYF", "37NBA"),
        every=2,
    ),
    "flanders": Place(
        ("--bbox", "3.0,50.9,3.03,50.91", "--years", "2022", "--months", "1-2"), "EPSG:32631", ("31UDS", "31UES"), True
    ),
    "aleutians": Place(
        ("--bbox", "179.98,51.95,-179.98,51.98", "--years", "2021", "--months", "6-6"),
        "EPSG:32601",
        ("60UXC", "60UYC", "01UBT"),
        every=2,
    ),
}


@pytest.fixture(params=PLACES)
def built(
    request: pytest.FixtureRequest, mmvsf: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, Cube]:
    """The name of a place and its cube."""
    name, place = request.param, PLACES[request.param]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(http, "RETRY_POLICY", RetryPolicy(attempts=2, first_wait=0.01, connect=5, request=30))
    Path("fields.geojson").write_text(shapely.to_geojson(shapely.MultiPolygon(list(FIELDS.values()))))
    assert mmvsf("new", name, *place.options).code == 0
    recipe = Path(f"{name}.yaml")
    if place.sentinel_2:
        recipe.write_text(yaml.safe_dump(as_sentinel_2(yaml.safe_load(recipe.read_text()))))
    with public_services(str(recipe), None, place.every) as environment:
        for key, value in environment.items():
            monkeypatch.setenv(key, value)
        outcome = mmvsf("dataset", recipe, "--data-dir", "data", "--workers", 1)
        assert outcome.code == 0, outcome.err
        checked = mmvsf("check", f"data/{name}.zarr", "--json")
        assert checked.code == 0, checked.out
    return name, Cube.open(Path(f"data/{name}.zarr"))


def as_sentinel_2(recipe: dict) -> dict:
    """A recipe of HLS on 10 m, from Sentinel-2."""
    recipe["imagery"]["products"] = ["sentinel-2-l2a"]
    recipe["grid"]["resolution"] = 10
    return recipe


def test_every_pixel_is_what_was_seen(built: tuple[str, Cube]) -> None:
    name, cube = built
    grid, place = cube.grid, PLACES[name]
    assert grid.crs == place.crs and {tile.name for tile in tiles_over(grid)} == set(place.tiles)
    status = cube.array("blocks/status")
    days = np.flatnonzero((status == Status.STORED).any(axis=(1, 2)))
    assert days.size > 2 and not (status == Status.FAILED).any()
    clear = []
    for time in days:
        day = cube.calendar.days[time]
        for block in grid.blocks:
            assert status[(time, *block)] == Status.STORED
            clear.append(compare(cube, place, int(time), int(day), block))
    assert 0.5 < np.mean(clear) < 0.98
    compare_weather(cube)
    compare_ground(cube)


def centres(cube: Cube, block: tuple[int, int], pixel: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(lon, lat) of a block's pixels, (rows, columns); of the centres of coarser pixels that they lie in."""
    y, x = (axis[part] for axis, part in zip(cube.grid.coordinates(), cube.grid.block_slices(block), strict=True))
    if pixel > cube.grid.resolution:
        x, y = ((np.floor(axis / pixel) + 0.5) * pixel for axis in (x, y))
    lon, lat = Transformer.from_crs(cube.grid.crs, 4326, always_xy=True).transform(*np.meshgrid(x, y))
    return lon, lat


def compare(cube: Cube, place: Place, time: int, day: int, block: tuple[int, int]) -> float:
    """Compare one day of a block with the formulas; the share of its pixels that are clear."""
    window = cube.grid.block_slices(block)
    quality = cube.pixels("imagery/quality").read((time, *window))
    clouds = cloudy(day, *centres(cube, block, 20 if place.sentinel_2 else 30))
    # Pixels of another zone are the nearest ones, so the edge of a cloud moves by one.
    edge = max(np.abs(np.diff(clouds.astype(int), axis=axis)).sum() for axis in (0, 1)) * 4
    clear_code = 0 if place.sentinel_2 else 64
    assert (quality != np.where(clouds, 2, clear_code)).sum() <= edge
    clear = (quality == clear_code) & ~clouds
    stored = cube.pixels("imagery/reflectance").read((time, slice(None), *window))
    for band in range(6):
        pixel = 20 if place.sentinel_2 and band > 2 else cube.grid.resolution
        truth = reflectance(band, day, *centres(cube, block, pixel))
        error = np.abs(stored[band] / 1e4 - truth)[clear]
        assert np.quantile(error, 0.97) < 4e-4, f"band {band}"
    return float(clear.mean())


def compare_weather(cube: Cube) -> None:
    """Temperatures of NASA POWER at the middle of each cell."""
    y, x = cube.grid.weather_coordinates()
    lon, lat = Transformer.from_crs(cube.grid.crs, 4326, always_xy=True).transform(*np.meshgrid(x, y))
    mask, days = cube.grid.weather_mask(), np.asarray(cube.calendar.days)
    first, last = (day_number(day) for day in (cube.region.weather_start, cube.region.period.end))
    needed = (days >= first) & (days <= last)
    for variable, parameter in (("tmin", "T2M_MIN"), ("tmax", "T2M_MAX")):
        truth = power_truth(parameter, days[needed, None, None], lat, lon)
        np.testing.assert_allclose(cube.array(f"weather/{variable}")[needed][:, mask], truth[:, mask], atol=0.01)


def compare_ground(cube: Cube) -> None:
    for block in cube.grid.blocks:
        elevation = cube.static(block)["elevation"]
        np.testing.assert_allclose(elevation, elevation_at(*centres(cube, block, 0)), atol=1.0)
