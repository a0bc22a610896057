"""The coordinate reference system of a CF dataset, and its axes in the unit of that system."""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS
from pyproj.exceptions import CRSError

from mmvsf.datasets.errors import InputError, one_line

from .attributes import text

METRES = {"m": 1.0, "metre": 1.0, "meter": 1.0, "metres": 1.0, "meters": 1.0, "km": 1000.0, "kilometers": 1000.0}
LONLAT = CRS.from_epsg(4326)


def crs_of(dataset: xr.Dataset, y: str, x: str, where: str) -> CRS:
    """The CRS by the grid mapping of a variable, by global attributes, or degrees where the axes are latitude and
    longitude. Raises InputError if there is none, or it cannot be read."""
    units = {text(dataset[name].attrs, "units").lower() for name in (y, x)}
    highest_y, highest_x = (float(np.abs(_numbers(dataset, name, where)).max()) for name in (y, x))
    ranges = highest_y <= 90.001 and highest_x <= 360.001
    try:
        crs = next(_candidates(dataset), None)
    except (CRSError, KeyError, ValueError, TypeError) as error:
        raise InputError(f"{where}: its grid mapping cannot be read: {one_line(error, 120)}") from error
    if crs is None or (not crs.is_geographic and units <= {"degrees_north", "degrees_east"}):
        if ranges and not units & set(METRES):
            return LONLAT
        raise InputError(f"{where} names no CRS; add a grid mapping with crs_wkt, or use latitude and longitude")
    if crs.is_geographic and not ranges:
        raise InputError(
            f"{where}: its CRS '{crs.name}' is in degrees, and its axes reach {highest_y:.6g} and {highest_x:.6g}"
        )
    return crs


def coordinates(dataset: xr.Dataset, name: str, crs: CRS, where: str) -> NDArray[np.float64]:
    """The coordinates of a dimension in the unit of the CRS, as stored in order. Raises InputError for an unknown
    unit."""
    numbers = _numbers(dataset, name, where)
    unit = text(dataset[name].attrs, "units").lower()
    if crs.is_geographic or unit in ("", "1"):
        return numbers
    if unit not in METRES:
        raise InputError(f"{where}: its axis '{name}' is in '{unit}'; it must be in m or km in the CRS '{crs.name}'")
    factor = METRES[unit] / float(crs.axis_info[0].unit_conversion_factor or 1.0)
    return numbers if factor == 1 else numbers * factor


def _numbers(dataset: xr.Dataset, name: str, where: str) -> NDArray[np.float64]:
    values = np.asarray(dataset[name].values)
    if not np.issubdtype(values.dtype, np.number) or not values.size or not np.isfinite(values).all():
        raise InputError(f"{where}: its axis '{name}' has no coordinates, or one that is no number")
    return values.astype(np.float64)


def _candidates(dataset: xr.Dataset) -> Iterator[CRS]:
    names = [text({**dataset[name].encoding, **dataset[name].attrs}, "grid_mapping") for name in dataset]
    mappings = [name.split(":")[0].strip() for name in names if name]
    mappings += [str(name) for name in dataset.variables if "grid_mapping_name" in dataset[name].attrs]
    for name in dict.fromkeys([*mappings, "spatial_ref", "crs"]):
        if name in dataset.variables and (crs := _of_mapping(dataset[name].attrs)):
            yield crs
    for attribute in ("epsg", "crs"):
        if name := text(dataset.attrs, attribute):
            try:
                yield _parsed(name)
            except CRSError:
                continue  # a name in words, as "WGS 84 degrees"


def _of_mapping(attributes: Mapping[Any, Any]) -> CRS | None:
    for key in ("crs_wkt", "spatial_ref"):
        if isinstance(wkt := attributes.get(key), str) and wkt:
            return _parsed(wkt)
    name = text(attributes, "grid_mapping_name")
    if not name:
        return None
    if name == "latitude_longitude":
        return LONLAT
    return _from_cf(json.dumps({str(key): np.asarray(value).tolist() for key, value in attributes.items()}))


@lru_cache(maxsize=32)  # some 100 KB each
def _parsed(text: str) -> CRS:
    return CRS.from_user_input(int(text) if text.isdigit() else text)


@lru_cache(maxsize=32)  # some 100 KB each
def _from_cf(attributes: str) -> CRS:
    """pyproj needs tenths of a second for one of these, and there may be a file a day."""
    return CRS.from_cf(json.loads(attributes))
