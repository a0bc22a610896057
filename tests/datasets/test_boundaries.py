"""Areas by FIPS code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import shapely
from pyproj import Geod

from mmvsf.datasets.cube.grid_of_recipe import grid_from_recipe
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.boundaries import outline
from mmvsf.datasets.recipe.load import load_region, parse_region

IOWA_KM2 = 145_746
"""Land and water, US Census Bureau."""


def area_km2(shape: Any) -> float:
    return abs(Geod(ellps="GRS80").geometry_area_perimeter(shape)[0]) / 1e6


def recipe(**area: Any) -> dict[str, Any]:
    return {
        "name": "here",
        "title": "Here",
        "area": area,
        "grid": {"crs": "EPSG:32615"},
        "period": {"start": "2021-04-01", "end": "2021-10-31"},
        "imagery": {"source": "stac", "catalog": "planetary-computer", "products": ["hls-l30"]},
        "weather": {"source": "gridmet"},
    }


def test_iowa_is_as_large_as_iowa() -> None:
    assert area_km2(outline(("19",))) == pytest.approx(IOWA_KM2, rel=0.01)


def test_a_state_is_its_counties() -> None:
    state, story = outline(("19",)), outline(("19169",))
    assert area_km2(story) == pytest.approx(1486, rel=0.02)
    assert story.difference(state).area < 1e-9 and shapely.Point(-93.62, 42.03).within(story)  # Ames


def test_several_places_are_one_ground() -> None:
    both = outline(("19169", "27"))
    assert area_km2(both) == pytest.approx(area_km2(outline(("19169",))) + area_km2(outline(("27",))), rel=1e-6)


def test_the_blocks_of_a_county() -> None:
    region = parse_region(recipe(fips=["19169"]), "here.yaml")
    grid = grid_from_recipe(region, Path("here.yaml"), Path("data"))
    side = (grid.block * grid.resolution / 1000) ** 2
    assert 1486 < len(grid.blocks) * side < 1.8 * 1486
    assert grid.block_of_point(-93.62, 42.03) in grid.blocks


def test_iowa_wall_to_wall_and_as_a_sample() -> None:
    region, path = load_region("iowa")
    sample = grid_from_recipe(region, path, Path("data"))
    everything = grid_from_recipe(
        region.model_copy(update={"area": region.area.model_copy(update={"sample": None})}), path, Path("data")
    )
    assert len(sample.blocks) == 24 * 9 and set(sample.blocks) <= set(everything.blocks)
    assert IOWA_KM2 < len(everything.blocks) * 7.68**2 < 1.08 * IOWA_KM2


def test_a_code_of_no_state_or_county() -> None:
    for code, message in (("03", "state with the FIPS code 03"), ("19002", "county .* 19002")):
        with pytest.raises(InputError, match=message):
            outline((code,))


def test_what_is_no_fips_code() -> None:
    codes: tuple[list[Any], ...] = ([], ["9"], ["Iowa"], ["1916"], [19])
    for wrong in codes:
        with pytest.raises(InputError, match=r"area\.fips"):
            parse_region(recipe(fips=wrong), "here.yaml")


def test_ground_far_from_the_grid() -> None:
    region = parse_region(recipe(fips=["06"]), "here.yaml")
    with pytest.raises(InputError, match="lies far outside the area of use of EPSG:32615"):
        grid_from_recipe(region, Path("here.yaml"), Path("data"))
