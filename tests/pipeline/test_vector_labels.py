"""Labels from polygons and points: every format, the rules for what is wrong in a file, and a whole cube."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pytest
import shapely
from numpy.typing import NDArray

from mmvsf.datasets.cube.cube import Cube, digest
from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.region import Labels
from mmvsf.pipeline.build.plan import build_plan
from mmvsf.pipeline.estimate.preview import preview
from mmvsf.pipeline.layers.labels.resample import BlockLabels, label_tasks, read_labels
from mmvsf.pipeline.layers.source import SourceSite
from mmvsf.pipeline.sources.vector.files import open_vector
from mmvsf.pipeline.sources.vector.labels import VectorLabels

from .conftest import Outcome
from .stored import stored
from .tiny_archive import BLOCK, LEFT, PIXEL, TOP, TinyArchive

Build = Callable[..., Outcome]
GRID = Grid("EPSG:32615", PIXEL, LEFT, TOP, 1, 1, BLOCK, 16, 48, ((0, 0),), (0.0, 0.0))
SIDE = BLOCK * PIXEL


def fields(crs: str = "EPSG:32615") -> geopandas.GeoDataFrame:
    """Six fields in and around the block, askew to its pixels, and one far away."""
    corners = [(-100, 40), (205, 71), (511, -60), (17, 402), (333, 388), (640, 610)]
    turned = [shapely.affinity.rotate(shapely.box(x, y, x + 270, y + 290), 7 * n) for n, (x, y) in enumerate(corners)]
    shapes = [shapely.affinity.translate(shape, LEFT, TOP - SIDE) for shape in turned]
    frame = geopandas.GeoDataFrame(
        {
            "EC_hcat_n": ["winter_rye", "beans", "winter_rye", "oats", "beans", "oats"],
            "EC_hcat_c": ["3301010301", "3301020100", "3301010301", "3301010500", "3301020100", "3301010500"],
            "year": [2021] * 6,
        },
        geometry=shapes,
        crs="EPSG:32615",
    )
    far = frame.iloc[:1].set_geometry(frame.geometry.iloc[:1].translate(1e5, 0)).assign(EC_hcat_n="vines")
    return geopandas.GeoDataFrame(pd.concat([frame, far], ignore_index=True)).to_crs(crs)


def section(path: Path, **lines: Any) -> Labels:
    lines = {"class_column": "EC_hcat_n", "years": [2021], **lines}
    return Labels.model_validate({"source": "vector", "path": str(path), **lines})


def source(path: Path, tmp_path: Path, **lines: Any) -> VectorLabels:
    return VectorLabels.from_recipe(section(path, **lines), SourceSite(GRID, tmp_path / "recipe.yaml", tmp_path))


def labels(path: Path, tmp_path: Path, **lines: Any) -> BlockLabels:
    """The labels of the block."""
    vector = source(path, tmp_path, **lines)
    codes = vector.legend().codes
    (task,) = label_tasks(vector, GRID, (2021,), "majority", "", False, int(lines.get("least_purity", 0)))
    return read_labels(task, GRID, vector, "majority", codes, {code: code for code in codes})


def reference(frame: geopandas.GeoDataFrame, names: list[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(code, purity) from the 25 points of each pixel, each tried in every polygon."""
    frame = frame.to_crs("EPSG:32615")
    steps = (np.arange(BLOCK * 5) + 0.5) * PIXEL / 5
    x, y = np.meshgrid(LEFT + steps, TOP - steps)
    points = shapely.points(x, y)
    found = np.zeros((len(frame), *points.shape), np.int64)
    for number, (shape, name) in enumerate(zip(frame.geometry, frame["EC_hcat_n"], strict=True)):
        shapely.prepare(shape)
        found[number] = np.where(shapely.contains(shape, points), sorted(names).index(name) + 1, 0)
    low = np.where(found > 0, found, 99).min(axis=0)
    codes = np.where(low == found.max(axis=0), low, 0)
    cells = codes.reshape(BLOCK, 5, BLOCK, 5).swapaxes(1, 2).reshape(BLOCK, BLOCK, 25)
    votes = np.stack([(cells == code).sum(axis=2) for code in range(len(names) + 1)])
    crop = votes.argmax(axis=0)
    return crop, np.where(crop > 0, votes.max(axis=0) * 4, 0)


