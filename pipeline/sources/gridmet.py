"""gridMET: daily weather of the contiguous US on a grid of 1/24 degree (4 km), from 1979; no account is needed.

Abatzoglou (2013), doi:10.1002/joc.3413; in the public domain. There is one file per variable and year on a THREDDS
server, whose NetCDF subset service (NCSS) cuts out a bounding box and days. Only that part is fetched, and kept in
the data folder.
"""

import io
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import day_number
from mmvsf.datasets.errors import IncompleteError, InputError, one_line
from mmvsf.datasets.recipe.region import Weather
from mmvsf.datasets.variables import WeatherFlag, weather_variable
from mmvsf.pipeline.layers.registry import register_source
from mmvsf.pipeline.layers.source import Origin, SourceSite, WeatherSource
from mmvsf.pipeline.layers.weather.units import WIND_10M_TO_2M, convert
from mmvsf.pipeline.layers.weather_series import WeatherSeries
from mmvsf.pipeline.sources.transport.download import DownloadError, download, server_folder
from mmvsf.pipeline.sources.transport.endpoints import ENDPOINTS, address, plain_url
from mmvsf.pipeline.sources.transport.http import RetryPolicy
from mmvsf.pipeline.sources.transport.progress import report_progress

SOURCE = "gridMET (Abatzoglou 2013, doi:10.1002/joc.3413), University of Idaho / UC Merced"
LICENCE = "public domain"
FIRST_DAY = date(1979, 1, 1)
DAY_ENDS_UTC_HOUR = 7
"""Days end at midnight, Mountain Standard Time, as the files say."""

EXTENT = (-124.79, 25.05, -67.04, 49.42)
"""west, south, east, north in degrees of the grid's outer edges."""
TOLERANCE = 0.25
"""Degrees by which a region's rectangle may reach beyond; its blocks are checked one by one later."""
MARGIN = 0.1
"""Degrees fetched beyond the region, so that its outermost cells have neighbours on every side."""

RETRY_POLICY = RetryPolicy(request=180.0)
"""The server reads the whole year's file before it answers."""
AT_ONCE = 3
"""Requests at a time; the server is a university's."""
SETTLED_DAYS = 90
"""Days this old are final: a file fetched so long after its last day is kept, a younger one is fetched again after a
day. gridMET replaces provisional days after some two months, and its files mostly say up to which day."""


class GridMetFile(NamedTuple):
    """One file per year on the server."""

    name: str
    variable: str
    """in the file; its unit is read from there"""
    factor: float = 1.0
    """by which values in the canonical unit are multiplied"""


FILES: dict[str, tuple[GridMetFile, ...]] = {
    "tmin": (GridMetFile("tmmn", "air_temperature"),),
    "tmax": (GridMetFile("tmmx", "air_temperature"),),
    "precipitation": (GridMetFile("pr", "precipitation_amount"),),
    "radiation": (GridMetFile("srad", "surface_downwelling_shortwave_flux_in_air"),),
    "vpd": (GridMetFile("vpd", "mean_vapor_pressure_deficit"),),
    "wind": (GridMetFile("vs", "wind_speed", WIND_10M_TO_2M),),
    "relative_humidity": (GridMetFile("rmin", "relative_humidity"), GridMetFile("rmax", "relative_humidity")),
}
"""canonical name -> the files that it is the mean of"""

Bounds = tuple[float, float, float, float]


