"""What a field of a site may be before any image is seen: draws of crop, soil and everything that farmers decide.

The outlines of the fields and the texture of the ground, which the images of other years show, are no part of it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .crop_types import COVERS
from .management import Hidden, draw_hidden
from .world import SiteWorld

Array = NDArray[np.float64]


def draw_prior(world: SiteWorld, year: int, count: int) -> tuple[Hidden, Array]:
    """About `count` fields, and the log of the prior weight of each, (fields,).

    Every cover that the site ever has gets as many draws as any other, weighted by its share of the site, so that rare
    ones have draws too. A draw takes its crop and the crop before from one unit of the site in one year, and its soil
    from another, so neither tells of the other.
    """
    spec, field_map = world.spec, world.field_map
    rng = spec.generator(world.site.name, year, "prior")
    area = np.bincount(field_map.field.ravel(), minlength=field_map.fields).astype(np.float64)
    crops = field_map.crop
    before = np.concatenate([crops[:1], crops[:-1]])
    shares = np.bincount(crops.ravel(), np.tile(area, len(crops)), minlength=len(COVERS))
    covers = np.flatnonzero(shares)
    each = -(-count // len(covers))
    seasons, units = [], []
    for cover in covers:
        place = np.argwhere(crops == cover)
        chance = area[place[:, 1]]
        season, unit = place[rng.choice(len(place), each, p=chance / chance.sum())].T
        seasons.append(season)
        units.append(unit)
    season, unit = np.concatenate(seasons), np.concatenate(units)
    soil = rng.choice(field_map.fields, len(unit), p=area / area.sum())
    drawn = replace(
        field_map,
        parcel=np.arange(len(unit)),
        crop=_in_year(crops[season, unit], before[season, unit], year - spec.first_year, len(crops)),
        water_capacity=field_map.water_capacity[soil],
        soil_brightness=field_map.soil_brightness[soil],
        fertility=field_map.fertility[soil],
    )
    hidden = draw_hidden(spec, world.site, drawn, year, world.maturity, 1)
    return hidden, np.log(shares[crops[season, unit]] / shares.sum())


def _in_year(crop: NDArray[np.int64], before: NDArray[np.int64], position: int, years: int) -> NDArray[np.int64]:
    """(years, fields): `crop` in the year at `position`, and `before` in the one before it."""
    table = np.tile(crop, (years, 1))
    if position:
        table[position - 1] = before
    return table
