"""The horizontal axes of a CF dataset: which dimensions they are, in which order, and the part over a region."""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from mmvsf.datasets.errors import InputError

from .attributes import text

NAMES = {
    "time": ("time", "timestamp", "day", "valid_time", "date"),
    "y": ("y", "lat", "latitude", "rlat", "northing"),
    "x": ("x", "lon", "longitude", "rlon", "easting"),
}
STANDARD_NAMES = {
    "time": ("time",),
    "y": ("latitude", "projection_y_coordinate", "grid_latitude"),
    "x": ("longitude", "projection_x_coordinate", "grid_longitude"),
}
IRREGULAR = 0.1
"""Share of a cell by which a coordinate may lie off its regular place: some files round them."""
SAME_PLACE = 0.02
"""Share of a cell by which the coordinates of one grid may differ between files: float32 against float64, or digits
that a tool has cut."""
MARGIN_CELLS = 2
"""Cells read around a region, so that its outermost points have neighbours on every side."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Axis:
    """One axis of a regular grid, increasing."""

    values: Floats
    """(n,) coordinates, increasing"""
    index: NDArray[np.int64]
    """(n,) the position of each in the dataset"""
    turn: float = 0.0
    """360 for longitudes, which repeat after it; 0 for other axes"""

    @property
    def step(self) -> float:
        """Distance between cells; NaN for a single one."""
        return float(self.values[-1] - self.values[0]) / (self.values.size - 1) if self.values.size > 1 else np.nan

    @property
    def is_closed(self) -> bool:
        """Whether it goes all the way around the globe."""
        return bool(self.turn and self.values.size > 1 and self.values.size * self.step > self.turn - self.step / 2)

    def within(self, low: float, high: float) -> "Axis":
        """The part from `low` to `high` with a margin; both may name a place in any turn. At least two cells, if it
        has so many; empty where nothing of it lies there."""
        values, index = self.values, self.index
        if values.size == 1 and not self.turn:
            return self
        if self.turn:
            start = values[0] - (self.turn - (values[-1] - values[0])) / 2
            width, low = (high - low) % self.turn, start + (low - start) % self.turn
            high = low + width
            if self.is_closed:
                values = np.concatenate([values - self.turn, values, values + self.turn])
                index = np.tile(index, 3)
        if values.size == 1:
            return self
        if high < values[0] - self.step / 2 or low > values[-1] + self.step / 2:
            return Axis(values[:0], index[:0], self.turn)
        first = int(np.searchsorted(values, low)) - MARGIN_CELLS
        stop = int(np.searchsorted(values, high, side="right")) + MARGIN_CELLS
        first, stop = min(max(first, 0), values.size - 2), max(stop, 2)
        return Axis(values[first:stop], index[first:stop], self.turn)

    def nearest(self, values: Floats) -> NDArray[np.int64]:
        """(n,) the cell nearest to each coordinate; negative, or not below the number of cells, beyond the axis."""
        if self.values.size == 1:
            return np.zeros(values.size, np.int64)
        distances = values - self.values[0]
        if self.turn:
            distances = (distances + self.step / 2) % self.turn - self.step / 2
        return np.asarray(np.rint(distances / self.step), np.int64)


def find_dimension(dataset: xr.Dataset, kind: str, where: str) -> str:
    """The name of the dimension coordinate that is the axis `time`, `y` or `x`: by CF attributes, or by its name.

    Raises InputError if there is none."""
    candidates = [str(name) for name in dataset.dims if name in dataset.coords]
    for name in candidates:
        if text(dataset[name].attrs, "standard_name") in STANDARD_NAMES[kind]:
            return name
    named = [name for alias in NAMES[kind] for name in candidates if name.lower() == alias]
    if named:
        return named[0]
    letter = {"time": "T", "y": "Y", "x": "X"}[kind]
    for name in candidates:
        if text(dataset[name].attrs, "axis") == letter:
            return name
    elsewhere = [dataset[name].dims for name in dataset.variables if str(name).lower() in NAMES[kind]]
    if kind != "time" and any(len(dims) == 2 for dims in elsewhere):
        raise InputError(
            f"{where}: its latitudes and longitudes are two-dimensional (a curvilinear grid); regrid it to a regular"
            " one first, for example with cdo remapbil"
        )
    if kind != "time" and (along := next((dims[0] for dims in elsewhere if len(dims) == 1), None)) is not None:
        raise InputError(
            f"{where}: its locations are along '{along}', like those of stations; a cube needs weather on a grid"
        )
    raise InputError(f"{where} has no dimension with coordinates called {' or '.join(NAMES[kind])}")


def spatial_axis(values: Floats, name: str, where: str, *, longitude: bool = False) -> Axis:
    """An axis from its coordinates in any order. Longitudes may run from -180 or from 0, over the seam, and repeat
    their first meridian at the end.

    Raises InputError for coordinates that occur twice or are not evenly spaced.
    """
    numbers = values
    index = np.arange(numbers.size)
    if longitude:
        ordered = np.sort(numbers)
        if ordered.size > 2 and abs(ordered[-1] - ordered[0] - 360) < IRREGULAR * (ordered[1] - ordered[0]):
            kept = numbers != ordered[-1]  # the first meridian again
            numbers, index = numbers[kept], index[kept]
        numbers = _unwrapped(numbers)
    order = np.argsort(numbers, kind="stable")
    axis = Axis(numbers[order], index[order], 360.0 if longitude else 0.0)
    if axis.values.size > 1:
        steps = np.diff(axis.values)
        if steps.min() <= 0 or steps.min() < 1e-9 * np.abs(axis.values).max():
            raise InputError(f"{where}: its axis '{name}' has the coordinate {axis.values[steps.argmin()]:.9g} twice")
        off = np.abs(axis.values - np.linspace(axis.values[0], axis.values[-1], axis.values.size))
        if off.max() > IRREGULAR * axis.step:
            raise InputError(
                f"{where}: its axis '{name}' is not evenly spaced ({steps.min():.6g} to {steps.max():.6g} between"
                " neighbours); regrid it to a regular grid, or add the missing rows"
            )
    return axis


def _unwrapped(longitudes: Floats) -> Floats:
    """Longitudes as one run without a seam, which begins in -180 to 180. Coordinates that need no shift keep their
    digits."""
    if longitudes.size == 1:
        return (longitudes + 180) % 360 - 180 if abs(longitudes[0]) > 180 else longitudes
    around = np.sort(longitudes % 360)
    gaps = np.diff(np.append(around, around[0] + 360))
    begin = around[(int(gaps.argmax()) + 1) % around.size]
    if gaps.max() < 1.5 * np.median(gaps):  # all around the globe: any meridian may be the first
        begin = around[np.argmin((around + 180) % 360)]
    if begin >= 180:
        begin -= 360
    # A tiny step back keeps a meridian that rounds below `begin` from going around once more.
    turns = np.floor((longitudes - (begin - np.median(gaps) / 2)) / 360)
    return np.asarray(longitudes - 360 * turns)


def difference(window: Axis, other: Axis, name: str) -> str | None:
    """Why the cells of `window` are not those of another axis, or None where they are within `SAME_PLACE` of a cell."""
    step = window.step if window.values.size > 1 else other.step
    if min(window.values.size, other.values.size) > 1 and abs(other.step - step) > SAME_PLACE * step:
        return f"'{name}' has cells of {step:.6g} in one and of {other.step:.6g} in the other"
    place = other.nearest(window.values)
    if place.min() < 0 or place.max() >= other.values.size:
        return (
            f"'{name}' has cells from {window.values[0]:.6g} to {window.values[-1]:.6g} over the region in one and from"
            f" {other.values[0]:.6g} to {other.values[-1]:.6g} in the other"
        )
    off = np.abs(within_turn(window.values - other.values[place], other.turn)).max()
    if off > (SAME_PLACE * step if step > 0 else 1e-6 * np.abs(window.values).max()):
        return f"'{name}' differs by {off:.6g}, and a cell is {step:.6g}"
    return None


def within_turn(distances: Floats, turn: float) -> Floats:
    """Distances between longitudes the short way around; others as they are (`turn` 0)."""
    return (distances + turn / 2) % turn - turn / 2 if turn else distances
