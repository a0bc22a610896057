"""Every pixel of a cube against a reference that was written independently."""

from __future__ import annotations

from datetime import date

import numpy as np
import odc.geo.xr  # noqa: F401
import pytest
import xarray as xr
import zarr
from numpy.typing import NDArray
from pyproj import CRS

from mmvsf.datasets.cube.tree import open_cube

from .reference import FILL, expected_day
from .stored import TILE, of_region, stored_day
from .tiny_archive import BLOCK, LEFT, SCENES, TOP, TinyArchive

STATUS = {"outside": 0, "not_acquired": 1, "stored": 2, "skipped_cloudy": 3, "failed": 4}
DAYS = sorted({scene.day for scene in SCENES})


def day_number(day: date) -> int:
    return (day - date(1970, 1, 1)).days


def scene_ids(cube: TinyArchive, day: date) -> NDArray[np.object_]:
    """The id of the scene of every pixel, through the table of scenes."""
    index = stored_day(cube, "imagery/scene", day)
    table = {name: zarr.open_array(str(cube.cube / f"scenes/{name}"), mode="r")[...] for name in
             ("day", "block_y", "block_x", "index", "id")}  # fmt: skip
    ids = np.full(index.shape, None, object)
    for row in np.flatnonzero(table["day"] == day_number(day)):
        y, x = int(table["block_y"][row]) * 32, int(table["block_x"][row] - 1) * 32
        block = ids[y : y + 32, x : x + 32]
        here = index[y : y + 32, x : x + 32] == table["index"][row]
        assert (block[here] == None).all()  # noqa: E711
        block[here] = str(table["id"][row])
    assert ((ids == None) == (index == 255)).all()  # noqa: E711
    return ids


@pytest.mark.parametrize("day", DAYS, ids=str)
def test_every_pixel_is_what_the_specification_makes_of_the_files(built: TinyArchive, day: date) -> None:
    expected = expected_day(built.root, [scene for scene in SCENES if scene.day == day], 0.05)
    np.testing.assert_array_equal(stored_day(built, "imagery/quality", day), expected.quality)
    ids = np.array([[scene and scene.id for scene in row] for row in expected.scene], object)
    np.testing.assert_array_equal(scene_ids(built, day), ids)
    codes = np.vectorize(STATUS.get)(expected.status)
    np.testing.assert_array_equal(stored_day(built, "blocks/status", day), codes)
    reflectance = stored_day(built, "imagery/reflectance", day)
    assert reflectance.dtype == np.int16
    np.testing.assert_array_equal(reflectance == FILL, expected.reflectance == FILL)
    # A whole number must agree exactly; one between two whole numbers, to the nearest.
    assert np.abs(reflectance - expected.reflectance).max() <= 0.5 + 1e-6


def test_the_archive_exercises_every_rule(built: TinyArchive) -> None:
    """Or the comparison above would prove little."""
    shared, versions = date(2021, 5, 5), date(2021, 6, 2)
    assert len({i for i in scene_ids(built, shared).ravel() if i}) == 3
    assert {str(i).split(".v")[1] for i in scene_ids(built, versions).ravel() if i and "S30" in i} == {"2.10"}
    statuses = {int(code) for day in DAYS for code in stored_day(built, "blocks/status", day).ravel()}
    assert statuses == {STATUS["not_acquired"], STATUS["stored"], STATUS["skipped_cloudy"]}
    assert len(np.unique(stored_day(built, "imagery/quality", date(2021, 5, 4)))) > 120


def test_xarray_opens_the_cube_by_itself(built: TinyArchive) -> None:
    tree = xr.open_datatree(built.cube, engine="zarr")
    assert set(tree.children) == {"tiles", "seasons", "scenes", "overviews"}
    assert set(tree[TILE].children) == {"imagery", "blocks", "chunks", "weather", "labels"}
    imagery = tree[f"{TILE}/imagery"]
    assert imagery["reflectance"].dims == ("time", "band", "y", "x")
    assert imagery["reflectance"].shape[2:] == (4 * BLOCK, 4 * BLOCK)
    assert list(imagery["band"].values) == ["blue", "green", "red", "nir", "swir1", "swir2"]
    days = imagery["time"].values.astype("datetime64[D]").astype(int)
    assert days[0] == 567 * 32 and days[0] <= day_number(date(2019, 10, 1)) < days[0] + 32
    assert days[-1] == 588 * 32 - 1 and (np.diff(days) == 1).all()
    np.testing.assert_array_equal(tree[f"{TILE}/weather"]["time"].values, imagery["time"].values)


