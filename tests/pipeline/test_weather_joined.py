"""Weather in several files: one grid, each day once, one file at a time."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from pyproj import CRS, Transformer

from mmvsf.datasets.errors import InputError
from mmvsf.pipeline.sources.archive import weather

from . import weather_products as products
from .weather_grids import (
    BOTH,
    assert_tmin_in_place,
    fetch,
    one,
    stamped,
)
from .weather_products import LAT, LON, kelvin, lonlat, times

Two = dict[str, xr.Dataset]


def two_days(step: float) -> Two:
    """The same day in two files, the second warmer by `step`."""
    return {"a": one(), "b": one(kelvin(step), time=times(1))}


def projected(epsg: int) -> Two:
    x, y = Transformer.from_crs(4326, epsg, always_xy=True).transform(LON, LAT)
    steps = (np.arange(5) - 2) * 5000.0
    axes = {"lat": y - steps, "lon": x + steps}
    return {
        "a": one(280.0, **axes).assign_attrs(epsg=epsg),
        "b": one(290.0, name="tmax", **axes).assign_attrs(epsg=epsg + 1),
    }


def shifted(by: float) -> Two:
    lat, lon = lonlat(0.1)
    return {"tmin": one(), "tmax": one(24.5 + 273.15, name="tmax", lat=lat + by, lon=lon)}


DIFFERENT: dict[str, tuple[Two, str]] = {
    "half a cell": (shifted(0.05), r"tmax.nc and .*tmin.nc are on different grids: 'y' differs by 0.05"),
    "a tenth of a cell": (shifted(0.01), r"are on different grids: 'y' differs by 0.01, and a cell is 0.1"),
    "another resolution": (
        {"tmin": one(), "tmax": one(290.0, name="tmax", lat=lonlat(0.05)[0], lon=lonlat(0.05)[1])},
        r"tmax.nc and .*tmin.nc are on different grids",
    ),
    "another CRS": (
        projected(32614),
        r"a.nc and .*b.nc are on different grids: their CRS are 'WGS 84 / UTM zone 14N' and",
    ),
    "a day with other values": (
        two_days(0.5),
        r"a.nc and .*b.nc have different values for 'tmin' on 2020-06-01, up to 0.5",
    ),
    "another end of days": (
        {"a": stamped(6), "b": one(290.0, name="tmax").assign_attrs(day_ends_utc_hour=7)},
        r"days end at 6 UTC in .*a.nc and at 7 UTC in .*b.nc",
    ),
}


@pytest.mark.parametrize(("files", "message"), DIFFERENT.values(), ids=DIFFERENT)
def test_files_that_do_not_belong_together(tmp_path: Path, files: Two, message: str) -> None:
    for name, data in files.items():
        data.to_netcdf(tmp_path / f"{name}.nc", engine="h5netcdf")
    variables = [name for name in BOTH if any(name in data for data in files.values())]
    with pytest.raises(InputError, match=message):
        fetch(tmp_path, *variables)


@pytest.mark.parametrize("by", [1e-7, 5e-4, 0.0019])
def test_coordinates_that_differ_in_their_last_digits_are_one_grid(tmp_path: Path, by: float) -> None:
    """An outer join would hold each row twice, and interpolate between two grids with gaps."""
    for name, data in shifted(by).items():
        data.to_netcdf(tmp_path / f"{name}.nc", engine="h5netcdf")
    series = fetch(tmp_path, *BOTH)
    assert series.y.size == 5 and not any(np.isnan(values).any() for values in series.values.values())


def test_longitudes_of_two_kinds_in_two_files_are_one_grid(tmp_path: Path) -> None:
    one().to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    one(290.0, name="tmax", lon=np.float32(lonlat(0.1)[1] + 360)).to_netcdf(tmp_path / "b.nc", engine="h5netcdf")
    assert_tmin_in_place(fetch(tmp_path, *BOTH))


@pytest.mark.parametrize("crs", ["OGC:CRS84", "EPSG:4269", "ESRI:104199"])
def test_a_crs_written_in_another_way_is_the_same(tmp_path: Path, crs: str) -> None:
    one().to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    other = one(290.0, {"units": "K", "grid_mapping": "crs"}, "tmax")
    other["crs"] = xr.DataArray(0, attrs={"crs_wkt": CRS(crs).to_wkt()})
    other.to_netcdf(tmp_path / "b.nc", engine="h5netcdf")
    assert_tmin_in_place(fetch(tmp_path, *BOTH))


def test_a_day_that_two_files_agree_on_is_taken_once(tmp_path: Path) -> None:
    for name, data in two_days(0.0).items():
        data.to_netcdf(tmp_path / f"{name}.nc", engine="h5netcdf")
    assert_tmin_in_place(fetch(tmp_path))


def test_a_mask_beside_the_weather_is_left_alone(tmp_path: Path) -> None:
    one().to_netcdf(tmp_path / "daily.nc", engine="h5netcdf")
    xr.Dataset({"mask": (("row", "column"), np.ones((3, 3)))}).to_netcdf(tmp_path / "mask.nc", engine="h5netcdf")
    assert_tmin_in_place(fetch(tmp_path))


def test_one_file_a_day_is_opened_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once each, and none while another is open: time and memory grow with the days, not with their square."""
    for day in range(8):
        data = one(time=times(1, products.FIRST + day))
        data.to_netcdf(tmp_path / f"{day:02}.nc", engine="h5netcdf")
    real, opened, present = xr.open_dataset, [], []

    def counted(path: Path, **options: Any) -> xr.Dataset:
        opened.append(path)
        present[:] = [dataset for dataset in present if dataset._close is not None]
        assert not present
        present.append(real(path, **options))
        return present[-1]

    monkeypatch.setattr(weather.xr, "open_dataset", counted)
    series = fetch(tmp_path, last=date(2020, 6, 5))
    assert series.days.size == 5 and len(opened) == 8


def test_a_mean_of_hourly_sums_is_no_sum(tmp_path: Path) -> None:
    """The data store's daily mean of `tp` is a twenty-fourth of the day's rain."""
    data = one(0.003 / 24, {"units": "m"}, "tp")
    data.to_netcdf(tmp_path / "total_precipitation_0_daily-mean.nc", engine="h5netcdf")
    with pytest.raises(InputError, match="tp: it is a daily mean of amounts in 'm'"):
        fetch(tmp_path, "precipitation")
