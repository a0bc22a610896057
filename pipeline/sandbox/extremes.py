"""The damage of extreme weather to crops: late frost, heat at flowering, waterlogging, winterkill.

Thresholds are near those at which injury is reported. How much is lost beyond them is set by eye, so that such years
stand out in NDVI as those of the Easter freeze of 2007, the drought of 2012 and the floods of 2019 did:

- late frost: jointing wheat is injured from -4 C (Kansas State University, Spring Freeze Injury to Kansas Wheat), the
  young leaves of trees and of emerged summer crops from -2 C (Gu et al. 2008, BioScience 58, 253-262)
- heat at flowering: corn loses yield by degree days over 30 C (Lobell et al. 2013, Nature Climate Change 3, 497-501),
  and pollen from 35 C (University of Nebraska, CropWatch, 2019); here leaves age sooner from 32 C
- waterlogging: growth suffers from the fourth day under water
- winterkill: crowns of wheat die within days at -15 C and within half a day at -26 C (Wiersma and Ransom 2005, Small
  Grains Field Guide); without snow, the air is a few degrees colder than the crowns
"""

import numpy as np
from numpy.typing import NDArray

from .drivers import DayDrivers
from .traits import Traits

Array = NDArray[np.float64]


def frost_damage(day: DayDrivers, traits: Traits, unfolded: Array) -> Array | float:
    """Share of the leaves lost in the night, (units,)."""
    if not day.in_season or day.doy > 180 or day.tmin >= -2.0:
        return 0.0
    threshold = np.where(traits.winter_cereal, -4.0, -2.0)
    return np.clip((threshold - day.tmin) / 6, 0, 0.8) * (unfolded > 0.03) * np.where(traits.grass, 0.3, 1.0)


def heat_at_flowering(day: DayDrivers, traits: Traits, heat: Array) -> Array | float:
    """Ageing units that hot days add while annuals flower, (units,)."""
    if day.tmax <= 32.0:
        return 0.0
    since = (heat - traits.half) / traits.speed
    return 7.0 * (day.tmax - 32.0) * ((since > 2.0) & (since < 9.0))


def days_under_water(days: Array, surplus: Array) -> Array:
    """Days that surplus water stays on fields, after a day with `surplus` mm more than the soil holds, (units,); 7 mm
    run off a day."""
    return np.clip(days + surplus / 7.0 - 1.0, 0.0, 14.0)


def waterlogging(days: Array) -> Array:
    """Share of growth that is lost after `days` under water, (units,)."""
    return np.clip((days - 3.0) / 6.0, 0.0, 0.8)


def winterkill(day: DayDrivers) -> float:
    """Share of the sward that is lost in the night."""
    return 0.0 if day.tmin >= -20.0 else float(min((-20.0 - day.tmin) / 30.0, 0.4))
