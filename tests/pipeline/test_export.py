"""Exports hold what the cube holds: days, composites, labels, weather; by block, box or polygon; in three formats."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import xarray as xr
from numpy.typing import NDArray
from pyproj import Transformer

from mmvsf.datasets.cube.cube import Cube, digest
from mmvsf.datasets.cube.reduce import reduced
from mmvsf.datasets.cube.select import to_degrees
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.variables import is_clear
from mmvsf.pipeline.export import imagery

from ..cubes import CubeBuilder
from .conftest import Command
from .tiny_archive import LEFT, TOP, TinyArchive

DAY = date(2021, 5, 5)
"""Three scenes of the tiny archive"""


def stored(cube: Path, name: str, index: tuple[Any, ...]) -> NDArray[Any]:
    """Values of the blocks of the tiny cube."""
    opened = Cube.open(cube)
    rows, columns = (
        slice(min(starts) * 32, (max(starts) + 1) * 32) for starts in zip(*opened.grid.blocks, strict=True)
    )
    return opened.pixels(name).read((*index, rows, columns))


def position(cube: Path, day: date) -> int:
    return Cube.open(cube).calendar.index((day - date(1970, 1, 1)).days)


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cube of three places far apart."""
    return CubeBuilder(seed=4).write(tmp_path_factory.mktemp("sites") / "far.zarr").path


# ------------------------------------------------------------------ what


def test_a_day_as_a_geotiff(built: TinyArchive, mmvsf: Command, tmp_path: Path) -> None:
    out = tmp_path / "maps/day.tif"
    assert mmvsf("export", built.cube, "--day", DAY, "--out", out).code == 0
    with rasterio.open(out) as file:
        expected = stored(built.cube, "imagery/reflectance", (position(built.cube, DAY), slice(None)))
        np.testing.assert_array_equal(file.read(), expected)
        assert file.crs.to_epsg() == 32615 and file.nodata == -9999 and set(file.scales) == {1e-4}
        assert list(file.transform)[:6] == [30, 0, LEFT, 0, -30, TOP]
        assert file.descriptions == ("blue", "green", "red", "nir", "swir1", "swir2")
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG" and file.tags()["day"] == "2021-05-05"
    assert [path.name for path in out.parent.iterdir()] == ["day.tif"]


@pytest.mark.parametrize(
    ("what", "when", "name"),
    [
        ("quality", ("--day", DAY), "imagery/quality"),
        ("scene", ("--day", DAY), "imagery/scene"),
        ("crop", ("--year", 2020), "labels/crop"),
        ("purity", ("--year", 2021), "labels/purity"),
    ],
)
def test_other_arrays(
    built: TinyArchive, mmvsf: Command, tmp_path: Path, what: str, when: tuple[Any, ...], name: str
) -> None:
    assert mmvsf("export", built.cube, "--what", what, *when, "--out", tmp_path / "x.tif").code == 0
    index = when[1] - 2020 if "--year" in when else position(built.cube, DAY)
    with rasterio.open(tmp_path / "x.tif") as file:
        np.testing.assert_array_equal(file.read(1), stored(built.cube, name, (index,)))


def test_a_crop_map_has_its_colours_and_names(built: TinyArchive, mmvsf: Command, tmp_path: Path) -> None:
    out = tmp_path / "x.tif"
    assert mmvsf("export", built.cube, "--what", "crop", "--year", 2020, "--out", out).code == 0
    with rasterio.open(out) as file:
        assert file.dtypes == ("uint8",) and file.colormap(1)[1] == (0xFF, 0xD3, 0x00, 255)
        assert file.tags(1)["class_5"] == "Soybeans" and file.colormap(1)[0][3] == 0


