"""Other people's programs open a cube as it is, without this project, and find what it holds."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from .conftest import Demo

MISSING = "the client {} is not installed; the extra `clients` has the light ones"


def test_xarray_open_zarr(demo: Demo) -> None:
    images = xr.open_zarr(demo.cube, group=f"{demo.tile}/imagery", consolidated=False)
    red = images.reflectance.sel(band="red", time="2021-05-05")
    assert float(red.mean()) == pytest.approx(demo.mean, rel=1e-5)
    assert sum(int(np.prod(array.data.numblocks)) for array in images.data_vars.values()) < 200_000


def test_xarray_open_datatree(demo: Demo) -> None:
    tree = xr.open_datatree(demo.cube, engine="zarr", consolidated=False, chunks={})
    tile = tree[demo.tile]
    assert float(tile["imagery/reflectance"].sel(band="red", time="2021-05-05").mean()) == pytest.approx(demo.mean)
    assert tree["seasons/split"].sizes["season"] == 2
    weather = tile["weather"].to_dataset()
    assert bool((weather.tmax >= weather.tmin).where(weather.tmin.notnull(), True).all())
    one = xr.open_datatree(demo.cube, engine="zarr", group=demo.tile)  # with the tile's consolidated metadata
    assert {"imagery", "weather", "labels"} <= set(one.children)


def test_zarr_python(demo: Demo) -> None:
    import zarr

    array = zarr.open_group(demo.cube, mode="r")[f"{demo.tile}/imagery/reflectance"]
    assert isinstance(array, zarr.Array) and array.metadata.dimension_names == ("time", "band", "y", "x")
    np.testing.assert_array_equal(array[demo.day, 2], demo.red)


def test_tensorstore(demo: Demo) -> None:
    tensorstore = pytest.importorskip("tensorstore")
    path = str(demo.cube / demo.tile / "imagery/reflectance")
    array = tensorstore.open({"driver": "zarr3", "kvstore": {"driver": "file", "path": path}}, read=True).result()
    np.testing.assert_array_equal(array[demo.day, 2].read().result(), demo.red)


def test_zarrs(demo: Demo) -> None:
    """zarr-python with its chunks decoded by the Rust library zarrs."""
    pytest.importorskip("zarrs", reason=MISSING.format("zarrs"))
    import zarr

    with zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"}):
        array = zarr.open_array(demo.cube / demo.tile / "imagery/reflectance", mode="r")
        np.testing.assert_array_equal(array[demo.day, 2], demo.red)


def test_rioxarray(demo: Demo) -> None:
    """CRS and transform are found, and a whole dataset can be clipped."""
    pytest.importorskip("rioxarray", reason=MISSING.format("rioxarray"))
    images = xr.open_zarr(demo.cube, group=f"{demo.tile}/imagery", consolidated=False, decode_coords="all")
    assert images.rio.crs.to_epsg() == 32615 and images.rio.resolution() == (30, -30)
    west, south, east, north = images.rio.bounds()
    day = images.sel(time="2021-05-05")
    part = day.rio.clip_box(west, south, (west + east) / 2, (south + north) / 2)
    rows, columns = demo.red.shape
    quarter = demo.red[rows // 2 :, : columns // 2]
    expected = np.where(quarter == -9999, np.nan, quarter * 1e-4)
    np.testing.assert_allclose(part.reflectance.sel(band="red").values, expected, rtol=1e-5)


def test_odc_geo(demo: Demo) -> None:
    pytest.importorskip("odc.geo.xr")
    images = xr.open_zarr(demo.cube, group=f"{demo.tile}/imagery", consolidated=False)
    box = images.odc.geobox
    assert box.crs.epsg == 32615 and box.resolution.x == 30 and box.shape == demo.red.shape
    red = images.reflectance.sel(band="red", time="2021-05-05").odc.reproject("EPSG:32614", dst_nodata=float("nan"))
    assert red.odc.crs.epsg == 32614 and float(red.mean()) == pytest.approx(demo.mean, rel=0.02)


def test_xbatcher(demo: Demo) -> None:
    """Batches for training cover the images once."""
    xbatcher = pytest.importorskip("xbatcher", reason=MISSING.format("xbatcher"))
    images = xr.open_zarr(demo.cube, group=f"{demo.tile}/imagery", consolidated=False)
    red = images.reflectance.sel(band="red", time="2021-05-05")
    batches = list(xbatcher.BatchGenerator(red.to_dataset(name="red"), {"y": 32, "x": 32}))
    sums = sum(float(batch.red.sum()) for batch in batches)
    assert len(batches) == 16 and sums == pytest.approx(demo.red[demo.red != -9999].sum() * 1e-4, rel=1e-4)


def test_duckdb(demo: Demo) -> None:
    """The table of scenes answers SQL."""
    duckdb = pytest.importorskip("duckdb", reason=MISSING.format("duckdb"))
    scenes = xr.open_zarr(demo.cube, group="scenes", consolidated=False, chunks=None)
    columns = {name: array.values.astype(object) for name, array in scenes.variables.items() if array.ndim == 1}
    import pandas as pd

    rows = pd.DataFrame(columns).infer_objects()
    counts = duckdb.query("select product, count(distinct id) from rows group by product order by product").fetchall()
    assert counts == [(product, group["id"].nunique()) for product, group in rows.groupby("product")] and counts


def test_torchgeo(demo: Demo) -> None:
    datasets = pytest.importorskip("torchgeo.datasets", reason="torchgeo needs a torchvision that fits torch")
    assert hasattr(datasets, "RasterDataset")  # it reads rasters, so a cube reaches it by `mmvsf export`


def test_hvplot(demo: Demo) -> None:
    """An image to look at holds the values of the day."""
    pytest.importorskip("hvplot.xarray", reason="hvplot is not installed; it brings bokeh and panel")
    images = xr.open_zarr(demo.cube, group=f"{demo.tile}/imagery", consolidated=False)
    picture = images.reflectance.sel(band="red", time="2021-05-05").squeeze().load().hvplot.image(x="x", y="y")
    assert float(np.nanmean(picture.dimension_values("reflectance"))) == pytest.approx(demo.mean, rel=1e-5)


def test_gdal(demo: Demo) -> None:
    """GDAL reads sharded Zarr 3 from version 3.13 on."""
    rasterio = pytest.importorskip("rasterio")
    version = tuple(map(int, rasterio.__gdal_version__.split(".")[:2]))
    if version < (3, 13):
        pytest.skip(f"GDAL {rasterio.__gdal_version__} of rasterio reads no sharded Zarr 3; GDAL 3.13 does")
    with rasterio.open(f'ZARR:"{demo.cube}":/{demo.tile}/imagery/quality') as file:
        assert file.crs.to_epsg() == 32615 and file.shape == demo.red.shape
