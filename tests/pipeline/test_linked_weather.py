"""Weather files that would read other files are refused; the driver is chosen by what a file is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import h5py
import numpy as np
import pytest

from mmvsf.datasets.errors import InputError
from mmvsf.pipeline.sources.archive.weather import ArchiveWeather
from mmvsf.pipeline.sources.archive.weather_file import open_file

from .test_untrusted_files import secret, write_vrt
from .tiny_archive import weather_dataset

DAYS = date(2020, 1, 1), date(2020, 1, 31)


def written(folder: Path, name: str = "daily.nc") -> Path:
    path = folder / name
    weather_dataset().isel(time=slice(0, 200)).to_netcdf(path, engine="h5netcdf")
    return path


def moved(path: Path, name: str) -> Path:
    """A variable of a file taken to another one, of which the file keeps the attributes of dimensions alone."""
    other = path.with_name("other.h5")
    with h5py.File(path, "r+") as file, h5py.File(other, "w") as target:
        file.copy(name, target)
        del file[name]
    return other


def external_link(path: Path) -> None:
    other = moved(path, "temperature_min")
    with h5py.File(path, "r+") as file:
        file["temperature_min"] = h5py.ExternalLink(str(other), "temperature_min")


def link_in_a_group(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file.create_group("a/b")["c"] = h5py.ExternalLink("/etc/passwd", "x")


def virtual(path: Path) -> None:
    other = moved(path, "temperature_min")
    with h5py.File(path, "r+") as file, h5py.File(other) as source:
        shape = source["temperature_min"].shape
        layout = h5py.VirtualLayout(shape, "f8")
        layout[:] = h5py.VirtualSource(str(other), "temperature_min", shape)
        file.create_virtual_dataset("temperature_min", layout)


def raw(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        shape = file["temperature_min"].shape
        del file["temperature_min"]
        size = int(np.prod(shape)) * 8
        file.create_dataset("temperature_min", shape, "f8", external=[("/dev/zero", 0, size)])


@pytest.mark.parametrize("change", [external_link, link_in_a_group, virtual, raw])
def test_data_of_other_files(tmp_path: Path, change: Callable[[Path], None]) -> None:
    path = written(tmp_path)
    change(path)
    with pytest.raises(InputError, match=r"another file|in other files") as raised:
        ArchiveWeather(path).fetch(*DAYS, ("tmin",))
    assert len(raised.value.lines) == 1


def test_loops_of_groups_and_soft_links_are_no_harm(tmp_path: Path) -> None:
    path = written(tmp_path)
    with h5py.File(path, "r+") as file:
        file["loop"] = file["/"]
        file["soft"] = h5py.SoftLink("/temperature_min")
    with open_file(path) as dataset:
        assert dataset["temperature_min"].shape[0] == 200


@pytest.mark.parametrize("name", ["daily.nc", "daily.vrt", "daily.tif", "daily"])
def test_a_file_that_is_no_netcdf(tmp_path: Path, name: str) -> None:
    """Whatever its name, and whatever drivers other packages add to xarray."""
    write_vrt(tmp_path / name, Path(secret(tmp_path).href))
    with pytest.raises(InputError, match="neither a NetCDF file"):
        ArchiveWeather(tmp_path / name).fetch(*DAYS, ("tmin",))


def test_references_are_no_store(tmp_path: Path) -> None:
    """Kerchunk's JSON names chunks anywhere."""
    path = tmp_path / "weather.json"
    path.write_text('{"version": 1, "refs": {".zgroup": "{\\"zarr_format\\": 2}", "tmin/0": ["/etc/passwd", 0, 100]}}')
    with pytest.raises(InputError, match="neither a NetCDF file"):
        ArchiveWeather(path).fetch(*DAYS, ("tmin",))


@pytest.mark.parametrize(
    "text", ["[]", '"x"', "{}", '{"node_type": "group", "zarr_format": 3, "attributes": 3}', "[" * 9_000]
)
def test_a_store_with_other_metadata(tmp_path: Path, text: str) -> None:
    store = tmp_path / "weather.zarr"
    weather_dataset().isel(time=slice(0, 50)).to_zarr(store, zarr_format=3, consolidated=False)
    (store / "zarr.json").write_text(text)
    with pytest.raises(InputError, match=r"weather\.zarr"):
        ArchiveWeather(store).fetch(*DAYS, ("tmin",))
