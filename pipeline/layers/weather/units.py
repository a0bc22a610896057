"""Conversion of weather to the cube's canonical units.

Formulas: FAO Irrigation and Drainage Paper 56 (Allen et al. 1998), equation numbers in brackets.
"""

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.errors import InputError
from mmvsf.datasets.variables import weather_variable

KELVIN_OFFSET = 273.15
SECONDS_PER_DAY = 86400.0
WIND_10M_TO_2M = 0.748
"""u2 = u10 x 4.87 / ln(67.8 x 10 - 5.42) [FAO-56 eq. 47]"""

LAPSE_RATE = 0.0065
"""K per metre by which air cools with height, of the ICAO Standard Atmosphere (ISO 2533:1975)"""
PRESSURE_EXPONENT = 9.80665 / (287.05287 * LAPSE_RATE)
"""g / (R x lapse rate), with the gravity and the gas constant of dry air of ISO 2533:1975"""

SOLAR_CONSTANT = 0.0820
"""MJ m-2 per minute [eq. 21]"""
HARGREAVES_SAMANI = 0.16
"""K^-0.5, for inland places (0.19 at the coast) [eq. 50]"""
CLEAR_SKY = 0.75
"""Share of the extraterrestrial radiation that passes a clear sky at sea level [eq. 37]"""

UNITS: dict[str, dict[str, tuple[float, float]]] = {
    "degree_Celsius": {"degree_celsius": (1.0, 0.0), "k": (1.0, -KELVIN_OFFSET)},
    "mm": {
        "mm": (1.0, 0.0),
        "cm": (10.0, 0.0),
        "m": (1000.0, 0.0),
        "kg m-2": (1.0, 0.0),
        # mean rates over the day
        "mm h-1": (24.0, 0.0),
        "mm s-1": (SECONDS_PER_DAY, 0.0),
        "m s-1": (1000 * SECONDS_PER_DAY, 0.0),
        "kg m-2 s-1": (SECONDS_PER_DAY, 0.0),
    },
    "MJ m-2": {
        "mj m-2": (1.0, 0.0),
        "kj m-2": (1e-3, 0.0),
        "j m-2": (1e-6, 0.0),
        "kwh m-2": (3.6, 0.0),
        # a mean over 24 hours; Daymet's daylight mean needs the day length too
        "w m-2": (SECONDS_PER_DAY * 1e-6, 0.0),
        "j m-2 s-1": (SECONDS_PER_DAY * 1e-6, 0.0),
    },
    "W m-2": {"w m-2": (1.0, 0.0), "j m-2 s-1": (1.0, 0.0)},
    "kPa": {"kpa": (1.0, 0.0), "hpa": (0.1, 0.0), "mbar": (0.1, 0.0), "pa": (1e-3, 0.0)},
    "%": {"%": (1.0, 0.0), "1": (100.0, 0.0)},
    "m3 m-3": {"m3 m-3": (1.0, 0.0), "1": (1.0, 0.0), "%": (0.01, 0.0)},
    "m s-1": {"m s-1": (1.0, 0.0), "km h-1": (1 / 3.6, 0.0)},
    "s": {"s": (1.0, 0.0), "h": (3600.0, 0.0)},
}
"""canonical unit -> units, in the spelling of `spelling`, with the factor and the offset to it"""

_WORDS = {
    "degree_celsius": ("degc", "c", "cel", "celsius", "°c", "degrees_celsius", "degree_c", "degrees_c", "deg_c"),
    "k": ("kelvin", "degree_k", "degrees_k", "degk", "deg_k"),
    "mm": ("millimeter", "millimeters", "millimetre", "millimetres"),
    "m": ("meter", "meters", "metre", "metres"),
    "w": ("watt", "watts"),
    "mbar": ("mb", "millibar", "millibars"),
    "pa": ("pascal", "pascals"),
    "%": ("percent", "pct"),
    "d-1": ("day-1", "days-1", "24h-1"),
    "h-1": ("hr-1", "hour-1", "hours-1"),
    "s-1": ("sec-1", "second-1", "seconds-1"),
    "s": ("sec", "second", "seconds"),
    "h": ("hr", "hrs", "hour", "hours"),
    "kwh": ("kw-hr", "kw-h"),
    "mj m-2": ("mjm-2",),
}
_SPELLINGS = {other: word for word, others in _WORDS.items() for other in others}
_RATE = re.compile(r"\b(d|h|s)-1$|\bw m-2$")


def spelling(units: str) -> str:
    """A unit in one spelling: lower case, factors separated by blanks, powers as m-2, and d-1 for a day."""
    text = units.strip().lower().replace("²", "2").replace("³", "3").replace("⁻", "-").replace("¹", "1")
    text = text.replace("**", "").replace("^", "").replace("·", " ").replace(" of water equivalent", "")
    text = re.sub(r"(degrees?|deg)[ _](c|k|celsius)\b", r"\1_\2", text)
    text = re.sub(r"\s*/\s*|\bper\s+", " /", text)
    words = []
    for word in text.split():
        divided = word.startswith("/")
        base = word.removeprefix("/")
        if divided:
            power = re.fullmatch(r"([a-z]+)(\d*)", base)
            base = f"{power[1]}-{power[2] or 1}" if power else word
        words.append(_SPELLINGS.get(base, base))
    return " ".join(words)


def is_rate(units: str) -> bool:
    """Whether a unit is an amount per time, so that the mean over a day tells the day's sum."""
    return bool(_RATE.search(spelling(units)))


