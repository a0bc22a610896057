"""xarray, NetCDF, rioxarray and odc-geo take the groups of a cube as they are, whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rioxarray  # noqa: F401
import xarray as xr
import zarr
from odc.geo import xr as odc_xr  # noqa: F401
from odc.geo.geom import Geometry, box

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.layout_static import static_group
from mmvsf.datasets.cube.legend import Legend, LegendClass
from mmvsf.datasets.cube.tree import open_cube
from mmvsf.datasets.storage.store import create_group, write_values
from tests.cubes import CubeBuilder
from tests.seal import change

FLAGS = ("flag_values", "flag_masks", "missing_code")


@pytest.fixture(scope="module")
def cube(tmp_path_factory: pytest.TempPathFactory) -> Cube:
    """A season of one site, with weather of days that begin at 6 hours UTC."""
    season = CubeBuilder(sites=1, years=(2021,), test_sites=0, test_years=())
    built = season.write(tmp_path_factory.mktemp("cubes") / "season.zarr")
    assert isinstance(built.path, Path)
    return change(built.path, {"weather/utc_bnds": built.calendar.days[:, None] + np.array([0.25, 1.25])})


@pytest.fixture(scope="module")
def groups(cube: Cube, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folder of each group of a tile; of terrain one beside the cube, which has none."""
    (tile,) = cube.grid.tiles
    assert isinstance(cube.path, Path)
    beside = tmp_path_factory.mktemp("terrain")
    create_group(beside, static_group(tile.grid, ("elevation", "soil_water")))
    write_values(beside, "static/elevation", np.ones(tile.grid.shape, np.float32))
    return {path.name: path for path in (cube.path / "tiles" / tile.name).iterdir() if path.is_dir()} | {
        "static": beside / "static"
    }


def stock(group: Path) -> xr.Dataset:
    """A group as xarray opens it without options."""
    return xr.open_zarr(group, consolidated=False)


def clip_box(dataset: xr.Dataset) -> xr.Dataset:
    west, south, east, north = dataset.rio.bounds()
    corners = (west, (south + north) / 2, (west + east) / 2, north)
    return dataset.rio.clip_box(*corners, allow_one_dimensional_raster=True)


def reproject(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.rio.reproject("EPSG:4326")


def quarter(dataset: xr.Dataset) -> Geometry:
    """The upper left quarter of the ground that a dataset covers."""
    west, south, east, north = dataset.odc.geobox.boundingbox
    return box(west, (south + north) / 2, (west + east) / 2, north, dataset.odc.geobox.crs)


def crop(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.odc.crop(quarter(dataset))


OPERATIONS = (clip_box, reproject, crop)
GROUPS = ("imagery", "labels", "static", "weather", "blocks")


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("name", GROUPS)
def test_a_whole_group_is_clipped_cropped_and_reprojected(
    groups: dict[str, Path], name: str, operation: Callable[[xr.Dataset], xr.Dataset]
) -> None:
    dataset = stock(groups[name])
    assert dataset.rio.crs.to_epsg() == dataset.odc.crs.epsg == 32615
    if name == "imagery":  # rioxarray projects arrays of at most three dimensions
        dataset = dataset.isel(time=120)
    result = operation(dataset)
    assert set(result.data_vars) == set(dataset.data_vars)
    assert all({"y", "x"} <= set(array.dims) for array in result.data_vars.values())
    if operation is not reproject:
        assert result.sizes["x"] <= -(-dataset.sizes["x"] // 2)
        for array in dataset.data_vars.values():
            np.testing.assert_allclose(result[array.name], array.sel(y=result.y, x=result.x))


def test_summaries_of_chunks_have_places_too(groups: dict[str, Path]) -> None:
    dataset, imagery = stock(groups["chunks"]), stock(groups["imagery"])
    assert dataset.odc.geobox.boundingbox == imagery.odc.geobox.boundingbox
    # A mask needs y and x as the last dimensions, but those of sums are bands.
    assert dataset.odc.crop(quarter(imagery), apply_mask=False).sizes["x"] == dataset.sizes["x"] // 2


def test_time_lies_within_its_bounds_and_the_hours_are_kept(groups: dict[str, Path]) -> None:
    weather, imagery = stock(groups["weather"]), stock(groups["imagery"])
    bounds = weather[weather["time"].attrs["bounds"]]
    assert ((bounds[:, 0] <= weather.time) & (weather.time < bounds[:, 1])).all()
    assert (bounds[:-1, 1].values == bounds[1:, 0].values).all()
    np.testing.assert_array_equal(weather["time"], imagery["time"])
    hours = weather["utc_bnds"] - weather["time"]
    assert (hours == np.array([6, 30], "timedelta64[h]")).all()


def all_arrays(tree: xr.DataTree) -> list[tuple[str, xr.DataArray]]:
    return [(f"{node.path}/{name}", array) for node in tree.subtree for name, array in node.dataset.variables.items()]


def test_flags_have_the_type_of_their_array(cube: Cube, tmp_path: Path) -> None:
    tree = open_cube(cube.path)
    tree.to_netcdf(tmp_path / "cube.nc", engine="h5netcdf")
    written = xr.open_datatree(tmp_path / "cube.nc", engine="h5netcdf")
    for source in (tree, written):
        checked = 0
        for name, array in all_arrays(source):
            for key in set(FLAGS) & set(array.attrs):
                assert np.asarray(array.attrs[key]).dtype == array.dtype, (name, key)
                checked += 1
        assert checked >= 8


def test_the_whole_cube_goes_to_netcdf_and_back(cube: Cube, tmp_path: Path) -> None:
    tree = open_cube(cube.path)
    tree.to_netcdf(tmp_path / "cube.nc", engine="h5netcdf")
    again = xr.open_datatree(tmp_path / "cube.nc", engine="h5netcdf", decode_timedelta=False)
    assert [node.path for node in again.subtree] == [node.path for node in tree.subtree]
    for node in tree.subtree:
        xr.testing.assert_identical(again[node.path].dataset.drop_attrs().load(), node.dataset.drop_attrs().load())
    legend = Legend.from_attributes({k: v for k, v in _crop(again).attrs.items() if k.startswith("flag")})
    assert legend == cube.legend


def _crop(tree: xr.DataTree) -> xr.DataArray:
    return next(array for name, array in all_arrays(tree) if name.endswith("labels/crop"))


def test_a_legend_of_groups_goes_to_netcdf(tmp_path: Path) -> None:
    legend = Legend((LegendClass(1, "maize, soy", "#102030", (1, 5)), LegendClass(2, "hay", "#405060", (36,))))
    xr.Dataset(attrs=legend.attributes()).to_netcdf(tmp_path / "legend.nc", engine="h5netcdf")
    attributes = xr.open_dataset(tmp_path / "legend.nc", engine="h5netcdf").attrs
    assert Legend.from_attributes(attributes) == legend


def test_reflectance_decodes_to_float32(cube: Cube, groups: dict[str, Path]) -> None:
    reflectance = next(array for name, array in all_arrays(open_cube(cube.path)) if name.endswith("reflectance"))
    assert reflectance.dtype == np.float32
    raw = zarr.open_array(groups["imagery"] / "reflectance", mode="r")[...]
    np.testing.assert_allclose(reflectance.values, np.where(raw == -9999, np.nan, raw * 1e-4), rtol=1e-6)


def test_a_part_of_a_group_carries_no_transform_of_the_whole(cube: Cube) -> None:
    for node in open_cube(cube.path).subtree:
        assert not [key for key in node.attrs if key.startswith(("proj:", "spatial:", "zarr_conventions"))]
