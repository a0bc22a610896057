"""What a CF dataset holds of the weather of a region: inputs, days, CRS and the part of its grid over the region."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from mmvsf.datasets.errors import InputError
from mmvsf.pipeline.layers.source import Bounds

from .axes import Axis, difference, find_dimension, spatial_axis
from .crs import LONLAT, coordinates, crs_of
from .times import TimeAxis, time_axis


@dataclass(frozen=True)
class Header:
    """A dataset without its numbers."""

    where: str
    """the file or address, for messages"""
    dims: tuple[str, str, str]
    """the dimensions of time, y and x"""
    time: TimeAxis
    y: Axis
    """rows: of the whole grid, or of the part that is to be read"""
    x: Axis
    """columns"""
    crs: CRS
    inputs: dict[str, str]
    """input (`inputs.INPUTS`) -> variable"""

    @classmethod
    def of(cls, dataset: xr.Dataset, where: str, inputs: dict[str, str]) -> Self:
        """The header of a dataset in which `inputs` were found. Raises InputError for axes, a calendar or a CRS that
        cannot be used."""
        dataset = with_dimensions(dataset)
        time, y, x = (find_dimension(dataset, kind, where) for kind in ("time", "y", "x"))
        crs = crs_of(dataset, y, x, where)
        rows = spatial_axis(coordinates(dataset, y, crs, where), y, where)
        columns = spatial_axis(coordinates(dataset, x, crs, where), x, where, longitude=crs.is_geographic)
        return cls(where, (time, y, x), time_axis(dataset, time, where), rows, columns, crs, inputs)

    def over(self, bounds: Bounds) -> Self:
        """Of the cells over a region, whose bounds are in degrees and may cross the antimeridian. Raises InputError if
        there are none."""
        west, south, east, north = _in_crs(bounds, self.crs)
        y, x = self.y.within(south, north), self.x.within(west, east)
        if not (y.values.size and x.values.size):
            extent = (f"{name} {axis.values[0]:.6g} to {axis.values[-1]:.6g}" for name, axis in self.axes)
            raise InputError(f"{self.where} does not reach the region: it covers {', '.join(extent)}")
        return replace(self, y=y, x=x)

    def on_grid_of(self, grid: Self) -> Self:
        """Of the cells of another dataset. Raises InputError unless both have one CRS, and these cells in one place."""
        reason = None
        if self.crs != grid.crs and self.crs.to_cf() != grid.crs.to_cf():
            reason = f"their CRS are '{grid.crs.name}' and '{self.crs.name}'"
        for (name, window), (_, axis) in zip(grid.axes, self.axes, strict=True):
            reason = reason or difference(window, axis, name)
        if reason:
            raise InputError(
                f"{grid.where} and {self.where} are on different grids: {reason}; regrid one to the other's grid, or"
                " take files of one product"
            )
        x, y = (
            Axis(window.values, axis.index[axis.nearest(window.values)])
            for (_, window), (_, axis) in zip(grid.axes, self.axes, strict=True)
        )
        return replace(self, y=y, x=x)

    @property
    def axes(self) -> tuple[tuple[str, Axis], tuple[str, Axis]]:
        """Names and axes of x and y."""
        return ("x", self.x), ("y", self.y)

    def rows(self, first: int, last: int) -> NDArray[np.int64]:
        """The rows of the days from `first` to `last`."""
        return np.flatnonzero((self.time.days >= first) & (self.time.days <= last))

    @property
    def crs_text(self) -> str:
        return "EPSG:4326" if self.crs == LONLAT else self.crs.to_wkt()


def with_dimensions(dataset: xr.Dataset) -> xr.Dataset:
    """A dataset of one day or one place, whose time, latitude or longitude is a scalar, with these as dimensions."""
    for kind in ("time", "y", "x"):
        names = [
            str(name) for name in dataset.coords if dataset[name].ndim == 0 and str(name).lower() in _SCALARS[kind]
        ]
        if names and not any(str(name).lower() in _SCALARS[kind] for name in dataset.dims):
            dataset = dataset.expand_dims(names[0])
    return dataset


_SCALARS = {"time": ("time", "valid_time", "day"), "y": ("lat", "latitude", "y"), "x": ("lon", "longitude", "x")}


def _in_crs(bounds: Bounds, crs: CRS) -> Bounds:
    if crs.is_geographic and not crs.is_derived:
        return bounds
    west, south, east, north = bounds
    east += 360 if east < west else 0
    to_crs = Transformer.from_crs(LONLAT, crs, always_xy=True)
    left, bottom, right, top = to_crs.transform_bounds(west, south, east, north, densify_pts=21)
    return left, bottom, right, top
