"""Weather of an archive: NetCDF files or a Zarr store on any regular grid, in the names of known products."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS
from pyproj.exceptions import CRSError

from mmvsf.datasets.errors import InputError, one_line
from mmvsf.datasets.recipe.region import Weather
from mmvsf.datasets.variables import weather_variable
from mmvsf.pipeline.layers.registry import register_source
from mmvsf.pipeline.layers.source import Origin, SourceSite, WeatherSeries, WeatherSource
from mmvsf.pipeline.layers.weather.units import (
    WIND_10M_TO_2M,
    convert,
    daylight_sum,
    relative_humidity,
    saturation_pressure,
    vapour_pressure_deficit,
)

ALIASES: dict[str, tuple[str, ...]] = {
    "tmin": ("temperature_min", "tmmn", "tasmin"),
    "tmax": ("temperature_max", "tmmx", "tasmax"),
    "precipitation": ("precipitation_flux", "pr", "prcp"),
    "radiation": ("solar_radiation_flux",),
    "relative_humidity": ("hurs", "rhum"),
    "pressure": ("surface_pressure", "ps", "sp"),
    "soil_moisture": ("volumetric_soil_water_layer_1", "swvl1"),
    "snow": ("swe", "snw", "snow_thickness_lwe", "Snow_Thickness_LWE_Mean", "snow_depth_water_equivalent"),
}
"""canonical name -> the names that known products (AgERA5, gridMET, Daymet, ERA5-Land, CF short names) give it, after
its own. A variable without an entry is looked for by its own name."""
WIND_10M = ("wind_speed", "vs")
VAPOUR_PRESSURE = ("vapour_pressure", "vp")
DEWPOINT = ("dewpoint_temperature", "dewpoint")
HUMIDITY_EXTREMES = (("daily_minimum_relative_humidity", "rmin"), ("daily_maximum_relative_humidity", "rmax"))
DAYLIGHT_RADIATION, DAY_LENGTH = "srad", "dayl"

Floats = NDArray[np.float64]

TIME_NAMES = ("time", "timestamp", "day")
Y_NAMES = ("y", "lat", "latitude")
X_NAMES = ("x", "lon", "longitude")


@register_source("archive")
@dataclass(frozen=True)
class ArchiveWeather(WeatherSource):
    """A NetCDF file, a folder of them (joined in time), or a Zarr store."""

    recipe_lines: ClassVar[dict[str, bool]] = {"path": True}
    path: Path

    @classmethod
    def from_recipe(cls, section: Weather, site: SourceSite) -> Self:
        """See `WeatherSource`."""
        return cls(site.path(section.path or ""))

    def origin(self) -> Origin:
        """See `WeatherSource`: as the attributes `source` and `license` of the files say."""
        attributes = self._open().attrs
        licence = str(attributes.get("license", attributes.get("licence", "")))
        return Origin("archive", source=str(attributes.get("source", self.path.name)), licence=licence)

    def fetch(self, first: date, last: date, variables: tuple[str, ...]) -> WeatherSeries:
        """See `WeatherSource`. Raises InputError if the files cannot be read, or lack variables, time or CRS."""
        dataset = _canonical_axes(self._open(), self.path)
        span = dataset.sel(time=slice(np.datetime64(first), np.datetime64(last)))
        if span.sizes["time"] == 0:
            raise InputError(f"{self.path} has no weather between {first} and {last}")
        if np.unique(span["time"].values).size < span.sizes["time"]:
            raise InputError(f"{self.path} has two rows for one day; join its files so that each day occurs once")
        fields = _Fields(span, self.path)
        return WeatherSeries(
            {name: fields.canonical(name) for name in variables},
            span["time"].values.astype("datetime64[D]").astype(np.int64),
            span["y"].values,
            span["x"].values,
            _crs_of(dataset, self.path),
            float(dataset.attrs.get("day_ends_utc_hour", 24)),
            drops_leap_year_end="daymet" in str(dataset.attrs.get("source", "")).lower(),
        )

    def _open(self) -> xr.Dataset:
        """The files as one dataset. Durations stay numbers: some versions of xarray would make them timedeltas."""
        path = self.path
        try:
            if path.suffix == ".zarr" or (path / "zarr.json").is_file() or (path / ".zgroup").is_file():
                stored: xr.Dataset = xr.open_zarr(path, chunks=None, consolidated=False, decode_timedelta=False)
                return stored
            if path.is_dir():
                files = sorted(path.glob("*.nc"))
                if not files:
                    raise InputError(f"{path} holds no NetCDF file (*.nc); check weather.path of the recipe")
                parts = [xr.open_dataset(file, decode_timedelta=False) for file in files]
                return xr.merge(parts, combine_attrs="override", join="outer", compat="no_conflicts")
            if not path.is_file():
                raise InputError(f"there is no weather at {path}; check weather.path of the recipe")
            return xr.open_dataset(path, decode_timedelta=False)
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"{path} cannot be read as weather (NetCDF 4 or Zarr): {one_line(error)}") from error


def _canonical_axes(dataset: xr.Dataset, path: Path) -> xr.Dataset:
    """Dims renamed to time, y, x; days at midnight; y and x increasing."""
    names = {}
    for axis, aliases in (("time", TIME_NAMES), ("y", Y_NAMES), ("x", X_NAMES)):
        name = next((name for name in aliases if name in dataset.dims), None)
        if name is None or name not in dataset.coords:
            raise InputError(f"{path} has no dimension with coordinates called {' or '.join(aliases)}")
        names[name] = axis
    renamed = dataset.rename({old: new for old, new in names.items() if old != new})
    if not np.issubdtype(renamed["time"].dtype, np.datetime64):
        raise InputError(f"{path}: its time axis is not in a standard calendar")
    renamed = renamed.assign_coords(time=renamed["time"].values.astype("datetime64[D]").astype("datetime64[ns]"))
    return renamed.sortby(["time", "y", "x"])


def _crs_of(dataset: xr.Dataset, path: Path) -> str:
    """The CRS from a CF grid mapping, from attributes, or degrees where the axes are latitude and longitude."""
    candidates: list[Any] = []
    if "spatial_ref" in dataset.variables:
        attributes = dataset["spatial_ref"].attrs
        candidates += [attributes.get("crs_wkt"), attributes.get("spatial_ref")]
    candidates += [dataset.attrs.get("epsg"), dataset.attrs.get("crs")]
    for candidate in candidates:
        if candidate is None:
            continue
        try:
            return str(CRS.from_user_input(int(candidate) if str(candidate).isdigit() else candidate).to_wkt())
        except CRSError:
            continue
    if np.abs(dataset["y"].values).max() <= 90 and np.abs(dataset["x"].values).max() <= 180:
        return "EPSG:4326"
    raise InputError(f"{path} names no CRS; add a spatial_ref variable with crs_wkt, or use latitude and longitude")


@dataclass(frozen=True)
class _Fields:
    """The variables of a file, each (time, y, x) in a canonical unit."""

    dataset: xr.Dataset
    path: Path

    def canonical(self, name: str) -> NDArray[np.float32]:
        """One canonical variable, read directly or derived from what the file has. Raises InputError."""
        values = self.direct(name)
        if values is None and name in DERIVED:
            values = DERIVED[name](self)
        if values is None:
            raise InputError(
                f"{self.path} lacks '{name}' (looked for {', '.join(_names(name))} and what it can be derived from; the"
                f" file has {', '.join(sorted(map(str, self.dataset.data_vars)))}); add it, or leave it out of"
                " weather.variables"
            )
        return values.astype(np.float32)

    def direct(self, name: str) -> Floats | None:
        """A canonical variable that the file has, or None."""
        return self.read(_names(name), weather_variable(name).units)

    def read(self, names: tuple[str, ...], units: str) -> Floats | None:
        """The first of the named variables in a canonical unit, or None if the file has none of them."""
        name = next((name for name in names if name in self.dataset.data_vars), None)
        if name is None:
            return None
        array = self.dataset[name].transpose("time", "y", "x")
        if "units" not in array.attrs:
            raise InputError(f"{self.path}: the variable '{name}' has no units attribute; add one")
        values = array.values.astype(np.float64)
        nodata = array.attrs.get("nodata")
        if nodata is not None:
            values = np.where(values == float(nodata), np.nan, values)
        return convert(values, str(array.attrs["units"]), units, f"{self.path}, {name}")

    def vapour_pressure(self) -> Floats | None:
        """Actual vapour pressure in kPa, given or from the dew point."""
        actual = self.read(VAPOUR_PRESSURE, "kPa")
        if actual is not None:
            return actual
        dewpoint = self.read(DEWPOINT, "degree_Celsius")
        return None if dewpoint is None else saturation_pressure(dewpoint)


def _names(name: str) -> tuple[str, ...]:
    return name, *ALIASES.get(name, ())


def _wind(fields: _Fields) -> Floats | None:
    at_ten = fields.read(WIND_10M, "m s-1")
    return None if at_ten is None else at_ten * WIND_10M_TO_2M


def _vpd(fields: _Fields) -> Floats | None:
    tmin, tmax, actual = fields.direct("tmin"), fields.direct("tmax"), fields.vapour_pressure()
    if tmin is None or tmax is None or actual is None:
        return None
    return vapour_pressure_deficit(tmin, tmax, actual)


def _humidity(fields: _Fields) -> Floats | None:
    """The mean of the day's extremes, as gridMET has them, or from vapour pressure and temperatures."""
    lowest, highest = (fields.read(names, "%") for names in HUMIDITY_EXTREMES)
    if lowest is not None and highest is not None:
        return (lowest + highest) / 2
    tmin, tmax, actual = fields.direct("tmin"), fields.direct("tmax"), fields.vapour_pressure()
    if tmin is None or tmax is None or actual is None:
        return None
    return relative_humidity(actual, tmin, tmax)


def _radiation(fields: _Fields) -> Floats | None:
    """gridMET's mean over 24 hours, or Daymet's over the daylight, which comes with the day length."""
    mean = fields.read((DAYLIGHT_RADIATION,), "MJ m-2")
    if mean is None or DAY_LENGTH not in fields.dataset:
        return mean
    flux, day_length = (
        fields.dataset[name].transpose("time", "y", "x").values for name in (DAYLIGHT_RADIATION, DAY_LENGTH)
    )
    return daylight_sum(flux, day_length)


DERIVED: dict[str, Callable[[_Fields], Floats | None]] = {
    "wind": _wind,
    "vpd": _vpd,
    "radiation": _radiation,
    "relative_humidity": _humidity,
}
"""canonical name -> the variable from others of the file, or None if the file lacks those"""
