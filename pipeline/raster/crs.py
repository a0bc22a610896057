"""Names of coordinate reference systems (EPSG codes, WKT): whether they are known, in degrees, and the same."""

import re
from functools import lru_cache
from typing import Any

from pyproj import CRS, Transformer
from pyproj.exceptions import ProjError


@lru_cache(maxsize=64)  # a text and a truth value: 64 x 2 KB at most, with WKT
def is_crs(text: str) -> bool:
    """Whether a text (EPSG code, WKT) names a CRS of places on the earth that PROJ knows."""
    try:
        Transformer.from_crs("EPSG:4326", text, always_xy=True)
        return bool(CRS(text).is_projected or CRS(text).is_geographic)
    except ProjError:
        return False


@lru_cache(maxsize=64)  # a text and a truth value
def in_degrees(text: str) -> bool:
    """Whether a CRS (EPSG code, WKT) has longitudes and latitudes."""
    return bool(CRS(text).is_geographic)


@lru_cache(maxsize=64)  # two texts and a truth value
def same_crs(one: str, other: str) -> bool:
    """Whether two texts (EPSG codes, WKT) name one CRS.

    Many HLS L30 files say only the ellipsoid (`Not_specified_based_on_WGS_84_spheroid`) where their catalogues say
    EPSG:326..: a projection with the same parameters on the same ellipsoid, its datum left open, is taken for it.
    """
    if one == other:
        return True
    a, b = CRS(one), CRS(other)
    return bool(a.equals(b, ignore_axis_order=True)) or (_datum_left_open(a, b) and _same_projection(a, b))


def _datum_left_open(*systems: CRS) -> bool:
    return any(
        system.datum is not None and re.match(r"(?i)not.specified|unknown", system.datum.name) for system in systems
    )


def _same_projection(one: CRS, other: CRS) -> bool:
    ways = _projection(one), _projection(other)
    return ways[0] is not None and ways[0] == ways[1]


def _projection(crs: CRS) -> tuple[Any, ...] | None:
    """Method, parameters, unit and ellipsoid of a projected CRS; None for any other."""
    operation, ellipsoid = crs.coordinate_operation, crs.ellipsoid
    if not crs.is_projected or operation is None or ellipsoid is None:
        return None
    parameters = sorted((p.name, round(float(p.value) * p.unit_conversion_factor, 9)) for p in operation.params)
    unit = crs.axis_info[0].unit_conversion_factor
    return operation.method_name, parameters, unit, ellipsoid.semi_major_metre, round(ellipsoid.inverse_flattening, 6)