@pytest.mark.parametrize("how", ["median", "mean"])
def test_a_composite_is_of_the_clear_pixels_of_a_period(
    sites: Path, mmvsf: Command, tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imagery, "STRIP_VALUES", 20_000)  # several strips
    period = ("--start", "2020-06-01", "--end", "2020-07-31")
    out = tmp_path / "x.nc"
    assert mmvsf("export", sites, "--site", "s1", *period, "--reduce", how, "--out", out).code == 0
    cube = Cube.open(sites)
    days = slice(position(sites, date(2020, 6, 1)), position(sites, date(2020, 7, 31)) + 1)
    place = cube.grid.block_slices(cube.grid.blocks[1])
    values = cube.pixels("imagery/reflectance").read((days, slice(None), *place)).astype(float)
    clear = is_clear(cube.pixels("imagery/quality").read((days, *place)))
    values[~np.broadcast_to(clear[:, None], values.shape)] = np.nan
    with xr.open_dataset(out) as file:
        expected = getattr(np, f"nan{how}")(values, axis=0) * 1e-4
        np.testing.assert_allclose(file.reflectance.values, expected, atol=0.5e-4 + 1e-6)
        assert file.reflectance.attrs["period"] == "2020-06-01 to 2020-07-31"


def test_the_median_of_valid_values() -> None:
    values = np.array([[5, 9, 7], [1, 9, 9], [3, 9, 9], [9, 9, 9]], np.int16)
    valid = np.array([[1, 0, 1], [1, 0, 0], [1, 0, 0], [0, 0, 0]], bool)
    np.testing.assert_array_equal(reduced(values, valid, "median"), [3, np.nan, 7])
    np.testing.assert_array_equal(reduced(values.astype(float), valid, "mean"), [3, np.nan, 7])
    np.testing.assert_array_equal(reduced(values[:, :1], np.ones((4, 1), bool), "median"), [4])


def test_ndvi_of_a_day_is_of_clear_pixels(sites: Path, mmvsf: Command, tmp_path: Path) -> None:
    cube = Cube.open(sites)
    place = cube.grid.block_slices(cube.grid.blocks[0])
    quality = cube.pixels("imagery/quality").read((slice(None), *place))
    clear = is_clear(quality)
    day = int(np.flatnonzero(clear.any((1, 2)) & ~clear.all((1, 2)) & (quality != 255).all((1, 2)))[0])
    when = np.datetime64(int(cube.calendar.days[day]), "D")
    out = tmp_path / "x.tif"
    assert mmvsf("export", sites, "--what", "ndvi", "--site", "s0", "--day", when, "--out", out).code == 0
    red, nir = (cube.pixels("imagery/reflectance").read((day, band, *place)).astype(float) for band in (2, 3))
    with rasterio.open(out) as file:
        expected = np.where(clear[day], (nir - red) / (nir + red), np.nan)
        np.testing.assert_allclose(file.read(1), expected, rtol=1e-5)


def test_all_days_of_a_season(sites: Path, mmvsf: Command, tmp_path: Path) -> None:
    """`--reduce none` keeps the days with an image."""
    out = tmp_path / "x.zarr"
    assert mmvsf("export", sites, "--site", "s2", "--year", 2019, "--reduce", "none", "--out", out).code == 0
    cube = Cube.open(sites)
    by, bx = cube.grid.blocks[2]
    status = cube.array("blocks/status")[:, by, bx] == 2
    dates = cube.calendar.days.astype("datetime64[D]").astype("datetime64[Y]").astype(int) + 1970
    days = [day for day in np.flatnonzero(status) if dates[day] == 2019]
    written = xr.open_zarr(out, consolidated=False, decode_cf=False)
    assert written.time.values.tolist() == cube.calendar.days[days].tolist()
    place = cube.grid.block_slices((by, bx))
    read = cube.pixels("imagery/reflectance").read((np.array(days), slice(None), *place))
    np.testing.assert_array_equal(written.reflectance.values, read)


def test_weather_of_a_period(built: TinyArchive, mmvsf: Command, tmp_path: Path) -> None:
    """Rain adds up, temperature is averaged, and the days can be kept."""
    period = ("--what", "weather", "--start", "2021-05-01", "--end", "2021-05-10")
    assert mmvsf("export", built.cube, *period, "--out", tmp_path / "x.tif").code == 0
    assert mmvsf("export", built.cube, *period, "--reduce", "none", "--out", tmp_path / "x.nc").code == 0
    with xr.open_dataset(tmp_path / "x.nc") as days, rasterio.open(tmp_path / "x.tif") as file:
        assert file.descriptions == ("tmin", "tmax", "precipitation", "radiation", "vpd", "wind")
        assert days.sizes["time"] == 10 and days.tmin.attrs["units"] == "degree_Celsius"
        np.testing.assert_allclose(file.read(1), days.tmin.mean("time"), rtol=1e-5)
        np.testing.assert_allclose(file.read(3), days.precipitation.sum("time", skipna=False), rtol=1e-5)
        assert np.isfinite(file.read(1)).any()


