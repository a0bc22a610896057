"""Groups of a cube as xarray datasets that can be sliced, and written to NetCDF.

Attributes of Zarr are JSON, whose numbers have no type. Taken as they are, a factor of int16 decodes to float64, and
the flags of a uint8 array become int64 in NetCDF, where CF wants them to have the type of their array.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

OF_STORED_TYPE = ("flag_values", "flag_masks", "valid_range", "missing_code")
"""Attributes that have the type of their array as stored (CF 1.11, sections 2.5.1 and 3.5)."""

OF_PLACE = ("zarr_conventions", "proj:", "spatial:", "multiscales")
"""The attributes of GeoZarr. They describe the arrays as stored, and would be wrong for a part of them; the
coordinates and the grid mapping say the same."""


def decoded(stored: xr.Dataset) -> xr.Dataset:
    """A dataset that was opened with `decode_cf=False`, decoded: times, and the bands to float32, NaN where none."""
    typed = stored.copy()
    for name, array in stored.variables.items():
        typed[name].attrs = _typed(array)
        if name in stored.dims:
            typed[name].encoding["_FillValue"] = None  # xarray would write one, which CF forbids for coordinates
    typed.attrs = netcdf_attributes({k: v for k, v in stored.attrs.items() if not k.startswith(OF_PLACE)})
    # Hours of a day stay numbers, whatever the version of xarray.
    dataset: xr.Dataset = xr.decode_cf(typed, decode_timedelta=False)
    scales = stored["band"].attrs.get("scale_factors") if "band" in stored.variables else None
    if scales is not None and "reflectance" in dataset and "scale_factor" not in stored["reflectance"].attrs:
        # CF knows one factor for an array; without Dask this reads the array.
        of_band = xr.DataArray(np.asarray(scales, np.float32), dims="band")
        dataset["reflectance"] = (dataset["reflectance"] * of_band).assign_attrs(dataset["reflectance"].attrs)
    return dataset


def netcdf_attributes(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes as NetCDF holds them: text, numbers and lists of one of both stay, anything else becomes JSON text."""
    return {key: value if _is_flat(value) else json.dumps(value) for key, value in attributes.items()}


def _typed(array: xr.Variable) -> dict[str, Any]:
    attributes = netcdf_attributes(array.attrs)
    for key in OF_STORED_TYPE:
        if key in attributes:
            attributes[key] = np.asarray(attributes[key], array.dtype)
    if "scale_factor" in attributes:
        attributes["scale_factor"] = np.float32(attributes["scale_factor"])
    return attributes


def _is_flat(value: object) -> bool:
    members = value if isinstance(value, list) else [value]
    numbers = all(isinstance(member, int | float) and not isinstance(member, bool) for member in members)
    return bool(members) and (numbers or all(isinstance(member, str) for member in members))
