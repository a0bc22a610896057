"""Items as catalogues should not write them: each is taken, fails its day alone, or is left out with its reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmvsf.datasets.cube.calendar import calendar_for, date_of
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.grid_of_recipe import grid_from_recipe
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.load import load_region
from mmvsf.datasets.variables import Status
from mmvsf.pipeline.inspect.explain import explain_pixel
from mmvsf.pipeline.layers.found import FoundScenes
from mmvsf.pipeline.layers.imagery.plan import OLDER, ImageryPlan, plan_scenes, with_search
from mmvsf.pipeline.raster.scene import Scene
from mmvsf.pipeline.sources.archive.rasters import ArchiveImagery

from .conftest import Outcome
from .test_build import digest
from .tiny_archive import LEFT, SCENES, TOP, TinyArchive

Item = dict[str, Any]
Change = Callable[[Item], object]

SCENE = SCENES[1]
"""The only one of its day."""
DAY = 18433  # 2020-06-20
WHEN = "2020-06-20T16:50:00Z"
NAN = float("nan")
DEEP: Any = []
for _ in range(150):
    DEEP = [DEEP]
WEST, SOUTH, EAST, NORTH = -96.02, 41.94, -95.95, 41.99  # about where the scene lies


def put(value: Any, *keys: str) -> Change:
    """Set a field of an item."""

    def change(item: Item) -> None:
        for key in keys[:-1]:
            item = item[key]
        item[keys[-1]] = value

    return change


def drop(*keys: str) -> Change:
    def change(item: Item) -> None:
        for key in keys[:-1]:
            item = item[key]
        del item[keys[-1]]

    return change


def plain(*changes: Change) -> Change:
    """Changes to an item whose id is no granule's, and so tells no time."""

    def change(item: Item) -> None:
        for step in (put("scene-7", "id"), *changes):
            step(item)

    return change


def outline(kind: str, coordinates: Any) -> Change:
    return put({"type": kind, "coordinates": coordinates}, "geometry")


def mask(value: Any, key: str) -> Change:
    return put(value, "assets", "Fmask", key)


def everywhere(value: Any, key: str) -> Change:
    """A field of all assets."""

    def change(item: Item) -> None:
        for asset in item["assets"].values():
            asset[key] = value

    return change