def test_a_band_of_daily_weather_names_variable_and_day(built: TinyArchive, mmvsf: Command, tmp_path: Path) -> None:
    options = ("export", built.cube, "--start", "2021-05-01", "--end", "2021-05-03", "--reduce", "none", "--what")
    assert all(mmvsf(*options, "weather", "--out", tmp_path / f"x.{kind}").code == 0 for kind in ("tif", "nc"))
    with xr.open_dataset(tmp_path / "x.nc") as days, rasterio.open(tmp_path / "x.tif") as file:
        assert len(set(file.descriptions)) == file.count == 6 * 3
        for number, text in enumerate(file.descriptions, 1):
            name, day = text.split()
            np.testing.assert_array_equal(file.read(number), days[name].sel(time=day))
    assert mmvsf(*options, "tmin", "--out", tmp_path / "tmin.tif").code == 0
    with rasterio.open(tmp_path / "tmin.tif") as file:
        assert file.descriptions == ("2021-05-01", "2021-05-02", "2021-05-03")


# ----------------------------------------------------------------- where


def test_a_map_of_places_far_apart_is_one_file_a_place(sites: Path, mmvsf: Command, tmp_path: Path) -> None:
    """One file would be nothing for the most part, so it is refused with the remedy."""
    options = ("export", sites, "--what", "crop", "--year", 2020)
    refused = mmvsf(*options, "--out", tmp_path / "all.tif")
    assert refused.code == 2 and "folder" in refused.error and "s0, s1, s2" in refused.error
    done = mmvsf(*options, "--out", tmp_path / "maps")
    assert done.code == 0 and sorted(path.name for path in (tmp_path / "maps").iterdir()) == [
        "crop_s0.tif",
        "crop_s1.tif",
        "crop_s2.tif",
    ]
    cube = Cube.open(sites)
    for site, block in enumerate(cube.grid.blocks):
        with rasterio.open(tmp_path / f"maps/crop_s{site}.tif") as file:
            read = cube.pixels("labels/crop").read((1, *cube.grid.block_slices(block)))
            np.testing.assert_array_equal(file.read(1), read)
            assert file.bounds == pytest.approx(cube.grid.block_geobox(block).boundingbox)


def test_places_without_an_image_of_the_day_are_left_out(sites: Path, mmvsf: Command, tmp_path: Path) -> None:
    cube = Cube.open(sites)
    seen = np.stack([cube.array("blocks/status")[:, by, bx] == 2 for by, bx in cube.grid.blocks])
    day = int(np.flatnonzero(seen.sum(0) == 1)[0])
    when = np.datetime64(int(cube.calendar.days[day]), "D")
    assert mmvsf("export", sites, "--day", when, "--out", tmp_path / "maps").code == 0
    names = [path.name for path in (tmp_path / "maps").iterdir()]
    assert names == [f"reflectance_s{int(np.flatnonzero(seen[:, day])[0])}.tif"]


def test_a_box_in_degrees_and_in_metres(built: TinyArchive, mmvsf: Command, tmp_path: Path) -> None:
    metres = (LEFT + 600.0, TOP - 900.0, LEFT + 1290.0, TOP - 300.0)
    options = ("export", built.cube, "--what", "crop", "--year", 2020)
    box = ",".join(map(str, metres))
    assert mmvsf(*options, f"--bbox={box}", "--metres", "--out", tmp_path / "m.tif").code == 0
    degrees = ",".join(map(str, to_degrees(metres, "EPSG:32615")))
    assert mmvsf(*options, f"--bbox={degrees}", "--out", tmp_path / "d.tif").code == 0
    with rasterio.open(tmp_path / "m.tif") as file, rasterio.open(tmp_path / "d.tif") as wider:
        assert tuple(file.bounds) == metres
        whole = stored(built.cube, "labels/crop", (0,))
        np.testing.assert_array_equal(file.read(1), whole[10:30, 20:43])
        assert wider.bounds.left <= metres[0] and wider.bounds.top >= metres[3] and wider.width < 30


