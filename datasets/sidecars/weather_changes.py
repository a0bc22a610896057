"""Weather that might come instead: drought, heat, rain, a late frost.

A change is given the daily series of a place by variable and returns the new series of what it changes. Sizes are those
of remembered years in the Corn Belt: 2012 (weeks without rain, 4 C too warm), 2019 (rain every other day until June),
the frost of 2007.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Series = Mapping[str, Array]
"""variable -> (day,) in the units of `variables.WEATHER`"""
Days = NDArray[np.bool_]
"""(day,): those that are to be changed"""
Change = Callable[[Series, Days], dict[str, Array]]
"""The new series (day,) of variables that the weather has, of which only the chosen days are used."""


def saturation_vapour_pressure(temperature: Array) -> Array:
    """kPa from degrees Celsius (FAO-56, eq. 11)."""
    return 0.6108 * np.exp(17.27 * temperature / (temperature + 237.3))


def daily_saturation(tmin: Array, tmax: Array) -> Array:
    """Mean saturation vapour pressure of days in kPa (FAO-56, eq. 12)."""
    return (saturation_vapour_pressure(tmin) + saturation_vapour_pressure(tmax)) / 2


def with_temperature(weather: Series, tmin: Array, tmax: Array) -> dict[str, Array]:
    """Other temperatures, and the vapour pressure deficit and relative humidity that follow where the air holds the
    same water."""
    before, after = daily_saturation(weather["tmin"], weather["tmax"]), daily_saturation(tmin, tmax)
    changed = {"tmin": tmin, "tmax": tmax}
    if "vpd" in weather:
        changed["vpd"] = np.maximum(weather["vpd"] + after - before, 0.0)
    if "relative_humidity" in weather:
        changed["relative_humidity"] = np.minimum(weather["relative_humidity"] * before / after, 100.0)
    return changed


def warmer(weather: Series, degrees: float) -> dict[str, Array]:
    """Every day warmer by so many degrees Celsius; nothing where the weather has no temperatures."""
    if not {"tmin", "tmax"} <= set(weather):
        return {}
    return with_temperature(weather, weather["tmin"] + degrees, weather["tmax"] + degrees)


def drought(weather: Series, since: Days) -> dict[str, Array]:
    """No rain, clear skies, 2 C warmer, drier air."""
    changed = {"precipitation": 0 * weather["precipitation"], **warmer(weather, 2.0)}
    if "vpd" in weather:
        changed["vpd"] = changed.get("vpd", weather["vpd"]) * 1.2
    if "radiation" in weather:
        changed["radiation"] = np.minimum(weather["radiation"] * 1.15, 31.0)
    return changed


def heat(weather: Series, since: Days) -> dict[str, Array]:
    """6 C warmer, with the rain that came."""
    return warmer(weather, 6.0)


def wet(weather: Series, since: Days) -> dict[str, Array]:
    """20 mm more rain every other day, dull and moist."""
    more = 20.0 * (np.arange(len(since)) % 2 == 0)
    changed = {"precipitation": weather["precipitation"] + more}
    return changed | {
        name: share * weather[name] for name, share in (("radiation", 0.7), ("vpd", 0.6)) if name in weather
    }


def late_frost(weather: Series, since: Days) -> dict[str, Array]:
    """-5 C in three nights, after ten days; nothing in ten days or fewer."""
    nights = np.flatnonzero(since)[10:13]
    changed = {name: weather[name].copy() for name in ("tmin", "tmax", "vpd") if name in weather}
    changed["tmin"][nights] = -5.0
    for name, most in (("tmax", 8.0), ("vpd", 0.4)):
        if name in changed:
            changed[name][nights] = np.minimum(changed[name][nights], most)
    return changed


CHANGES: dict[str, tuple[Change, tuple[str, ...]]] = {
    "drought": (drought, ("precipitation",)),
    "heat": (heat, ("tmin", "tmax")),
    "wet": (wet, ("precipitation",)),
    "late-frost": (late_frost, ("tmin",)),
}
"""Name -> (change, variables that it needs)."""
