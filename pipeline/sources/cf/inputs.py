"""Which variable of a dataset is which input of the weather: by the names of known products, or by CF attributes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import xarray as xr

from mmvsf.datasets.errors import InputError
from mmvsf.datasets.variables import WEATHER_BY_NAME

from .times import product_of

MINIMUM, MAXIMUM, MEAN = "minimum", "maximum", "mean"
"""What a day's value is of the values within the day"""


@dataclass(frozen=True)
class Input:
    """A quantity that files hold, from which one or more variables of the cube follow."""

    units: str
    """in which it is read; a key of `mmvsf.pipeline.layers.weather.units.UNITS`"""
    names: tuple[str, ...]
    """what known products call it (AgERA5, gridMET, Daymet, ERA5, ERA5-Land, E-OBS, CHIRPS, NASA POWER, SILO, CF short
    names), in lower case, in the order in which they are looked for"""
    standard_names: tuple[str, ...] = ()
    """CF standard names of a variable with another name"""
    statistic: str | None = None
    """of a variable whose name does not tell it (`air_temperature`): what the other signs must say"""
    valid: tuple[float, float] | None = None
    """the range in its unit, where it is no variable of the cube"""


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_TEMPERATURE = ("air_temperature", "temperature", "t2m", "2t", "temperature_2m", "tair")
_HUMIDITY = ("relative_humidity", "rh", "rh2m", "hur")

INPUTS: dict[str, Input] = {
    "tmin": Input(
        "degree_Celsius",
        _words(
            "tmin temperature_min tmmn tasmin temperature_air_2m_min_24h temperature_2m_min mn2t t2m_min tn min_temp"
        )
        + _TEMPERATURE,
        ("air_temperature",),
        MINIMUM,
    ),
    "tmax": Input(
        "degree_Celsius",
        _words(
            "tmax temperature_max tmmx tasmax temperature_air_2m_max_24h temperature_2m_max mx2t t2m_max tx max_temp"
        )
        + _TEMPERATURE,
        ("air_temperature",),
        MAXIMUM,
    ),
    "tmean": Input(
        "degree_Celsius",
        _words("tmean temperature_mean tas temperature_air_2m_mean_24h tg") + _TEMPERATURE,
        (),
        MEAN,
        (-80, 60),
    ),
    "precipitation": Input(
        "mm",
        _words("precipitation precipitation_flux precipitation_amount pr prcp precip tp total_precipitation_sum")
        + _words("total_precipitation prectotcorr rr daily_rain"),
        _words("precipitation_flux precipitation_amount lwe_thickness_of_precipitation_amount rainfall_flux")
        + _words("thickness_of_rainfall_amount rainfall_amount"),
    ),
    "radiation": Input(
        "MJ m-2",
        _words("radiation solar_radiation_flux rsds ssrd surface_solar_radiation_downwards_sum allsky_sfc_sw_dwn qq")
        + _words("surface_solar_radiation_downwards"),
        _words("surface_downwelling_shortwave_flux_in_air surface_downwelling_shortwave_flux")
        + _words("integral_wrt_time_of_surface_downwelling_shortwave_flux_in_air"),
    ),
    "srad": Input("W m-2", ("srad",), valid=(0, 1400)),
    "daylight_srad": Input("W m-2", (), valid=(0, 1400)),
    "day_length": Input("s", ("dayl",), valid=(0, 86400)),
    "vpd": Input("kPa", _words("vpd mean_vapor_pressure_deficit"), ("water_vapor_saturation_deficit_in_air",)),
    "wind": Input("m s-1", _words("wind ws2m wind_speed_2m")),
    "wind_10m": Input(
        "m s-1",
        _words("wind_speed vs sfcwind wind_speed_10m_mean wind_speed_10m_mean_24h ws10m si10 fg"),
        ("wind_speed",),
        valid=(0, 80),
    ),
    "wind_10m_east": Input("m s-1", _words("u10 10u u_component_of_wind_10m uas"), ("eastward_wind",), valid=(-80, 80)),
    "wind_10m_north": Input(
        "m s-1", _words("v10 10v v_component_of_wind_10m vas"), ("northward_wind",), valid=(-80, 80)
    ),
    "relative_humidity": Input("%", ("hurs", "rhum", "hu", *_HUMIDITY), ("relative_humidity",), MEAN),
    "humidity_min": Input(
        "%",
        _words("daily_minimum_relative_humidity rmin derived_relative_humidity_2m_min_24h hursmin") + _HUMIDITY,
        (),
        MINIMUM,
        (0, 100),
    ),
    "humidity_max": Input(
        "%",
        _words("daily_maximum_relative_humidity rmax derived_relative_humidity_2m_max_24h hursmax") + _HUMIDITY,
        (),
        MAXIMUM,
        (0, 100),
    ),
    "pressure": Input("kPa", _words("pressure surface_pressure ps sp"), ("surface_air_pressure",)),
    "vapour_pressure": Input(
        "kPa",
        _words("vapour_pressure vp vapour_pressure_mean vapour_pressure_mean_24h"),
        ("water_vapor_partial_pressure_in_air",),
        valid=(0, 12),
    ),
    "dewpoint": Input(
        "degree_Celsius",
        _words("dewpoint_temperature dewpoint d2m 2d dew_point_temperature_2m_mean dew_point_temperature_2m_mean_24h")
        + _words("dewpoint_temperature_2m t2mdew tdps"),
        ("dew_point_temperature",),
        valid=(-95, 45),
    ),
    "soil_moisture": Input("m3 m-3", _words("soil_moisture volumetric_soil_water_layer_1 swvl1")),
    "snow": Input(
        "mm",
        _words("snow swe snw snow_thickness_lwe snow_thickness_lwe_mean snow_thickness_lwe_mean_24h")
        + _words("snow_depth_water_equivalent"),
        _words("lwe_thickness_of_surface_snow_amount surface_snow_amount"),
    ),
}
"""name -> what it is. Those that bear the name of a variable of the cube are that variable."""