FAR = [30, 0, 500_000, 0, -30, 5_000_000]
RING = [[WEST, SOUTH], [EAST, SOUTH], [EAST, NORTH], [WEST, NORTH], [WEST, SOUTH]]
TAKEN: dict[str, Change] = {
    "no geometry": drop("geometry"),
    "null geometry": put(None, "geometry"),
    "a number as geometry": put(3, "geometry"),
    "a text as geometry": put("POLYGON EMPTY", "geometry"),
    "a list as geometry": put(RING, "geometry"),
    "a geometry without coordinates": put({"type": "Polygon"}, "geometry"),
    "coordinates are a number": outline("Polygon", 3),
    "coordinates are null": outline("Polygon", [None]),
    "coordinates are texts": outline("Polygon", [[["a", "b"]]]),
    "nested coordinates": outline("Polygon", DEEP),
    "empty polygon": outline("Polygon", []),
    "a point": outline("Point", [WEST, SOUTH]),
    "a line": outline("LineString", RING[:2]),
    "no area": outline("Polygon", [[RING[0], RING[0], RING[0], RING[0]]]),
    "it crosses itself": outline("Polygon", [[RING[0], RING[2], RING[1], RING[3], RING[0]]]),
    "an open ring": outline("Polygon", [RING[:-1]]),
    "three dimensions": outline("Polygon", [[[*point, 300.0] for point in RING]]),
    "MultiPolygon": outline("MultiPolygon", [[RING], [RING]]),
    "GeometryCollection": put(
        {"type": "GeometryCollection", "geometries": [{"type": "Polygon", "coordinates": [RING]}]}, "geometry"
    ),
    "longitudes from 0 to 360": outline("Polygon", [[[x + 360, y] for x, y in RING]]),
    "longitudes below -180": outline("Polygon", [[[x - 360, y] for x, y in RING]]),
    "latitude before longitude": outline("Polygon", [[[y, x] for x, y in RING]]),
    "beyond the pole": outline("Polygon", [[[x, y + 90] for x, y in RING]]),
    "infinite coordinates": outline("Polygon", [[[float("inf"), y] for _, y in RING]]),
    "coordinates of nothing": outline("Polygon", [[[NAN, y] for _, y in RING]]),
    "elsewhere": outline("Polygon", [[[x + 40, y - 20] for x, y in RING]]),
    "on the other side": outline("Polygon", [[[x + 180, -y] for x, y in RING]]),
    "the whole world": outline("Polygon", [[[-180, -90], [180, -90], [180, 90], [-180, 90], [-180, -90]]]),
    "a speck": outline("Polygon", [[[-96.0, 41.97], [-95.9999, 41.97], [-95.9999, 41.9701], [-96.0, 41.97]]]),
    "bbox alone": lambda item: item.update(geometry=None, bbox=[WEST, SOUTH, EAST, NORTH]),
    "bbox of six": lambda item: item.update(geometry=None, bbox=[WEST, SOUTH, 0, EAST, NORTH, 9]),
    "bbox across 180": lambda item: item.update(geometry=None, bbox=[179, SOUTH, -179, NORTH]),
    "bbox of texts": lambda item: item.update(geometry=None, bbox=["a", "b", "c", "d"]),
    "bbox of three": lambda item: item.update(geometry=None, bbox=[1, 2, 3]),
    "null properties": put(None, "properties"),
    "no projection": drop("properties", "proj:code"),
    "null projection": put(None, "properties", "proj:code"),
    "EPSG as a number": lambda item: item["properties"].update({"proj:code": None, "proj:epsg": 32615}),
    "EPSG as text": put("32615", "properties", "proj:code"),
    "another zone": put("EPSG:32616", "properties", "proj:code"),
    "the southern zone": put("EPSG:32715", "properties", "proj:code"),
    "no transform": drop("assets", "Fmask", "proj:transform"),
    "null shape": mask(None, "proj:shape"),
    "no grid at all": lambda item: [everywhere(None, "proj:transform")(item), everywhere(None, "proj:shape")(item)],
    "transform of nine": lambda item: item["assets"]["B03"]["proj:transform"].extend([0, 0, 1]),
    "transform of texts": lambda item: mask(
        [str(n) for n in item["assets"]["B03"]["proj:transform"]], "proj:transform"
    )(item),
    "null in an asset that is not read": put(None, "assets", "thumbnail"),
    "no links": drop("links"),
    "a cloud cover of 5,000 digits": put(10**4000, "properties", "eo:cloud_cover"),
    "percent-encoded href": lambda item: mask(item["assets"]["Fmask"]["href"].replace("/", "%2F"), "href")(item),
    "unknown fields": put(DEEP, "more"),
    "no datetime, a granule's name": drop("properties", "datetime"),
    "odd datetime, a granule's name": put("yesterday", "properties", "datetime"),
}
OTHER_ID: dict[str, Change] = {
    "start alone": plain(
        put(None, "properties", "datetime"), put("2020-06-20T16:50:00Z", "properties", "start_datetime")
    ),
    "end alone": plain(drop("properties", "datetime"), put("2020-06-20T16:50:00Z", "properties", "end_datetime")),
    "no time zone": plain(put("2020-06-20T16:50:00", "properties", "datetime")),
    "another time zone": plain(put("2020-06-21T01:50:00+09:00", "properties", "datetime")),
    "lower case": plain(put("2020-06-20t16:50:00z", "properties", "datetime")),
    "nanoseconds": plain(put("2020-06-20T16:50:00.000000001Z", "properties", "datetime")),
    "path separators": put("../../a/b", "id"),
    "a number as id": put(7, "id"),
    "a name with an impossible time": put("HLS.L30.T15TTG.2020999T999999.v2.0", "id"),
    "markup": put("[red]<b>|x|</b>[/red]", "id"),
}
FAILED: dict[str, tuple[Change, str]] = {
    "no mask": (drop("assets", "Fmask"), "no asset Fmask"),
    "no band": (drop("assets", "B05"), "no asset B05"),
    "no assets": (drop("assets"), "no asset Fmask (it has none)"),
    "null assets": (put(None, "assets"), "no asset Fmask"),
    "assets are a list": (put([], "assets"), "assets"),
    "assets are a text": (put("B02", "assets"), "assets"),
    "an asset is null": (put(None, "assets", "B03"), "asset B03"),
    "an asset is a list": (put([1], "assets", "B03"), "asset B03"),
    "no href": (drop("assets", "B03", "href"), "asset B03: href"),
    "null href": (put(None, "assets", "B03", "href"), "asset B03: href"),
    "a number as href": (put(5, "assets", "B03", "href"), "href"),
    "empty href": (put("", "assets", "B03", "href"), "href"),
    "a long href": (mask("a" * 900, "href"), "asset Fmask"),
    "NUL in an href": (mask("a\x00.tif", "href"), "control character"),
    "a line feed in an href": (mask("a\n.tif", "href"), "control character"),
    "NUL encoded in an href": (mask("a%00.tif", "href"), "control character"),
    "a half character in an href": (mask("a\ud800.tif", "href"), "href"),
    "a bucket": (mask("s3://bucket/B03.tif", "href"), "neither a file nor"),
    "a chain of readers": (mask("/vsizip//a.zip/B03.tif", "href"), "virtual path"),
    "short transform": (mask([30, 0], "proj:transform"), "proj:transform"),
    "transform of seven": (mask([30, 0, 1, 0, -30, 1, 0], "proj:transform"), "proj:transform"),
    "transform of zeros": (mask([0] * 6, "proj:transform"), "proj:transform"),
    "transform of NaN": (mask([NAN] * 6, "proj:transform"), "proj:transform"),
    "infinite transform": (mask([30, 0, float("inf"), 0, -30, 0], "proj:transform"), "proj:transform"),
    "transform of bools": (mask([True] * 6, "proj:transform"), "proj:transform"),
    "transform is a number": (mask(30, "proj:transform"), "proj:transform"),
    "transform of nulls": (mask([None] * 6, "proj:transform"), "proj:transform"),
    "a transform of 5,000 digits": (mask([30, 0, 10**4000, 0, -30, 0], "proj:transform"), "proj:transform"),
    "tiny pixels": (mask([1e-300, 0, 0, 0, -1e-300, 0], "proj:transform"), "proj:transform"),
    "rotated": (mask([30, 1, 0, 1, -30, 0], "proj:transform"), "rotated"),
    "shape of texts": (mask(["a", "b"], "proj:shape"), "proj:shape"),
    "shape of zeros": (mask([0, 0], "proj:shape"), "proj:shape"),
    "negative shape": (mask([-128, 128], "proj:shape"), "proj:shape"),
    "huge shape": (mask([10**20, 10**20], "proj:shape"), "proj:shape"),
    "shape of three": (mask([1, 128, 128], "proj:shape"), "proj:shape"),
    "shape of halves": (mask([128.5, 128], "proj:shape"), "proj:shape"),
    "unknown CRS": (put("EPSG:1", "properties", "proj:code"), "EPSG:1"),
    "a CRS of heights": (put("EPSG:5773", "properties", "proj:code"), "EPSG:5773"),
    "a CRS from a file": (put("+init=/etc/passwd:1", "properties", "proj:code"), "is not a CRS"),
    "a CRS that is a list": (put(["EPSG:32615"], "properties", "proj:code"), "proj:code"),
    "a CRS that is a bool": (put(True, "properties", "proj:code"), "proj:code"),
    "properties are a list": (put([], "properties"), "properties"),
    "properties are a text": (put("x", "properties"), "properties"),
    "bands are a number": (put(7, "assets", "B03", "raster:bands"), "raster:bands"),
    "bands of nulls": (put([None], "assets", "B03", "raster:bands"), "raster:bands"),
    "a scale of NaN": (put([{"scale": NAN}], "assets", "B03", "raster:bands"), "scale"),
    "a scale of a word": (put([{"scale": "small"}], "assets", "B03", "raster:bands"), "scale"),
    "another scale": (put([{"scale": 1e-3}], "assets", "B03", "raster:bands"), "scale of 0.001"),
    "an infinite offset": (put([{"offset": float("inf")}], "assets", "B03", "raster:bands"), "offset"),
    "a version that is a list": (put(["2.0"], "properties", "processing:version"), "processing:version"),
    "no id": (plain(drop("id")), "id: Field required"),
    "null id": (put(None, "id"), "id"),
    "empty id": (put("", "id"), "id"),
    "a huge id": (put("x" * 100_000, "id"), "id"),
    "a list as id": (put(["x"], "id"), "id"),
    "a bool as id": (put(True, "id"), "id"),
    "a control character in an id": (put("a\x1b[31m", "id"), "control character"),
    "a half character in an id": (put("\udc80", "id"), "id"),
    "a list as collection": (put(["hls2-l30"], "collection"), "collection"),
    "a number as collection": (put(7, "collection"), "collection"),
}
UNDATED: dict[str, Change] = {
    "no datetime": plain(drop("properties", "datetime")),
    "null datetime": plain(put(None, "properties", "datetime")),
    "odd datetime": plain(put("yesterday", "properties", "datetime")),
    "a number as datetime": plain(put(1592671800, "properties", "datetime")),
    "a bool as datetime": plain(put(True, "properties", "datetime")),
    "a datetime of digits": plain(put("9" * 5000, "properties", "datetime")),
    "the thirteenth month": plain(put("2020-13-01T00:00:00Z", "properties", "datetime")),
    "null properties, no granule": plain(put(None, "properties")),
}
LEFT_OUT: dict[str, tuple[Change, str]] = {
    "the year 1": (plain(put("0001-01-01T00:00:00+14:00", "properties", "datetime")), "outside the period"),
    "the year 9999": (plain(put("9999-12-31T23:59:59-14:00", "properties", "datetime")), "outside the period"),
    "another season": (plain(put("2020-09-20T16:50:00Z", "properties", "datetime")), "outside the period"),
    "no collection": (drop("collection"), "without a collection"),
    "null collection": (put(None, "collection"), "without a collection"),
    "another collection": (put("cop-dem-glo-30", "collection"), "of a product not requested"),
    "another place": (
        lambda item: [everywhere(FAR, "proj:transform")(item), put(None, "geometry")(item)],
        "beside the blocks",
    ),
}
NO_ITEM: dict[str, Any] = {"a number": 3, "null": None, "a list": [], "a text": "x", "nothing": {}, "nested": DEEP}


