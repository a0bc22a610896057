"""Weather ahead from a file of a forecast, CSV or NetCDF, in the variables and units of the cube.

A CSV has a column `day` (YYYY-MM-DD), one for each variable, and may have `member`. A NetCDF has variables over `time`,
which may have a dimension `member` or `number`, and a grid: `lat` and `lon` (also `latitude`, `longitude`) in degrees,
or `y` and `x` in the CRS of the cube; a weather cell takes its nearest point.
"""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from mmvsf.datasets.cube.calendar import date_of, day_number
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError, one_line
from mmvsf.datasets.extras import install_hint
from mmvsf.datasets.samples.reader import Floats, WindowReader
from mmvsf.datasets.variables import weather_variable

from .weather_ahead import Cell

MOST_BYTES = 500_000_000
FARTHEST = 1.0
"""Degrees from a weather cell to its nearest point of a grid."""
DAY, MEMBER = ("day", "date", "time"), ("member", "number")
AXES = (("latitude", "longitude"), ("lat", "lon"), ("y", "x"))


@dataclass(frozen=True, eq=False)
class FromFile:
    """The weather of a file; each of its members is a course."""

    path: Path
    digest: str
    """SHA-256 of the file"""
    members: tuple[str, ...]
    first: int
    """the first day, since 1970-01-01"""
    values: Floats
    """(M, day, V, G) of consecutive days at G points, in the units of the cube"""
    points: NDArray[np.float64] | None
    """(G, 2) longitude and latitude in degrees; None for one series for all places"""

    @classmethod
    def read(cls, path: Path, cube: Cube) -> Self:
        """Raises InputError where it cannot be read, lacks a variable, or holds numbers that cannot be in the units."""
        if not path.is_file():
            raise InputError(f"--weather {path}: there is no such file; write cube, years, or the path of a file")
        if (size := path.stat().st_size) > MOST_BYTES:
            raise InputError(f"--weather {path} has {size:,} bytes; cut out the days and the area of the forecast")
        if path.suffix == ".csv":
            members, days, values, points = _read_csv(path, cube)
        elif path.suffix in (".nc", ".nc4"):
            members, days, values, points = _read_netcdf(path, cube)
        else:
            raise InputError(f"--weather {path}: takes a file that ends in .csv or .nc, or one of cube, years")
        _check_days(path, days)
        _check_values(path, days, values, cube)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return cls(path, digest, members, int(days[0]), values, points)

    @property
    def name(self) -> str:
        return self.path.stem

    def ahead(self, reader: WindowReader, cell: Cell, first: int, count: int) -> Floats:
        begin, length = first - self.first, self.values.shape[1]
        if begin < 0 or begin + count > length:
            missing = first if begin < 0 else max(first, self.first + length)
            raise InputError(
                f"--weather {self.path}: it has no weather of {date_of(missing)}; it must reach from {date_of(first)},"
                f" the day of issue, to {date_of(first + count - 1)}"
            )
        return self.values[:, begin : begin + count, :, self._point(reader.cube, cell)]

    def settings(self) -> dict[str, Any]:
        return {"from": "file", "sha256": self.digest}

    def _point(self, cube: Cube, cell: Cell) -> int:
        if self.points is None:
            return 0
        y, x = cube.grid.weather_coordinates()
        lon, lat = Transformer.from_crs(cube.grid.crs, "EPSG:4326", always_xy=True).transform(x[cell[1]], y[cell[0]])
        east = (self.points[:, 0] - lon + 180) % 360 - 180
        away = np.hypot(east * np.cos(np.radians(lat)), self.points[:, 1] - lat)
        nearest = int(away.argmin())
        if not away[nearest] <= FARTHEST:
            raise InputError(
                f"--weather {self.path}: its nearest point is {away[nearest]:.1f} degrees from {lon:.3f}, {lat:.3f} in"
                f" {cube.path}; take a file that covers the cube"
            )
        return nearest


Content = tuple[tuple[str, ...], NDArray[np.int64], Floats, NDArray[np.float64] | None]
"""Members, days, values (M, day, V, G) and points."""


