"""The values of one input over a region, in its unit, as float64."""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from mmvsf.datasets.errors import InputError
from mmvsf.pipeline.layers.weather.units import convert, is_rate

from .attributes import number, text
from .header import Header, with_dimensions
from .inputs import is_daily_mean, quantities
from .times import FINAL, PRELIMINARY

SUMS = ("precipitation", "radiation")

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Reading:
    """Rows of one input."""

    values: Floats
    """(row, y, x) in the unit of the input, NaN where there is no value"""
    provisional: NDArray[np.bool_]
    """(row,) whether the product will still correct it"""
    notes: list[str]
    """what was chosen to get it, in words"""


def read_input(dataset: xr.Dataset, header: Header, name: str, rows: NDArray[np.int64]) -> Reading:
    """An input of `INPUTS` at these rows of the dataset. Other dimensions of length 1 are dropped, and the two of
    ERA5's `expver` merged: final values where there are any.

    Raises InputError for another dimension, and for a unit that is missing or unknown.
    """
    variable = with_dimensions(dataset)[header.inputs[name]]
    what = f"{header.where}, {variable.name}"
    variable, notes = _without_other_dimensions(variable, header, what)
    units = text(variable.attrs, "units")
    if not units:
        raise InputError(f"{header.where}: the variable '{variable.name}' has no units attribute; add one")
    if name in SUMS and not is_rate(units) and is_daily_mean(header.where):
        raise InputError(
            f"{what}: it is a daily mean of amounts in '{units}', so the daily sum is not known; use the product's"
            " daily sums"
        )
    versions = _by_version(variable, what) if "expver" in variable.dims else [variable]
    values = _values(versions[0], header, rows)
    provisional = np.isin(header.time.days[rows], header.time.provisional)
    for preliminary in versions[1:]:
        provisional |= np.isnan(values).all(axis=(1, 2))
        values = np.where(np.isnan(values), _values(preliminary, header, rows), values)
    values[values == number(variable.attrs, "nodata")] = np.nan
    return Reading(convert(values, units, quantities()[name].units, what), provisional, notes)


def _without_other_dimensions(variable: xr.DataArray, header: Header, what: str) -> tuple[xr.DataArray, list[str]]:
    notes = []
    if missing := [dim for dim in header.dims if dim not in variable.dims]:
        raise InputError(f"{what}: it has no dimension '{missing[0]}'")
    for dim in [str(dim) for dim in variable.dims if dim not in header.dims]:
        size = variable.sizes[dim]
        if size == 1:
            label = f" ({variable[dim].values[0]})" if dim in variable.coords else ""
            notes.append(f"{what}: the only value along '{dim}'{label} is used")
            variable = variable.isel({dim: 0}, drop=True)
        elif dim == "expver" and size == 2:
            notes.append(f"{what}: ERA5T (expver {PRELIMINARY}) is used where ERA5 (expver {FINAL}) has no value")
        else:
            raise InputError(
                f"{what}: it has {size} values along '{dim}', but a cube needs one; select one first, for example with"
                f" ncks -d {dim},0 or xarray's isel({dim}=0)"
            )
    return variable, notes


def _by_version(variable: xr.DataArray, what: str) -> list[xr.DataArray]:
    """The final and the preliminary values, in this order."""
    versions = [int(version) for version in variable["expver"].values] if "expver" in variable.coords else []
    if sorted(versions) != [FINAL, PRELIMINARY]:
        raise InputError(f"{what}: it has expver {versions}; only {FINAL} (ERA5) and {PRELIMINARY} (ERA5T) are known")
    return [variable.isel(expver=versions.index(version), drop=True) for version in (FINAL, PRELIMINARY)]


def _values(variable: xr.DataArray, header: Header, rows: NDArray[np.int64]) -> Floats:
    window = variable.transpose(*header.dims)
    pieces = [_block(window, (rows, header.y.index, columns)) for columns in _runs(header.x.index)]
    return np.concatenate(pieces, axis=2)


def _block(window: xr.DataArray, indices: tuple[NDArray[np.int64], ...]) -> Floats:
    """The cells of three index arrays, by one read of the smallest block that has them all."""
    lowest = [int(index.min()) for index in indices]
    block = window[tuple(slice(low, int(index.max()) + 1) for low, index in zip(lowest, indices, strict=True))]
    values = np.asarray(block.values, np.float64)
    for axis, (low, index) in enumerate(zip(lowest, indices, strict=True)):
        values = values.take(index - low, axis=axis)
    return values


def _runs(index: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Two runs where the columns cross the seam of a global grid, so that what lies between them is not read."""
    breaks = np.flatnonzero(np.abs(np.diff(index)) != 1) + 1
    return np.split(index, breaks) if breaks.size == 1 else [index]