@register_source("gridmet")
@dataclass(frozen=True)
class GridMet(WeatherSource):
    """A `WeatherSource` over a rectangle."""

    bounds: Bounds
    """west, south, east, north in degrees"""
    cache: Path
    """folder of the downloaded files"""
    url: str = ENDPOINTS["gridmet"].url
    retry_policy: RetryPolicy = RETRY_POLICY

    @classmethod
    def from_recipe(cls, section: Weather, site: SourceSite) -> Self:
        """See `WeatherSource`."""
        return cls(site.weather_bounds, site.cache("gridmet"), address("gridmet"))

    def origin(self) -> Origin:
        """See `WeatherSource`."""
        return Origin("gridmet", plain_url(self.url), source=SOURCE, licence=LICENCE)

    def fetch(self, first: date, last: date, variables: tuple[str, ...]) -> WeatherSeries:
        """See `WeatherSource`. Raises InputError for an area or days that gridMET does not cover, IncompleteError if
        the server gives no usable answer; what was downloaded until then is kept."""
        _refuse_other_variables(variables)
        _refuse_other_areas(self.bounds)
        if first < FIRST_DAY:
            raise InputError(f"gridMET begins on {FIRST_DAY}, but weather is needed from {first} on")
        # Radon counts 13, most of them comprehensions; parts are released while they are placed, so it stays whole.
        spans = _by_year(first, last)
        jobs = [(name, file, *span) for name in variables for file in FILES[name] for span in spans]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            parts = []
            for part in pool.map(lambda job: self._part(*job), jobs):
                parts.append(part)
                report_progress("weather, files of gridMET", len(parts), len(jobs))
        y, x = parts[0].y, parts[0].x
        if not all(np.array_equal(part.y, y) and np.array_equal(part.x, x) for part in parts):
            raise IncompleteError(
                f"the files of gridMET in {server_folder(self.cache, self.url)} are on different grids; remove that"
                " folder and run again"
            )
        days = np.arange(day_number(first), day_number(last) + 1)
        values = {}
        flag = np.full(days.size, WeatherFlag.OBSERVED, np.uint8)
        for name in variables:
            fields = []
            for _ in FILES[name]:
                fields.append(np.full((days.size, y.size, x.size), np.nan, np.float32))
                for _ in spans:
                    part = parts.pop(0)  # a state's weather is large: not held twice
                    fields[-1][part.days - days[0]] = part.values
                    flag[part.days[part.provisional] - days[0]] = WeatherFlag.PROVISIONAL
            values[name] = fields[0] if len(fields) == 1 else np.mean(fields, axis=0)
        return WeatherSeries(values, days, y, x, "EPSG:4326", DAY_ENDS_UTC_HOUR, flag)

    def _part(self, name: str, file: GridMetFile, first: date, last: date) -> "_Part":
        """One file's part within one year: from the cache, or from the server."""
        west, south, east, north = _padded(self.bounds)
        box = f"{west:.2f}_{south:.2f}_{east:.2f}_{north:.2f}"
        path = server_folder(self.cache, self.url) / f"{file.name}_{first:%Y%m%d}-{last:%Y%m%d}_{box}.nc"
        if _is_fresh(path, last):
            try:
                return _decode(path.read_bytes(), name, file, first, last)
            except ValueError:
                path.unlink()  # damaged on disk
        query = {
            "var": file.variable,
            "north": f"{north:.2f}",
            "west": f"{west:.2f}",
            "east": f"{east:.2f}",
            "south": f"{south:.2f}",
            "horizStride": "1",
            "time_start": f"{first}T00:00:00Z",
            "time_end": f"{last}T00:00:00Z",
            "timeStride": "1",
            "accept": "netcdf",
        }
        url, what = f"{self.url}/{file.name}/{file.name}_{first.year}.nc", f"gridMET {file.name} of {first} to {last}"
        try:
            download(url, query, path, what, lambda body: _check(body, name, file, first, last), self.retry_policy)
        except DownloadError as error:
            if error.status in (400, 404):
                raise InputError(
                    f"{error.reason}; gridMET has days from {FIRST_DAY} to about yesterday: shorten the recipe's"
                    " period, or take another weather source"
                ) from error
            raise
        return _decode(path.read_bytes(), name, file, first, last)


@dataclass(frozen=True)
class _Part:
    """Days of one variable, in canonical units."""

    days: NDArray[np.int64]
    """(day,) numbers since 1970-01-01"""
    y: NDArray[np.float64]
    x: NDArray[np.float64]
    values: NDArray[np.float32]
    """(day, y, x), NaN off the land"""
    provisional: NDArray[np.bool_]
    """(day,)"""


