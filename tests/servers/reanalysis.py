"""Stand-ins for the Zarr stores of NASA POWER and of the ECMWF data stores (ERA5-Land, AgERA5).

    python -m tests.servers.reanalysis --port 8002       prints the environment in which mmvsf talks to it

The stores have the services' own names, units, axes and chunks, in Zarr 2 with consolidated metadata. The weather is
made up by formulas (`power_truth`, `agera5_truth`, `era5_land_truth`), a chunk at a time when it is asked for; tests
compare with them. ECMWF's stores answer 401 without the token and 403 with one that has not accepted the licence.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numcodecs
import numpy as np
from numpy.typing import ArrayLike, NDArray

from .base import Request, Response, StandIn, main
from .weather import season

Floats = NDArray[np.float64]

TOKEN = "11111111-2222-3333-4444-555555555555"
EPOCH = date(1970, 1, 1)
AXIS_END = date(2029, 12, 31)
"""NASA POWER's axes reach beyond the last day with values."""

METEOROLOGY = {
    "T2M_MIN": "C", "T2M_MAX": "C", "T2MDEW": "C", "PRECTOTCORR": "mm/day", "WS2M": "m/s", "RH2M": "%", "PS": "kPa",
}  # fmt: skip
RADIATION = {"ALLSKY_SFC_SW_DWN": "W m-2"}
AGERA5 = {
    "Temperature_Air_2m_Min_24h": "K",
    "Temperature_Air_2m_Max_24h": "K",
    "Precipitation_Flux": "mm d-1",
    "Solar_Radiation_Flux": "J m-2 d-1",
    "Vapour_Pressure_Mean_24h": "hPa",
    "Wind_Speed_10m_Mean_24h": "m s-1",
    "Derived_Relative_Humidity_2m_Min_24h": "%",
    "Derived_Relative_Humidity_2m_Max_24h": "%",
    "Snow_Thickness_LWE_Mean_24h": "cm",
}
ERA5_LAND = {
    "007/arco/reanalysis_era5_land/sfc-2m-temperature": {"t2m": "K", "d2m": "K"},
    "008/arco/reanalysis_era5_land/sfc-wind": {"u10": "m s**-1", "v10": "m s**-1"},
    "009/arco/reanalysis_era5_land/sfc-pressure-precipitation": {"sp": "Pa", "tp": "m"},
    "010/arco/reanalysis_era5_land/sfc-radiation-heat": {"ssrd": "J m**-2"},
    "005/arco/reanalysis_era5_land/sfc-soil-water": {"swvl1": "m**3 m**-3"},
}


def tilt(lat: ArrayLike, lon: ArrayLike) -> Floats:
    """A slope over the world without a step at 180 degrees; over a cell it is linear to some 1e-3."""
    return 0.05 * np.asarray(lat, float) + 2 * np.cos(np.radians(np.asarray(lon, float)))


def power_truth(name: str, days: ArrayLike, lat: ArrayLike, lon: ArrayLike) -> Floats:
    """What a store says, in its own unit. The arguments broadcast."""
    days, slope = np.asarray(days, float), tilt(lat, lon)
    return {
        "T2M_MIN": lambda: 5 + 10 * season(days) + slope,
        "T2M_MAX": lambda: 16 + 11 * season(days) + slope,
        "T2MDEW": lambda: 3 + 8 * season(days) + slope,
        "PRECTOTCORR": lambda: 8 + 2 * np.cos(days) + slope,
        "WS2M": lambda: 7 + np.cos(days / 3) + slope,
        "RH2M": lambda: 60 + 10 * np.sin(days) + slope,
        "PS": lambda: 97 + np.sin(days) + slope,
        "ALLSKY_SFC_SW_DWN": lambda: 190 + 90 * season(days) + 5 * slope,
    }[name]()


def agera5_truth(name: str, days: ArrayLike, lat: ArrayLike, lon: ArrayLike) -> Floats:
    """What the store says, in its own unit. The arguments broadcast."""
    days, slope = np.asarray(days, float), tilt(lat, lon)
    return {
        "Temperature_Air_2m_Min_24h": lambda: 278 + 10 * season(days) + slope,
        "Temperature_Air_2m_Max_24h": lambda: 289 + 11 * season(days) + slope,
        "Precipitation_Flux": lambda: 8 + 2 * np.cos(days) + slope,
        "Solar_Radiation_Flux": lambda: 1e6 * (16 + 8 * season(days) + slope),
        "Vapour_Pressure_Mean_24h": lambda: 9 + 3 * season(days) + slope,
        "Wind_Speed_10m_Mean_24h": lambda: 7 + np.cos(days / 3) + slope,
        "Derived_Relative_Humidity_2m_Min_24h": lambda: 40 + 5 * np.sin(days) + slope,
        "Derived_Relative_Humidity_2m_Max_24h": lambda: 80 + 5 * np.cos(days) + slope,
        "Snow_Thickness_LWE_Mean_24h": lambda: 8 - 4 * season(days) + slope,
    }[name]()


