"""The part of a global grid of latitudes and longitudes over a region, also across the antimeridian."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from mmvsf.datasets.errors import InputError
from mmvsf.pipeline.layers.source import Bounds
from mmvsf.pipeline.layers.weather.units import convert
from mmvsf.pipeline.sources.cf.axes import spatial_axis


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

        Raises InputError for a region beyond the grid, and for axes that are not regular and increasing.
        """
        west, south, east, north = bounds
        y = spatial_axis(dataset["lat"].values, "lat", service).within(south, north)
        x = spatial_axis(dataset["lon"].values, "lon", service, longitude=True).within(west, east)
        if not (y.values.size and x.values.size):
            raise InputError(f"{service} does not cover this region; take another weather source")
        rows, columns = _slices(y.index), _slices(x.index)
        if len(rows) > 1 or len(columns) > 2:
            raise InputError(f"{service}: its latitudes or longitudes do not increase; update this project")
        return cls(rows[0], columns, y.values, x.values)

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


def _slices(index: NDArray[np.int64]) -> tuple[slice, ...]:
    """Positions in a store as slices: one, or two where they go around the globe."""
    runs = np.split(index, np.flatnonzero(np.diff(index) != 1) + 1)
    return tuple(slice(int(run[0]), int(run[-1]) + 1) for run in runs)