def test_a_polygon_hides_what_lies_outside(built: TinyArchive, mmvsf: Command, tmp_path: Path) -> None:
    corners = [(LEFT + 300, TOP - 300), (LEFT + 1800, TOP - 300), (LEFT + 300, TOP - 1500)]
    ring = [Transformer.from_crs(32615, 4326, always_xy=True).transform(*corner) for corner in (*corners, corners[0])]
    shape = {"type": "Polygon", "coordinates": [ring]}
    document = {"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {}, "geometry": shape}]}
    (tmp_path / "field.geojson").write_text(json.dumps(document))
    out = tmp_path / "x.tif"
    options = ("--what", "purity", "--year", 2020, "--polygon", tmp_path / "field.geojson")
    assert mmvsf("export", built.cube, *options, "--out", out).code == 0
    with rasterio.open(out) as file:
        assert file.shape == pytest.approx((40, 50), abs=1)
        left, top = (file.bounds.left - LEFT) / 30, (TOP - file.bounds.top) / 30
        rows, columns = np.indices(file.shape) + 0.5  # of the middles of pixels
        beyond = (columns + left - 10) / 50 + (rows + top - 10) / 40  # of the slanted edge: 1 on it
        whole = stored(built.cube, "labels/purity", (0,))[round(top) :, round(left) :][: file.height, : file.width]
        values = file.read(1)
        inside = (beyond < 0.97) & (columns + left > 10.1) & (rows + top > 10.1)
        np.testing.assert_array_equal(values[inside], whole[inside])
        assert not values[beyond > 1.03].any()
        assert values.any() and whole[beyond > 1.03].any()


def test_a_block_by_its_name(built: TinyArchive, mmvsf: Command, tmp_path: Path) -> None:
    cube = Cube.open(built.cube)
    block = cube.grid.blocks[4]
    name = cube.grid.block_name(block)
    options = ("export", built.cube, "--what", "crop", "--year", 2021, "--out", tmp_path / "x.tif", "--block")
    assert mmvsf(*options, name).code == 0
    with rasterio.open(tmp_path / "x.tif") as file:
        assert file.bounds == pytest.approx(cube.grid.block_geobox(block).boundingbox)
    outcome = mmvsf(*options, "x999_y999")
    assert outcome.code == 2 and cube.grid.block_name(cube.grid.blocks[0]) in outcome.error


def test_only_the_days_and_blocks_asked_for_are_read(sites: Path, tmp_path: Path, mmvsf: Command) -> None:
    """The others may be damaged."""
    import shutil

    copy = tmp_path / "far.zarr"
    shutil.copytree(sites, copy)
    cube = Cube.open(copy)
    tile = cube.grid.tile_of(cube.grid.blocks[0])
    for shard in (copy / "tiles" / tile.name / "imagery/reflectance/c").iterdir():
        first = cube.calendar.days[int(shard.name) * 32]
        if not date(2020, 5, 1) < date.fromisoformat(str(np.datetime64(int(first), "D"))) < date(2020, 8, 1):
            shutil.rmtree(shard)
    options = ("export", copy, "--site", "s0", "--out", tmp_path / "x.tif")
    assert mmvsf(*options, "--start", "2020-06-05", "--end", "2020-06-30").code == 0
    damaged = mmvsf(*options, "--year", 2021)
    assert damaged.code == 2 and "missing" in damaged.error


# --------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ((), "--day"),
        (("--day", "1999-01-01"), "2019-09-05 to 2021-07-07"),
        (("--what", "crop"), "2020, 2021"),
        (("--what", "crop", "--year", 2019), "2020, 2021"),
        (("--what", "crop", "--year", 2020, "--day", DAY), "--day 2021-05-05 does not apply to labels"),
        (("--what", "confidence", "--year", 2020), "no label confidence"),
        (("--what", "static"), "no static"),
        (("--what", "elevation", "--day", DAY), "does not apply"),
        (("--day", DAY, "--year", 2030), "one of them"),
        (("--year", 2030), "choose one of 2020, 2021"),
        (("--day", "2021-02-30"), "YYYY-MM-DD"),
        (("--what", "thermal"), "choose one of"),
        (("--what", "soil_moisture", "--day", DAY), "its weather is tmin"),
        (("--what", "quality", "--year", 2020), "--reduce none"),
        (("--start", "2020-06-01"), "--start and --end"),
        (("--start", "2020-06-10", "--end", "2020-06-01"), "swap them"),
        (("--start", "2020-06-10", "--end", "20200601"), "swap them"),
        (("--day", DAY, "--block", "one"), "not a block; write its name, such as x12_y-3, or ROW,COLUMN"),
        (("--day", DAY, "--block", "x1"), "not a block"),
        (("--day", DAY, "--block", "30,40"), "there is no block 30,40; the blocks are named x"),
        (("--day", DAY, "--block", "x0_y0"), "there is no block x0_y0"),
        (("--year", 2020, "--reduce", "max"), "median, mean, none"),
        (("--day", DAY, "--reduce", "mean"), "several days"),
        (("--start", "2020-07-10", "--end", "2020-07-12"), "nearest days"),
        (("--day", DAY, "--bbox", "1,2,3"), "west,south,east,north"),
        (("--day", DAY, "--bbox", "3,2,1,4"), "west < east"),
        (("--day", DAY, "--bbox", "10,50,11,51"), "no block there"),
        (("--day", DAY, "--metres"), "give --bbox"),
        (("--day", DAY, "--site", "c9"), "choose one of c1"),
        (("--day", DAY, "--site", "c1", "--block", "x1_y1"), "give one of"),
        (("--day", DAY, "--polygon", "none.geojson"), "none.geojson"),
        (("--day", DAY, "--format", "jpg"), "tif, nc, zarr"),
    ],
)
def test_an_export_that_cannot_be(
    built: TinyArchive, mmvsf: Command, tmp_path: Path, options: tuple[Any, ...], part: str
) -> None:
    outcome = mmvsf("export", built.cube, *options, "--out", tmp_path / "x.tif")
    assert outcome.code == 2 and part in outcome.error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["day.png", "day.tif.zip", "s3://bucket/day.tif"])
