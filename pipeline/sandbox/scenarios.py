"""Weather that might have come instead: drought, heat, a wet spring, a late frost, the season two weeks off.

Sizes are those of remembered years in the Corn Belt: 2012 (weeks without rain, 4 C too warm), 2019 (rain every other
day until June), the frost of 2007.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .climate import day_of_year, saturation_vapour_pressure
from .weather import VARIABLES, SiteWeather

Array = NDArray[np.float64]
Days = NDArray[np.bool_]
Change = Callable[[SiteWeather, Days], SiteWeather]
"""From a site's weather and its days that are to be changed."""

_SHIFT = 14  # days


def _changed(weather: SiteWeather, since: Days, **values: Array) -> SiteWeather:
    """Other values of some variables on the days of `since`."""
    table = weather.values.copy()
    for name, series in values.items():
        table[since, list(VARIABLES).index(name)] = series[since]
    return SiteWeather(weather.days, table, weather.latitude)


def _warmer(weather: SiteWeather, degrees: float) -> dict[str, Array]:
    """Temperatures, and the vapour pressure deficit that follows where the air holds the same water."""
    tmin, tmax = weather["tmin"], weather["tmax"]

    def saturated(more: float) -> Array:
        return (saturation_vapour_pressure(tmin + more) + saturation_vapour_pressure(tmax + more)) / 2

    vpd = weather["vpd"] + saturated(degrees) - saturated(0.0)
    return {"tmin": tmin + degrees, "tmax": tmax + degrees, "vpd": vpd}


def drought(weather: SiteWeather, since: Days) -> SiteWeather:
    """No rain, clear skies, 2 C warmer, drier air."""
    warm = _warmer(weather, 2.0)
    warm["vpd"] = warm["vpd"] * 1.2
    clear = np.minimum(weather["radiation"] * 1.15, 31.0)
    return _changed(weather, since, precipitation=0 * weather["precipitation"], radiation=clear, **warm)


def heat(weather: SiteWeather, since: Days) -> SiteWeather:
    """6 C warmer, with the rain that came."""
    return _changed(weather, since, **_warmer(weather, 6.0))


def wet(weather: SiteWeather, since: Days) -> SiteWeather:
    """20 mm more rain every other day, dull and moist."""
    more = 20.0 * (np.arange(len(weather.days)) % 2 == 0)
    rain = weather["precipitation"] + more
    return _changed(weather, since, precipitation=rain, radiation=0.7 * weather["radiation"], vpd=0.6 * weather["vpd"])


def late_frost(weather: SiteWeather, since: Days) -> SiteWeather:
    """-5 C in three nights, from the tenth day on."""
    nights = np.flatnonzero(since)[10:13]
    tmin, tmax, vpd = weather["tmin"].copy(), weather["tmax"].copy(), weather["vpd"].copy()
    tmin[nights], tmax[nights] = -5.0, np.minimum(tmax[nights], 8.0)
    vpd[nights] = np.minimum(vpd[nights], 0.4)
    return _changed(weather, since, tmin=tmin, tmax=tmax, vpd=vpd)


def early(weather: SiteWeather, since: Days) -> SiteWeather:
    """Every day as it came two weeks later: spring is early."""
    return _moved(weather, since, _SHIFT)


def late(weather: SiteWeather, since: Days) -> SiteWeather:
    """Every day as it came two weeks before: spring is late."""
    return _moved(weather, since, -_SHIFT)


def _moved(weather: SiteWeather, since: Days, days: int) -> SiteWeather:
    rows = (np.arange(len(weather.days)) + days).clip(0, len(weather.days) - 1)
    return SiteWeather(weather.days, np.where(since[:, None], weather.values[rows], weather.values), weather.latitude)


SCENARIOS: dict[str, tuple[Change, tuple[int, int]]] = {
    "drought": (drought, (125, 230)),
    "heat": (heat, (125, 230)),
    "wet spring": (wet, (91, 160)),
    "late frost": (late_frost, (91, 150)),
    "two weeks early": (early, (91, 230)),
    "two weeks late": (late, (105, 230)),
}
"""Name -> (change, days of the year of the origins that it is for, both included)."""


def applies(name: str, origin: int) -> bool:
    """Whether a scenario is for that day of origin, in days since 1970-01-01."""
    first, last = SCENARIOS[name][1]
    return bool(first <= day_of_year(np.array([origin], "datetime64[D]"))[0] <= last)


def other_weather(name: str, weather: SiteWeather, origin: int, days: int) -> SiteWeather:
    """The weather of a scenario: changed on so many days from the day of origin on."""
    start = int((np.datetime64(origin, "D") - weather.days[0]).astype(int))
    since = np.zeros(len(weather.days), dtype=bool)
    since[start : start + days] = True
    return SCENARIOS[name][0](weather, since)
