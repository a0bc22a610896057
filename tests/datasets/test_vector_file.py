"""Vector files are read by what they are: nothing in one makes GDAL read another file, or an address."""

from __future__ import annotations

import json
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path

import geopandas
import pytest
import shapely

from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.area import read_polygons

BOX = shapely.box(-94, 42, -93, 43)


def frame() -> geopandas.GeoDataFrame:
    return geopandas.GeoDataFrame({"name": ["a"]}, geometry=[BOX], crs="EPSG:4326")


def secret(folder: Path) -> Path:
    """Polygons beside the file, which nothing may lead to."""
    path = folder / "secret.gpkg"
    frame().to_file(path)
    return path


def zipped(folder: Path, name: str = "area.zip") -> Path:
    (folder / "shapefile").mkdir()
    frame().to_file(folder / "shapefile/area.shp")
    with zipfile.ZipFile(folder / name, "w") as archive:
        for path in sorted((folder / "shapefile").iterdir()):
            archive.write(path, path.name)
    return folder / name


def written(folder: Path, name: str) -> Path:
    if name.endswith(".zip"):
        return zipped(folder, name)
    frame().to_file(folder / name)
    return folder / name


@pytest.mark.parametrize("name", ["area.geojson", "area.gpkg", "area.shp", "area.fgb", "area.zip"])
def test_the_formats_that_are_read(tmp_path: Path, name: str) -> None:
    polygons = read_polygons(written(tmp_path, name), "the file")
    assert polygons.crs.is_geographic and polygons.union_all().equals(BOX)


@pytest.mark.parametrize(
    "text", [shapely.to_geojson(BOX), '\ufeff{"type":"Feature","geometry":null,"properties":null}']
)
def test_other_forms_of_geojson(tmp_path: Path, text: str) -> None:
    path = tmp_path / "area.json"
    path.write_text(text)
    if "null" in text:
        with pytest.raises(InputError, match="holds no polygon"):
            read_polygons(path, "the file")
    else:
        assert read_polygons(path, "the file").union_all().equals(BOX)


def vrt(folder: Path) -> str:
    source = f"<SrcDataSource>{secret(folder)}</SrcDataSource><SrcLayer>secret</SrcLayer>"
    return f'<OGRVRTDataSource><OGRVRTLayer name="x">{source}</OGRVRTLayer></OGRVRTDataSource>'


def pipeline(folder: Path) -> str:
    command = f"gdal vector pipeline ! read {secret(folder)} ! write x --of stream"
    return json.dumps({"type": "gdal_streamed_alg", "command_line": command})


def pipeline_in_a_collection(folder: Path) -> str:
    return json.dumps({"type": "FeatureCollection", "features": [], "x": json.loads(pipeline(folder))})


TEXTS: dict[str, Callable[[Path], str]] = {
    "VRT": vrt,
    "pipeline": pipeline,
    "pipeline in a collection": pipeline_in_a_collection,
    "service": lambda _: '{"type": "FeatureServer", "url": "http://127.0.0.1:9/"}',
    "ESRI JSON": lambda _: '{"geometryType": "esriGeometryPolygon", "features": []}',
    "TopoJSON": lambda _: '{"type": "Topology", "objects": {}, "arcs": []}',
    "CSV": lambda _: 'WKT,a\n"POLYGON((0 0,1 0,1 1,0 0))",1\n',
    "KML": lambda _: (
        '<kml xmlns="http://www.opengis.net/kml/2.2"><NetworkLink><Link><href>x</href></Link></NetworkLink></kml>'
    ),
    "GML": lambda _: '<gml:FeatureCollection xmlns:gml="http://www.opengis.net/gml" />',
    "WFS": lambda _: "<OGRWFSDataSource><URL>http://127.0.0.1:9/</URL></OGRWFSDataSource>",
    "GeoJSON in lines": lambda _: '{"type":"Feature"}\n{"type":"Feature"}\n',
    "list": lambda _: "[1, 2]",
    "no geometry": lambda _: '{"type": "Polygon", "coordinates": "here"}',
    "deep": lambda _: '{"type": ' + "[" * 20_000,
    "digits": lambda _: '{"type": "Point", "coordinates": [' + "9" * 5_000 + ", 1]}",
    "endless edge": lambda _: '{"type":"Polygon","coordinates":[[[0,0],[1e15,0],[0,1e15],[0,0]]]}',
    "no number": lambda _: '{"type":"Polygon","coordinates":[[[0,0],[NaN,0],[0,1],[0,0]]]}',
    "unknown CRS": lambda _: json.dumps(
        {"type": "FeatureCollection", "features": [], "crs": {"properties": {"name": "EPSG:1"}}}
    ),
    "nothing": lambda _: "",
}


@pytest.mark.parametrize("name", ["area.geojson", "area.gpkg", "area.shp"])
@pytest.mark.parametrize("kind", TEXTS)
def test_texts_that_are_no_area(tmp_path: Path, kind: str, name: str) -> None:
    path = tmp_path / name
    path.write_text(TEXTS[kind](tmp_path))
    with pytest.raises(InputError) as raised:
        read_polygons(path, "the file").union_all()
    assert len(raised.value.lines) == 1 and raised.value.lines[0].startswith("the file")


def test_a_name_is_no_path_of_gdal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for text in (
        "/vsicurl/http://127.0.0.1:9/a.geojson",
        "/vsizip/area.zip/area.shp",
        "PG:dbname=x",
        "http://x/a.json",
    ):
        with pytest.raises(InputError, match="does not exist"):
            read_polygons(Path(text), "the file")


@pytest.mark.parametrize(
    "statement",
    [
        "create view v as with recursive r(x) as (select 1 union all select x + 1 from r) select x from r",
        "create virtual table v using fts4(content)",
    ],
)
def test_a_geopackage_that_computes(tmp_path: Path, statement: str) -> None:
    path = written(tmp_path, "area.gpkg")
    database = sqlite3.connect(path)
    database.execute(statement)
    database.commit()
    database.close()
    with pytest.raises(InputError, match="computes 'v'"):
        read_polygons(path, "the file")


def test_changes_beside_a_geopackage_are_refused(tmp_path: Path) -> None:
    """While a program such as QGIS has it open they are in another file, with views that nobody examined."""
    path = written(tmp_path, "area.gpkg")
    database = sqlite3.connect(path)
    assert database.execute("pragma journal_mode=wal").fetchone() == ("wal",)
    assert len(read_polygons(path, "the file")) == 1
    database.execute("create view v as select 1")
    database.commit()
    (tmp_path / "link.gpkg").symlink_to(path)
    for name in ("area.gpkg", "link.gpkg"):
        with pytest.raises(InputError, match=r"changes are still in area\.gpkg-wal; save and close it"):
            read_polygons(tmp_path / name, "the file")
    database.close()
    with pytest.raises(InputError, match="computes 'v'"):
        read_polygons(path, "the file")


@pytest.mark.parametrize("kind", ["two", "none", "text", "broken"])
def test_zips_without_one_shapefile(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "area.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in {"two": ("a.shp", "b.shp"), "none": ("a.vrt",), "text": ("a.shp",), "broken": ("a.shp",)}[kind]:
            archive.writestr(name, vrt(tmp_path))
    if kind == "broken":
        path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(InputError, match="zip"):
        read_polygons(path, "the file")