def _read_csv(path: Path, cube: Cube) -> Content:
    rows: dict[str, dict[int, list[float]]] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            names = table.fieldnames or ()
            day_column = next((name for name in DAY if name in names), None)
            member_column = next((name for name in MEMBER if name in names), None)
            if day_column is None:
                raise InputError(f"--weather {path}: there is no column `day`; it has {', '.join(names) or 'none'}")
            _refuse_missing(path, cube, names)
            for row in table:
                day = day_number(date.fromisoformat(str(row[day_column])[:10]))
                member = rows.setdefault(str(row[member_column]) if member_column else "1", {})
                if day in member:
                    raise InputError(f"--weather {path}, line {table.line_num}: {date_of(day)} is given twice")
                member[day] = [_number(path, table.line_num, name, row[name]) for name in cube.weather]
    except (ValueError, csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"--weather {path}: it is not a CSV of daily weather ({one_line(error, 120)})") from error
    if not rows:
        raise InputError(f"--weather {path}: it has no day")
    days = sorted(next(iter(rows.values())))
    if other := [name for name, member in rows.items() if sorted(member) != days]:
        raise InputError(f"--weather {path}: member {other[0]} has other days than the first")
    values = np.array([[member[day] for day in days] for member in rows.values()], np.float32)
    return tuple(rows), np.array(days, np.int64), values[..., None], None


def _number(path: Path, line: int, name: str, text: str | None) -> float:
    try:
        return float(text or "")
    except ValueError as error:
        raise InputError(f"--weather {path}, line {line}: {name} takes a number; found '{text or ''}'") from error


def _read_netcdf(path: Path, cube: Cube) -> Content:
    import xarray as xr

    try:
        with xr.open_dataset(path, engine="h5netcdf") as opened:
            data = opened.load()
    except ModuleNotFoundError as error:
        raise InputError(install_hint(error)) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"--weather {path}: it cannot be read as NetCDF 4 ({one_line(error, 120)})") from error
    names = [str(name) for name in data.data_vars]
    _refuse_missing(path, cube, names)
    if "time" not in data.dims or not np.issubdtype(data.time.dtype, np.datetime64):
        raise InputError(f"--weather {path}: its variables need a dimension `time` with dates of the standard calendar")
    for name in cube.weather:
        units, wanted = data[name].attrs.get("units"), weather_variable(name).units
        if units is not None and units != wanted:
            raise InputError(f"--weather {path}: {name} is in {units}, and the cube's is in {wanted}; convert it")
    member = next((name for name in MEMBER if name in data.dims), None)
    grid = next((pair for pair in AXES if set(pair) <= set(data.dims)), None)
    fixed = ("time", *((member,) if member else ()), *(grid or ()))
    if extra := {str(dim) for name in cube.weather for dim in data[name].dims} - set(fixed):
        raise InputError(f"--weather {path}: the dimension {min(extra)} is not known; choose one of its entries")
    shape = xr.Dataset({name: data[name] for name in cube.weather}).to_dataarray("variable")
    order = [member or "member", "time", "variable", *(grid or ())]
    array = (shape if member else shape.expand_dims("member")).transpose(*order)
    values = np.asarray(array.values, np.float32).reshape(*array.shape[:3], -1)
    members = tuple(str(name) for name in data[member].values) if member else ("1",)
    days = data.time.values.astype("datetime64[D]").astype(np.int64)
    return members, days, values, None if grid is None else _points(data, grid, cube)


def _points(data: Any, grid: tuple[str, str], cube: Cube) -> NDArray[np.float64]:
    y, x = np.meshgrid(data[grid[0]].values, data[grid[1]].values, indexing="ij")
    if grid == ("y", "x"):
        x, y = Transformer.from_crs(cube.grid.crs, "EPSG:4326", always_xy=True).transform(x, y)
    return np.column_stack([np.ravel(x), np.ravel(y)]).astype(np.float64)


def _refuse_missing(path: Path, cube: Cube, names: Any) -> None:
    if missing := [name for name in cube.weather if name not in names]:
        raise InputError(f"--weather {path}: it lacks {', '.join(missing)}, which the cube and the model have")


def _check_days(path: Path, days: NDArray[np.int64]) -> None:
    if len(days) == 0:
        raise InputError(f"--weather {path}: it has no day")
    if len(gaps := np.flatnonzero(np.diff(days) != 1)):
        after = int(days[gaps[0]])
        raise InputError(f"--weather {path}: the day after {date_of(after)} is missing; list each day once, in order")


def _check_values(path: Path, days: NDArray[np.int64], values: Floats, cube: Cube) -> None:
    for number, name in enumerate(cube.weather):
        known, series = weather_variable(name), values[:, :, number]
        wrong = ~((series >= known.valid_min) & (series <= known.valid_max))
        if wrong.any():
            member, day, point = np.argwhere(wrong)[0]
            raise InputError(
                f"--weather {path}: {name} of {date_of(int(days[day]))} is {series[member, day, point]:g}, and"
                f" {known.valid_min:g} to {known.valid_max:g} {known.units} is possible; give it in these units"
            )