def test_an_export_to_another_format_is_refused(
    built: TinyArchive, mmvsf: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A GeoTIFF is not given the name of something else, and a path is not made of an address."""
    monkeypatch.chdir(tmp_path)
    outcome = mmvsf("export", built.cube, "--day", DAY, "--out", name)
    assert outcome.code == 2 and f"--out {name}" in outcome.error
    assert list(tmp_path.iterdir()) == []


def test_a_cube_and_other_folders_are_not_overwritten(finished: TinyArchive, mmvsf: Command, tmp_path: Path) -> None:
    before = digest(finished.cube)
    outcome = mmvsf("export", finished.cube, "--day", DAY, "--out", finished.cube)
    assert outcome.code == 2 and "is a cube" in outcome.error and digest(finished.cube) == before
    (tmp_path / "mine.zarr").mkdir()
    (tmp_path / "mine.zarr/notes.txt").write_text("of a person")
    outcome = mmvsf("export", finished.cube, "--day", DAY, "--out", tmp_path / "mine.zarr")
    assert outcome.code == 2 and "not a Zarr store" in outcome.error
    for _ in range(2):  # an earlier export is replaced
        assert mmvsf("export", finished.cube, "--day", DAY, "--out", tmp_path / "day.zarr").code == 0
    assert xr.open_zarr(tmp_path / "day.zarr", consolidated=False).sizes["band"] == 6


def test_an_export_replaces_the_file_whole(
    built: TinyArchive, mmvsf: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy that fails leaves the file of before, and GDAL's error is one line that names the file."""
    out = tmp_path / "day.TIF"
    out.write_text("of before")

    def fail(source: Path, target: Path, **_: object) -> None:
        target.write_bytes(b"half")
        rasterio.shutil.copy(source, tmp_path, driver="GTiff")  # a folder: GDAL raises its own kind of error

    monkeypatch.setattr("mmvsf.datasets.storage.geotiff.copy_raster", fail)
    outcome = mmvsf("export", built.cube, "--day", DAY, "--out", out)
    assert outcome.code == 1 and str(out) in outcome.error
    assert out.read_text() == "of before" and [path.name for path in tmp_path.iterdir()] == ["day.TIF"]


def test_sel_refuses_what_is_not_there(built: TinyArchive) -> None:
    cube = Cube.open(built.cube)
    with pytest.raises(InputError, match="no group static"):
        cube.sel("static")
    with pytest.raises(InputError, match="outside"):
        cube.sel("imagery", (10, 50, 11, 51))
    with pytest.raises(InputError, match="choose one of c1"):
        cube.sel("imagery", site="c2")
