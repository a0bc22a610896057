"""Recipes for US states and counties, derived from an existing recipe."""

import re
from pathlib import Path

from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.boundaries import name_of, outline
from mmvsf.datasets.recipe.load import load_region, parse_region
from mmvsf.datasets.recipe.region import Region

CONUS = tuple(f"{code:02d}" for code in range(1, 57) if code not in {2, 3, 7, 14, 15, 43, 52})
"""FIPS codes of the 48 contiguous states and the District of Columbia; codes without a state are left out."""


def recipes_for(area: str, like: str, source: str | None = None) -> dict[str, tuple[Region, Path]]:
    """The recipes of an area by name, one per cube: of a recipe, a FIPS code, or `conus`, one cube per state.

    For a FIPS code or `conus`, everything but the area comes from the recipe `like`, and the whole area is taken.
    Raises InputError for an area that is none of these.
    """
    if area.lower() == "conus":
        return {name_of(code): _for_fips(code, like, source) for code in CONUS}
    if re.fullmatch(r"\d{2}(\d{3})?", area):
        return {name_of(area): _for_fips(area, like, source)}
    try:
        region, recipe = load_region(area, source=source)
    except InputError as error:
        raise InputError(f"{error}. Give a recipe, a FIPS code (19 is Iowa) or conus") from error
    return {region.name: (region, recipe)}


def _for_fips(code: str, like: str, source: str | None) -> tuple[Region, Path]:
    region, recipe = load_region(like, source=source)
    content = region.model_dump(mode="json", exclude_unset=True)
    longitude = outline((code,)).centroid.x
    content |= {"name": f"fips-{code}", "title": name_of(code), "area": {"fips": [code]}}
    content["grid"] |= {"crs": f"EPSG:{32601 + int((longitude + 180) // 6)}"}
    content.pop("split", None)
    return parse_region(content, f"{recipe} for {name_of(code)}"), recipe