NAMES = ["winter_rye", "beans", "oats", "vines"]
FORMATS = ["gpkg", "geojson", "shp", "fgb", "parquet"]


def write(frame: geopandas.GeoDataFrame, path: Path) -> Path:
    if path.suffix == ".parquet":
        if not find_spec("pyarrow"):
            pytest.skip("needs the extra parquet")
        frame.to_parquet(path)
    else:
        frame.to_file(path, engine="pyogrio")
    return path


@pytest.mark.parametrize("crs", ["EPSG:32615", "EPSG:4326", "EPSG:5070", "EPSG:3035"])
@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_and_crs_gives_the_same_labels(tmp_path: Path, suffix: str, crs: str) -> None:
    if suffix == "geojson" and crs != "EPSG:4326":
        pytest.skip("GeoJSON has one CRS")
    found = labels(write(fields(crs), tmp_path / f"fields.{suffix}"), tmp_path)
    crop, purity = reference(fields(), NAMES)
    assert set(np.unique(crop)) == {0, 1, 2, 4} and len(np.unique(purity)) > 10
    # Degrees in GeoJSON have seven digits, a centimetre: a point on an edge may change sides.
    agree = (found.crop == crop) & (np.abs(found.purity.astype(int) - purity) <= (0 if crs == "EPSG:32615" else 4))
    assert agree.mean() > 0.998
    if crs == "EPSG:32615":
        assert agree.all()


