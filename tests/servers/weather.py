"""Stand-ins for gridMET's THREDDS server (NetCDF subset service) and for meteostat's files.

    python -m tests.servers.weather --port 8001        prints the environment in which mmvsf talks to it

The weather is made up, by formulas (`gridmet_truth`, `station_truth`) that tests compare with.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import re
import sqlite3
import tempfile
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from .base import Request, Response, StandIn, main

Floats = NDArray[np.float64]

NCSS = "/thredds/ncss/grid/MET"
STEP = 1 / 24
LATITUDES = 49.4 - STEP * np.arange(585)
LONGITUDES = -124.76666666666667 + STEP * np.arange(1386)
SEA_WEST_OF = -123.9

# file -> (variable, unit, scale, offset), as the real files are packed into 16 bits
PACKING = {
    "tmmn": ("air_temperature", "K", 0.1, 210.0),
    "tmmx": ("air_temperature", "K", 0.1, 220.0),
    "pr": ("precipitation_amount", "mm", 0.1, 0.0),
    "srad": ("surface_downwelling_shortwave_flux_in_air", "W m-2", 0.1, 0.0),
    "vpd": ("mean_vapor_pressure_deficit", "kPa", 0.01, 0.0),
    "vs": ("wind_speed", "m/s", 0.1, 0.0),
    "rmin": ("relative_humidity", "%", 0.1, 0.0),
    "rmax": ("relative_humidity", "%", 0.1, 0.0),
}
FILL = 32767


def season(days: ArrayLike) -> Floats:
    """-1 in January to 1 in July, for days since 1970-01-01."""
    return np.cos((np.asarray(days, float) % 365.25 - 200) / 365.25 * 2 * np.pi)


def gridmet_truth(file: str, days: ArrayLike, lat: ArrayLike, lon: ArrayLike) -> Floats:
    """What gridMET's file says, before packing, in its own unit. The arguments broadcast."""
    days, lat, lon = (np.asarray(a, float) for a in (days, lat, lon))
    tilt = 0.8 * (lat - 42) - 0.6 * (lon + 93)
    return {
        "tmmn": lambda: 278 + 12 * season(days) + tilt,
        "tmmx": lambda: 289 + 12 * season(days) + tilt,
        "pr": lambda: 6 + 3 * np.cos(days) + tilt,
        "srad": lambda: 200 + 100 * season(days) + 5 * tilt,
        "vpd": lambda: 1.5 + 0.5 * season(days) + 0.1 * tilt,
        "vs": lambda: 6 + np.cos(days / 3) + tilt,
        "rmin": lambda: 30 + 5 * np.sin(days) + tilt,
        "rmax": lambda: 80 + 5 * np.cos(days) + tilt,
    }[file]()


@dataclass(frozen=True)
class Station:
    id: str
    lat: float
    lon: float
    elevation: float
    measures: tuple[str, ...] = ("temp", "tmin", "tmax", "rhum", "prcp", "wspd", "pres")
    missing: frozenset[date] = frozenset()
    forecast: frozenset[date] = frozenset()
    """days that its file fills with a forecast, 20 degrees too warm"""
    years: tuple[int, ...] = tuple(range(2015, 2027))
    timezone: str = "America/Chicago"


def station_truth(parameter: str, days: ArrayLike, lat: ArrayLike, elevation: ArrayLike) -> Floats:
    """What a station measures, in meteostat's unit. Temperature falls by 6.5 K a kilometre."""
    days, lat, elevation = (np.asarray(a, float) for a in (days, lat, elevation))
    level = 10 + 14 * season(days) - 0.9 * (lat - 42) - 0.0065 * (elevation - 300)
    none = 0 * level
    return {
        "temp": lambda: level,
        "tmin": lambda: level - 6,
        "tmax": lambda: level + 6,
        "rhum": lambda: 60 + 10 * np.sin(days) + none,
        "prcp": lambda: 5 + 4 * np.cos(days) + 2 * (lat - 42) + none,
        "wspd": lambda: 18 + 6 * np.cos(days / 3) + none,
        "pres": lambda: 1013 + none,
    }[parameter]()