def era5_land_truth(name: str, hours: ArrayLike, lat: ArrayLike, lon: ArrayLike) -> Floats:
    """What a store says for hours since 1970-01-01, in its own unit. The arguments broadcast."""
    hours, slope = np.asarray(hours, float), tilt(lat, lon)
    days, angle = hours / 24, 2 * np.pi * (hours % 24) / 24
    return {
        "t2m": lambda: 283 + 11 * season(days) - 6 * np.cos(angle) + slope,
        "d2m": lambda: 277 + 8 * season(days) + np.sin(angle) + slope,
        "u10": lambda: 5 * np.cos(angle) + slope,
        "v10": lambda: 5 * np.sin(angle) + slope,
        "sp": lambda: 97_000 + 500 * np.sin(days) + 100 * slope,
        "tp": lambda: 1e-4 * (6 + np.cos(hours) + slope),
        "ssrd": lambda: 1e5 * (7 + 2 * season(days) + slope) * (1 + np.sin(angle)),
        "swvl1": lambda: 0.3 + 0.02 * np.sin(days) + 0.01 * slope,
    }[name]()


@dataclass(frozen=True)
class VirtualStore:
    """A Zarr 2 store whose chunks are computed when they are asked for."""

    variables: dict[str, str]
    """name -> unit"""
    truth: Callable[..., Floats]
    times: NDArray[np.int64]
    """(time,) days or hours since 1970-01-01"""
    unit: str
    """of the time axis: days or hours"""
    lat: Floats
    lon: Floats
    chunks: tuple[int, int, int]
    dtype: str = "<f4"
    axes: tuple[str, str] = ("latitude", "longitude")
    fill: float | str = "NaN"
    span: tuple[int, int] = (-(10**9), 10**9)
    """first and last step with values; the store holds its fill value outside of it"""
    attributes: dict[str, str] = field(default_factory=dict)

    @property
    def coordinates(self) -> dict[str, tuple[NDArray[Any], dict[str, str]]]:
        return {
            "time": (self.times, {"units": f"{self.unit} since 1970-01-01", "calendar": "proleptic_gregorian"}),
            self.axes[0]: (self.lat, {"units": "degrees_north", "standard_name": "latitude"}),
            self.axes[1]: (self.lon, {"units": "degrees_east", "standard_name": "longitude"}),
        }

    def object(self, key: str) -> bytes | None:
        """An object of the store; None where there is none."""
        name, _, rest = key.rpartition("/")
        if rest.startswith(".z"):
            metadata = self._metadata()
            content = {**metadata, ".zmetadata": {"zarr_consolidated_format": 1, "metadata": metadata}}
            return json.dumps(content[key]).encode() if key in content else None
        if name in self.coordinates and rest == "0":
            return bytes(numcodecs.Blosc("lz4").encode(self.coordinates[name][0]))
        if name not in self.variables:
            return None
        index = [int(number) for number in rest.split(".")]
        limits = [range(0, size, step) for size, step in zip(self.shape, self.chunks, strict=True)]
        if any(number >= len(limit) for number, limit in zip(index, limits, strict=True)):
            return None
        return self._chunk(name, index)

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.times.size, self.lat.size, self.lon.size

    def _chunk(self, name: str, index: list[int]) -> bytes:
        axes = (self.times, self.lat, self.lon)
        parts = [axis[n * size : (n + 1) * size] for axis, n, size in zip(axes, index, self.chunks, strict=True)]
        times, lat, lon = parts
        fill = float(self.fill)
        values = np.full(self.chunks, fill, self.dtype)
        with_values = (times >= self.span[0]) & (times <= self.span[1])
        truth = self.truth(name, times[:, None, None], lat[:, None], lon)
        values[: times.size, : lat.size, : lon.size] = np.where(with_values[:, None, None], truth, fill)
        return bytes(numcodecs.Blosc("lz4", clevel=1).encode(values))

    def _metadata(self) -> dict[str, Any]:
        compressor = {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0}
        content: dict[str, Any] = {".zgroup": {"zarr_format": 2}, ".zattrs": self.attributes}
        common = {"zarr_format": 2, "order": "C", "filters": None, "compressor": compressor}
        for name, (axis, attributes) in self.coordinates.items():
            content[f"{name}/.zarray"] = {
                **common, "shape": [axis.size], "chunks": [axis.size], "dtype": axis.dtype.str, "fill_value": None,
            }  # fmt: skip
            content[f"{name}/.zattrs"] = {**attributes, "_ARRAY_DIMENSIONS": [name]}
        for name, units in self.variables.items():
            content[f"{name}/.zarray"] = {
                **common, "shape": list(self.shape), "chunks": list(self.chunks), "dtype": self.dtype,
                "fill_value": self.fill,
            }  # fmt: skip
            fill = {} if self.fill == "NaN" else {"_FillValue": self.fill}
            content[f"{name}/.zattrs"] = {
                "units": units, "long_name": name, **fill, "_ARRAY_DIMENSIONS": ["time", *self.axes],
            }  # fmt: skip
        return content