@pytest.mark.slow
def test_days_without_a_scene_are_empty(built: TinyArchive) -> None:
    tile = xr.open_datatree(built.cube, engine="zarr", mask_and_scale=False)[TILE]
    time = tile["imagery/time"]
    seen = np.isin(time.values.astype("datetime64[D]"), np.array(DAYS, "datetime64[D]"))
    arrays = {"imagery/reflectance": FILL, "imagery/quality": 255, "imagery/scene": 255, "chunks/clear_fraction": 255}
    for name, fill in arrays.items():
        assert (tile[name].values[~seen] == fill).all(), name
    months = time.dt.month.values
    years = time.dt.year.values
    in_period = np.isin(months, (5, 6)) & ((years == 2021) | ((years == 2020) & (months == 6)))
    status = tile["blocks/status"].values
    assert (status[~in_period] == STATUS["outside"]).all()
    assert (of_region(status, "blocks")[in_period & ~seen] == STATUS["not_acquired"]).all()
    assert (status == STATUS["outside"]).sum(axis=(1, 2))[in_period].tolist() == [10] * in_period.sum()


def test_clear_fraction_is_the_percentage_of_usable_pixels(built: TinyArchive) -> None:
    """Clear: no cloud, cloud edge, shadow, snow, and all six bands there; rounded down."""
    for day in DAYS:
        quality, reflectance = stored_day(built, "imagery/quality", day), stored_day(built, "imagery/reflectance", day)
        clear = (quality != 255) & (quality & 0b11110 == 0) & (reflectance != FILL).all(axis=0)
        found = stored_day(built, "chunks/clear_fraction", day)
        for row in range(4):
            for column in range(6):
                area = (slice(row * 16, row * 16 + 16), slice(column * 16, column * 16 + 16))
                wanted = 255 if (quality[area] == 255).all() else int(clear[area].sum()) * 100 // 256
                assert found[row, column] == wanted


def test_coordinates_are_pixel_centres_and_the_crs_is_found(built: TinyArchive) -> None:
    for name, step in (("imagery", 30.0), ("labels", 30.0), ("weather", 30.0 * 48)):
        group = xr.open_datatree(built.cube, engine="zarr")[f"{TILE}/{name}"]
        edge = LEFT - 960 if name != "weather" else (LEFT - 960) // step * step
        upper = TOP if name != "weather" else -(-TOP // step) * step
        left, top = edge + step / 2, upper - step / 2
        np.testing.assert_allclose(group["x"].values, left + step * np.arange(group.sizes["x"]), atol=1e-6)
        np.testing.assert_allclose(group["y"].values, top - step * np.arange(group.sizes["y"]), atol=1e-6)
        reference = group["spatial_ref"]
        assert CRS.from_cf(reference.attrs).to_epsg() == CRS(reference.attrs["spatial_ref"]).to_epsg() == 32615
        assert [float(v) for v in reference.attrs["GeoTransform"].split()] == [edge, step, 0, upper, 0, -step]
        assert group.attrs["proj:code"] == "EPSG:32615"
    assert xr.open_datatree(built.cube, engine="zarr")[f"{TILE}/imagery"]["reflectance"].odc.crs.epsg == 32615


def test_open_cube_gives_chunks_as_large_as_shards(built: TinyArchive) -> None:
    reflectance = open_cube(built.cube)[f"{TILE}/imagery"]["reflectance"]
    assert set(reflectance.chunks[0]) == {32} and set(reflectance.chunks[2]) == {32}
    assert reflectance.data.dtype.kind == "f"
    array = zarr.open_array(str(built.cube / TILE / "imagery/reflectance"), mode="r")
    assert array.shards == (32, 6, 32, 32) and array.chunks == (8, 6, 16, 16)


def test_decoded_reflectance_is_the_pixel_times_a_ten_thousandth(built: TinyArchive) -> None:
    day = date(2021, 6, 15)
    raw = stored_day(built, "imagery/reflectance", day)
    for tree, dtype in ((xr.open_datatree(built.cube, engine="zarr"), np.float64), (open_cube(built.cube), np.float32)):
        decoded = tree[f"{TILE}/imagery/reflectance"].sel(time=str(day)).values
        assert decoded.dtype == dtype
        expected = np.where(raw == FILL, np.nan, raw * dtype(1e-4))
        np.testing.assert_array_equal(of_region(decoded, "imagery"), expected)
    assert (raw != FILL).any()


def test_flags_and_codes_stay_whole_numbers(built: TinyArchive) -> None:
    tree = xr.open_datatree(built.cube, engine="zarr")
    for name in ("imagery/quality", "imagery/scene", "blocks/status", "chunks/clear_fraction", "labels/crop",
                 "labels/purity", "chunks/split", "seasons/split", "weather/flag"):  # fmt: skip
        array = tree[name if name.startswith("seasons") else f"{TILE}/{name}"]
        assert array.dtype.kind == "u", name
        assert "_FillValue" not in array.attrs and "_FillValue" not in array.encoding, name