@pytest.fixture(scope="module")
def archive(built: TinyArchive, tmp_path_factory: pytest.TempPathFactory) -> TinyArchive:
    """The archive with a list of items to change; its files are not to be changed."""
    copy = TinyArchive(tmp_path_factory.mktemp("hostile"))
    copy.root.mkdir()
    for name in ("scenes", "weather", "labels"):
        (copy.root / name).symlink_to(built.root / name)
    copy.recipe.write_text(built.recipe.read_text())
    copy.items = built.items
    return copy


def planned(archive: TinyArchive, items: list[Any]) -> ImageryPlan:
    """The plan of the imagery with these items."""
    (archive.root / "items.json").write_text(json.dumps({"features": items}))
    region, path = load_region(str(archive.recipe))
    grid = grid_from_recipe(region, path, archive.data)
    found = ArchiveImagery(archive.root).search(grid, region.period, region.imagery.products)
    return with_search(plan_scenes(found.scenes, grid, calendar_for(region), 0.05), found)


def changed(archive: TinyArchive, change: Change) -> list[Item]:
    items: list[Item] = json.loads(json.dumps(archive.items))
    change(next(item for item in items if item["id"] == SCENE.id))
    return items


@pytest.fixture(scope="module")
def sound(archive: TinyArchive) -> ImageryPlan:
    plan = planned(archive, archive.items)
    assert [scene.day for scene in plan.scenes].count(DAY) == 1 and not plan.faults
    assert plan.left_out == {"outside the period": 1, "of a product not requested": 1, OLDER: 1} and plan.items == 14
    return plan


