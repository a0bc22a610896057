"""Recipes for US states and counties, derived from an existing recipe."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.boundaries import full_name_of, outline
from mmvsf.datasets.recipe.load import load_region, parse_region
from mmvsf.datasets.recipe.region import Region

CONUS = tuple(f"{code:02d}" for code in range(1, 57) if code not in {2, 3, 7, 14, 15, 43, 52})
"""FIPS codes of the 48 contiguous states and the District of Columbia; codes without a state are left out."""


def recipes_for(areas: Iterable[str], like: str, source: str | None = None) -> dict[str, tuple[Region, Path]]:
    """The recipes of areas, one per cube, each area a recipe, a FIPS code, or `conus`, which is one cube per state.

    For a FIPS code or `conus`, everything but the area comes from the recipe `like`, and the whole area is taken.
    Keys are names: of a recipe, with its path where another one of this name comes before it; of a state; of a county
    with its state and code. What is asked for twice is there once.
    Raises InputError for an area that is none of these.
    """
    found: dict[str, tuple[Region, Path]] = {}
    for area in areas:
        for name, (region, recipe) in _recipes_of(area, like, source):
            other = name in found and found[name][0] != region
            found[f"{name} ({recipe})" if other else name] = region, recipe
    return found


def _recipes_of(area: str, like: str, source: str | None) -> Iterator[tuple[str, tuple[Region, Path]]]:
    if area.lower() == "conus":
        yield from ((full_name_of(code), _for_fips(code, like, source)) for code in CONUS)
    elif re.fullmatch(r"\d{2}", area):
        yield full_name_of(area), _for_fips(area, like, source)
    elif re.fullmatch(r"\d{5}", area):
        yield f"{full_name_of(area)} ({area})", _for_fips(area, like, source)  # two of Virginia's are called Fairfax
    else:
        try:
            region, recipe = load_region(area, source=source)
        except InputError as error:
            raise InputError(f"{error}. Give a recipe, a FIPS code (19 is Iowa) or conus") from error
        yield region.name, (region, recipe)


def _for_fips(code: str, like: str, source: str | None) -> tuple[Region, Path]:
    region, recipe = load_region(like, source=source)
    content = region.model_dump(mode="json", exclude_unset=True)
    longitude = outline((code,)).centroid.x
    content |= {"name": f"fips-{code}", "title": full_name_of(code), "area": {"fips": [code]}}
    content["grid"] |= {"crs": f"EPSG:{32601 + int((longitude + 180) // 6)}"}
    content.pop("split", None)
    return parse_region(content, f"{recipe} for {full_name_of(code)}"), recipe
