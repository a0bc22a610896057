"""An export as a NetCDF file or a Zarr store, written piece by piece."""

import shutil
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import h5py
import numpy as np
import xarray as xr
from dask.delayed import delayed
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import day_number
from mmvsf.datasets.cube.coordinates import spatial_ref, yx_axes
from mmvsf.datasets.errors import one_line
from mmvsf.datasets.storage.location import DRAFT, sync_all, sync_folder
from mmvsf.datasets.storage.outputs import named_errors, verified_file

from .content import ExportArray
from .piece import Frame

CHECKED = {"compression": "gzip", "compression_opts": 4, "shuffle": True, "fletcher32": True}
"""Compressed, and with a checksum of each chunk, so that a file that is read back proves itself"""


def write_netcdf(path: Path, frame: Frame, arrays: list[ExportArray]) -> None:
    """Write the arrays to a NetCDF 4 file. Raises OSError if it cannot be written."""
    dataset = as_dataset(frame, arrays)
    encoding = {array.name: CHECKED for array in arrays}
    with verified_file(path, _read_back) as draft, dask.config.set(scheduler="synchronous"):
        dataset.to_netcdf(draft, engine="h5netcdf", encoding=encoding)


def _read_back(path: Path) -> None:
    """Read every chunk of a file. Raises ValueError where one is damaged."""
    try:
        with h5py.File(path) as file:
            for variable in file.values():
                for chunk in variable.iter_chunks() if variable.chunks else ((...,),):
                    variable[chunk]
    except OSError as error:
        raise ValueError(one_line(error)) from error


def write_zarr(path: Path, frame: Frame, arrays: list[ExportArray]) -> None:
    """Write the arrays to a Zarr 3 store, which replaces one that exists. Raises OSError if it cannot be written."""
    dataset = as_dataset(frame, arrays)
    draft = path.with_name(f"{path.name}{DRAFT}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with named_errors(path), dask.config.set(scheduler="synchronous"):
            dataset.to_zarr(draft, mode="w", zarr_format=3, consolidated=False)
            sync_all(draft)
        if path.exists():
            shutil.rmtree(path)
        draft.replace(path)
        sync_folder(path.parent)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def as_dataset(frame: Frame, arrays: list[ExportArray]) -> xr.Dataset:
    """The arrays as stored, one Dask chunk a piece, with coordinates, CRS and CF attributes."""
    coordinates: dict[str, Any] = {}
    centres = (coordinate.values for coordinate in frame.geobox.coordinates.values())
    for axis in (*yx_axes(*centres), spatial_ref(frame.geobox)):
        coordinates[axis.name] = (axis.dims, axis.data, axis.attributes)
    for array in arrays:
        coordinates |= {name: _coordinate(name, values) for name, values in array.leading.items()}
    variables = {array.name: _variable(frame, array) for array in arrays}
    title, attribution = frame.cube.region.title, str(frame.cube.attributes.get("attribution", ""))
    attributes = {
        "Conventions": "CF-1.11",
        "title": title,
        "source": f"cube {frame.cube.path.name}, digest {frame.cube.digest}",
        **({"references": attribution} if attribution else {}),
    }
    return xr.Dataset(variables, coordinates, attributes)


def _coordinate(name: str, values: list[Any]) -> tuple[Any, ...]:
    if name != "time":
        return name, np.array(values, dtype=object)
    days = np.array([day_number(day) for day in values], np.int32)
    return name, days, {"standard_name": "time", "units": "days since 1970-01-01", "calendar": "standard"}


def _variable(frame: Frame, array: ExportArray) -> xr.Variable:
    attributes = {**array.attributes, "grid_mapping": "spatial_ref"}
    if array.legend is not None:
        attributes["flag_names"] = ", ".join(entry.name for entry in array.legend.classes)
    for key in ("flag_values", "flag_masks"):
        if key in attributes:
            attributes[key] = np.array(attributes[key], array.dtype)
    scales = sorted(set(array.scales))
    if len(scales) > 1:  # CF knows one for an array
        attributes["scale_factors_of_bands"] = np.array(array.scales, np.float32)
    elif scales != [1.0]:
        attributes["scale_factor"] = np.float32(scales[0])
    if array.nodata:  # 0 is a code of labels, "unknown"
        attributes["_FillValue"] = np.array(array.nodata, array.dtype)[()]
    return xr.Variable((*array.leading, "y", "x"), _lazy(frame, array), attributes)


def _lazy(frame: Frame, array: ExportArray) -> Any:
    """A Dask array whose chunks are the pieces of a frame."""
    leading = tuple(len(values) for values in array.leading.values())
    full = set(map(str, frame.pieces()))

    def piece(rows: slice, columns: slice) -> Any:
        shape = (*leading, rows.stop - rows.start, columns.stop - columns.start)
        if str((rows, columns)) not in full:
            return da.full(shape, array.nodata, array.dtype, chunks=shape)
        return da.from_delayed(delayed(_read)(frame, array, rows, columns), shape, array.dtype)

    rows, columns = frame.cuts()
    return da.block([[piece(part, other) for other in columns] for part in rows])


def _read(frame: Frame, array: ExportArray, rows: slice, columns: slice) -> NDArray[Any]:
    return frame.read(array, rows, columns)