def listed(plan: ImageryPlan) -> int:
    """How many scenes of the period were found, in all their versions."""
    return len(plan.scenes) + plan.left_out[OLDER]


def others(plan: ImageryPlan) -> list[Scene]:
    """The scenes of the other days."""
    return [scene for scene in plan.scenes if scene.day != DAY]


@pytest.mark.parametrize("kind", TAKEN)
def test_taken(archive: TinyArchive, sound: ImageryPlan, kind: str) -> None:
    """The scene is the same, and so are the blocks that it is read for."""
    plan = planned(archive, changed(archive, TAKEN[kind]))
    assert plan.scenes == sound.scenes and plan.digests == sound.digests and not plan.faults


@pytest.mark.parametrize("kind", OTHER_ID)
def test_taken_by_another_name(archive: TinyArchive, sound: ImageryPlan, kind: str) -> None:
    plan = planned(archive, changed(archive, OTHER_ID[kind]))
    assert others(plan) == others(sound) and not plan.faults
    assert [scene.bands for scene in plan.scenes] == [scene.bands for scene in sound.scenes]
    assert plan.units.keys() == sound.units.keys()


@pytest.mark.parametrize("kind", FAILED)
def test_failed(archive: TinyArchive, sound: ImageryPlan, kind: str) -> None:
    """The day of the item fails, in no more blocks than its grid or its outline reaches."""
    change, reason = FAILED[kind]
    plan = planned(archive, changed(archive, change))
    (faulty,) = [scene for scene in plan.scenes if scene.fault]
    assert faulty.day == DAY and reason in faulty.fault and faulty.id.isprintable() and len(faulty.fault) < 400
    assert others(plan) == others(sound) and not plan.undated
    assert plan.units.keys() == sound.units.keys()