def test_a_legend_numbers_the_sorted_values_of_the_whole_file(tmp_path: Path) -> None:
    path = write(fields(), tmp_path / "fields.gpkg")
    assert [(entry.code, entry.name) for entry in source(path, tmp_path).legend().classes] == [
        (1, "beans"), (2, "oats"), (3, "vines"), (4, "winter_rye"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("column", "text", "expected"),
    [
        ("EC_hcat_c", "HCAT3_name,HCAT3_code\nrye,3301010301\nbeans,3301020100\noats,3301010500\n", {0, 1, 2, 3}),
        ("EC_hcat_n", "code,name\n7,beans\n9,oats\n3,winter_rye\n", {0, 3, 7, 9}),
        ("number", "code,name\n7,Beans\n9,Oats\n3,Winter rye\n", {0, 3, 7, 9}),
        ("EC_hcat_n", "value,code,name\nbeans,5,legumes\noats,6,cereals\nwinter_rye,6,cereals\n", {0, 5, 6}),
        ("EC_hcat_n", "value,code,name\nbeans,5,legumes\noats,0,unknown\nwinter_rye,0,unknown\n", {0, 5}),
    ],
)
def test_legends_in_a_file(tmp_path: Path, column: str, text: str, expected: set[int]) -> None:
    frame = fields()
    frame["number"] = frame["EC_hcat_n"].map({"beans": 7.0, "oats": 9.0, "winter_rye": 3.0, "vines": np.nan})
    path = write(frame, tmp_path / "fields.gpkg")
    (tmp_path / "legend.csv").write_text(text)
    found = labels(path, tmp_path, class_column=column, legend=str(tmp_path / "legend.csv"))
    assert set(np.unique(found.crop)) == expected


def test_values_outside_the_legend_are_named_with_counts(tmp_path: Path) -> None:
    path = write(fields(), tmp_path / "fields.gpkg")
    (tmp_path / "legend.csv").write_text("code,name\n7,beans\n")
    with pytest.raises(InputError) as error:
        labels(path, tmp_path, legend=str(tmp_path / "legend.csv"))
    assert "EC_hcat_n holds 'winter_rye' (2), 'oats' (2), which the legend" in str(error.value)


YEARS: dict[str, list[Any]] = {
    "number": [2020, 2021, 2021, None, 2022, 2021],
    "text": ["2020", "2021", " 2021 ", None, "2022", "2021-05-01"],
    "date": [None if y is None else pd.Timestamp(y, 6, 1) for y in (2020, 2021, 2021, None, 2022, 2021)],
}


@pytest.mark.parametrize("kind", YEARS)
def test_a_column_of_years(tmp_path: Path, kind: str) -> None:
    frame = fields().iloc[:6].assign(year=YEARS[kind])
    found = labels(write(frame, tmp_path / "fields.gpkg"), tmp_path, year_column="year")
    crop, _ = reference(fields().iloc[[1, 2, 5]], ["beans", "oats", "winter_rye"])
    np.testing.assert_array_equal(found.crop, crop)


def test_a_column_of_classes_for_each_year(tmp_path: Path) -> None:
    """As in the Crop Sequence Boundaries of the USDA."""
    frame = fields().rename(columns={"EC_hcat_n": "CDL2021"}).assign(CDL2020="x")
    found = labels(write(frame, tmp_path / "fields.gpkg"), tmp_path, class_column="CDL{year}")
    np.testing.assert_array_equal(found.crop, reference(fields(), NAMES)[0])


def test_points_count_for_their_pixel_and_contradictions_for_nothing(tmp_path: Path) -> None:
    places = [(0.01, 0.01), (3.5, 4.9), (3.2, 4.1), (8.5, 8.5), (8.6, 8.6), (31.99, 31.99), (-0.5, 3), (32.5, 3)]
    crops = ["oats", "beans", "beans", "oats", "beans", "oats", "oats", "oats"]
    points = [shapely.Point(LEFT + x * PIXEL, TOP - y * PIXEL) for x, y in places]
    frame = geopandas.GeoDataFrame({"EC_hcat_n": crops}, geometry=points, crs="EPSG:32615")
    frame.loc[5, "geometry"] = shapely.MultiPoint([points[5], (LEFT + 20.5 * PIXEL, TOP - 0.5 * PIXEL)])
    found = labels(write(frame, tmp_path / "points.fgb"), tmp_path)
    expected = np.zeros((BLOCK, BLOCK), int)
    expected[0, 0], expected[4, 3], expected[31, 31], expected[0, 20] = 2, 1, 2, 2
    np.testing.assert_array_equal(found.crop, expected)
    np.testing.assert_array_equal(found.purity, np.where(expected > 0, 100, 0))


def test_where_polygons_of_two_classes_overlap_nothing_is_known(tmp_path: Path) -> None:
    def frame(crops: list[str]) -> geopandas.GeoDataFrame:
        shapes = [shapely.box(LEFT, TOP - SIDE, LEFT + 600, TOP), shapely.box(LEFT + 300, TOP - SIDE, LEFT + 900, TOP)]
        return geopandas.GeoDataFrame({"EC_hcat_n": crops}, geometry=shapes, crs="EPSG:32615")

    for crops, between in ((["oats", "beans"], 0), (["oats", "oats"], 1)):
        path = write(frame(crops), tmp_path / f"{crops[1]}.gpkg")
        crop = labels(path, tmp_path / crops[1]).crop
        assert (crop[:, 10:20] == between).all() and (crop[:, :10] > 0).all() and (crop[:, 20:30] > 0).all()
        assert (crop[:, 30:] == 0).all()


def test_edges_are_unknown_where_wanted(tmp_path: Path) -> None:
    field = shapely.box(LEFT + 90, TOP - 690, LEFT + 690, TOP - 90)
    narrow = shapely.box(LEFT + 750, TOP - 690, LEFT + 780, TOP - 90)
    frame = geopandas.GeoDataFrame({"EC_hcat_n": ["oats", "beans"]}, geometry=[field, narrow], crs="EPSG:32615")
    path = write(frame, tmp_path / "fields.gpkg")
    whole = labels(path, tmp_path)
    assert (whole.crop > 0).sum() == 20 * 20 + 20
    vector = source(path, tmp_path, edge=30)
    inner = labels(path, tmp_path, edge=30)
    assert (inner.crop[4:22, 4:22] == 2).all() and (inner.crop > 0).sum() == 18 * 18
    vector.asset(2021)
    assert vector.notes(2021) == ("1 features narrower than twice the edge of 30 m are left out",)


def test_mixed_pixels_are_unknown_where_wanted(tmp_path: Path) -> None:
    path = write(fields(), tmp_path / "fields.gpkg")
    whole, pure = labels(path, tmp_path), labels(path, tmp_path, least_purity=90)
    np.testing.assert_array_equal(pure.crop, np.where(whole.purity >= 90, whole.crop, 0))
    np.testing.assert_array_equal(pure.purity, np.where(whole.purity >= 90, whole.purity, 0))
    assert 0 < (pure.crop > 0).sum() < (whole.crop > 0).sum()


def test_features_without_a_class_or_geometry_and_invalid_ones(tmp_path: Path) -> None:
    frame = fields().iloc[:6]
    bow_tie = shapely.Polygon([(LEFT + x, TOP - y) for x, y in ((0, 0), (300, 300), (300, 0), (0, 300))])
    rows = pd.DataFrame({"EC_hcat_n": ["oats", None, "  ", "beans", "beans"]})
    shapes = [bow_tie, frame.geometry.iloc[0], frame.geometry.iloc[1], None, shapely.Polygon()]
    odd = geopandas.GeoDataFrame(rows, geometry=shapes, crs=frame.crs)
    path = tmp_path / "odd.gpkg"
    geopandas.GeoDataFrame(pd.concat([frame.iloc[:1], odd], ignore_index=True)).to_file(path, geometry_type="Unknown")
    vector = source(path, tmp_path)
    vector.asset(2021)
    assert vector.notes(2021) == (
        "2 features without a class are left out",
        "1 features with an invalid outline are repaired",
    )
    crop = labels(path, tmp_path).crop
    assert crop[4, 1] == 2 and crop[4, 8] == 2 and crop[1, 5] == 0 and crop[8, 5] == 0


def fingerprint(path: Path, tmp_path: Path) -> str:
    vector = source(path, tmp_path)
    return vector.fingerprint(vector.asset(2021))


@pytest.mark.parametrize("case", [str.lower, str.upper, lambda suffix: suffix.replace("dbf", "DBF")])
def test_classes_edited_in_a_shapefile_are_read_again(tmp_path: Path, case: Callable[[str], str]) -> None:
    """They are in a file beside the one that the recipe names, whose suffix may be in capitals."""
    found = {}
    for names in (["oats", "beans"], ["beans", "beans"]):
        frame = fields().iloc[:2].assign(EC_hcat_n=names)
        frame.to_file(tmp_path / "own.shp", engine="pyogrio")
        frame.iloc[:1].to_file(tmp_path / "own.b.shp", engine="pyogrio")  # another file, of a similar name
        for path in tmp_path.glob("own*.*"):
            path.rename(path.with_suffix("." + case(path.suffix[1:])))
        path = tmp_path / f"own.{case('shp')}"
        suffixes = [part.suffix.lower() for part in open_vector(path).parts]
        assert suffixes == [".shp", ".dbf", ".shx", ".prj", ".cpg"]
        found[fingerprint(path, tmp_path)] = set(labels(path, tmp_path).crop.ravel().tolist())
        for path in tmp_path.glob("own*.*"):
            path.unlink()
    assert list(found.values()) == [{0, 1, 2}, {0, 1}]


def test_a_geopackage_is_read_once_its_edits_are_saved(tmp_path: Path) -> None:
    """An editor with the file open keeps them in a file beside it, which GDAL reads."""
    path = write(fields(), tmp_path / "own.gpkg")
    before = fingerprint(path, tmp_path)
    editor = sqlite3.connect(path)
    editor.execute("pragma journal_mode=wal")
    for (name,) in editor.execute("select name from sqlite_master where type = 'trigger'").fetchall():
        editor.execute(f'drop trigger "{name}"')  # they call functions that only GDAL has
    editor.execute("update own set EC_hcat_n = 'oats'")
    editor.commit()
    with pytest.raises(InputError, match="save and close it"):
        source(path, tmp_path).asset(2021)
    editor.close()
    assert fingerprint(path, tmp_path) != before
    assert set(labels(path, tmp_path).crop.ravel().tolist()) == {0, 1}


def gdalg(path: Path) -> None:
    path.write_text(json.dumps({"type": "gdal_streamed_alg", "command_line": "gdal vector pipeline ! read other.gpkg"}))


def other_sqlite(path: Path) -> None:
    with sqlite3.connect(path) as file:
        file.execute("create table fields (EC_hcat_n text)")


def no_crs(path: Path) -> None:
    fields().set_crs(None, allow_override=True).to_file(path)


def two_layers(path: Path) -> None:
    for layer in ("parcels", "notes"):
        fields().to_file(path, layer=layer)


def as_lines(path: Path) -> None:
    frame = fields()
    frame.set_geometry(frame.boundary).to_file(path)


def all_null(path: Path) -> None:
    fields().assign(EC_hcat_n=None).astype({"EC_hcat_n": "str"}).assign(EC_hcat_n="").to_file(path)


def truncated(path: Path) -> None:
    big = pd.concat([fields()] * 200, ignore_index=True)
    geopandas.GeoDataFrame(big).to_file(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def vrt(path: Path) -> None:
    path.write_text(
        '<OGRVRTDataSource><OGRVRTLayer name="a"><SrcDataSource>a.gpkg</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>'
    )


NOTHING = '{"type": "FeatureCollection", "features": []}'
REFUSED: list[tuple[str, Callable[[Path], Any], dict[str, Any], str]] = [
    ("a.gpkg", lambda path: None, {}, "there are no labels of 2021"),
    ("a.geojson", gdalg, {}, "cannot be read as GeoJSON"),
    ("a.geojson", vrt, {}, "is not a supported vector file"),
    ("a.gpkg", other_sqlite, {}, "GPKG"),
    ("a.gpkg", lambda path: path.write_bytes(b""), {}, "is not a supported vector file"),
    ("a.zip", lambda path: path.write_bytes(b"PK\3\4" + bytes(50)), {}, "unpacked"),
    ("a.csv", lambda path: path.write_text("EC_hcat_n,WKT\noats,POINT (1 2)\n"), {}, "is not a supported vector file"),
    ("a.gpkg", no_crs, {}, "has no CRS"),
    ("a.shp", no_crs, {}, "has no CRS"),
    ("a.gpkg", two_layers, {}, "has the layers parcels, notes; name one of them in labels.layer"),
    ("a.gpkg", two_layers, {"layer": "x"}, "has no layer 'x'"),
    ("a.gpkg", lambda path: fields().iloc[:0].to_file(path), {}, "holds no features"),
    ("a.geojson", lambda path: path.write_text(NOTHING), {}, "holds no features"),
    ("a.gpkg", lambda path: fields().iloc[6:].to_file(path), {}, "none of its 1 features has a class and meets"),
    ("a.gpkg", lambda path: fields().to_file(path), {"class_column": "crop"}, "has no column 'crop'; its columns are"),
    ("a.gpkg", lambda path: fields().to_file(path), {"year_column": "jahr"}, "has no column 'jahr'"),
    ("a.gpkg", lambda path: fields().to_file(path), {"year_column": "EC_hcat_n"}, "does not begin with a year"),
    ("a.gpkg", lambda path: fields().assign(year=2019).to_file(path), {"year_column": "year"}, "features of 2021 has"),
    ("a.gpkg", as_lines, {}, "6 features are lines"),
    ("a.gpkg", all_null, {}, "holds 0 values"),
    ("a.fgb", truncated, {}, "cannot be read as FlatGeobuf"),
    ("a.geojson", truncated, {}, "cannot be read as GeoJSON"),
    ("a.gpkg", truncated, {}, "cannot be read as a GeoPackage"),
    ("a.shp", truncated, {}, "cannot be read as ESRI Shapefile"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "make", "lines", "part"), REFUSED, ids=[f"{n}-{p[:24]}" for n, _, _, p in REFUSED])
def test_files_that_are_refused(
    tmp_path: Path, name: str, make: Callable[[Path], Any], lines: dict[str, Any], part: str
) -> None:
    make(tmp_path / name)
    with pytest.raises(InputError) as error:
        labels(tmp_path / name, tmp_path, **lines)
    assert part in str(error.value) and "\n" not in str(error.value), error.value


def test_features_across_the_antimeridian_are_found_on_both_sides(tmp_path: Path) -> None:
    grid = Grid("EPSG:32601", PIXEL, 288000.0, 5760000.0, 1, 1, 256, 64, 48, ((0, 0),), (0.0, 0.0))
    box = shapely.box(*grid.block_geobox((0, 0)).boundingbox)
    west, _, east, _ = geopandas.GeoSeries([box], crs=grid.crs).to_crs(4326).total_bounds
    assert west < -179 and east > 179
    shapes = [shapely.box(179.5, 51.8, 180, 52.1), shapely.box(-180, 51.8, -179.5, 52.1)]
    frame = geopandas.GeoDataFrame({"EC_hcat_n": ["oats", "beans"]}, geometry=shapes, crs=4326)
    path = write(frame, tmp_path / "fields.fgb")
    vector = replace(source(path, tmp_path), place=grid)
    (task,) = label_tasks(vector, grid, (2021,), "majority", "")
    crop = read_labels(task, grid, vector, "majority", (1, 2), {1: 1, 2: 2}).crop
    assert (crop == 1).mean() > 0.2 and (crop == 2).mean() > 0.2


def vector_recipe(tiny: TinyArchive, **lines: Any) -> None:
    tiny.write_recipe(
        labels={"source": "vector", "path": "archive/fields.gpkg", "class_column": "crop", "years": [2020, 2021],
                "year_column": "year", **lines}
    )  # fmt: skip


def write_parcels(tiny: TinyArchive, years: tuple[int, ...] = (2020, 2021)) -> geopandas.GeoDataFrame:
    """Fields of 7 x 5 pixels over the whole region, one crop a field and year."""
    rng = np.random.default_rng(3)
    rows = []
    for year in years:
        for x in np.arange(LEFT, LEFT + 96 * PIXEL, 7 * PIXEL):
            for y in np.arange(TOP - 64 * PIXEL, TOP, 5 * PIXEL):
                crop = ["maize", "soya", "wheat"][rng.integers(3)]
                rows.append((crop, year, shapely.box(x, y, x + 7 * PIXEL, y + 5 * PIXEL)))
    frame = geopandas.GeoDataFrame(rows, columns=["crop", "year", "geometry"], crs="EPSG:32615")
    frame.to_file(tiny.root / "fields.gpkg")
    return frame


@pytest.mark.slow
def test_a_cube_with_labels_of_polygons(tiny: TinyArchive, dataset: Build) -> None:
    frame = write_parcels(tiny)
    vector_recipe(tiny)
    outcome = dataset(tiny)
    assert outcome.code == 0, outcome.err
    cube = Cube.open(tiny.cube)
    assert cube.legend and [entry.name for entry in cube.legend.classes] == ["maize", "soya", "wheat"]
    (record,) = [record for record in cube.attributes["sources"] if record["role"] == "labels"]
    assert record == {"role": "labels", "path": "archive/fields.gpkg", "from": "vector"}
    for position, year in enumerate((2020, 2021)):
        crop = np.asarray(stored(tiny, "labels/crop")[position])
        assert crop.all() and (np.asarray(stored(tiny, "labels/purity")[position]) == 100).all()
        for row in frame[frame["year"] == year].sample(50, random_state=1).itertuples():
            r, c = int((TOP - row.geometry.centroid.y) / PIXEL), int((row.geometry.centroid.x - LEFT) / PIXEL)
            if r < 64 and c < 96:
                assert crop[r, c] == ["maize", "soya", "wheat"].index(row.crop) + 1
    before = digest(tiny.cube)
    assert "nothing" in dataset(tiny).out.lower() or digest(tiny.cube) == before
    frame.loc[0, "crop"] = "wheat" if frame.loc[0, "crop"] != "wheat" else "soya"
    frame.to_file(tiny.root / "fields.gpkg")
    assert dataset(tiny).code == 0 and digest(tiny.cube) != before


@pytest.mark.slow
def test_a_year_without_features_is_refused_before_the_work(tiny: TinyArchive, dataset: Build) -> None:
    write_parcels(tiny, (2020,))
    vector_recipe(tiny)
    outcome = dataset(tiny)
    assert outcome.code == 2 and "features of 2021 has a class and meets a block" in outcome.error


def test_what_was_left_out_is_shown_in_the_plan(tiny: TinyArchive) -> None:
    frame = write_parcels(tiny)
    frame.loc[:2, "crop"] = None
    frame.to_file(tiny.root / "fields.gpkg")
    vector_recipe(tiny)
    plan = build_plan(str(tiny.recipe), tiny.data, only_shown=True)
    assert "labels of 2020: 3 features without a class are left out" in preview(plan, 1).warnings


def test_labels_do_not_depend_on_the_size_of_the_region(tmp_path: Path) -> None:
    """An extended cube keeps its labels: neither their digests nor their pixels change."""
    path = write(fields(), tmp_path / "fields.gpkg")
    wider = Grid("EPSG:32615", PIXEL, LEFT - SIDE, TOP + SIDE, 2, 2, BLOCK, 16, 48, ((1, 1), (1, 0)), (0.0, 0.0))
    tasks = []
    for grid in (GRID, wider):
        vector = replace(source(path, tmp_path), place=grid)
        tasks += [task for task in label_tasks(vector, grid, (2021,), "majority", "") if task.block == grid.blocks[0]]
    assert tasks[0].digest == tasks[1].digest and tasks[0].entry == tasks[1].entry
