"""Weather that might have come instead: drought, heat, a wet spring, a late frost, the season two weeks off."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.sidecars.weather_changes import Change, drought, heat, late_frost, wet

from .climate import day_of_year
from .weather import VARIABLES, SiteWeather

Days = NDArray[np.bool_]
WeatherChange = Callable[[SiteWeather, Days], SiteWeather]
"""From a site's weather and its days that are to be changed."""

_SHIFT = 14  # days


def _changing(change: Change) -> WeatherChange:
    """A change of series as one of a site's weather."""

    def changed(weather: SiteWeather, since: Days) -> SiteWeather:
        table = weather.values.copy()
        for name, series in change({name: weather[name] for name in VARIABLES}, since).items():
            table[since, list(VARIABLES).index(name)] = series[since]
        return SiteWeather(weather.days, table, weather.latitude)

    return changed


def early(weather: SiteWeather, since: Days) -> SiteWeather:
    """Every day as it came two weeks later: spring is early."""
    return _moved(weather, since, _SHIFT)


def late(weather: SiteWeather, since: Days) -> SiteWeather:
    """Every day as it came two weeks before: spring is late."""
    return _moved(weather, since, -_SHIFT)


def _moved(weather: SiteWeather, since: Days, days: int) -> SiteWeather:
    rows = (np.arange(len(weather.days)) + days).clip(0, len(weather.days) - 1)
    return SiteWeather(weather.days, np.where(since[:, None], weather.values[rows], weather.values), weather.latitude)


SCENARIOS: dict[str, tuple[WeatherChange, tuple[int, int]]] = {
    "drought": (_changing(drought), (125, 230)),
    "heat": (_changing(heat), (125, 230)),
    "wet spring": (_changing(wet), (91, 160)),
    "late frost": (_changing(late_frost), (91, 150)),
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