def _check(body: bytes, name: str, file: GridMetFile, first: date, last: date) -> None:
    """Raise ValueError unless the body is a complete answer."""
    expected, count = (last - first).days + 1, _decode(body, name, file, first, last).days.size
    if count < expected and (date.today() - last).days >= SETTLED_DAYS:
        raise ValueError(f"the response has {count} of {expected} days")


def _decode(body: bytes, name: str, file: GridMetFile, first: date, last: date) -> _Part:
    """One file's days in canonical units. Raises ValueError unless the body is NetCDF with the variable on days of the
    span and degrees, InputError for an unknown unit."""
    if not body.startswith((b"CDF", b"\x89HDF")):
        text = one_line(Exception(body[:200].decode(errors="replace")), 80)
        raise ValueError(f"the response is not a NetCDF file but '{text}'")
    try:
        with xr.open_dataset(io.BytesIO(body), engine="scipy" if body.startswith(b"CDF") else "h5netcdf") as opened:
            array = opened[file.variable].load()
            last_permanent = opened.attrs.get("last_permanent_slice")
        time_name = "day" if "day" in array.dims else "time"
        array = array.transpose(time_name, "lat", "lon").sortby(["lat", "lon"])
        stored, units = array.values.astype(np.float64), str(array.attrs["units"])
        dates = array[time_name].values.astype("datetime64[D]")
        y, x = (array[axis].values.astype(np.float64) for axis in ("lat", "lon"))
    except (OSError, KeyError, TypeError, IndexError, EOFError, AssertionError, ValueError) as error:
        raise ValueError(
            f"the response is not a complete NetCDF file of {file.variable}: {one_line(error, 120)}"
        ) from error
    inside = (dates >= np.datetime64(first)) & (dates <= np.datetime64(last))
    if not inside.all() or np.unique(dates).size < dates.size or not dates.size:
        raise ValueError("the response has no day, a day twice, or days that were not requested")
    values = convert(stored, units, weather_variable(name).units, f"gridMET, {file.variable}") * file.factor
    if last_permanent is None:
        provisional = dates > np.datetime64(date.today() - timedelta(days=SETTLED_DAYS))
    else:  # slices of the year's file are counted from 1
        provisional = (dates - dates.astype("datetime64[Y]")).astype(int) + 1 > int(last_permanent)
    return _Part(dates.astype(np.int64), y, x, values.astype(np.float32), provisional)


def _by_year(first: date, last: date) -> list[tuple[date, date]]:
    """The part of each calendar year, as the server's files are cut."""
    years = range(first.year, last.year + 1)
    return [(max(first, date(year, 1, 1)), min(last, date(year, 12, 31))) for year in years]


def _padded(bounds: Bounds) -> Bounds:
    west, south, east, north = bounds
    return west - MARGIN, south - MARGIN, east + MARGIN, north + MARGIN


def _is_fresh(path: Path, last: date) -> bool:
    """Whether a cached file need not be fetched again: the server still corrects and adds its youngest days."""
    if not path.is_file():
        return False
    fetched = path.stat().st_mtime
    return time.time() - fetched < 86_400 or date.fromtimestamp(fetched) >= last + timedelta(days=SETTLED_DAYS)


def _refuse_other_variables(variables: tuple[str, ...]) -> None:
    if lacking := [name for name in variables if name not in FILES]:
        raise InputError(
            f"gridMET has no {' and no '.join(lacking)}; leave it out of weather.variables, or take another weather"
            " source, such as era5-land"
        )


def _refuse_other_areas(bounds: Bounds) -> None:
    west, south, east, north = bounds
    beyond = max(EXTENT[0] - west, EXTENT[1] - south, east - EXTENT[2], north - EXTENT[3])
    if beyond > TOLERANCE:
        raise InputError(
            f"gridMET covers the contiguous US ({EXTENT[0]} to {EXTENT[2]} east, {EXTENT[1]} to {EXTENT[3]} north); the"
            f" region reaches {west:.2f} to {east:.2f} east, {south:.2f} to {north:.2f} north. Take NASA POWER for it"
            " (weather.source: power, no account), or ERA5-Land (weather.source: era5-land, a free token)"
        )