def stations_over(west: float, south: float, east: float, north: float) -> tuple[Station, ...]:
    """Four rows of four stations over a rectangle of degrees, from its corners on; `east` is above 180 across it."""
    return tuple(
        Station(
            f"S{row}{column}",
            round(south + (north - south) * row / 3, 6),
            round((west + (east - west) * column / 3 + 180) % 360 - 180, 6),
            250.0 + 40 * row + 15 * column,
        )
        for row in range(4)
        for column in range(4)
    )


STATIONS = stations_over(-94.5, 41.4, -93.0, 42.6)


@dataclass
class Weather:
    """What the stand-in knows; tests change it."""

    until: date = date(2026, 12, 31)
    """last day of gridMET"""
    permanent_until: date | None = None
    """last permanent day of gridMET; None: its files do not tell"""
    missing: frozenset[date] = frozenset()
    """days that gridMET lacks"""
    stations: tuple[Station, ...] = STATIONS
    extra: dict[str, bytes] = field(default_factory=dict)
    """other files by path"""


class WeatherServer(StandIn):
    """THREDDS below /thredds, meteostat's stations.db and daily/<year>/<station>.csv.gz at the root."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.weather = Weather()

    @property
    def gridmet_url(self) -> str:
        return f"{self.url}{NCSS}"

    def environment(self) -> dict[str, str]:
        return {"MMVSF_GRIDMET_URL": self.gridmet_url, "MMVSF_METEOSTAT_URL": self.url}

    def answer(self, request: Request) -> Response:
        if request.path in self.weather.extra:
            return Response(200, self.weather.extra[request.path])
        if found := re.fullmatch(rf"{NCSS}/(\w+)/(\w+)_(\d{{4}})\.nc", request.path):
            return self._subset(found.group(2), int(found.group(3)), request.query)
        if request.path == "/stations.db":
            return Response(200, stations_db(self.weather.stations), "application/vnd.sqlite3")
        if found := re.fullmatch(r"/daily/(\d{4})/(\w+)\.csv\.gz", request.path):
            return self._station_year(found.group(2), int(found.group(1)))
        return Response.of_json({"code": "404"}, 404)

    def _subset(self, file: str, year: int, query: dict[str, str]) -> Response:
        """As THREDDS answers: 404 without the year's file, 400 in words for a request beyond it."""
        known = self.weather
        if file not in PACKING or not 1979 <= year <= known.until.year:
            return Response(404, b"Not Found", "text/plain")
        if query["var"] != PACKING[file][0]:
            return Response(400, f"Variable(s) not found in dataset: {query['var']}".encode(), "text/plain")
        first, last = (date.fromisoformat(query[f"time_{end}"][:10]) for end in ("start", "end"))
        last = min(last, known.until, date(year, 12, 31))
        days = [first + timedelta(n) for n in range((last - first).days + 1)]
        days = [day for day in days if day not in known.missing]
        west, south, east, north = (float(query[side]) for side in ("west", "south", "east", "north"))
        lat = LATITUDES[(south <= LATITUDES) & (north >= LATITUDES)]
        lon = LONGITUDES[(west <= LONGITUDES) & (east >= LONGITUDES)]
        if not days or not lat.size or not lon.size:
            return Response(400, b"Requested time range or bounding box does not intersect the dataset", "text/plain")
        permanent = known.permanent_until
        body = gridmet_netcdf(
            file, days, lat, lon, None if permanent is None else (permanent - date(year, 1, 1)).days + 1
        )
        return Response(200, body, "application/x-netcdf")

    def _station_year(self, name: str, year: int) -> Response:
        station = next((s for s in self.weather.stations if s.id == name), None)
        if station is None or year not in station.years:
            return Response(404, b"Not Found", "text/plain")
        return Response(200, station_csv(station, year), "application/gzip")


