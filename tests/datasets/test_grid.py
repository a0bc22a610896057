"""The grid: blocks on a lattice, and which of them a recipe covers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Transformer

from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.cube.grid_of_recipe import grid_from_recipe
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.load import parse_region
from mmvsf.datasets.recipe.place import Area

SIDE = 32 * 30.0
TO_METRES = Transformer.from_crs(4326, 32615, always_xy=True)
TO_DEGREES = Transformer.from_crs(32615, 4326, always_xy=True)


def grid(area: dict[str, Any], folder: Path = Path("/nowhere"), **spec: Any) -> Grid:
    region = parse_region(
        {
            "name": "x",
            "title": "x",
            "area": area,
            "grid": {"crs": "EPSG:32615", "block": 32, "chunk": 16, "weather_cell": 48} | spec,
            "period": {"start": "2020-01-01", "end": "2020-12-31"},
            "imagery": {"source": "archive", "path": "x", "products": ["hls-l30"]},
            "weather": {"source": "archive", "path": "x"},
        },
        "x",
    )
    return grid_from_recipe(region, folder / "recipe.yaml", folder)


boxes = st.tuples(st.floats(-95, -91), st.floats(40, 44), st.floats(0.001, 0.06), st.floats(0.001, 0.06))


@settings(deadline=None, max_examples=40)
@given(boxes, st.floats(0, 1), st.floats(0, 1))
def test_every_point_of_a_box_lies_in_a_block(box: tuple[float, ...], across: float, up: float) -> None:
    west, south, width, height = box
    found = grid({"bbox": [west, south, west + width, south + height]})
    assert found.block_of_point(west + across * width, south + up * height) in found.blocks


@settings(deadline=None, max_examples=40)
@given(boxes)
def test_the_grid_lies_on_the_lattice_and_is_no_larger_than_needed(box: tuple[float, ...]) -> None:
    west, south, width, height = box
    found = grid({"bbox": [west, south, west + width, south + height]})
    assert found.left % (4 * SIDE) == 0 and found.top % (4 * SIDE) == 0
    rows, columns = {by // 4 for by, _ in found.blocks}, {bx // 4 for _, bx in found.blocks}
    assert rows == set(range(found.blocks_y // 4)) and columns == set(range(found.blocks_x // 4))
    assert found.blocks_y % 4 == found.blocks_x % 4 == 0
    assert list(found.blocks) == sorted(set(found.blocks))


def test_regions_that_share_an_origin_share_a_lattice() -> None:
    one = grid({"bbox": [-94, 42, -93.9, 42.1]}, origin=[100, -50])
    other = grid({"bbox": [-93.95, 42.05, -93.8, 42.2]}, origin=[100, -50])
    assert (one.left - other.left) % SIDE == 0 and (one.top - other.top) % SIDE == 0
    assert one.left % SIDE == 100 and one.top % SIDE == SIDE - 50


def test_pixels_and_blocks_and_cells() -> None:
    found = Grid("EPSG:32615", 30.0, 960.0, 4800.0, 2, 3, 32, 16, 48, ((0, 0), (1, 2)))
    assert found.shape == (64, 96) and found.chunk_shape == (4, 6) and found.weather_shape == (2, 2)
    y, x = found.coordinates()
    assert (x[0], x[-1], y[0], y[-1]) == (975.0, 960 + 96 * 30 - 15.0, 4785.0, 4800 - 64 * 30 + 15.0)
    y, x = found.weather_coordinates()
    assert (x[0], y[0], x[1] - x[0]) == (960 + 720.0, 4800 - 720.0, 1440.0)
    assert found.block_slices((1, 2)) == (slice(32, 64), slice(64, 96))
    box = found.block_geobox((1, 2)).boundingbox
    assert (box.left, box.top, box.right, box.bottom) == (960 + 1920, 4800 - 960, 960 + 2880, 4800 - 1920)
    assert found.block_mask().tolist() == [[True, False, False], [False, False, True]]
    assert found.weather_cell_of(47, 48) == (0, 1)


def test_weather_cells_are_those_that_hold_a_part_of_a_block() -> None:
    found = Grid("EPSG:32615", 30.0, 960.0, 4800.0, 2, 3, 32, 16, 48, ((0, 0), (1, 2)))
    assert found.weather_mask().tolist() == [[True, True], [False, True]]
    same = replace(found, weather_cell=32)
    assert same.weather_mask().tolist() == same.block_mask().tolist()


def test_a_site_on_the_corner_of_a_block_lies_in_the_block_south_east_of_it() -> None:
    x, y = TO_METRES.transform(-93.5, 42.0)
    found = grid({"sites": [{"name": "a", "lon": -93.5, "lat": 42.0}]}, origin=[x, y])
    assert (found.left, found.top, found.blocks) == (x, y, ((0, 0),))
    assert found.block_of_point(-93.5, 42.0) == (0, 0)
    assert [tile.name for tile in found.tiles] == ["x0_y-1"]


def test_a_site_is_the_block_that_its_point_lies_in() -> None:
    sites = [{"name": "a", "lon": -93.5, "lat": 42.0}, {"name": "b", "lon": -93.4, "lat": 42.05}]
    found = grid({"sites": sites})
    assert len(found.blocks) == 2
    for site, block in zip(sites, sorted(found.blocks, key=lambda block: block[1]), strict=True):
        x, y = TO_METRES.transform(site["lon"], site["lat"])
        box = found.block_geobox(block).boundingbox
        assert box.left <= x < box.right and box.bottom < y <= box.top


def test_two_sites_in_one_block_are_one_block() -> None:
    found = grid({"sites": [{"name": "a", "lon": -93.5, "lat": 42.0}, {"name": "b", "lon": -93.5001, "lat": 42.0}]})
    assert len(found.blocks) == 1


def triangle(folder: Path, **properties: Any) -> Path:
    """A triangle over the lower left half of 4 x 4 blocks."""
    x, y = 500_160.0 // SIDE * SIDE, 4_650_240.0
    ring = [TO_DEGREES.transform(x + dx, y + dy) for dx, dy in ((10, 10), (4 * SIDE - 50, 10), (10, 4 * SIDE - 50))]
    polygon = {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
    path = folder / "area.geojson"
    feature = {"type": "Feature", "properties": {}, "geometry": polygon}
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]} | properties))
    return path


def test_a_polygon_takes_the_blocks_that_it_meets(tmp_path: Path) -> None:
    triangle(tmp_path)
    found = grid({"file": "area.geojson"}, tmp_path)
    assert (found.blocks_y, found.blocks_x) == (4, 8)  # the blocks lie across the border of two tiles
    top, left = min(by for by, _ in found.blocks), min(bx for _, bx in found.blocks)
    assert {(by - top, bx - left) for by, bx in found.blocks} == {
        (by, bx) for by in range(4) for bx in range(4) if bx <= by
    }


def geometries(*found: dict[str, Any] | None) -> str:
    """A GeoJSON file of these."""
    features = [{"type": "Feature", "properties": {}, "geometry": geometry} for geometry in found]
    return json.dumps({"type": "FeatureCollection", "features": features})


POINT = {"type": "Point", "coordinates": [-93.6, 42.0]}


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("{", "cannot be read"),
        (geometries(), "holds no polygon"),
        (geometries(None), "holds no polygon"),
        (geometries({"type": "Polygon", "coordinates": []}), "holds no polygon"),
        (geometries(POINT), "holds no polygon .found: Point.; list single places under area.sites"),
    ],
)
def test_a_vector_file_that_is_none(tmp_path: Path, content: str, part: str) -> None:
    (tmp_path / "area.geojson").write_text(content)
    with pytest.raises(InputError, match=rf"area\.file .*area\.geojson.*{part}"):
        grid({"file": "area.geojson"}, tmp_path)


def ring(*corners: tuple[float, float]) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": [[*corners, corners[0]]]}


BOX = -93.8, 41.9, -93.7, 42.0
WEST, SOUTH, EAST, NORTH = BOX
SQUARE = ring((WEST, SOUTH), (EAST, SOUTH), (EAST, NORTH), (WEST, NORTH))


def test_a_ring_that_crosses_itself(tmp_path: Path) -> None:
    """It covers the two triangles of a bow tie, also beside another polygon."""
    tie = ring((WEST, SOUTH), (EAST, NORTH), (EAST, SOUTH), (WEST, NORTH))
    (tmp_path / "area.geojson").write_text(geometries(tie))
    alone = set(grid({"file": "area.geojson"}, tmp_path).blocks)
    (tmp_path / "area.geojson").write_text(geometries(tie, SQUARE))
    assert alone < set(grid({"file": "area.geojson"}, tmp_path).blocks)


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:26915", "EPSG:5070"])
def test_a_file_in_any_crs_covers_what_a_box_covers(tmp_path: Path, crs: str) -> None:
    """Its long edges are curves in another projection, as those of a box are."""
    import geopandas
    import shapely

    wide = (-95.9, 41.9, -91.1, 42.0)
    geopandas.GeoSeries([shapely.segmentize(shapely.box(*wide), 0.01)], crs="EPSG:4326").to_crs(crs).to_file(
        tmp_path / "fine.gpkg"
    )
    geopandas.GeoSeries([shapely.box(*wide)], crs="EPSG:4326").to_file(tmp_path / "coarse.gpkg")
    wanted = grid({"bbox": list(wide)}).blocks
    assert grid({"file": "fine.gpkg"}, tmp_path).blocks == wanted
    assert grid({"file": "coarse.gpkg"}, tmp_path).blocks == wanted


def test_a_hole_is_left_out(tmp_path: Path) -> None:
    inner = [(WEST + 0.03, SOUTH + 0.03), (EAST - 0.03, SOUTH + 0.03), (EAST - 0.03, NORTH - 0.03)]
    hole = {**SQUARE, "coordinates": [*SQUARE["coordinates"], [*inner, inner[0]]]}
    (tmp_path / "area.geojson").write_text(geometries(hole))
    assert set(grid({"file": "area.geojson"}, tmp_path).blocks) < set(grid({"bbox": list(BOX)}).blocks)


def test_a_file_of_impossible_ground(tmp_path: Path) -> None:
    metres = ring((450000, 4640000), (480000, 4640000), (480000, 4660000))
    (tmp_path / "area.geojson").write_text(geometries(metres))
    with pytest.raises(InputError, match="not in degrees, though its CRS says so"):
        grid({"file": "area.geojson"}, tmp_path)


ISLANDS = (179.9, 51.95, -179.9, 52.05)
"""In the Aleutians, across 180 degrees."""


def box_of_degrees(west: float, south: float, east: float, north: float) -> dict[str, Any]:
    return ring((west, south), (east, south), (east, north), (west, north))


ACROSS_180: dict[str, list[dict[str, Any]]] = {
    "split": [box_of_degrees(179.9, 51.95, 180, 52.05), box_of_degrees(-180, 51.95, -179.9, 52.05)],
    "one jump": [box_of_degrees(*ISLANDS)],
    "beyond 180": [box_of_degrees(179.9, 51.95, 180.1, 52.05)],
    "below -180": [box_of_degrees(-180.1, 51.95, -179.9, 52.05)],
    "from 0 to 360": [box_of_degrees(179.9, 51.95, 180, 52.05), box_of_degrees(180, 51.95, 180.1, 52.05)],
}


@pytest.mark.parametrize("crs", ["EPSG:32601", "EPSG:32660"])
@pytest.mark.parametrize("kind", ACROSS_180)
def test_an_area_across_180_degrees(tmp_path: Path, crs: str, kind: str) -> None:
    """However it is written, it covers the same blocks in either zone."""
    (tmp_path / "area.geojson").write_text(geometries(*ACROSS_180[kind]))
    spec = {"crs": crs, "block": 256, "chunk": 64}
    wanted = grid({"bbox": list(ISLANDS)}, **spec)
    assert grid({"file": "area.geojson"}, tmp_path, **spec).blocks == wanted.blocks and 1 < len(wanted.blocks) < 12
    for west, east in ((179.9, 180.1), (-180.1, -179.9)):
        assert grid({"bbox": [west, 51.95, east, 52.05]}, **spec) == wanted
    corners = [{"name": "a", "lon": 179.95, "lat": 52}, {"name": "b", "lon": -179.95, "lat": 52}]
    assert set(grid({"sites": corners}, **spec).blocks) <= set(wanted.blocks)


def test_the_aleutians_by_their_code() -> None:
    """Aleutians West reaches over 180 degrees; its blocks are on both sides, and nowhere else."""
    found = grid({"fips": ["02016"]}, crs="EPSG:3338", block=1024, chunk=64)
    boxes = np.array([list(found.block_geobox(block).boundingbox) for block in found.blocks])
    to_degrees = Transformer.from_crs(3338, 4326, always_xy=True)
    east, north = to_degrees.transform(*(boxes[:, :2] + boxes[:, 2:]).T / 2)
    assert east[east > 0].min() > 172 and east[east < 0].max() < -165.5 and 50.5 < north.min() < north.max() < 58
    with pytest.raises(InputError, match=r"\(-187.5 to -166.1 east, .*choose the UTM zone"):
        grid({"fips": ["02016"]}, crs="EPSG:32601")


@pytest.mark.parametrize("bbox", [[-93, 42, -94, 43], [-180, 42, 180, 43], [10, 0, 200, 1]])
def test_a_box_around_the_earth_is_refused(bbox: list[float]) -> None:
    with pytest.raises(ValueError, match="degrees wide"):
        Area(bbox=tuple(bbox))


def test_a_file_of_several_layers_and_a_table(tmp_path: Path) -> None:
    import geopandas
    import shapely

    for layer in ("fields", "farms"):
        geopandas.GeoSeries([shapely.box(*BOX)], crs="EPSG:4326").to_file(tmp_path / "area.gpkg", layer=layer)
    with pytest.raises(InputError, match="has the layers fields, farms"):
        grid({"file": "area.gpkg"}, tmp_path)
    (tmp_path / "area.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="not GeoJSON"):
        grid({"file": "area.csv"}, tmp_path)


def test_no_vector_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"area\.geojson"):
        grid({"file": "area.geojson"}, tmp_path)


@pytest.mark.parametrize(
    "area", [{"bbox": [93.4, 42, 93.5, 42.1]}, {"bbox": [-123, 38, -122, 39]}, {"bbox": [-94, -43, -93, -42]},
             {"sites": [{"name": "a", "lon": 93.5, "lat": 42}]}]
)  # fmt: skip
def test_an_area_far_from_the_ground_of_its_crs(area: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"recipe\.yaml: .*EPSG:32615.*UTM zone"):
        grid(area)


AREA = {"bbox": [-94, 42, -93.8, 42.1]}


def test_a_block_is_found_by_its_name_and_by_its_row_and_column() -> None:
    found = grid(AREA)
    for block in found.blocks:
        assert found.find_block(found.block_name(block)) == found.find_block(f"{block[0]}, {block[1]}") == block


@pytest.mark.parametrize(
    "text", ["", "one", "x1", "x1_y", "1", "1,2,3", "-1,0", "x1_y2_z3", "0.5,1", "٣,٤", "x" + "9" * 5000 + "_y1"]
)
def test_a_text_that_names_no_block(text: str) -> None:
    with pytest.raises(InputError, match="is not a block; write its name, such as x12_y-3, or ROW,COLUMN"):
        grid(AREA).find_block(text)


@pytest.mark.parametrize("text", ["999,0", "0,999", "x0_y0", "x-5_y-5"])
def test_a_block_that_the_grid_does_not_have(text: str) -> None:
    with pytest.raises(InputError, match=f"there is no block {text}; the blocks are named x"):
        grid(AREA).find_block(text)


@settings(deadline=None, max_examples=10)
@given(st.integers(1, 4), st.integers(1, 3), st.integers(0, 5))
def test_drawn_clusters_are_whole_and_apart(clusters: int, size: int, seed: int) -> None:
    found = grid(AREA | {"sample": {"clusters": clusters, "size": size, "seed": seed}})
    assert len(found.blocks) == clusters * size**2
    from scipy import ndimage

    labels, count = ndimage.label(found.block_mask(), structure=np.ones((3, 3)))
    assert count == clusters
    assert {tuple(s.stop - s.start for s in place) for place in ndimage.find_objects(labels)} == {(size, size)}


def test_a_draw_is_repeatable_and_depends_on_its_seed() -> None:
    draws = [grid(AREA | {"sample": {"clusters": 3, "size": 2, "seed": seed}}).blocks for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]


def test_all_blocks_of_an_area_that_is_sampled() -> None:
    sample = {"sample": {"clusters": 2, "size": 2}}
    assert grid(AREA | sample | {"blocks": "all"}).blocks == grid(AREA).blocks
    assert grid(AREA | sample | {"blocks": 3}).blocks == grid(AREA | sample).blocks[:3]


def test_more_clusters_than_there_is_room_for() -> None:
    with pytest.raises(InputError, match=r"room for \d+ clusters of 3 x 3 blocks, the recipe asks for 999"):
        grid(AREA | {"sample": {"clusters": 999}})