@pytest.mark.parametrize("kind", UNDATED)
def test_of_no_day(archive: TinyArchive, sound: ImageryPlan, kind: str) -> None:
    plan = planned(archive, changed(archive, UNDATED[kind]))
    assert plan.scenes == tuple(others(sound))
    (reason,) = plan.undated
    assert "scene-7" in reason


@pytest.mark.parametrize("kind", LEFT_OUT)
def test_left_out(archive: TinyArchive, sound: ImageryPlan, kind: str) -> None:
    change, reason = LEFT_OUT[kind]
    plan = planned(archive, changed(archive, change))
    assert plan.scenes == tuple(others(sound)) and not plan.faults
    assert plan.left_out[reason] == sound.left_out.get(reason, 0) + 1


@pytest.mark.parametrize("kind", NO_ITEM)
def test_no_item(archive: TinyArchive, sound: ImageryPlan, kind: str) -> None:
    plan = planned(archive, [NO_ITEM[kind], *archive.items])
    assert plan.scenes == sound.scenes and plan.items == 15
    assert len(plan.undated) + plan.left_out.get("without a collection", 0) == 1


def test_items_that_are_listed_several_times(archive: TinyArchive, sound: ImageryPlan) -> None:
    again = changed(archive, lambda item: None)[: len(archive.items)]
    plan = planned(archive, [*archive.items, *again])
    assert plan.scenes == sound.scenes and plan.left_out["repeated"] == listed(sound)
    assert plan.digests == sound.digests


