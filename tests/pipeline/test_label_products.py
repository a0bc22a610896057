"""Rasters of WorldCover and WorldCereal, tiles in folders, and legends whose values are not codes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from pyproj import Transformer

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.legend import ClassTable, classes_by_name, read_class_table
from mmvsf.datasets.errors import InputError
from mmvsf.pipeline.layers.labels.codes import codes_of
from mmvsf.pipeline.layers.labels.known_legends import KNOWN_LEGENDS, WORLDCOVER

from .conftest import Outcome
from .stored import stored
from .tiny_archive import COLUMNS, LEFT, PIXEL, ROWS, TOP, TinyArchive

Build = Callable[..., Outcome]
DEGREE = 12000
"""Pixels of WorldCover and WorldCereal a degree."""


def centres() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(longitude, latitude) of the middle of every pixel of the region."""
    x, y = np.meshgrid(LEFT + PIXEL * (np.arange(COLUMNS) + 0.5), TOP - PIXEL * (np.arange(ROWS) + 0.5))
    lon, lat = Transformer.from_crs(32615, 4326, always_xy=True).transform(x, y)
    return lon, lat


LON, LAT = centres()
WEST, NORTH = np.floor(LON.min() * 100 - 1) / 100, np.ceil(LAT.max() * 100 + 1) / 100