_SIGNS = {
    MINIMUM: {"min", "minimum", "tmin", "tmmn", "tasmin", "tn", "mn2t", "rmin", "hursmin"},
    MAXIMUM: {"max", "maximum", "tmax", "tmmx", "tasmax", "tx", "mx2t", "rmax", "hursmax"},
    MEAN: {"mean", "average", "avg", "tmean", "tas", "tg", "hurs"},
}
_UNTOLD = {*_TEMPERATURE, *_HUMIDITY}


def quantities() -> dict[str, Input]:
    """`INPUTS`, and the variables of the cube that are not among them by their own name."""
    others = {
        name: Input(variable.units, (name,), (variable.standard_name,))
        for name, variable in WEATHER_BY_NAME.items()
        if name not in INPUTS
    }
    return INPUTS | others


def find_inputs(dataset: xr.Dataset, where: str) -> dict[str, str]:
    """input -> the variable of the dataset that holds it, of those with a place and a time.

    A temperature or humidity whose name does not tell whether it is the day's minimum, maximum or mean is told by
    `cell_methods`, other attributes or the file's name. Raises InputError where these contradict each other.
    """
    names = {str(name).lower(): str(name) for name in reversed(list(dataset.data_vars))}
    wanted = {}
    for key, quantity in quantities().items():
        candidates = [names[name] for name in (*quantity.names, *quantity.standard_names) if name in names]
        standard = [
            str(name)
            for name in dataset.data_vars
            if dataset[name].attrs.get("standard_name") in quantity.standard_names and not _is_named(str(name))
        ]
        for name in (*candidates, *standard):
            if _fits(dataset[name], quantity, where):
                wanted[key] = name
                break
    _settle(wanted, dataset, where)
    return wanted


def _fits(variable: xr.DataArray, quantity: Input, where: str) -> bool:
    if quantity.statistic is None:
        return True
    told = statistic_of(variable, where)
    if told is None and str(variable.name).lower() in _HUMIDITY:
        told = MEAN
    return told == quantity.statistic


def _settle(wanted: dict[str, str], dataset: xr.Dataset, where: str) -> None:
    """Radiation and wind by their attributes: `srad` may be a sum, or a mean over the daylight as in Daymet, and some
    wind is measured at 2 m."""
    if "srad" in wanted:
        attributes = dataset[wanted["srad"]].attrs
        if not re.search(r"\bw(att|\b)", str(attributes.get("units", "w")).lower()):
            wanted.setdefault("radiation", wanted.pop("srad"))
        elif "daylight" in str(attributes.get("long_name")).lower() or product_of(dataset.attrs, where) == "daymet":
            wanted["daylight_srad"] = wanted.pop("srad")
    if "wind_10m" in wanted and "wind" not in wanted and _height(dataset, wanted["wind_10m"]) == 2:
        wanted["wind"] = wanted.pop("wind_10m")


def _height(dataset: xr.Dataset, name: str) -> float | None:
    """The height in metres that an attribute (gridMET) or a scalar coordinate (CF) gives."""
    stated: Any = dataset[name].attrs.get("height")
    if stated is None and "height" in dataset[name].coords and dataset[name].coords["height"].size == 1:
        stated = dataset[name].coords["height"].values.item()
    number = re.match(r"\s*([\d.]+)\s*(m|$)", str(stated))
    return float(number[1]) if number else None


def _is_named(name: str) -> bool:
    return any(name.lower() in (*quantity.names, *quantity.standard_names) for quantity in INPUTS.values())


def statistic_of(variable: xr.DataArray, where: str) -> str | None:
    """Whether a variable is the day's minimum, maximum or mean: by its name and attributes, else by the file's name;
    None where nothing says it. Raises InputError where name and attributes say minimum and maximum."""
    attributes: Mapping[Any, Any] = variable.attrs
    method = re.search(r"time\s*:\s*(\w+)", str(attributes.get("cell_methods", "")))
    said = {"its name": str(variable.name), "cell_methods": method[1] if method else ""}
    said |= {key: str(attributes.get(key, "")) for key in ("long_name", "description", "standard_name")}
    told = {source: sign for source, text in said.items() if (sign := _sign(text))}
    extremes = {sign: source for source, sign in told.items() if sign != MEAN}
    if len(extremes) > 1:
        raise InputError(
            f"{where}: '{variable.name}' is a minimum by {extremes[MINIMUM]} and a maximum by {extremes[MAXIMUM]};"
            " correct the file"
        )
    signs = [*extremes, *told.values(), _sign(where.rpartition("/")[2])]
    return next((sign for sign in signs if sign), None)


def is_daily_mean(where: str) -> bool:
    """Whether the name of a file says that it holds daily means, as those of the Climate Data Store do."""
    return bool(re.search(r"daily[-_ ]?mean|daymean", where.rpartition("/")[2].lower()))


def _sign(text: str) -> str | None:
    """The statistic that words of a text name; extremes count before the mean, and both extremes are none."""
    words = set(re.split(r"[^a-z0-9]+", text.lower()))
    extremes = [sign for sign in (MINIMUM, MAXIMUM) if words & _SIGNS[sign]]
    if extremes:
        return extremes[0] if len(extremes) == 1 else None
    return MEAN if words & _SIGNS[MEAN] else None
