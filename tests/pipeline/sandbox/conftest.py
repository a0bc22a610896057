"""Two small sites, one of them where the tiles overlap, and two seasons."""

from dataclasses import replace
from pathlib import Path

import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from mmvsf.pipeline.sandbox.archive import simulate
from mmvsf.pipeline.sandbox.spec import DOSES, Site, WorldSpec
from mmvsf.pipeline.sandbox.world import SiteWorld, truth


def small_site(name: str, x: int, y: int, side: int = 32) -> Site:
    return Site(name, GeoBox((side, side), Affine(30, 0, x, 0, -30, y), "EPSG:32615"))


@pytest.fixture(scope="session")
def sites() -> list[Site]:
    return [small_site("overlap", 205500, 4650000), small_site("east", 250020, 4640010)]


PLAIN = {name: 0.0 for name in DOSES if name not in ("crop_dose", "soil_dose")}
"""A world whose crops and soil feel the weather and that has nothing else that makes maps hard."""


@pytest.fixture(scope="session")
def spec() -> WorldSpec:
    return WorldSpec(seed=3, first_year=2021, last_year=2022, **PLAIN)


@pytest.fixture(scope="session")
def archive(spec: WorldSpec, sites: list[Site], tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sandbox") / "archive"
    simulate(spec, sites, root, workers=1)
    return root


@pytest.fixture(scope="session")
def wide_sites() -> list[Site]:
    """Of the size that cubes are made of, where every cover is found."""
    return [small_site("wide-west", 160020, 4650000, 96), small_site("wide-east", 280020, 4640010, 96)]


@pytest.fixture(scope="session")
def worlds(spec: WorldSpec, wide_sites: list[Site]) -> dict[str, SiteWorld]:
    return truth(spec, wide_sites)


@pytest.fixture(scope="session")
def control(spec: WorldSpec, wide_sites: list[Site]) -> dict[str, SiteWorld]:
    """The same places and weather, but crops and soil see only the climatology."""
    return truth(replace(spec, crop_dose=0, soil_dose=0), wide_sites)
