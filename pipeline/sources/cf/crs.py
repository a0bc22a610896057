"""The coordinate reference system of a CF dataset, and its axes in the unit of that system."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS
from pyproj.exceptions import CRSError

from mmvsf.datasets.errors import InputError, one_line

METRES = {"m": 1.0, "metre": 1.0, "meter": 1.0, "metres": 1.0, "meters": 1.0, "km": 1000.0, "kilometers": 1000.0}
DEGREES = ("degrees_north", "degrees_east", "degree_north", "degree_east", "degrees", "degree")
LONLAT = CRS.from_epsg(4326)


def crs_of(dataset: xr.Dataset, y: str, x: str, where: str) -> CRS:
    """The CRS by the grid mapping of a variable, by global attributes, or degrees where the axes are latitude and
    longitude. Raises InputError if there is none, or it cannot be read."""
    units = {str(dataset[name].attrs.get("units", "")).lower() for name in (y, x)}
    try:
        crs = next(_candidates(dataset), None)
    except (CRSError, KeyError, ValueError, TypeError) as error:
        raise InputError(f"{where}: its grid mapping cannot be read: {one_line(error, 120)}") from error
    in_degrees = bool(units & set(DEGREES)) or not units & set(METRES)
    ranges = np.nanmax(np.abs(dataset[y].values)) <= 90.001 and np.nanmax(np.abs(dataset[x].values)) <= 360.001
    if crs is None or (not crs.is_geographic and units <= {"degrees_north", "degrees_east"}):
        if in_degrees and ranges:
            return LONLAT
        raise InputError(f"{where} names no CRS; add a grid mapping with crs_wkt, or use latitude and longitude")
    if crs.is_geographic and not ranges:
        raise InputError(
            f"{where}: its CRS '{crs.name}' is in degrees, and its axes reach {np.abs(dataset[y].values).max():.6g} and"
            f" {np.abs(dataset[x].values).max():.6g}"
        )
    return crs


def coordinates(dataset: xr.Dataset, name: str, crs: CRS, where: str) -> NDArray[np.float64]:
    """The coordinates of a dimension in the unit of the CRS, as stored in order. Raises InputError for an unknown
    unit."""
    values = np.asarray(dataset[name].values)
    if not np.issubdtype(values.dtype, np.number):
        raise InputError(f"{where}: its axis '{name}' holds no numbers")
    unit = str(dataset[name].attrs.get("units", "")).lower()
    numbers = values.astype(np.float64)
    if crs.is_geographic or unit in ("", "1"):
        return numbers
    if unit not in METRES:
        raise InputError(f"{where}: its axis '{name}' is in '{unit}'; it must be in m or km in the CRS '{crs.name}'")
    factor = METRES[unit] / float(crs.axis_info[0].unit_conversion_factor or 1.0)
    return numbers if factor == 1 else numbers * factor


def _candidates(dataset: xr.Dataset) -> Iterator[CRS]:
    names = [dataset[name].attrs.get("grid_mapping", dataset[name].encoding.get("grid_mapping")) for name in dataset]
    mappings = [str(name).split(":")[0].strip() for name in names if name]
    mappings += [str(name) for name in dataset.variables if "grid_mapping_name" in dataset[name].attrs]
    for name in dict.fromkeys([*mappings, "spatial_ref", "crs"]):
        if name in dataset.variables and (crs := _of_mapping(dataset[name].attrs)):
            yield crs
    for attribute in ("epsg", "crs"):
        text = dataset.attrs.get(attribute)
        if text is not None:
            try:
                yield CRS.from_user_input(int(text) if str(text).isdigit() else text)
            except CRSError:
                continue  # a name in words, as "WGS 84 degrees"


def _of_mapping(attributes: Mapping[Any, Any]) -> CRS | None:
    for key in ("crs_wkt", "spatial_ref"):
        if attributes.get(key):
            return CRS.from_user_input(attributes[key])
    name = attributes.get("grid_mapping_name")
    if name is None:
        return None
    return LONLAT if name == "latitude_longitude" else CRS.from_cf(dict(attributes))
