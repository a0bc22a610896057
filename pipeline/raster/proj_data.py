"""The database of PROJ, which the environment may replace with that of another installation."""

import os

from pyproj import CRS
from pyproj.exceptions import CRSError
from rasterio import Env, crs, errors

from mmvsf.datasets.errors import InputError

VARIABLES = ("PROJ_DATA", "PROJ_LIB")


def refuse_foreign_proj_data() -> None:
    """Raise InputError where pyproj or GDAL cannot look up a CRS, since PROJ_DATA or PROJ_LIB names a folder without
    the database of their version. Nothing could be projected, and errors would blame the recipe."""
    try:
        CRS.from_epsg(32631)
        with Env():  # GDAL prints to stderr outside of one
            crs.CRS.from_epsg(32631)
    except (CRSError, errors.CRSError) as error:
        named = ", ".join(f"{name}={os.environ[name]}" for name in VARIABLES if name in os.environ)
        raise InputError(
            f"PROJ has no usable database of projections ({named or 'its installation is damaged'});"
            f" {'unset that variable' if named else 'install pyproj and rasterio again'}"
        ) from error
