"""The part of a global grid of latitudes and longitudes over a region, also across the antimeridian."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from mmvsf.datasets.errors import IncompleteError, InputError
from mmvsf.pipeline.layers.source import Bounds
from mmvsf.pipeline.layers.weather.units import convert

MARGIN_CELLS = 2
"""Cells around the region, for the neighbours of its outermost points."""
REGULAR = 1e-3
"""Cells by which an axis may differ from a regular one; the services store them as float32 or float64."""


@dataclass(frozen=True)
class LonLatWindow:
    """Rows and columns of a grid with the dimensions `lat` and `lon`, both increasing."""

    rows: slice
    columns: tuple[slice, ...]
    """from west to east: one, or two where the window crosses the end of the grid's longitudes"""
    y: NDArray[np.float64]
    """(y,) latitudes"""
    x: NDArray[np.float64]
    """(x,) longitudes, increasing; beyond 180 east of the antimeridian in a window that crosses it"""

    @classmethod
    def over(cls, dataset: xr.Dataset, bounds: Bounds, service: str) -> Self:
        """The window over west, south, east, north in degrees; west is greater than east across the antimeridian.

        Raises InputError for a region beyond the grid, IncompleteError for axes that are not regular.
        """
        west, south, east, north = bounds
        first_lat, step_lat = _regular(dataset, "lat", service)
        first_lon, step_lon = _regular(dataset, "lon", service)
        height, width = dataset.sizes["lat"], dataset.sizes["lon"]
        low = max(int(np.floor((south - first_lat) / step_lat)) - MARGIN_CELLS, 0)
        high = min(int(np.ceil((north - first_lat) / step_lat)) + MARGIN_CELLS + 1, height)
        start = int(np.floor((west - first_lon) / step_lon)) - MARGIN_CELLS
        stop = int(np.ceil((west + (east - west) % 360 - first_lon) / step_lon)) + MARGIN_CELLS + 1
        if round(width * step_lon) != 360:
            start, stop = max(start, 0), min(stop, width)
        if low >= high or start >= stop:
            raise InputError(f"{service} does not cover this region; take another weather source")
        x = first_lon + step_lon * np.arange(start, min(stop, start + width), dtype=np.float64)
        y = first_lat + step_lat * np.arange(low, high, dtype=np.float64)
        return cls(slice(low, high), _wrapped(start, x.size, width), y, x)

    @property
    def cells(self) -> int:
        """Their number."""
        return self.y.size * self.x.size

    def read(self, dataset: xr.Dataset, name: str, times: slice, units: str, service: str) -> NDArray[np.float64]:
        """(time, y, x) of some steps of a variable, in a canonical unit; NaN where the service has no value.

        Raises InputError where the store has no such variable, or none with units that can be converted.
        """
        what = f"{service}, {name}"
        if name not in dataset or "units" not in dataset[name].attrs:
            raise InputError(f"{what}: its store has no such variable with a unit; leave out what needs it")
        array = dataset[name].transpose("time", "lat", "lon")
        parts = [array[times, self.rows, columns].values for columns in self.columns]
        return convert(np.concatenate(parts, axis=2).astype(np.float64), str(array.attrs["units"]), units, what)


def local_midnight(bounds: Bounds) -> float:
    """The hour (UTC) at which a day of the local sun ends: in whole hours, 0 to 23, at the region's middle."""
    west, _, east, _ = bounds
    return float(round(-(west + (east - west) % 360 / 2) / 15) % 24)


def _regular(dataset: xr.Dataset, name: str, service: str) -> tuple[float, float]:
    """(first coordinate, step) of an axis."""
    axis = dataset[name].values.astype(np.float64)
    step = (axis[-1] - axis[0]) / max(axis.size - 1, 1)
    if not step > 0 or np.abs(axis - axis[0] - step * np.arange(axis.size)).max() > REGULAR * step:
        raise IncompleteError(f"{service}: its axis '{name}' is not regular and increasing; update this project")
    return float(axis[0]), float(step)


def _wrapped(start: int, count: int, width: int) -> tuple[slice, ...]:
    """The columns from `start` on, counted around the globe."""
    begin = start % width
    end = begin + count
    return (slice(begin, end),) if end <= width else (slice(begin, width), slice(0, end - width))
