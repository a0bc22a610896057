"""Recipes for the ground of US states and counties, in the terms of a recipe that is there."""

import re
from pathlib import Path

from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.boundaries import name_of, outline
from mmvsf.datasets.recipe.load import load_region, parse_region
from mmvsf.datasets.recipe.region import Region

CONUS = tuple(f"{code:02d}" for code in range(1, 57) if code not in {2, 3, 7, 14, 15, 43, 52})
"""FIPS codes of the 48 contiguous states and the District of Columbia; codes that are no state are left out."""


def recipes_for(place: str, like: str, source: str | None = None) -> dict[str, tuple[Region, Path]]:
    """The recipes of a place, one a cube, by what they are called: a recipe, a FIPS code, or `conus`, a cube a state.

    Where no recipe is named, period, products and all but the ground come from the recipe `like`, and all of the ground
    is taken. Raises InputError for a place that is none of these.
    """
    if place.lower() == "conus":
        return {name_of(code): _on_ground(code, like, source) for code in CONUS}
    if re.fullmatch(r"\d{2}(\d{3})?", place):
        return {name_of(place): _on_ground(place, like, source)}
    try:
        region, recipe = load_region(place, source=source)
    except InputError as error:
        raise InputError(f"{error}. A place is a recipe, a FIPS code (19 is Iowa) or conus") from error
    return {region.name: (region, recipe)}


def _on_ground(code: str, like: str, source: str | None) -> tuple[Region, Path]:
    region, recipe = load_region(like, source=source)
    content = region.model_dump(mode="json", exclude_unset=True)
    longitude = outline((code,)).centroid.x
    content |= {"name": f"fips-{code}", "title": name_of(code), "area": {"fips": [code]}}
    content["grid"] |= {"crs": f"EPSG:{32601 + int((longitude + 180) // 6)}"}
    content.pop("split", None)
    return parse_region(content, f"{recipe} on {name_of(code)}"), recipe
