"""The vocabulary of a cube: bands, weather variables, quality bits and status codes.

Every source translates to these names and units at its own edge, so nothing behind it needs to know
where a number came from.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from .errors import InputError

REFLECTANCE_SCALE = 1e-4
"""Stored reflectance x this = surface reflectance (dimensionless), as in HLS and Sentinel-2 L2A."""

REFLECTANCE_FILL = -9999
"""Stored value of a pixel of any band that was not observed (HLS's own)."""


@dataclass(frozen=True)
class Quantity:
    """What the stored integers of a band measure: stored x `scale` is a number in `units`."""

    long_name: str
    standard_name: str | None
    """of CF, if it has one"""
    units: str
    scale: float
    valid_min: float
    valid_max: float
    """A typical clear pixel outside this range points to a wrong scale or offset."""


REFLECTANCE = Quantity(
    "surface reflectance", "surface_bidirectional_reflectance", "1", REFLECTANCE_SCALE, valid_min=0.0, valid_max=0.7
)
BRIGHTNESS = Quantity(
    "brightness temperature at the top of the atmosphere", "toa_brightness_temperature", "degree_Celsius", 0.01, -90, 90
)
TEMPERATURE = Quantity("temperature of the surface", "surface_temperature", "degree_Celsius", 0.01, -90, 90)
OTHER = Quantity("number without a unit", None, "1", REFLECTANCE_SCALE, -4, 4)
"""The quantity of a band with a name of the recipe's own."""


@dataclass(frozen=True)
class Band:
    """One band. `common_name` is the STAC eo name; `wavelength` its centre in micrometres (mean of Landsat 8 OLI and
    Sentinel-2 MSI, HLS v2 user guide, table 2; of one of them where the other lacks the band). Empty and None for a
    band that the vocabulary does not know."""

    name: str
    common_name: str
    wavelength: float | None
    quantity: Quantity = REFLECTANCE


BANDS: tuple[Band, ...] = (
    Band("blue", "blue", 0.486),
    Band("green", "green", 0.561),
    Band("red", "red", 0.660),
    Band("nir", "nir08", 0.865),
    Band("swir1", "swir16", 1.611),
    Band("swir2", "swir22", 2.196),
    Band("coastal", "coastal", 0.443),
    Band("rededge1", "rededge071", 0.704),
    Band("rededge2", "rededge075", 0.740),
    Band("rededge3", "rededge078", 0.783),
    Band("nir_broad", "nir", 0.833),
    Band("thermal1", "lwir11", 10.895, BRIGHTNESS),
    Band("thermal2", "lwir12", 12.005, BRIGHTNESS),
    Band("surface_temperature", "lwir", 10.895, TEMPERATURE),
)
"""The bands whose wavelength and quantity are known. A recipe's `imagery.bands` may name any of them, or others; adding
one here changes no cube. `nir` is the narrow near infrared, which Landsat 8 and Sentinel-2 (B8A) share."""

BANDS_BY_NAME: dict[str, Band] = {band.name: band for band in BANDS}

DEFAULT_BANDS: tuple[str, ...] = ("blue", "green", "red", "nir", "swir1", "swir2")
"""The bands of a recipe that names none. Changing this changes the shape and the digest of their cubes."""


BACKSCATTER_SCALE = 0.01
"""Stored backscatter x this = gamma0 in dB: finer than the radiometric accuracy of any radar."""

BACKSCATTER_FILL = -9999
"""Stored value of a pixel without backscatter; -99.99 dB is far below the noise of any radar."""

POLARISATIONS: tuple[str, ...] = ("vv", "vh", "hh", "hv")
"""Sent and received: v vertical, h horizontal"""

ORBITS: tuple[str, ...] = ("ascending", "descending")
"""Directions in which a satellite passes: northwards, in the evening for Sentinel-1, and southwards, in the morning."""

MOST_ORBITS = 175
"""Relative orbits of Sentinel-1, counted from 1 (Sentinel-1 product specification, ESA)"""


def band_named(name: str) -> Band:
    """The band of a name; one that is not known has no wavelength, and is a number without a unit."""
    return BANDS_BY_NAME.get(name) or Band(name, "", None, OTHER)


def band_scales(names: Iterable[str]) -> NDArray[np.float64]:
    """(band,) what the stored integers of these bands are multiplied by."""
    return np.array([band_named(name).quantity.scale for name in names])


@dataclass(frozen=True)
class WeatherVariable:
    """One daily weather variable: canonical name, unit, CF standard name and cell method, and the range
    outside of which a value is taken for an error of units or of reading."""

    name: str
    units: str
    standard_name: str
    cell_method: str
    valid_min: float
    valid_max: float
    long_name: str


WEATHER: tuple[WeatherVariable, ...] = (
    WeatherVariable(
        "tmin", "degree_Celsius", "air_temperature", "time: minimum", -80, 50, "daily minimum air temperature at 2 m"
    ),
    WeatherVariable(
        "tmax", "degree_Celsius", "air_temperature", "time: maximum", -70, 60, "daily maximum air temperature at 2 m"
    ),
    WeatherVariable(
        "precipitation", "mm", "lwe_thickness_of_precipitation_amount", "time: sum", 0, 2000, "daily precipitation"
    ),
    WeatherVariable(
        "radiation",
        "MJ m-2",
        "integral_wrt_time_of_surface_downwelling_shortwave_flux_in_air",
        "time: sum",
        0,
        50,
        "daily downward shortwave radiation at the surface",
    ),
    WeatherVariable(
        "vpd", "kPa", "water_vapor_saturation_deficit_in_air", "time: mean", 0, 15, "vapour pressure deficit"
    ),
    WeatherVariable("wind", "m s-1", "wind_speed", "time: mean", 0, 60, "wind speed at 2 m"),
    WeatherVariable(
        "relative_humidity", "%", "relative_humidity", "time: mean", 0, 100, "daily mean relative humidity at 2 m"
    ),
    WeatherVariable(
        "pressure", "kPa", "surface_air_pressure", "time: mean", 30, 110, "daily mean air pressure at the surface"
    ),
    WeatherVariable(
        "soil_moisture",
        "m3 m-3",
        "volume_fraction_of_condensed_water_in_soil",
        "time: mean",
        0,
        1,
        "daily mean water content of the top 7 cm of soil",
    ),
    WeatherVariable(
        "snow",
        "mm",
        "lwe_thickness_of_surface_snow_amount",
        "time: mean",
        0,
        15_000,
        "daily mean snow water equivalent on the ground",
    ),
)
"""The known variables. A recipe's `weather.variables` may name any of them; adding one changes no cube."""

WEATHER_BY_NAME: dict[str, WeatherVariable] = {variable.name: variable for variable in WEATHER}

DEFAULT_WEATHER: tuple[str, ...] = ("tmin", "tmax", "precipitation", "radiation", "vpd", "wind")
"""The variables of a recipe that names none. Changing this changes the shape and the digest of their cubes."""


def weather_variable(name: str) -> WeatherVariable:
    """The known weather variable of a name. Raises InputError for another name."""
    if name not in WEATHER_BY_NAME:
        raise InputError(f"there is no weather variable '{name}'; choose from {', '.join(WEATHER_BY_NAME)}")
    return WEATHER_BY_NAME[name]


@dataclass(frozen=True)
class StaticLayer:
    """One property of terrain or soil that does not change with time: canonical name, unit, CF standard name if it
    has one, and the range outside of which a number is an error of units or a no-data value that was not declared."""

    name: str
    units: str
    standard_name: str | None
    valid_min: float
    valid_max: float
    long_name: str


STATIC: tuple[StaticLayer, ...] = (
    StaticLayer("elevation", "m", "surface_altitude", -500, 9000, "elevation of the surface above the geoid"),
    StaticLayer("slope", "degree", "ground_slope_angle", 0, 90, "slope of the surface (Horn 1981)"),
    StaticLayer("soil_water", "mm", None, 0, 1000, "water that plants can draw from the upper metre of soil"),
)
STATIC_NAMES: tuple[str, ...] = tuple(layer.name for layer in STATIC)
STATIC_BY_NAME: dict[str, StaticLayer] = {layer.name: layer for layer in STATIC}


class Quality(IntEnum):
    """Bits of `imagery/quality`, laid out as in the HLS v2 Fmask (user guide, table 9)."""

    CLOUD = 1 << 1
    ADJACENT = 1 << 2
    SHADOW = 1 << 3
    SNOW = 1 << 4
    WATER = 1 << 5
    AEROSOL = 0b11 << 6


QUALITY_FILL = 255
"""No data. Test it before any bit: read as bits, 255 would be cloud, snow and water at once."""

NOT_CLEAR = Quality.CLOUD | Quality.ADJACENT | Quality.SHADOW | Quality.SNOW

QUALITY_FLAGS: tuple[tuple[str, int, int], ...] = (
    ("cloud", Quality.CLOUD, Quality.CLOUD),
    ("adjacent_to_cloud_or_shadow", Quality.ADJACENT, Quality.ADJACENT),
    ("cloud_shadow", Quality.SHADOW, Quality.SHADOW),
    ("snow_or_ice", Quality.SNOW, Quality.SNOW),
    ("water", Quality.WATER, Quality.WATER),
    ("aerosol_low", Quality.AEROSOL, 1 << 6),
    ("aerosol_moderate", Quality.AEROSOL, 2 << 6),
    ("aerosol_high", Quality.AEROSOL, 3 << 6),
)
"""(CF flag meaning, flag mask, flag value)."""


def is_clear(quality: NDArray[np.uint8], *, drop_high_aerosol: bool = False) -> NDArray[np.bool_]:
    """Where the surface was observed: data, and no cloud, cloud edge, shadow or snow. Same shape as `quality`.

    Water is clear. High aerosol is clear unless `drop_high_aerosol`: in a real granule 6 % of the clear
    pixels carry that flag, and most of them are usable.
    """
    clear: NDArray[np.bool_] = (quality != QUALITY_FILL) & ((quality & np.uint8(NOT_CLEAR)) == 0)
    if drop_high_aerosol:
        clear &= (quality & np.uint8(Quality.AEROSOL)) != Quality.AEROSOL
    return clear


class Status(IntEnum):
    """The state of one block on one day (`blocks/status`)."""

    OUTSIDE = 0
    NOT_ACQUIRED = 1
    STORED = 2
    SKIPPED_CLOUDY = 3
    FAILED = 4


class Split(IntEnum):
    """The part that a place or a year belongs to (`splits`)."""

    NONE = 0
    TRAIN = 1
    VALIDATION = 2
    TEST = 3


class WeatherFlag(IntEnum):
    """Where the weather of a day comes from (`weather/flag`)."""

    OBSERVED = 0
    FILLED = 1
    PROVISIONAL = 2
    ESTIMATED = 3
    NONE = 4


CLEAR_FRACTION_FILL = 255
"""`chunks/clear_fraction` where a chunk was not seen; otherwise percent."""

CONFIDENCE_FILL = 255
"""`labels/confidence` where it is unknown; otherwise percent."""

SCENE_FILL = 255
"""`imagery/scene` where no scene covers the pixel."""
