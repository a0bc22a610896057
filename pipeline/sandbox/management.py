"""What farmers and chance decide about each field in one year, before any weather: the hidden parameters."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .crop_types import CORN, DOUBLE_CROP, SORGHUM, SPRING_WHEAT, WHEAT
from .fields import FieldMap
from .reflectance import Surface
from .spec import Site, WorldSpec
from .traits import FieldYear

Array = NDArray[np.float64]

# Shares of fields. Irrigated is a third of the cropland of Nebraska and a hundredth of Iowa's, and 18 million acres of
# the country, 5 %, had cover crops (USDA NASS, Census of Agriculture 2022); here they are some more, to be seen at all.
_IRRIGATED, _COVER_CROPS, _FAILED = 0.18, 0.08, 0.03
_DELAY_SD = 3.5, 5.0  # workable days, without and with the differences between farmers
_VARIETY_SD = 0.04  # as 4 days of relative maturity among the hybrids of a county
_VIGOUR_SD = 0.07, 0.13
_LATE = 0.06  # share of fields that are sown again, or weeks after the others
_LEAST_HEAT, _MOST_HEAT = 0.62, 1.12
_FITTED = 0.55
"""Share of the difference in heat between climates that varieties make up for."""


@dataclass(frozen=True)
class Hidden:
    """What nobody can see of a site in a year. With the weather it fixes the season entirely."""

    fields: FieldYear
    surface: Surface


def draw_hidden(spec: WorldSpec, site: Site, field_map: FieldMap, year: int, maturity: float, *draw: int) -> Hidden:
    """The hidden parameters of `year`, independent of its weather. `maturity` is the share of central Iowa's heat that
    the climate of the site has: farmers sow varieties to fit. A number as `draw` gives another draw of the same prior,
    on the same fields and soil."""
    rng, dose = spec.generator(site.name, year, "fields", *draw), spec.management_dose
    crop = field_map.crop[year - spec.first_year]
    before = field_map.crop[max(year - 1 - spec.first_year, 0)]
    parcel = field_map.parcel
    n = int(parcel.max()) + 1

    def normal(mean: float, sd: float) -> Array:
        """One number a field, (units,)."""
        return np.asarray(rng.normal(mean, sd, n)[parcel])

    def chance(share: float) -> NDArray[np.bool_]:
        return np.asarray((rng.random(n) < share * dose)[parcel])

    heavy = np.isin(before, (CORN, WHEAT, SORGHUM, SPRING_WHEAT, DOUBLE_CROP))
    delay = normal(0, _DELAY_SD[0] + (_DELAY_SD[1] - _DELAY_SD[0]) * dose)
    late = np.where(chance(_LATE), rng.uniform(10, 24, n)[parcel], 0.0)
    vigour = normal(1, _VIGOUR_SD[0] + (_VIGOUR_SD[1] - _VIGOUR_SD[0]) * dose)
    failing = np.where(chance(_FAILED), rng.integers(150, 225, n)[parcel], np.inf)
    fields = FieldYear(
        cover=crop,
        water_capacity=field_map.water_capacity,
        vigour=np.clip(vigour * field_map.fertility, 0.55, 1.3),
        delay=delay + late,
        variety=np.clip(1 + _FITTED * (maturity - 1), _LEAST_HEAT, _MOST_HEAT)
        * np.clip(normal(1, _VARIETY_SD * dose), 0.85, 1.15),
        dry_down=normal(0, 4),
        residue=np.clip(normal(0.25, 0.10) + 0.22 * heavy, 0.03, 0.85),
        tillage=rng.choice([0.35, 0.6, 0.95], n)[parcel],
        irrigated=chance(_IRRIGATED),
        cover_crop=chance(_COVER_CROPS),
        fails_on=failing,
    )
    return Hidden(fields, Surface(crop, field_map.soil_brightness, np.clip(normal(1, 0.04), 0.88, 1.12)))