def number(day: date) -> int:
    return (day - EPOCH).days


def power_store(variables: dict[str, str], first: date, span: tuple[date, date]) -> VirtualStore:
    """A store of NASA POWER: meteorology at 0.5 x 0.625 degrees, radiation at 1 degree."""
    radiation = variables is RADIATION
    lat = np.arange(-89.5, 90, 1.0) if radiation else np.linspace(-90, 90, 361)
    lon = np.arange(-179.5, 180, 1.0) if radiation else -180 + 0.625 * np.arange(576)
    days = np.arange(number(first), number(AXIS_END) + 1)
    return VirtualStore(
        variables, power_truth, days, "days", lat, lon, (5844, 15, 15), "<f8", ("lat", "lon"),
        span=(number(span[0]), number(span[1])),
    )  # fmt: skip


class PowerServer(StandIn):
    """The bucket `nasa-power`. `until` is the last day of each product."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.until = {
            "merra2": date(2026, 10, 20),
            "geosit": date(2026, 11, 22),
            "srb": date(2000, 12, 31),
            "syn1deg": date(2026, 8, 31),
            "flashflux": date(2026, 11, 20),
        }

    def environment(self) -> dict[str, str]:
        return {"MMVSF_POWER_URL": self.url}

    def answer(self, request: Request) -> Response:
        product, _, rest = request.path.strip("/").partition("/")
        folder, _, key = rest.removeprefix("temporal/").partition("/")
        if product not in self.until or folder != f"power_{product}_daily_temporal_lst.zarr":
            return missing()
        return found(self.store(product).object(key))

    def store(self, product: str) -> VirtualStore:
        meteorology = product in ("merra2", "geosit")
        first = {"merra2": 1981, "geosit": 2022, "srb": 1984, "syn1deg": 2001, "flashflux": 2024}[product]
        start = date(first, 1, 1)
        return power_store(METEOROLOGY if meteorology else RADIATION, start, (start, self.until[product]))


class EcmwfServer(StandIn):
    """ARCO, the Zarr stores of the ECMWF data stores. `until` is the last day with values."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.until = date(2026, 11, 18)
        self.licence_accepted = True

    def environment(self) -> dict[str, str]:
        return {"MMVSF_ECMWF_URL": self.url, "CDSAPI_KEY": TOKEN}

    def answer(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return Response.of_json({"detail": "Unauthorized"}, 401)
        if not self.licence_accepted:
            return Response.of_json({"detail": "Forbidden"}, 403)
        folder, mark, key = request.path.strip("/").removeprefix("cadl-arco-geo-").partition("/geoChunked.zarr/")
        if mark and folder in ERA5_LAND:
            return found(self.era5_land(ERA5_LAND[folder]).object(key))
        if mark and folder == "001/arco/sis_agrometeorological_indicators/all":
            return found(self.agera5().object(key))
        return missing()

    def era5_land(self, variables: dict[str, str]) -> VirtualStore:
        last = 24 * number(self.until) + 23
        hours = np.arange(24 * number(date(1950, 1, 1)), last + 1)
        lat, lon = np.linspace(-90, 90, 1801), np.linspace(-179.9, 180, 3600)
        return VirtualStore(variables, era5_land_truth, hours, "hours", lat, lon, (33_792, 4, 8))

    def agera5(self) -> VirtualStore:
        days = np.arange(number(date(1979, 1, 1)), number(self.until) + 1)
        lat, lon = np.linspace(-90, 90, 1801), np.linspace(-180, 179.9, 3600)
        return VirtualStore(AGERA5, agera5_truth, days, "days", lat, lon, (2112, 16, 32), fill=-9999.0)


class ReanalysisServer(StandIn):
    """Both services at one address, for the command line."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self._services = (PowerServer(), EcmwfServer())

    def environment(self) -> dict[str, str]:
        return {"MMVSF_POWER_URL": self.url, "MMVSF_ECMWF_URL": self.url, "CDSAPI_KEY": TOKEN}

    def answer(self, request: Request) -> Response:
        return self._services[request.path.startswith("/cadl-arco")].answer(request)


def found(content: bytes | None) -> Response:
    return missing() if content is None else Response(200, content)


def missing() -> Response:
    return Response(404, b"<Error><Code>NoSuchKey</Code></Error>", "application/xml")


def daily_of_hours(name: str, days: NDArray[np.int64], lat: Floats, lon: Floats, first: int = 0) -> Floats:
    """(day, hour, y, x) of ERA5-Land's truth; `first` is the hour at which a day's first value is."""
    hours = 24 * days[:, None] + first + np.arange(24)
    return era5_land_truth(name, hours[:, :, None, None], lat[:, None], lon)


if __name__ == "__main__":
    main(
        argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter),
        lambda arguments: ReanalysisServer(arguments.port),
    )
