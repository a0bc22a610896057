"""Dimensions and variables of a group, in the words of STAC's datacube extension."""

from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox

from mmvsf.datasets.cube.calendar import date_of
from mmvsf.datasets.cube.conventions import crs_of_geobox
from mmvsf.datasets.storage.spec import ArraySpec, GroupSpec

AXES = ("x", "y", "time", "band", "polarisation", "season", "variable", "bnds", "spatial_ref")
"""Names of arrays that are coordinates"""


def datacube(group: GroupSpec, geobox: GeoBox) -> dict[str, Any]:
    """`cube:dimensions` and `cube:variables` of a group over the pixels of a geobox."""
    arrays = {array.name: array for array in group.arrays}
    names = dict.fromkeys(dim for array in group.arrays if array.name not in AXES for dim in array.dims)
    dimensions = {name: _dimension(name, arrays.get(name), geobox) for name in names}
    beside = str(group.attributes.get("coordinates", "")).split()
    variables = {array.name: _variable(array, beside) for array in group.arrays if array.name not in AXES}
    return {"cube:dimensions": dimensions, "cube:variables": variables}


def projection(geobox: GeoBox) -> dict[str, Any]:
    """`proj:` fields of a grid of pixels."""
    epsg = crs_of_geobox(geobox).epsg
    where: dict[str, Any] = {"proj:code": f"EPSG:{epsg}"}
    if epsg is None:
        where = {"proj:code": None, "proj:wkt2": crs_of_geobox(geobox).proj.to_wkt("WKT2_2019")}
    return {
        **where,
        "proj:shape": list(geobox.shape),
        "proj:transform": list(geobox.affine)[:6],
        "proj:bbox": list(geobox.boundingbox),
    }


def _dimension(name: str, axis: ArraySpec | None, geobox: GeoBox) -> dict[str, Any]:
    if name in ("x", "y"):
        return _spatial(name, geobox)
    if axis is None or axis.data is None:
        return {"type": "bounds", "values": [0, 1], "description": "begin and end of an interval"}
    if name == "time":
        days = [str(date_of(int(axis.data[end]))) for end in (0, -1)]
        return {"type": "temporal", "extent": [f"{day}T00:00:00Z" for day in days], "step": "P1D"}
    kind = {"band": "bands", "season": "season"}.get(name, name)
    return {"type": kind, "values": np.asarray(axis.data).tolist()}


def _spatial(name: str, geobox: GeoBox) -> dict[str, Any]:
    box, crs = geobox.boundingbox, crs_of_geobox(geobox)
    extent = [box.left, box.right] if name == "x" else [box.bottom, box.top]
    return {
        "type": "spatial",
        "axis": name,
        "extent": extent,
        "step": abs(geobox.resolution.x),
        "unit": "m",
        "reference_system": crs.epsg or crs.proj.to_wkt("WKT2_2019"),
    }


def _variable(array: ArraySpec, beside: list[str]) -> dict[str, Any]:
    """`beside` names the arrays that describe others."""
    kind = "auxiliary" if array.name in beside else "data"
    variable: dict[str, Any] = {"dimensions": list(array.dims), "type": kind}
    for key, ours in (("description", "long_name"), ("unit", "units")):
        if ours in array.attributes:
            variable[key] = array.attributes[ours]
    if array.attributes.get("_FillValue") is not None or array.fill == "NaN":
        variable["nodata"] = "nan" if array.fill == "NaN" else array.fill
    return variable
