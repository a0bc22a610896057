"""Other tools understand the metadata of a cube: CF, and GeoZarr by the conventions' own schemas."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import CRS

from mmvsf.datasets.cube.conventions import CF, geo_attributes, multiscales_attributes
from mmvsf.datasets.cube.cube import Cube
from tests.conventions import Document, documents, errors, registered, with_inherited

UTM = GeoBox((64, 96), Affine(30, 0, 300_000, 0, -30, 4_600_000), "EPSG:32615")
UNNAMED = GeoBox((4, 4), Affine(1000, 0, 0, 0, -1000, 0), "+proj=laea +lat_0=41.3 +lon_0=-93.7 +units=m")


@pytest.fixture(scope="module")
def metadata(grown_cube: Cube) -> dict[str, Document]:
    assert isinstance(grown_cube.path, Path)
    return dict(documents(grown_cube.path))


def group(attributes: dict[str, Any]) -> Document:
    return {"zarr_format": 3, "node_type": "group", "attributes": attributes}


def with_axes(metadata: dict[str, Document]) -> list[str]:
    """The groups of a cube whose members lie over y and x."""
    return [name for name, document in metadata.items() if f"{name}/x" in metadata and f"{name}/y" in metadata]


def test_every_group_has_the_attributes_of_cf(metadata: dict[str, Document]) -> None:
    groups = {name: document["attributes"] for name, document in metadata.items() if document["node_type"] == "group"}
    assert {attributes["Conventions"] for attributes in groups.values()} == {CF}
    assert all(attributes["title"] and attributes["history"] for attributes in groups.values())
    members = [attributes["history"] for name, attributes in groups.items() if name]
    assert len(set(members)) == 1  # neither time nor version: they are a part of the digest


def test_every_group_over_y_and_x_is_valid_geozarr(metadata: dict[str, Document]) -> None:
    names = with_axes(metadata)
    assert {name.rpartition("/")[2] for name in names} >= {"imagery", "weather", "labels"}
    for name in names:
        assert registered(metadata[name]) == ["proj", "spatial"]
        assert errors(metadata[name]) == [], name


def test_every_array_inherits_what_is_valid_and_true_of_it(metadata: dict[str, Document]) -> None:
    checked = 0
    for name in with_axes(metadata):
        for child, document in metadata.items():
            dims = document.get("dimension_names", [])
            if child.rpartition("/")[0] != name or "x" not in dims or len(dims) == 1:
                continue
            whole = with_inherited(document, metadata[name])
            assert errors(whole) == [], child
            sizes = dict(zip(dims, document["shape"], strict=True))
            y, x = whole["attributes"]["spatial:dimensions"]
            assert [sizes[y], sizes[x]] == whole["attributes"]["spatial:shape"]
            checked += 1
    assert checked >= 10


def test_attributes_of_types_that_cf_does_not_know_are_not_there(metadata: dict[str, Document]) -> None:
    for name, document in metadata.items():
        if document["node_type"] == "array":
            for key, value in document["attributes"].items():
                members = value if isinstance(value, list) else [value]
                assert all(isinstance(member, str | int | float) for member in members), (name, key)


@pytest.mark.parametrize(("geobox", "member"), [(UTM, "proj:code"), (UNNAMED, "proj:wkt2")])
def test_the_crs_has_one_form(geobox: GeoBox, member: str) -> None:
    attributes = geo_attributes(geobox, "a grid")
    assert [key for key in attributes if key.startswith("proj:")] == [member]
    assert CRS(attributes[member]).equals(CRS(geobox.crs.proj), ignore_axis_order=True)
    assert errors(group(attributes)) == []


def test_the_transform_leads_to_the_bounding_box() -> None:
    attributes = geo_attributes(UTM, "a grid", ("flag",))
    affine, (rows, columns) = Affine(*attributes["spatial:transform"]), attributes["spatial:shape"]
    west, south, east, north = attributes["spatial:bbox"]
    assert affine * (0, 0) == (west, north) and affine * (columns, rows) == (east, south)
    assert attributes["coordinates"] == "spatial_ref flag"


def damage(attributes: dict[str, Any], key: str, value: object) -> dict[str, Any]:
    changed = copy.deepcopy(attributes)
    if value is None:
        del changed[key]
    else:
        changed[key] = value
    return changed


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("proj:code", None),
        ("proj:code", "32615"),
        ("spatial:transform", [30.0, 0.0, 0.0]),
        ("spatial:shape", [0, 4]),
        ("spatial:bbox", ["a", "b", "c", "d"]),
        ("zarr_conventions", [{"name": "proj"}]),
        ("zarr_conventions", [{"name": "spatial", "uuid": "0"}]),
    ],
)
def test_the_check_finds_faults(key: str, value: object) -> None:
    assert errors(group(damage(geo_attributes(UTM, "a grid"), key, value)))


def test_levels_are_valid_multiscales() -> None:
    levels = {"8": UTM.zoom_out(8), "32": UTM.zoom_out(32)}
    attributes = multiscales_attributes(levels, "overviews")
    assert registered(group(attributes)) == ["multiscales", "proj", "spatial"] and errors(group(attributes)) == []
    fine, coarse = attributes["multiscales"]["layout"]
    assert fine["asset"] == "8" and fine["transform"]["scale"] == [1.0, 1.0] and "derived_from" not in fine
    assert coarse["derived_from"] == "8" and coarse["transform"]["scale"] == [4.0, 4.0]
    assert coarse["spatial:transform"] == [960.0, 0.0, 300_000.0, 0.0, -960.0, 4_600_000.0]
    assert coarse["spatial:shape"] == [2, 3]
    attributes["multiscales"]["layout"][1].pop("transform")
    assert errors(group(attributes))
    with pytest.raises(ValueError, match=r"level b are 1\.5 times"):
        multiscales_attributes({"a": UTM.zoom_out(2), "b": UTM.zoom_out(3)}, "overviews")


def test_geozarr_toolkit_agrees(metadata: dict[str, Document]) -> None:
    validation = pytest.importorskip("geozarr_toolkit.helpers.validation", reason="needs Python 3.12")
    for name in with_axes(metadata):
        verdict = validation.validate_attrs(metadata[name]["attributes"])
        assert set(verdict) == {"proj", "spatial", "zarr_conventions"} and not any(verdict.values()), name
