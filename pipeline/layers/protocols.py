"""What the planner and the reader ask of a source.

Beside the methods below, a source that needs credentials has `requirements() -> tuple[Requirement, ...]`, which asks
nothing of the network. A source of scenes that waits for a server more than it works has `days_at_once: int`: so many
days of a task are then read at the same time, by threads.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol, runtime_checkable

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.cube.legend import Legend
from mmvsf.datasets.recipe.region import Period
from mmvsf.pipeline.raster.scene import Asset, Scene


@dataclass(frozen=True)
class Requirement:
    """Something that a source needs of the person who uses it. `plan` tells which are there."""

    name: str
    """what it is, for example "Earthdata token" """
    present: bool
    remedy: str
    """how to get it and where to put it; for something that is present, where it was found"""


class ImagerySource(Protocol):
    """Scenes of a place and period. Instances are sent to workers, so they hold options and nothing open."""

    def search(self, grid: Grid, period: Period, products: tuple[str, ...]) -> list[Scene]:
        """Scenes of the period whose outline meets the grid's blocks, by time and id.
        Raises InputError if it matched nothing."""
        ...

    def read(self, asset: Asset, window: tuple[slice, slice]) -> NDArray[Any]:
        """Native numbers of a (rows, columns) window. Raises ReadError; never returns made-up nodata."""
        ...


class WeatherSource(Protocol):
    """Daily weather of a place."""

    def fetch(self, first: date, last: date, variables: tuple[str, ...]) -> xr.Dataset:
        """Canonical variables and units on the source's own regular grid: dims (time, y, x), a day that the source
        lacks left out or NaN throughout. Attributes: `crs`; `day_ends_utc_hour`, the hour (UTC) at which a weather
        day ends (24 for UTC days; below 12 it is an hour of the next date, from 12 on one of the day's own);
        `source` and, if known, `licence`; `drops_leap_year_end` (1) where the calendar has no 31 December in leap
        years, as Daymet's. A coordinate `flag(time)` may say which days are provisional or estimated
        (`WeatherFlag`). Raises InputError where the source lacks a variable or ground, or names a unit that cannot
        be converted, IncompleteError where it cannot be reached."""
        ...


class StaticSource(Protocol):
    """Measured rasters of the ground: `elevation` (m) and `soil_water` (mm), in tiles on their own lattices."""

    def tiles(self, layer: str, grid: Grid) -> list[Asset]:
        """The rasters of a layer over the grid's blocks. Raises InputError if there are none, IncompleteError or
        ReadError if a service does not answer."""
        ...

    def read(self, asset: Asset, window: tuple[slice, slice]) -> NDArray[np.float64]:
        """Numbers of a (rows, columns) window in the layer's unit, NaN where there is no data. Raises ReadError."""
        ...

    def origin(self, layer: str) -> dict[str, str]:
        """`source` (with the attribution that it asks for) and `licence` of a layer, stored in the cube."""
        ...


class LabelSource(Protocol):
    """Yearly label rasters. One of public data has an `attribution` (origin and licence), stored in the cube."""

    def legend(self) -> Legend:
        """The classes. Raises InputError if they cannot be read."""
        ...

    def asset(self, year: int) -> Asset:
        """The raster of a year. Raises InputError if there is none or it has no CRS."""
        ...

    def read(self, asset: Asset, window: tuple[slice, slice]) -> NDArray[Any]:
        """Codes of a (rows, columns) window. Raises ReadError."""
        ...


@runtime_checkable
class ConfidentLabelSource(LabelSource, Protocol):
    """Labels whose source says how sure it is of each."""

    def confidence(self, year: int) -> Asset | None:
        """The raster of a year's confidence, on the grid of its codes: percent, which `read` gives as uint8 with 0
        or anything above 100 where it is not known. None for a year without."""
        ...