def gridmet_netcdf(file: str, days: list[date], lat: Floats, lon: Floats, last_permanent_slice: int | None) -> bytes:
    """A subset in the form of gridMET's: NetCDF 3, packed, days since 1900, north first."""
    variable, units, scale, offset = PACKING[file]
    numbers = np.array([(day - date(1970, 1, 1)).days for day in days], float)
    values = gridmet_truth(file, numbers[:, None, None], lat[:, None], lon)
    packed = np.round((values - offset) / scale).astype(np.int16)
    packed[:, :, lon < SEA_WEST_OF] = FILL
    attributes = {"note5": "Days correspond approximately to calendar days ending at midnight, Mountain Standard Time"}
    if last_permanent_slice is not None:
        attributes["last_permanent_slice"] = str(last_permanent_slice)
    packing = {
        "scale_factor": scale,
        "add_offset": offset,
        "_FillValue": np.int16(FILL),
        "missing_value": np.int16(FILL),
        "_Unsigned": "true",
        "units": units,
    }
    dataset = xr.Dataset(
        {variable: (("day", "lat", "lon"), packed, packing)},
        {
            "day": ("day", numbers + 25567, {"units": "days since 1900-01-01 00:00:00", "calendar": "gregorian"}),
            "lat": ("lat", lat, {"units": "degrees_north"}),
            "lon": ("lon", lon, {"units": "degrees_east"}),
        },
        attributes,
    )
    return bytes(dataset.to_netcdf(None, engine="scipy", format="NETCDF3_CLASSIC"))


@lru_cache(maxsize=64)
def stations_db(stations: tuple[Station, ...]) -> bytes:
    """The SQLite file of all stations."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stations.db"
        connection = sqlite3.connect(path)
        connection.executescript(
            "create table stations(id text primary key, country text, region text, latitude real, longitude real,"
            " elevation integer, timezone text);"
            "create table names(station text, language text, name text);"
            "create table identifiers(station text, key text, value text);"
            "create table inventory(station text, provider text, parameter text, start text, end text,"
            " completeness real);"
        )
        for s in stations:
            row = (s.id, "US", "IA", s.lat, s.lon, s.elevation, s.timezone)
            connection.execute("insert into stations values(?,?,?,?,?,?,?)", row)
            connection.execute("insert into names values(?,'en',?)", (s.id, f"Station {s.id}"))
            span = (f"{min(s.years)}-01-01", f"{max(s.years)}-12-31")
            for parameter in s.measures:
                connection.execute("insert into inventory values(?,'daily',?,?,?,100)", (s.id, parameter, *span))
        connection.commit()
        connection.close()
        return path.read_bytes()


@lru_cache(maxsize=256)
def station_csv(station: Station, year: int) -> bytes:
    """A year of a station: year, month, day, then each parameter and where it comes from; a day in `missing` is left
    out, what is not measured is empty."""
    parameters = ("temp", "tmin", "tmax", "rhum", "prcp", "snwd", "wspd", "wpgt", "pres", "tsun", "cldc")
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["year", "month", "day", *(name for p in parameters for name in (p, f"{p}_source"))])
    day = date(year, 1, 1)
    while day.year == year:
        number = (day - date(1970, 1, 1)).days
        cells: list[object] = []
        for p in parameters:
            if p in station.measures:
                value = float(station_truth(p, number, station.lat, station.elevation))
                told = (value + 20, "dwd_mosmix") if day in station.forecast else (value, "ghcnd")
                cells += [round(told[0], 1), told[1]]
            else:
                cells += ["", ""]
        if day not in station.missing:
            writer.writerow([day.year, day.month, day.day, *cells])
        day += timedelta(1)
    return gzip.compress(text.getvalue().encode(), mtime=0)


if __name__ == "__main__":
    main(
        argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter),
        lambda arguments: WeatherServer(arguments.port),
    )