def test_an_item_that_is_listed_with_two_grids(archive: TinyArchive, sound: ImageryPlan) -> None:
    twice = changed(
        archive, lambda item: put([60, 0, 251010, 0, -60, 4649880], "assets", "B03", "proj:transform")(item)
    )
    plan = planned(archive, [*archive.items, next(item for item in twice if item["id"] == SCENE.id)])
    (faulty,) = [scene for scene in plan.scenes if scene.fault]
    assert faulty.id == SCENE.id and "listed twice" in faulty.fault and others(plan) == others(sound)


def test_one_id_in_two_collections_is_two_scenes(archive: TinyArchive, sound: ImageryPlan) -> None:
    items = changed(archive, lambda item: None)
    first, second = (
        item for item in items if item["properties"]["datetime"].startswith("2021-05-05") and "T15" in item["id"]
    )
    second["id"] = first["id"]
    plan = planned(archive, items)
    assert len(plan.scenes) == len(sound.scenes) and not plan.faults
    assert len({scene.product for scene in plan.scenes if scene.id == first["id"]}) == 2


def test_digits_without_end_spoil_their_item_alone(archive: TinyArchive, sound: ImageryPlan) -> None:
    text = json.dumps({"features": changed(archive, mask([30, 0, 1234567, 0, -30, 0], "proj:transform"))})
    (archive.root / "items.json").write_text(text.replace("1234567", "9" * 5000))
    region, path = load_region(str(archive.recipe))
    grid = grid_from_recipe(region, path, archive.data)
    found = ArchiveImagery(archive.root).search(grid, region.period, region.imagery.products)
    assert len(found.scenes) == listed(sound) and sum(bool(scene.fault) for scene in found.scenes) == 1


def search_text(archive: TinyArchive, text: str) -> FoundScenes:
    """What is found of the recipe where items.json holds a text."""
    (archive.root / "items.json").write_text(text)
    region, path = load_region(str(archive.recipe))
    grid = grid_from_recipe(region, path, archive.data)
    return ArchiveImagery(archive.root).search(grid, region.period, region.imagery.products)


DEEP_TEXT = '[{"a": ' * 50_000 + '"]\\"' + '"' + "}]" * 50_000
"""Deeper than a parser goes, with a bracket and a quotation mark in a text"""


@pytest.mark.parametrize(
    ("place", "day_fails"),
    [
        ("geometry", False),
        ("properties.note", False),
        ("properties", True),
        ("assets", True),
        ("assets.Fmask.href", True),
        ("id", True),
    ],
)
def test_nesting_without_end_spoils_what_holds_it_alone(
    archive: TinyArchive, sound: ImageryPlan, place: str, day_fails: bool
) -> None:
    """Also where the parser refuses the whole file for it."""
    text = json.dumps({"features": changed(archive, put("HERE", *place.split(".")))})
    found = search_text(archive, text.replace('"HERE"', DEEP_TEXT))
    assert len(found.scenes) + len(found.undated) == listed(sound)
    assert sum(bool(scene.fault) for scene in found.scenes) == day_fails


@pytest.mark.parametrize("text", ["[" * 100_000, '{"features": ' + "[" * 100_000, '{"features": {}}', '{"a": "'])
def test_a_file_that_is_no_json(archive: TinyArchive, text: str) -> None:
    with pytest.raises(InputError, match="ItemCollection"):
        search_text(archive, text)


def test_a_file_of_nothing_but_brackets(archive: TinyArchive) -> None:
    with pytest.raises(InputError, match="no entry can be used"):
        search_text(archive, '{"features": ' + "[" * 100_000 + "]" * 100_000 + "}")


def test_every_item_faulty_is_refused(archive: TinyArchive) -> None:
    items = changed(archive, lambda item: None)
    for item in items:
        item["assets"] = None
    with pytest.raises(InputError, match="no entry can be used, 12 are faulty, for example HLS"):
        planned(archive, items)


