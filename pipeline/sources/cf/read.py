"""The numbers of one input over a region, in its unit, as float64."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from mmvsf.datasets.errors import InputError
from mmvsf.pipeline.layers.weather.units import convert, is_rate

from .header import Header, with_dimensions
from .inputs import is_daily_mean, quantities

FINAL, PRELIMINARY = 1, 5
"""ERA5's `expver`: final values, and those of ERA5T that stand in for them until they are there"""
SUMS = ("precipitation", "radiation")

Floats = NDArray[np.float64]


def read_input(dataset: xr.Dataset, header: Header, name: str, rows: NDArray[np.int64]) -> tuple[Floats, list[str]]:
    """(row, y, x) of an input of `INPUTS` in its unit, at these rows of the dataset, and what was done to get it, in
    words. Other dimensions of length 1 are dropped, and the two of ERA5's `expver` merged.

    Raises InputError for another dimension, and for a unit that is missing or unknown.
    """
    variable = with_dimensions(dataset)[header.inputs[name]]
    what = f"{header.where}, {variable.name}"
    variable, notes = _without_other_dimensions(variable, header, what)
    units = variable.attrs.get("units")
    if units is None:
        raise InputError(f"{header.where}: the variable '{variable.name}' has no units attribute; add one")
    if name in SUMS and not is_rate(str(units)) and is_daily_mean(header.where):
        raise InputError(
            f"{what}: it is a mean over the day of amounts in '{units}', so the day's sum is not known; take the"
            " product's daily sums"
        )
    parts = variable if "expver" not in variable.dims else _by_version(variable, what)
    values = _values(parts, header, rows)
    nodata = variable.attrs.get("nodata")
    if nodata is not None:
        values[values == float(nodata)] = np.nan
    return convert(values, str(units), quantities()[name].units, what), notes


def _without_other_dimensions(variable: xr.DataArray, header: Header, what: str) -> tuple[xr.DataArray, list[str]]:
    notes = []
    if missing := [dim for dim in header.dims if dim not in variable.dims]:
        raise InputError(f"{what}: it has no dimension '{missing[0]}'")
    for dim in [str(dim) for dim in variable.dims if dim not in header.dims]:
        size = variable.sizes[dim]
        if size == 1:
            label = f" ({variable[dim].values[0]})" if dim in variable.coords else ""
            notes.append(f"{what}: the only value along '{dim}'{label} is taken")
            variable = variable.isel({dim: 0}, drop=True)
        elif dim == "expver" and size == 2:
            notes.append(f"{what}: ERA5T (expver {PRELIMINARY}) is taken where ERA5 (expver {FINAL}) has no value")
        else:
            raise InputError(
                f"{what}: it has {size} values along '{dim}', and a cube takes one; select one first, for example with"
                f" ncks -d {dim},0 or xarray's isel({dim}=0)"
            )
    return variable, notes


def _by_version(variable: xr.DataArray, what: str) -> list[xr.DataArray]:
    """The final and the preliminary values, in this order."""
    versions = [int(version) for version in variable["expver"].values] if "expver" in variable.coords else []
    if sorted(versions) != [FINAL, PRELIMINARY]:
        raise InputError(f"{what}: it has expver {versions}; known are {FINAL} (ERA5) and {PRELIMINARY} (ERA5T)")
    return [variable.isel(expver=versions.index(version), drop=True) for version in (FINAL, PRELIMINARY)]


def _values(variable: xr.DataArray | list[xr.DataArray], header: Header, rows: NDArray[np.int64]) -> Floats:
    if isinstance(variable, list):
        final, preliminary = (_values(part, header, rows) for part in variable)
        return np.where(np.isnan(final), preliminary, final)
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