def convert(values: NDArray[np.float64], units: str, canonical: str, what: str) -> NDArray[np.float64]:
    """Values from the unit that a file names to a canonical unit. `what` names the variable in the error.

    A rate per day ("mm d-1") is its daily sum; powers may be written m-2, m^-2, m**-2 or /m2. The canonical unit itself
    is always accepted. Raises InputError for any other unit that is not listed.
    """
    text = spelling(units)
    table = UNITS.get(canonical, {spelling(canonical): (1.0, 0.0)})
    factors = table.get(text) or table.get(text.removesuffix(" d-1"))
    if factors is None:
        raise InputError(
            f"{what}: the unit '{units}' is not known; it must be one of {', '.join(sorted(table))}"
            f" (the cube holds {canonical})"
        )
    scale, offset = factors
    return values * scale + offset


def saturation_pressure(temperature: NDArray[np.float64]) -> NDArray[np.float64]:
    """Saturation vapour pressure in kPa over water at a temperature in degrees Celsius [eq. 11]."""
    return np.asarray(0.6108 * np.exp(17.27 * temperature / (temperature + 237.3)))


def vapour_pressure_deficit(
    tmin: NDArray[np.float64], tmax: NDArray[np.float64], actual: NDArray[np.float64]
) -> NDArray[np.float64]:
    """VPD in kPa from the day's extremes (degrees Celsius) and the actual vapour pressure (kPa), not below 0
    [eq. 12]."""
    return np.maximum((saturation_pressure(tmin) + saturation_pressure(tmax)) / 2 - actual, 0.0)


def pressure_of_humidity(
    tmin: NDArray[np.float64], tmax: NDArray[np.float64], humidity: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Actual vapour pressure in kPa from the day's extremes (degrees Celsius) and its mean relative humidity
    (percent) [eq. 19]."""
    return humidity / 100 * (saturation_pressure(tmin) + saturation_pressure(tmax)) / 2


def relative_humidity(
    actual: NDArray[np.float64], *saturation_temperatures: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Relative humidity in percent, at most 100, from the actual vapour pressure (kPa) and one or more temperatures
    (degrees Celsius) whose saturation pressures are averaged [eq. 10; with the day's extremes, eq. 19 solved for it].
    """
    saturation = sum(saturation_pressure(t) for t in saturation_temperatures) / len(saturation_temperatures)
    return np.asarray(np.minimum(100 * actual / saturation, 100.0))


def surface_pressure(
    sea_level: NDArray[np.float64], temperature: NDArray[np.float64], elevation: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Air pressure at an elevation (m), in the unit of the pressure at sea level, from the air temperature at that
    elevation (degrees Celsius): the hydrostatic equation with the lapse rate of the ICAO Standard Atmosphere (ISO
    2533:1975), by which stations reduce their pressure to sea level."""
    kelvin = temperature + KELVIN_OFFSET
    return np.asarray(sea_level * (kelvin / (kelvin + LAPSE_RATE * elevation)) ** PRESSURE_EXPONENT)


def daylight_sum(flux: NDArray[np.float64], day_length: NDArray[np.float64]) -> NDArray[np.float64]:
    """Radiation in MJ m-2 per day from a mean flux over the daylight (W m-2) and its length (s), as in Daymet."""
    return flux * day_length * 1e-6


def extraterrestrial_radiation(latitude: NDArray[np.float64], day_of_year: NDArray[np.float64]) -> NDArray[np.float64]:
    """Radiation on a horizontal plane above the atmosphere in MJ m-2 per day, from the latitude (degrees) and the day
    of the year from 1 [eq. 21 with 23, 24, 25]. The arguments broadcast; 0 in the polar night."""
    phi, angle = np.radians(latitude), 2 * np.pi * day_of_year / 365
    distance = 1 + 0.033 * np.cos(angle)
    declination = 0.409 * np.sin(angle - 1.39)
    sunset = np.arccos(np.clip(-np.tan(phi) * np.tan(declination), -1, 1))
    height = sunset * np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.sin(sunset)
    return np.asarray(24 * 60 / np.pi * SOLAR_CONSTANT * distance * height)


def radiation_of_temperature_range(
    tmin: NDArray[np.float64], tmax: NDArray[np.float64], extraterrestrial: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Estimate of the radiation at the surface in MJ m-2 per day from the day's extremes (degrees Celsius), not above
    that of a clear sky [Hargreaves and Samani; eq. 50, with eq. 37 at sea level]: clouds narrow the range."""
    estimate = HARGREAVES_SAMANI * np.sqrt(np.maximum(tmax - tmin, 0.0))
    return np.minimum(estimate, CLEAR_SKY) * extraterrestrial


def range_margin(low: float, high: float) -> float:
    """How far beyond its valid range rounding may carry a value."""
    return min(0.1, 1e-3 * (high - low))


def check_range(name: str, values: NDArray[np.floating[Any]], where: str) -> None:
    """Raise InputError if a value is outside the variable's valid range; NaN is skipped."""
    variable = weather_variable(name)
    tolerance = range_margin(variable.valid_min, variable.valid_max)
    low, high = np.nanmin(values, initial=np.inf), np.nanmax(values, initial=-np.inf)
    if low < variable.valid_min - tolerance or high > variable.valid_max + tolerance:
        raise InputError(
            f"{where}: {name} runs from {low:.6g} to {high:.6g}, outside {variable.valid_min} to"
            f" {variable.valid_max} {variable.units}; the file's units attribute is probably wrong"
        )
