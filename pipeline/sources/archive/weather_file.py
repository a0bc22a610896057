"""Weather files, opened according to their content, and refused if they would read other files.

An HDF5 file may hold links to other files, data sets that are views of those of other files, and raw data that lie in
any file of the disk: the numbers of such a file would enter the cube.
"""

from pathlib import Path

import xarray as xr

from mmvsf.datasets.errors import InputError, one_line

HDF5, CLASSIC = b"\x89HDF\r\n\x1a\n", (b"CDF\x01", b"CDF\x02")
"""First bytes of NetCDF 4 (an HDF5 file) and of NetCDF 3."""

UNREADABLE = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    EOFError,
    RuntimeError,
    OverflowError,
    AssertionError,
)
"""What libraries raise for damaged files and metadata; RecursionError is a RuntimeError."""


def open_file(path: Path) -> xr.Dataset:
    """A NetCDF file or a Zarr store as a lazy dataset. Durations stay numbers: some versions of xarray would make them
    timedeltas. Raises InputError if it cannot be read, or holds data of other files."""
    try:
        if is_zarr(path):
            stored: xr.Dataset = xr.open_zarr(path, chunks=None, consolidated=False, decode_timedelta=False)
            return stored
        with path.open("rb") as file:
            head = file.read(8)
        if head.startswith(CLASSIC):
            return xr.open_dataset(path, engine="scipy", decode_timedelta=False, cache=False)
        if head != HDF5:
            raise InputError(
                f"{path} cannot be read as weather: it is neither a NetCDF file (version 3 or 4) nor a Zarr store;"
                " convert it"
            )
        _refuse_other_files(path)
        return xr.open_dataset(path, engine="h5netcdf", decode_timedelta=False, cache=False)
    except UNREADABLE as error:
        raise InputError(f"{path} cannot be read as weather (NetCDF or Zarr): {one_line(error)}") from error


def is_zarr(path: Path) -> bool:
    """Whether a path is that of a Zarr store."""
    return path.suffix == ".zarr" or any((path / name).is_file() for name in ("zarr.json", ".zgroup"))


def _refuse_other_files(path: Path) -> None:
    """Raise InputError for an HDF5 file whose data lie in other files."""
    import h5py

    with h5py.File(path, "r") as file:
        groups, seen = [file], set()
        while groups:
            group = groups.pop()
            for name in group:
                link = group.get(name, getlink=True)
                where = f"{path}: '{name}'"
                if isinstance(link, h5py.ExternalLink):
                    raise InputError(f"{where} is a link to another file, {link.filename!r:.80}; copy its data here")
                if isinstance(link, h5py.SoftLink):
                    continue  # to an object of this file, which is looked at where it lies
                member = group[name]
                if isinstance(member, h5py.Dataset) and (member.is_virtual or member.external):
                    raise InputError(f"{where} has its data in other files; copy them here, for example with `nccopy`")
                if isinstance(member, h5py.Group) and member.id not in seen:
                    seen.add(member.id)
                    groups.append(member)
