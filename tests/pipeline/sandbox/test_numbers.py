"""Yields and soil moisture of the simulated world follow its crops and weather, and leave its archive as it is."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import rasterio

from mmvsf.pipeline.sandbox.crop_types import CORN, FOREST, SOYBEANS
from mmvsf.pipeline.sandbox.numbers import season_numbers, write_numbers
from mmvsf.pipeline.sandbox.spec import Site, WorldSpec
from mmvsf.pipeline.sandbox.world import SiteWorld


def test_yields_are_of_the_crops(worlds: dict[str, SiteWorld]) -> None:
    world = worlds["wide-west"]
    numbers = season_numbers(world, 2022)
    cover = world.hidden(2022).fields.cover
    grain, moisture = numbers["yield"], numbers["soil_moisture"]
    assert np.isnan(grain[cover == FOREST]).all()
    corn, soybeans = (np.median(grain[cover == crop]) for crop in (CORN, SOYBEANS))
    assert 6 < corn < 16 and 1.5 < soybeans < 7
    assert moisture.min() > 0 and moisture.max() <= 1 and moisture.std() > 0.02


def test_numbers_are_added_to_an_archive_once(spec: WorldSpec, sites: list[Site], tmp_path: Path) -> None:
    (tmp_path / "items.json").write_text("{}")
    write_numbers(spec, sites, tmp_path)
    names = sorted(path.name for path in (tmp_path / "numbers").iterdir())
    assert names == [f"{name}_{year}.tif" for name in ("soil_moisture", "yield") for year in (2021, 2022)]
    with rasterio.open(tmp_path / "numbers/yield_2022.tif") as file:
        assert (file.crs.to_epsg(), file.res, file.nodata) == (5070, (30, 30), -9999)
        grain = file.read(1, masked=True)
    assert 0 < grain.count() <= 2 * 34**2 * 2 and grain.min() >= 0 and grain.max() < 25
    first = digests(tmp_path)
    write_numbers(spec, sites, tmp_path)
    assert digests(tmp_path) == first and len(first) == 5


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
