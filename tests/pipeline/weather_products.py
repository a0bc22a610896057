"""Weather files of well-known products with the products' own names, units, axes and attributes, around 42 N 96 W.

`tmin` is `degrees(lat, lon)` everywhere; every other variable is one number. `ANSWERS` has them in the cube's units.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS, Transformer

FIRST, DAYS = np.datetime64("2020-06-01"), 4
LAT, LON = 42.0, -96.0
ANSWERS = {
    "tmax": 24.5,
    "precipitation": 3.0,
    "radiation": 17.28,
    "vpd": 0.69,
    "wind": 3.74,
    "relative_humidity": 71.135,
}
"""vpd and humidity of 1.70 kPa between 15 and 24.5 degrees [FAO-56, example 3]; wind of 5 m s-1 at 10 m"""

Values = float | NDArray[np.floating]


def degrees(lat: Values, lon: Values) -> Any:
    """tmin in degrees Celsius: 15 at the centre."""
    return 15 + 2 * (lat - LAT) - 0.2 * ((lon - LON + 180) % 360 - 180)


def times(days: int = DAYS, first: np.datetime64 = FIRST) -> NDArray[np.datetime64]:
    return (first + np.arange(days)).astype("datetime64[ns]")


def lonlat(step: float, cells: int = 5, *, west: float = LON) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(lat from the north, lon) of a grid around the place."""
    steps = (np.arange(cells) - cells // 2) * step
    return LAT - steps, west + steps


def dataset(
    name: str,
    values: Values | Callable[..., Any],
    attributes: dict[str, Any],
    axes: dict[str, NDArray[Any]],
    **coordinates: Any,
) -> xr.Dataset:
    """One variable on (time, lat, lon) axes of any names: a number, or a function of latitude and longitude."""
    time, lat, lon = axes.values()
    field = values(lat[:, None], lon[None]) if callable(values) else np.full((lat.size, lon.size), values)
    array = np.broadcast_to(field, (time.size, lat.size, lon.size)).astype(np.float32)
    return xr.Dataset({name: (tuple(axes), array, attributes)}, {**axes, **coordinates})


def kelvin(offset: float = 0.0) -> Callable[..., Any]:
    return lambda lat, lon: degrees(lat, lon) + 273.15 + offset


def write(data: xr.Dataset, path: Path, **encoding: Any) -> None:
    data.to_netcdf(path, engine="h5netcdf", encoding=encoding)


def gridmet(folder: Path, *, told: bool = True) -> None:
    """`tmmn_2020.nc` and `tmmx_2020.nc` both hold `air_temperature`, `rmin` and `rmax` both `relative_humidity`. Where
    not `told`, only the file's name says which."""
    lat, lon = lonlat(1 / 24)
    fields: tuple[tuple[str, str, Any, str, str], ...] = (
        ("tmmn", "air_temperature", kelvin(), "K", "minimum"),
        ("tmmx", "air_temperature", 24.5 + 273.15, "K", "maximum"),
        ("pr", "precipitation_amount", 3.0, "mm", "sum"),
        ("srad", "surface_downwelling_shortwave_flux_in_air", 200.0, "W m-2", "mean"),
        ("vs", "wind_speed", 5.0, "m/s", "mean"),
        ("vpd", "mean_vapor_pressure_deficit", 0.69, "kPa", "mean"),
        ("rmin", "relative_humidity", 71.135 - 20, "%", "minimum"),
        ("rmax", "relative_humidity", 71.135 + 20, "%", "maximum"),
    )
    for file, name, values, units, method in fields:
        attributes = {"units": units, "grid_mapping": "crs", "coordinate_system": "WGS84,EPSG:4326"}
        if told:
            attributes |= {
                "long_name": file,
                "standard_name": file,
                "cell_methods": f"time: {method}(interval: 24 hours)",
            }
        data = dataset(name, values, attributes, {"day": times(), "lat": lat, "lon": lon})
        data["crs"] = xr.DataArray(
            np.int16(3),
            attrs={
                "grid_mapping_name": "latitude_longitude",
                "longitude_of_prime_meridian": 0.0,
                "semi_major_axis": 6378137.0,
                "inverse_flattening": 298.257223563,
            },
        )
        data.attrs = {
            "author": "John Abatzoglou - University of Idaho, jabatzoglou@uidaho.edu",
            "note1": "The projection information for this file is: GCS WGS 1984.",
            "note5": "Days correspond approximately to calendar days ending at midnight, Mountain Standard Time"
            " (7 UTC the next calendar day)",
        }
        data["day"].encoding = {"units": "days since 1900-01-01 00:00:00", "calendar": "gregorian"}
        write(data, folder / f"{file}_2020.nc")


DAYMET = CRS("+proj=lcc +lat_1=25 +lat_2=60 +lat_0=42.5 +lon_0=-100 +x_0=0 +y_0=0 +ellps=WGS84 +units=m")


def daymet(folder: Path, *, unit: str = "km", only: tuple[str, ...] = ()) -> None:
    """Axes in km on a cone, `lat` and `lon` of each cell, days at noon with bounds; radiation over the daylight."""
    scale = 1000.0 if unit == "km" else 1.0
    centre_x, centre_y = Transformer.from_crs(4326, DAYMET, always_xy=True).transform(LON, LAT)
    x = np.float32((np.round(centre_x / 1000) + np.arange(-30, 31)) * 1000 / scale)
    y = np.float32((np.round(centre_y / 1000) - np.arange(-30, 31)) * 1000 / scale)
    lon, lat = Transformer.from_crs(DAYMET, 4326, always_xy=True).transform(*np.meshgrid(x * scale, y * scale))
    fields: tuple[tuple[str, Any, str, str, str], ...] = (
        ("tmin", degrees(lat, lon), "degrees C", "daily minimum temperature", "minimum"),
        ("tmax", np.full(lat.shape, 24.5), "degrees C", "daily maximum temperature", "maximum"),
        ("prcp", np.full(lat.shape, 3.0), "mm/day", "daily total precipitation", "sum"),
        ("srad", np.full(lat.shape, 345.6), "W/m2", "daylight average incident shortwave radiation", "mean"),
        ("dayl", np.full(lat.shape, 50_000.0), "s", "daylength", "point"),
        ("vp", np.full(lat.shape, 1700.0), "Pa", "daily average vapor pressure", "mean"),
    )
    begin = times()
    for name, values, units, long_name, method in fields:
        if only and name not in only:
            continue
        attributes = {
            "units": units,
            "long_name": long_name,
            "grid_mapping": "lambert_conformal_conic",
            "cell_methods": f"area: mean time: {method}",
        }
        array = np.broadcast_to(values, (begin.size, *values.shape)).astype(np.float32)
        data = xr.Dataset(
            {
                name: (("time", "y", "x"), array, attributes),
                "time_bnds": (("time", "nv"), np.stack([begin, begin + np.timedelta64(1, "D")], axis=1)),
                "yearday": ("time", np.arange(153, 153 + begin.size, dtype=np.int16)),
                "lambert_conformal_conic": xr.DataArray(np.int16(0), attrs=LAMBERT),
            },
            {
                "time": ("time", begin + np.timedelta64(12, "h"), {"bounds": "time_bnds", "standard_name": "time"}),
                "y": ("y", y, {"units": unit, "standard_name": "projection_y_coordinate"}),
                "x": ("x", x, {"units": unit, "standard_name": "projection_x_coordinate"}),
                "lat": (("y", "x"), np.float32(lat), {"units": "degrees_north", "standard_name": "latitude"}),
                "lon": (("y", "x"), np.float32(lon), {"units": "degrees_east", "standard_name": "longitude"}),
            },
            {"start_year": 2020, "source": "Daymet Software Version 4.0", "Conventions": "CF-1.6"},
        )
        data["time"].encoding = {"units": "days since 1950-01-01 00:00:00", "calendar": "standard", "dtype": "float64"}
        write(data, folder / f"daymet_v4_daily_na_{name}_2020.nc")


LAMBERT = {
    "grid_mapping_name": "lambert_conformal_conic",
    "longitude_of_central_meridian": -100.0,
    "latitude_of_projection_origin": 42.5,
    "false_easting": 0.0,
    "false_northing": 0.0,
    "standard_parallel": np.array([25.0, 60.0]),
    "semi_major_axis": 6378137.0,
    "inverse_flattening": 298.257223563,
}


def agera5(folder: Path, *, suffix: str = "") -> None:
    """One file a variable and day; in version 2 some names end in `_24h` (`suffix`)."""
    lat, lon = lonlat(0.1)
    fields: tuple[tuple[str, Any, str], ...] = (
        ("Temperature_Air_2m_Min_24h", kelvin(), "K"),
        ("Temperature_Air_2m_Max_24h", 24.5 + 273.15, "K"),
        ("Temperature_Air_2m_Mean_24h", 19.0 + 273.15, "K"),
        ("Precipitation_Flux", 3.0, "mm d-1"),
        ("Solar_Radiation_Flux", 17.28e6, "J m-2 d-1"),
        (f"Wind_Speed_10m_Mean{suffix}", 5.0, "m s-1"),
        (f"Vapour_Pressure_Mean{suffix}", 17.0, "hPa"),
    )
    for name, values, units in fields:
        for day in times():
            axes = {"time": np.array([day]), "lat": lat, "lon": lon}
            data = dataset(name, values, {"units": units, "temporal_aggregation": "24h"}, axes)
            data["time"].encoding = {"units": "days since 1900-01-01", "calendar": "proleptic_gregorian"}
            stamp = str(day)[:10].replace("-", "")
            write(data, folder / f"{name.replace('_', '-')}_C3S-glob-agric_AgERA5_{stamp}_final-v1.1.nc")


def era5_land(folder: Path) -> None:
    """Daily statistics of the Climate Data Store: every file of a temperature calls it `t2m`; sums are mean rates or
    sums of other tools."""
    lat, lon = lonlat(0.1)
    fields: tuple[tuple[str, str, Any, str], ...] = (
        ("2m_temperature_0_daily-min", "t2m", kelvin(), "K"),
        ("2m_temperature_0_daily-max", "t2m", 24.5 + 273.15, "K"),
        ("2m_temperature_0_daily-mean", "t2m", 19.0 + 273.15, "K"),
        ("2m_dewpoint_temperature_0_daily-mean", "d2m", 14.96 + 273.15, "K"),
        ("10m_u_component_of_wind_0_daily-mean", "u10", 3.0, "m s**-1"),
        ("10m_v_component_of_wind_0_daily-mean", "v10", -4.0, "m s**-1"),
        ("total_precipitation_0_daily-sum", "tp", 0.003, "m"),
        ("surface_solar_radiation_downwards_0_daily-sum", "ssrd", 17.28e6, "J m**-2"),
    )
    for file, name, values, units in fields:
        attributes = {"units": units, "GRIB_shortName": name, "long_name": file[: file.index("_0_")].replace("_", " ")}
        axes = {"valid_time": times(), "latitude": lat, "longitude": lon % 360}
        write(
            dataset(name, values, attributes, axes, number=0, expver=("valid_time", ["0001"] * DAYS)),
            folder / f"{file}.nc",
        )


def eobs(folder: Path) -> None:
    """Packed at .01; one file a variable."""
    lat, lon = lonlat(0.1)
    fields: tuple[tuple[str, Any, str, str], ...] = (
        ("tn", degrees, "Celsius", "air_temperature"),
        ("tx", 24.5, "Celsius", "air_temperature"),
        ("rr", 3.0, "mm", "thickness_of_rainfall_amount"),
        ("qq", 200.0, "W/m2", "surface_downwelling_shortwave_flux_in_air"),
        ("fg", 5.0, "m/s", "wind_speed"),
        ("hu", 71.135, "%", "relative_humidity"),
    )
    for name, values, units, standard_name in fields:
        attributes = {"units": units, "standard_name": standard_name}
        data = dataset(name, values, attributes, {"time": times(), "latitude": lat[::-1], "longitude": lon})
        packing = {"dtype": "int16", "scale_factor": 0.01, "_FillValue": np.int16(-9999)}
        write(data, folder / f"{name}_ens_mean_0.1deg_reg_2011-2024_v31.0e.nc", **{name: packing})


def power(folder: Path) -> None:
    """NASA POWER: everything in one file, wind at 2 m."""
    lat, lon = lonlat(0.5)
    axes = {"time": times(), "lat": lat[::-1], "lon": lon}
    fields: tuple[tuple[str, Any, str], ...] = (
        ("T2M_MIN", degrees, "C"),
        ("T2M_MAX", 24.5, "C"),
        ("T2MDEW", 14.96, "C"),
        ("RH2M", 71.135, "%"),
        ("PRECTOTCORR", 3.0, "mm/day"),
        ("ALLSKY_SFC_SW_DWN", 17.28, "MJ/m^2/day"),
        ("WS2M", 3.74, "m/s"),
    )
    write(
        xr.merge([dataset(name, values, {"units": unit}, axes) for name, values, unit in fields]), folder / "power.nc"
    )


def chirps(folder: Path) -> None:
    lat, lon = lonlat(0.05)
    axes = {"time": times(), "latitude": np.float32(lat[::-1]), "longitude": np.float32(lon)}
    attributes = {"units": "mm/day", "standard_name": "convective precipitation rate", "time_step": "day"}
    write(
        dataset("precip", 3.0, attributes, axes),
        folder / "chirps-v2.0.2020.days_p05.nc",
        precip={"_FillValue": -9999.0},
    )