def test_a_static_catalogue_of_odd_links(archive: TinyArchive, sound: ImageryPlan, tmp_path: Path) -> None:
    """What it links to is read once each; a link that leads nowhere is an entry without a day."""
    (tmp_path / "scenes").symlink_to(archive.root / "scenes")
    links: list[Any] = [None, 3, {}, {"rel": "self", "href": "x"}, {"rel": "child", "href": "catalog.json"}]
    for number, item in enumerate(archive.items):
        (tmp_path / f"{number}.json").write_text(json.dumps(item))
        links += [{"rel": "item", "href": f"./{number}.json"}, {"rel": "item", "href": f"{number}.json"}]
    odd = [{"rel": "item"}, {"rel": "item", "href": "gone.json"}, {"rel": "child", "href": "https://files.example/a"}]
    (tmp_path / "catalog.json").write_text(json.dumps({"links": [*links, *odd]}))
    region, path = load_region(str(archive.recipe))
    grid = grid_from_recipe(region, path, archive.data)
    found = ArchiveImagery(tmp_path).search(grid, region.period, region.imagery.products)
    kept = plan_scenes(found.scenes, grid, calendar_for(region), 0.05).scenes
    assert [scene.key for scene in kept] == [scene.key for scene in sound.scenes]
    assert len(found.undated) == len(odd) and found.items == 14 + len(odd)


def test_a_cube_of_odd_outlines(tiny: TinyArchive, built: TinyArchive, dataset: Callable[..., Outcome]) -> None:
    """Every item has another outline; the cube is the same."""
    tiny.items = json.loads(json.dumps(tiny.items))  # those of `built` share what is nested
    for item, change in zip(tiny.items, list(TAKEN.values())[13:], strict=False):
        change(item)
    tiny.write_items()
    assert dataset(tiny).code == 0
    assert digest(tiny.cube) == digest(built.cube)


def test_a_cube_of_faulty_items(tiny: TinyArchive, built: TinyArchive, dataset: Callable[..., Outcome]) -> None:
    """Their days fail, in their blocks; all else is that of a sound archive. Corrected items are read."""
    tiny.write_recipe(imagery__complete_above=0.2)
    sound, tiny.items = tiny.items, json.loads(json.dumps(tiny.items))
    mask([0] * 6, "proj:transform")(tiny.item(SCENE))
    put(None, "assets")(tiny.item(SCENES[6]))
    tiny.items.append({**sound[0], "id": "scene-7", "properties": {}})
    tiny.write_items()
    outcome = dataset(tiny)
    assert outcome.code == 1 and "1 of 15 items cannot be used and have no readable date" in outcome.error
    assert "scene-7: it has no datetime" in outcome.error and "3 of 15 items cannot be used" in " ".join(
        outcome.out.split()
    )
    tiny.items.pop()
    tiny.write_items()
    outcome = dataset(tiny)
    assert outcome.code == 1 and "(day, block) units could not be read" in outcome.error and SCENE.id in outcome.error
    assert dataset(tiny, "--accept-failed").code == 0
    cube, reference = Cube.open(tiny.cube), Cube.open(built.cube)
    status, wanted = cube.array("blocks/status"), reference.array("blocks/status")
    days = {str(date_of(cube.calendar.days[at])) for at in np.flatnonzero((status != wanted).any(axis=(1, 2)))}
    assert days == {str(SCENE.day), str(SCENES[6].day)} and set(status[status != wanted]) == {Status.FAILED}
    found = explain_pixel(tiny.cube, str(SCENE.day), LEFT + 1000, TOP - 1000)
    assert "could not be read: HLS.L30" in found.sentence and "no raster has such pixels" in found.sentence
    tiny.items = sound
    tiny.write_items()
    assert dataset(tiny).code == 0 and digest(tiny.cube) == digest(built.cube)
