"""A source that gives nothing for a year, part, block or layer; no data that a label raster declares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.pipeline.build.plan import build_plan
from mmvsf.pipeline.estimate.preview import preview
from mmvsf.pipeline.inspect.check_labels import check_labels
from mmvsf.pipeline.layers.labels.codes import refuse_unlisted
from mmvsf.pipeline.raster.extent import overlapping
from mmvsf.pipeline.raster.io import raster_grid, read_codes
from mmvsf.pipeline.raster.scene import Asset, RasterGrid

from .conftest import Outcome, build_tiny
from .stored import stored
from .tiny_archive import BLOCK, LEFT, PIXEL, TOP, Granule, TinyArchive, label_rasters, weather_dataset, write_raster

Build = Callable[..., Outcome]
CODES, GRID = label_rasters()[2021]
MISSING = np.zeros(CODES.shape, bool)
MISSING[20:50, 20:50] = True


def labels_of_2021(archive: TinyArchive) -> Path:
    return archive.root / "labels/crop_2021.tif"


@pytest.mark.slow
@pytest.mark.parametrize("code", [255, 36], ids=["not in the legend", "in the legend"])
def test_declared_no_data_of_a_label_raster_is_unknown(
    tiny: TinyArchive, built: TinyArchive, dataset: Build, code: int
) -> None:
    given, expected = CODES.copy(), CODES.copy()
    given[20:50, 20:50] = code
    expected[given == code] = 0
    crops = []
    for values, nodata in ((given, code), (expected, None)):
        write_raster(labels_of_2021(tiny), values, GRID, nodata)
        outcome = dataset(tiny)
        assert outcome.code == 0, outcome.err
        crops.append(stored(tiny, "labels/crop")[1])
    assert (crops[0] == 0).sum() > 500
    np.testing.assert_array_equal(*crops)


def declared(path: Path, dtype: str, fill: float, **profile: Any) -> None:
    """Labels as a raster of a type, with a number where they are missing, and what the profile declares."""
    values = np.where(MISSING, fill, CODES.astype(np.float64)).astype(dtype)
    mask = profile.pop("mask", False)
    alpha = profile.pop("alpha", False)
    palette = profile.pop("palette", False)
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(
            path, "w", driver="GTiff", width=values.shape[1], height=values.shape[0], count=1 + alpha, dtype=dtype,
            crs=f"EPSG:{GRID.epsg}", transform=GRID.transform, **profile,
        ) as file,
    ):  # fmt: skip
        if alpha:  # before pixels, or GDAL writes it beside the file
            file.colorinterp = (ColorInterp.gray, ColorInterp.alpha)
        file.write(values, 1)
        if palette:
            file.write_colormap(1, {code: (code, 0, 0, 255) for code in range(256)})
        if alpha:
            file.write(np.where(MISSING, 0, 255).astype(dtype), 2)
        if mask:
            file.write_mask(~MISSING)


@pytest.mark.parametrize(
    ("dtype", "fill", "profile"),
    [
        ("uint8", 255, {"nodata": 255}),
        ("uint8", 5, {"nodata": 5}),
        ("uint8", 255, {"nodata": 255, "palette": True}),
        ("uint16", 65535, {"nodata": 65535}),
        ("int16", -9999, {"nodata": -9999}),
        ("int32", -2147483648, {"nodata": -2147483648}),
        ("float32", -9999, {"nodata": -9999}),
        ("float32", np.nan, {"nodata": np.nan}),
        ("float32", np.nan, {}),
        ("float32", np.float32(0.1), {"nodata": 0.1}),
        ("float32", -3.4028234663852886e38, {"nodata": -3.4028234663852886e38}),
        ("float64", np.nan, {"nodata": -1.0}),
        ("uint8", 5, {"mask": True}),
        ("uint8", 255, {"mask": True, "nodata": 36}),
        ("uint8", 250, {"alpha": True}),
    ],
)
def test_every_way_to_declare_no_data(tmp_path: Path, dtype: str, fill: float, profile: dict[str, Any]) -> None:
    path = tmp_path / "labels.tif"
    declared(path, dtype, fill, **profile)
    also = profile.get("nodata") == CODES
    stored_codes, missing = read_codes(Asset(str(path), raster_grid(path)), (slice(0, 128), slice(0, 110)))
    np.testing.assert_array_equal(missing, MISSING | also)
    np.testing.assert_array_equal(stored_codes[~missing], CODES[~(MISSING | also)])


@pytest.mark.parametrize(
    ("codes", "parts"),
    [
        ([[1, 26, 250, 250]], ["the codes 26, 250 are not", "(1, 2 pixels"]),
        ([[1.0, 1.5, -3.0, 5.0]], ["the codes -3, 1.5 are not", "(1, 1 pixels"]),
        ([list(range(1000))], ["and 985 more", "are not in the legend"]),
    ],
)
def test_codes_outside_the_legend_are_named_with_counts(codes: list[list[float]], parts: list[str]) -> None:
    refuse_unlisted(np.array([[0, 1, 5]]), (1, 5), "fine")
    with pytest.raises(InputError) as error:
        refuse_unlisted(np.array(codes), (1, 5), "here")
    assert str(error.value).startswith("here: ") and all(part in str(error.value) for part in parts), error.value
    assert len(str(error.value)) < 400


SIDE = BLOCK * PIXEL
ELSEWHERE = {
    "90 km away": replace(GRID, left=GRID.left + 90000),
    "in another zone": replace(GRID, epsg=32616),
    "touching": replace(GRID, left=LEFT + 96 * PIXEL),
    "touching above": replace(GRID, top=TOP + 128 * PIXEL),
    "southern": replace(GRID, epsg=32715),
}


@pytest.mark.parametrize("grid", ELSEWHERE.values(), ids=ELSEWHERE.keys())
def test_a_year_of_labels_elsewhere_is_refused_before_the_work(
    tiny: TinyArchive, dataset: Build, grid: Granule
) -> None:
    write_raster(labels_of_2021(tiny), CODES, grid)
    outcome = dataset(tiny)
    assert (
        outcome.code == 2
        and "labels of 2021" in outcome.error
        and "is in another place" in outcome.error
        and "under labels" in outcome.error
    )
    assert "crop_2021.tif" in outcome.error and f"EPSG:{grid.epsg}" in outcome.error
    assert not tiny.data.exists() or not any(tiny.data.iterdir())


EMPTY: dict[str, Callable[[], tuple[NDArray[Any], int | None]]] = {
    "all 0": lambda: (np.zeros_like(CODES), None),
    "all no data": lambda: (np.full_like(CODES, 255), 255),
    "all one class": lambda: (np.full_like(CODES, 111), None),
}


@pytest.mark.parametrize("kind", EMPTY)
def test_a_year_without_content_is_reported_before_imagery(tiny: TinyArchive, dataset: Build, kind: str) -> None:
    values, nodata = EMPTY[kind]()
    write_raster(labels_of_2021(tiny), values, GRID, nodata)
    for _ in range(2):
        outcome = dataset(tiny)
        assert outcome.code == 1 and "in 2021" in outcome.error and "crop_2021.tif" in outcome.error
    assert ("every pixel has the code 111" in outcome.error) == (kind == "all one class")
    assert not (tiny.data / "tiny.zarr.ledger/imagery").exists()
    assert not Cube.open(tiny.cube, allow_incomplete=True).complete


@pytest.mark.slow
def test_a_raster_of_part_of_the_region_is_noted_and_fails_the_check(tiny: TinyArchive, dataset: Build) -> None:
    write_raster(labels_of_2021(tiny), CODES[:40, :40], GRID)
    plan = build_plan(str(tiny.recipe), tiny.data, only_shown=True)
    assert any("crop_2021.tif overlaps 1 of 6 blocks" in line for line in preview(plan, 1).warnings)
    outcome = dataset(tiny)
    assert outcome.code == 1 and "blocks have labels in other years and none in 2021" in outcome.error


@pytest.mark.slow
def test_a_part_of_the_split_without_labels_fails_the_check(tiny: TinyArchive, built: TinyArchive) -> None:
    """Labels end where the held-out blocks begin, in every year."""
    cube = Cube.open(built.cube)
    places = cube.array("chunks/split").repeat(cube.grid.chunk, 0).repeat(cube.grid.chunk, 1)
    assert check_labels(cube).ok
    for year in (2020, 2021):
        values = np.where(places == 3, 0, 5).astype(np.uint8)
        values[:5] = np.where(places[:5] == 3, 0, 1)
        grid = Granule("own", 32615, cube.grid.left, cube.grid.top)
        write_raster(tiny.root / f"labels/crop_{year}.tif", values, grid)
    build_tiny(tiny)
    checked = check_labels(Cube.open(tiny.cube))
    assert not checked.ok and "no pixel is labelled in the test places" in checked.detail


@pytest.mark.parametrize(
    ("left", "values", "nodata", "code", "part"),
    [
        (GRID.left + 90000, 300, None, 2, "the rasters of elevation are in another place"),
        (GRID.left, -9999, -9999, 1, "static: elevation, slope has no data in any block"),
    ],
)
def test_static_layers_without_content_are_reported_before_imagery(
    tiny: TinyArchive, dataset: Build, left: float, values: int, nodata: int | None, code: int, part: str
) -> None:
    write_raster(
        tiny.root / "ground/elevation.tif", np.full((128, 110), values, np.int16), replace(GRID, left=left), nodata
    )
    section = {"source": "archive", "path": "archive/ground", "layers": ["elevation", "slope"]}
    tiny.write_recipe(static=section)
    outcome = dataset(tiny)
    assert outcome.code == code and part in outcome.error
    assert not (tiny.data / "tiny.zarr.ledger/imagery").exists()


@pytest.mark.parametrize("variables", [["temperature_min"], ["precipitation_flux", "wind_speed"]])
def test_a_year_without_weather_is_refused_before_imagery(
    tiny: TinyArchive, dataset: Build, variables: list[str]
) -> None:
    weather = weather_dataset()
    for name in variables:
        weather[name][weather["time"].dt.year.values == 2020] = np.nan
    tiny.write_weather(weather)
    outcome = dataset(tiny)
    assert outcome.code == 2 and "2020" in outcome.error, outcome.error
    assert not (tiny.data / "tiny.zarr.ledger/imagery").exists()


def test_extents_meet_or_only_touch() -> None:
    target = RasterGrid("EPSG:32615", (30, 0, LEFT, 0, -30, TOP), (32, 32))

    def meets(crs: str, left: float, top: float, size: float, cells: int) -> bool:
        return overlapping(RasterGrid(crs, (size, 0, left, 0, -size, top), (cells, cells)), [target])[0]

    assert meets("EPSG:32615", LEFT + 930, TOP, 30, 5) and not meets("EPSG:32615", LEFT + 960, TOP, 30, 5)
    assert meets("EPSG:4326", -97, 43, 0.01, 300) and not meets("EPSG:4326", -90, 43, 0.01, 300)
    south_up = RasterGrid("EPSG:32615", (30, 0, LEFT, 0, 30, TOP - 960), (32, 32))
    assert overlapping(south_up, [target]) == [True]
    local = 'LOCAL_CS["drawing",UNIT["metre",1]]'
    assert not meets(local, LEFT, TOP, 30, 32)


@pytest.mark.parametrize(
    ("longitude", "expected"), [(179.95, True), (-180.0, True), (180.0, True), (539.95, True), (170.0, False)]
)
def test_extents_across_the_antimeridian(longitude: float, expected: bool) -> None:
    """A block of UTM zone 1 that reaches across 180 degrees meets rasters on either side of it."""
    block = RasterGrid("EPSG:32601", (30, 0, 290000.0, 0, -30, 5760000.0), (1024, 1024))
    raster = RasterGrid("EPSG:4326", (0.001, 0, longitude, 0, -0.001, 52.0), (400, 200))
    assert overlapping(raster, [block]) == [expected]
