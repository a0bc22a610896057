"""Weather of an archive: NetCDF files or a Zarr store on any regular grid, in the names of known products."""

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
from mmvsf.datasets.variables import WEATHER_BY_NAME
from mmvsf.pipeline.layers.registry import register_source
from mmvsf.pipeline.layers.source import Origin, SourceSite, WeatherSeries, WeatherSource
from mmvsf.pipeline.layers.weather.units import (
    WIND_10M_TO_2M,
    convert,
    daylight_sum,
    saturation_pressure,
    vapour_pressure_deficit,
)

# Names by which known products call a variable: this project's own, AgERA5, gridMET, Daymet, CF short names.
ALIASES: dict[str, tuple[str, ...]] = {
    "tmin": ("tmin", "temperature_min", "tmmn", "tasmin"),
    "tmax": ("tmax", "temperature_max", "tmmx", "tasmax"),
    "precipitation": ("precipitation", "precipitation_flux", "pr", "prcp"),
    "radiation": ("radiation", "solar_radiation_flux"),
    "vpd": ("vpd",),
    "wind": ("wind",),
}
WIND_10M = ("wind_speed", "vs")
VAPOUR_PRESSURE = ("vapour_pressure", "vp")
DEWPOINT = ("dewpoint_temperature", "dewpoint")
DAYLIGHT_RADIATION, DAY_LENGTH = "srad", "dayl"

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
            raise InputError(f"{self.path} has two rows for one day; join its files so that each day stands once")
        return WeatherSeries(
            {name: _variable(span, name, self.path) for name in variables},
            span["time"].values.astype("datetime64[D]").astype(np.int64),
            span["y"].values,
            span["x"].values,
            _crs_of(dataset, self.path),
            float(dataset.attrs.get("day_ends_utc_hour", 24)),
            drops_leap_year_end="daymet" in str(dataset.attrs.get("source", "")).lower(),
        )

    def _open(self) -> xr.Dataset:
        path = self.path
        try:
            if path.suffix == ".zarr" or (path / "zarr.json").is_file() or (path / ".zgroup").is_file():
                stored: xr.Dataset = xr.open_zarr(path, chunks=None, consolidated=False)
                return stored
            if path.is_dir():
                files = sorted(path.glob("*.nc"))
                if not files:
                    raise InputError(f"{path} holds no NetCDF file (*.nc); check weather.path of the recipe")
                parts = [xr.open_dataset(file) for file in files]
                return xr.merge(parts, combine_attrs="override", join="outer", compat="no_conflicts")
            if not path.is_file():
                raise InputError(f"there is no weather at {path}; check weather.path of the recipe")
            return xr.open_dataset(path)
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"{path} cannot be read as weather (NetCDF 4 or Zarr): {one_line(error)}") from error


def _canonical_axes(dataset: xr.Dataset, path: Path) -> xr.Dataset:
    """Dims renamed to time, y, x; days at midnight; y and x increasing."""
    names = {}
    for wanted, known in (("time", TIME_NAMES), ("y", Y_NAMES), ("x", X_NAMES)):
        found = next((name for name in known if name in dataset.dims), None)
        if found is None or found not in dataset.coords:
            raise InputError(f"{path} has no dimension with coordinates called {' or '.join(known)}")
        names[found] = wanted
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


def _variable(dataset: xr.Dataset, name: str, path: Path) -> NDArray[np.float32]:
    """One canonical variable, (time, y, x), read directly or derived from what the file has."""
    values = _direct(dataset, name, path)
    if values is None and name == "wind":
        at_ten = _read(dataset, WIND_10M, "m s-1", path)
        values = None if at_ten is None else at_ten * WIND_10M_TO_2M
    if values is None and name == "vpd":
        values = _deficit(dataset, path)
    if values is None and name == "radiation" and DAYLIGHT_RADIATION in dataset:
        values = _read(dataset, (DAYLIGHT_RADIATION,), "MJ m-2", path)
        if values is not None and DAY_LENGTH in dataset:
            day_length = dataset[DAY_LENGTH].transpose("time", "y", "x").values
            values = daylight_sum(dataset[DAYLIGHT_RADIATION].transpose("time", "y", "x").values, day_length)
    if values is None:
        known = ", ".join(ALIASES[name])
        raise InputError(
            f"{path} lacks '{name}' (looked for {known} and what it can be derived from; the file has"
            f" {', '.join(sorted(map(str, dataset.data_vars)))}); add it, or leave it out of weather.variables"
        )
    return values.astype(np.float32)


def _direct(dataset: xr.Dataset, name: str, path: Path) -> NDArray[np.float64] | None:
    return _read(dataset, ALIASES[name], WEATHER_BY_NAME[name].units, path)


def _deficit(dataset: xr.Dataset, path: Path) -> NDArray[np.float64] | None:
    """VPD from the extremes and the vapour pressure, or the dew point."""
    tmin, tmax = _direct(dataset, "tmin", path), _direct(dataset, "tmax", path)
    actual = _read(dataset, VAPOUR_PRESSURE, "kPa", path)
    if actual is None:
        dewpoint = _read(dataset, DEWPOINT, "degree_Celsius", path)
        actual = None if dewpoint is None else saturation_pressure(dewpoint)
    if tmin is None or tmax is None or actual is None:
        return None
    return vapour_pressure_deficit(tmin, tmax, actual)


def _read(dataset: xr.Dataset, names: tuple[str, ...], units: str, path: Path) -> NDArray[np.float64] | None:
    """The first of the named variables in the wanted unit, or None if the file has none of them."""
    name = next((name for name in names if name in dataset.data_vars), None)
    if name is None:
        return None
    array = dataset[name].transpose("time", "y", "x")
    if "units" not in array.attrs:
        raise InputError(f"{path}: the variable '{name}' has no units attribute; add one")
    values = array.values.astype(np.float64)
    nodata = array.attrs.get("nodata")
    if nodata is not None:
        values = np.where(values == float(nodata), np.nan, values)
    return convert(values, str(array.attrs["units"]), units, f"{path}, {name}")