def classes_at(column: NDArray[np.int64], row: NDArray[np.int64], codes: tuple[int, ...]) -> NDArray[np.uint8]:
    """Squares of 40 pixels (400 m) of these codes, by pixels from the corner of the tiles."""
    return np.array(codes, np.uint8)[(column // 40 + 2 * (row // 40)) % len(codes)]


def write_tile(path: Path, first: int, width: int, codes: tuple[int, ...], nodata: int | None, lost: int = 0) -> None:
    """A tile of so many columns from a column on; its last `lost` columns are no data."""
    rows = int((NORTH - LAT.min() + 0.01) * DEGREE)
    column, row = np.meshgrid(first + np.arange(width), np.arange(rows))
    values = classes_at(column, row, codes)
    if lost:
        values[:, -lost:] = nodata
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path, "w", driver="GTiff", width=width, height=rows, count=1, dtype="uint8", crs="EPSG:4326", nodata=nodata,
        transform=rasterio.Affine(1 / DEGREE, 0, WEST + first / DEGREE, 0, -1 / DEGREE, NORTH), compress="deflate",
    ) as file:  # fmt: skip
        file.write(values, 1)


def expected(codes: tuple[int, ...]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """The code at each pixel's centre, and which pixels lie in one square."""
    column, row = np.floor((LON - WEST) * DEGREE).astype(int), np.floor((NORTH - LAT) * DEGREE).astype(int)
    inside = (column % 40 > 3) & (column % 40 < 36) & (row % 40 > 3) & (row % 40 < 36)
    return classes_at(column, row, codes), inside


def test_worldcover_in_tiles(tiny: TinyArchive, dataset: Build) -> None:
    width = int((LON.max() - WEST + 0.01) * DEGREE)
    middle = width // 2
    codes = (10, 40, 95)
    for year in (2020, 2021):
        folder = tiny.root / f"worldcover/{year}"
        write_tile(folder / f"ESA_WorldCover_10m_{year}_N39W099_Map.tif", 0, middle, codes, 0)
        write_tile(folder / f"ESA_WorldCover_10m_{year}_N39W096_Map.tif", middle, width - middle, codes, 0)
        write_tile(folder / f"ESA_WorldCover_10m_{year}_N39W012_Map.tif", 5 * DEGREE, 50, (7,), 0)
    tiny.write_recipe(labels__path="archive/worldcover/{year}", labels__legend="worldcover")
    outcome = dataset(tiny)
    assert outcome.code == 0, outcome.err
    cube = Cube.open(tiny.cube)
    assert cube.legend == WORLDCOVER
    (record,) = [record for record in cube.attributes["sources"] if record["role"] == "labels"]
    assert record["licence"] == "CC-BY-4.0" and "WorldCover" in record["source"]
    wanted, inside = expected(codes)
    crop = np.asarray(stored(tiny, "labels/crop")[0])
    assert inside.sum() > 1000
    np.testing.assert_array_equal(crop[inside], wanted[inside])
    assert (np.asarray(stored(tiny, "labels/purity")[0])[inside] == 100).all()


def test_worldcereal_in_overlapping_zones(tiny: TinyArchive, dataset: Build) -> None:
    """0 is a class there, and where zones overlap, the one that knows the pixel counts."""
    width = int((LON.max() - WEST + 0.01) * DEGREE)
    folder = tiny.root / "worldcereal"
    write_tile(folder / "22190_tc-maize-main_maize_2021_classification.tif", 0, width, (0, 100), 255, lost=width // 2)
    write_tile(folder / "46172_tc-maize-main_maize_2021_classification.tif", width // 4, 3 * width // 4, (0, 100), 255)
    tiny.write_recipe(labels__path="archive/worldcereal", labels__legend="worldcereal-maize", labels__years=[2021])
    outcome = dataset(tiny)
    assert outcome.code == 0, outcome.err
    cube = Cube.open(tiny.cube)
    assert cube.legend and [entry.name for entry in cube.legend.classes] == ["no maize", "maize"]
    wanted, inside = expected((1, 2))
    np.testing.assert_array_equal(np.asarray(stored(tiny, "labels/crop")[0])[inside], wanted[inside])


@pytest.mark.parametrize(
    ("tiles", "part"),
    [
        ((), "none of the 0 GeoTIFFs"),
        (((5 * DEGREE, DEGREE),), "none of the 1 GeoTIFFs"),
        (((0, DEGREE), (7, DEGREE // 2)), "are on 2 grids"),
    ],
)
def test_folders_that_are_no_year(
    tiny: TinyArchive, dataset: Build, tiles: tuple[tuple[int, int], ...], part: str
) -> None:
    folder = tiny.root / "tiles"
    folder.mkdir()
    for first, size in tiles:
        transform = rasterio.Affine(1 / size, 0, WEST + first / DEGREE, 0, -1 / size, NORTH)
        with rasterio.open(
            folder / f"{first}.tif", "w", driver="GTiff", width=900, height=900, count=1, dtype="uint8",
            crs="EPSG:4326", transform=transform,
        ) as file:  # fmt: skip
            file.write(np.full((1, 900, 900), 10, np.uint8))
    tiny.write_recipe(labels__path="archive/tiles", labels__legend="worldcover", labels__years=[2021])
    outcome = dataset(tiny)
    assert outcome.code == 2 and "labels of 2021" in outcome.error and part in outcome.error


def test_known_legends_have_terms() -> None:
    assert {"cdl", "worldcover", "worldcereal-temporarycrops", "worldcereal-wintercereals"} <= set(KNOWN_LEGENDS)
    assert all(known.licence for known in KNOWN_LEGENDS.values())
    assert len(WORLDCOVER.classes) == 11


def table(tmp_path: Path, text: str) -> ClassTable:
    path = tmp_path / "legend.csv"
    path.write_text(text, encoding="utf-8")
    return read_class_table(path)


def test_several_values_may_mean_one_class_or_nothing(tmp_path: Path) -> None:
    text = "value,code,name,color\n201,1,maize,#ffd300\n202,1,maize,\n999,0,unknown,\n0,3,other,\n"
    found = table(tmp_path, text)
    assert [(entry.code, entry.name) for entry in found.legend.classes] == [(1, "maize"), (3, "other")]
    assert found.legend.classes[0].color == "#ffd300"
    values = found.values
    assert values == {"201": 1, "202": 1, "999": 0, "0": 3}
    raster = np.array([[201, 202], [999, 0]], np.int32)
    missing = np.array([[False, False], [False, True]])
    assert codes_of(raster, missing, values, "here").tolist() == [[1, 1], [0, 0]]
    assert codes_of(raster, np.zeros((2, 2), bool), values, "here").tolist() == [[1, 1], [0, 3]]
    with pytest.raises(InputError, match=r"here: the codes 203 are not in the legend \(1 pixels"):
        codes_of(raster + (raster == 202), missing, values, "here")


def test_the_tables_of_eurocrops_are_read_as_they_are(tmp_path: Path) -> None:
    classes = table(tmp_path, "HCAT3_name,HCAT3_code\nrye,3301010300\nwinter_rye,3301010301\nbarley,3301010400\n")
    assert classes.legend == classes_by_name(["rye", "winter_rye", "barley"])
    assert classes.values == {"3301010400": 1, "3301010300": 2, "3301010301": 3}
    mapping = table(
        tmp_path,
        "original_code,original_name,translated_name,HCAT3_name,HCAT3_code\n"
        "201,Silomais,Silage maize,green_silo_maize,3301090400\n60,Grasland,Grass,pasture,3302000000\n"
        "63,Graskruiden,Grass herb,pasture,3302000000\n,Rest,Rest,pasture,3302000000\n",
    )
    assert mapping.values == {"201": 1, "60": 2, "63": 2}


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("value,name\n1,a\n1,b\n", "line 3: the value '1' appears twice, for two classes"),
        ("value,name\n1,\n", "line 2: the column name is empty"),
        ("value,code,name\n,1,a\n", "line 2: the column value is empty"),
        ("value,code,name\n1,1,a\n2,1,b\n", "line 3: code 1 appears twice"),
        ("value,name\n", "names no class"),
    ],
)
def test_lines_that_are_no_class(tmp_path: Path, text: str, part: str) -> None:
    with pytest.raises(InputError) as error:
        table(tmp_path, text)
    assert part in str(error.value)


def test_values_of_a_raster_are_numbers() -> None:
    with pytest.raises(InputError, match="holds numbers"):
        codes_of(np.ones((1, 1)), np.zeros((1, 1), bool), {"maize": 1}, "here")
