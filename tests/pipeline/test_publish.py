"""What is published about a cube is valid, says what the cube holds, and leaves the cube as it was."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import pytest
import shapely
import xarray as xr
import yaml

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.place import PIXELS
from mmvsf.datasets.cube.verify import verify_cube
from mmvsf.pipeline.publish.datacube import AXES
from mmvsf.pipeline.publish.facts import CubeFacts
from mmvsf.pipeline.publish.run import publish
from mmvsf.pipeline.publish.stac import collection

from ..cubes import CubeBuilder
from .conftest import Command
from .tiny_archive import TinyArchive

SCHEMAS = Path(__file__).resolve().parents[1] / "stac"
CORE = "https://schemas.stacspec.org/v1.1.0"


@pytest.fixture(scope="module")
def published(built: TinyArchive) -> Iterator[Path]:
    """The folder of descriptions of the tiny cube."""
    publish(built.cube)
    yield built.data / "tiny.publish"


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def problems(document: dict[str, Any]) -> list[str]:
    """What the schemas of STAC and of the extensions that a document names find wrong."""
    jsonschema = pytest.importorskip("jsonschema", reason="the schemas of STAC are read with jsonschema")
    import pyproj
    from referencing import Registry, Resource
    from referencing.jsonschema import DRAFT7

    core = Path(pystac.__file__).parent / "validation/jsonschemas"
    projjson = Path(pyproj.datadir.get_data_dir()) / "projjson.schema.json"
    schemas = [read(path) for path in (*SCHEMAS.glob("*.json"), *core.rglob("*.json"), projjson)]
    for schema in schemas:
        schema["$id"] = schema["$id"].rstrip("#").replace("commonjson", "common.json")  # a slip in STAC 1.1.0
    registry = Registry().with_resources([(schema["$id"], Resource(schema, DRAFT7)) for schema in schemas])
    kind = {"Collection": "collection", "Feature": "item"}[document["type"]]
    addresses = [f"{CORE}/{kind}-spec/json-schema/{kind}.json", *document["stac_extensions"]]
    return [
        f"{address}: {error.message}"
        for address in addresses
        for error in jsonschema.Draft7Validator({"$ref": address}, registry=registry).iter_errors(document)
    ]


def test_the_collection_and_its_items_are_valid(published: Path) -> None:
    documents = [read(published / "collection.json"), *map(read, (published / "items").iterdir())]
    assert len(documents) == 2 and [problems(document) for document in documents] == [[], []]


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("properties", "proj:shape", [64]),
        ("assets", "imagery", {"href": "x", "zarr:node_type": "store"}),
        ("assets", "imagery", {"href": "x", "cube:dimensions": {"x": {"type": "spatial", "axis": "x"}}}),
        ("properties", "start_datetime", "2020"),
    ],
)
def test_the_schemas_find_mistakes(published: Path, part: str, key: str, value: object) -> None:
    document = copy.deepcopy(read(next((published / "items").iterdir())))
    document[part][key] = value
    if part == "assets":
        document["assets"] = {key: value}
    assert problems(document)


def test_an_item_says_where_and_when_its_tile_is(built: TinyArchive, published: Path) -> None:
    cube = Cube.open(built.cube)
    (path,) = (published / "items").iterdir()
    item = pystac.Item.from_file(path)
    west, south, east, north = cube.sites["c1"]
    assert item.bbox == pytest.approx((west, south, east, north), abs=1e-4)
    shape = shapely.geometry.shape(item.geometry)
    assert shape.is_valid and shape.exterior.is_ccw and tuple(item.bbox) == shape.bounds
    status = cube.array("blocks/status")
    days = cube.calendar.days[np.flatnonzero((status == 2).any((1, 2)))].astype("datetime64[D]")
    assert item.properties["start_datetime"][:10] == str(days[0])
    assert item.properties["end_datetime"][:10] == str(days[-1])
    catalogue = pystac.Collection.from_file(published / "collection.json")
    assert [entry.id for entry in catalogue.get_items()] == [item.id] and item.get_collection().id == "tiny"
    assert catalogue.extent.spatial.bboxes[0] == pytest.approx(item.bbox)
    assert catalogue.summaries.lists["classes"] == ["Corn", "Soybeans", "Alfalfa", "Open Water"]


def test_an_asset_leads_to_a_group_with_the_dimensions_that_it_names(built: TinyArchive, published: Path) -> None:
    (path,) = (published / "items").iterdir()
    for name, asset in read(path)["assets"].items():
        assert asset["type"] == "application/vnd+zarr; version=3" and asset["roles"]
        stored = xr.open_zarr(path.parent / asset["href"], consolidated=False, chunks=None)
        variables = asset["cube:variables"]
        data = [key for key, value in variables.items() if value["type"] == "data"]
        assert sorted(data) == sorted(map(str, stored.data_vars)), name
        assert all(list(stored[key].dims) == value["dimensions"] for key, value in variables.items())
        x = asset["cube:dimensions"]["x"]
        assert x["extent"][0] + x["step"] / 2 == stored.x.values[0] == asset["proj:transform"][2] + x["step"] / 2
        assert asset["proj:shape"] == [stored.sizes["y"], stored.sizes["x"]]


def test_groups_keep_their_own_seasons_in_the_collection(tmp_path: Path) -> None:
    """Labels of one year beside targets of all years, one of them with the name of an array of the labels."""
    cube = CubeBuilder(sites=2, years=(2020, 2021), yields=True, terrain=True).write(tmp_path / "grown.zarr")
    region, labels = cube.region, cube.region.labels
    assert labels is not None
    named = {**region.targets, "purity": region.targets["yield"]}
    region = region.model_copy(update={"labels": labels.model_copy(update={"years": (2021,)}), "targets": named})
    facts = CubeFacts(replace(cube, spec=replace(cube.spec, region=region)))
    document = collection(facts)
    assert problems(document) == []
    dimensions, variables = document["cube:dimensions"], document["cube:variables"]
    assert dimensions["season"]["values"] == [2021] and dimensions["targets_season"]["values"] == [2020, 2021]
    expected = {"crop": "season", "purity": "season", "yield": "targets_season", "targets_purity": "targets_season"}
    assert {name: variables[name]["dimensions"] for name in expected} == {
        name: [season, "y", "x"] for name, season in expected.items()
    }
    stored = [
        array.name for group in facts.groups(cube.grid.tiles[0]) if group.name in PIXELS for array in group.arrays
    ]
    assert len(variables) == len([name for name in stored if name not in AXES])
    assert {dim for variable in variables.values() for dim in variable["dimensions"]} == set(dimensions)


def test_croissant_is_valid_and_lists_tiles_and_classes(built: TinyArchive, published: Path) -> None:
    mlcroissant = pytest.importorskip("mlcroissant", reason="Croissant's validator is not installed")
    document = read(published / "croissant.json")
    dataset = mlcroissant.Dataset(jsonld=document)
    assert not dataset.metadata.issues.errors and not dataset.metadata.issues.warnings
    codes = [row["classes/code"] for row in dataset.records("classes")]
    assert codes == [1, 5, 36, 111]
    tiles = list(dataset.records("tiles"))
    cube = Cube.open(built.cube)
    assert len(tiles) == 1 and tiles[0]["tiles/images"] == int((cube.array("blocks/status") == 2).sum())
    assert "http://mlcommons.org/croissant/geo/1.0" in document["conformsTo"]
    assert document["geocr:coordinateReferenceSystem"] == "EPSG:32615" and cube.digest in document["identifier"]
    del document["distribution"][0]["contentUrl"]
    with pytest.raises(mlcroissant.ValidationError):
        mlcroissant.Dataset(jsonld=document)


def test_the_card_has_what_hubs_read(built: TinyArchive, published: Path) -> None:
    text = (published / "README.md").read_text()
    front = yaml.safe_load(text.split("---")[1])
    assert front["pretty_name"] == "Six blocks between two zones" and front["license"] == "other"
    assert front["size_categories"] == ["n<1K"] and front["configs"][0]["data_files"] == "tiny.zarr/**"
    assert Cube.open(built.cube).digest in text


def test_addresses_are_those_where_the_cube_will_be(finished: TinyArchive, mmvsf: Command) -> None:
    outcome = mmvsf("publish", finished.cube, "--url", "https://example.org/data/tiny.zarr/")
    folder = finished.data / "tiny.publish"
    assert outcome.code == 0 and str(folder / "collection.json") in outcome.out
    (path,) = (folder / "items").iterdir()
    item = read(path)
    assert item["assets"]["labels"]["href"] == f"https://example.org/data/tiny.zarr/tiles/{path.stem}/labels"
    links = {link["rel"]: link["href"] for link in read(folder / "collection.json")["links"]}
    assert links["self"] == "https://example.org/data/tiny.publish/collection.json"
    assert problems(item) == []
    assert "https://example.org/data/tiny.zarr/manifest.json" in (folder / "croissant.json").read_text()


def test_items_of_former_tiles_are_removed(finished: TinyArchive) -> None:
    """And no other file."""
    publish(finished.cube)
    folder = finished.data / "tiny.publish/items"
    (item,) = folder.iterdir()
    for name in ("x-3_y12.json", "notes.json", "x1_y2.json.txt"):
        (folder / name).write_bytes(item.read_bytes())
    publish(finished.cube)
    assert {path.name for path in folder.iterdir()} == {item.name, "notes.json", "x1_y2.json.txt"}


@pytest.mark.parametrize("url", ["example.org/x.zarr", "ftp://example.org/x", "https://"])
def test_an_address_that_is_none_is_refused(built: TinyArchive, mmvsf: Command, url: str) -> None:
    outcome = mmvsf("publish", built.cube, "--url", url)
    assert outcome.code == 2 and f"--url {url}" in outcome.error


def test_the_cube_stays_as_it_was(finished: TinyArchive, mmvsf: Command) -> None:
    before = {path: path.read_bytes() for path in finished.cube.rglob("*") if path.is_file()}
    assert mmvsf("publish", finished.cube).code == 0
    assert {path: path.read_bytes() for path in finished.cube.rglob("*") if path.is_file()} == before
    assert not verify_cube(finished.cube).damage
