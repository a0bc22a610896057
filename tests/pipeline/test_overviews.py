"""The overviews of a built cube show its pixels, are valid GeoZarr, and are drawn only where tiles changed."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr
from odc.geo import xr as odc_xr  # noqa: F401

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.draw import draw_overviews
from mmvsf.datasets.cube.overviews import ClearSums, clearest_weeks, most_frequent
from mmvsf.datasets.cube.tree import open_cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.variables import is_clear
from mmvsf.pipeline.build import run
from tests.conventions import documents, errors, registered

from .conftest import build_tiny
from .tiny_archive import TinyArchive


def test_every_group_of_a_built_cube_is_valid(built: TinyArchive) -> None:
    found = dict(documents(built.cube))
    for name, document in found.items():
        assert "zarr_conventions" not in document["attributes"] or errors(document) == [], name
        if document["node_type"] == "group":
            assert {"Conventions", "title", "history"} <= set(document["attributes"]), name
    assert registered(found["overviews"]) == ["multiscales", "proj", "spatial"]
    assert registered(found["overviews/8"]) == registered(found["overviews/32"]) == ["proj", "spatial"]
    for entry in found["overviews"]["attributes"]["multiscales"]["layout"]:
        level = found[f"overviews/{entry['asset']}"]["attributes"]
        assert {key: level[key] for key in entry if key.startswith("spatial:")} == {
            key: value for key, value in entry.items() if key.startswith("spatial:")
        }


@pytest.mark.parametrize("factor", [8, 32])
def test_they_show_the_pixels(built: TinyArchive, factor: int) -> None:
    cube = Cube.open(built.cube)
    level = open_cube(built.cube)[f"overviews/{factor}"].to_dataset()
    assert level.odc.geobox == cube.grid.geobox.zoom_out(factor)
    assert level["season"].values.tolist() == list(cube.years)
    clear_fraction = cube.array("chunks/clear_fraction")
    start, end = (cube.array(f"seasons/{name}") - cube.calendar.first_day for name in ("start", "end"))
    (tile,) = cube.grid.tiles
    assert tile.grid.shape == cube.grid.shape  # one tile: its weeks are those of the whole grid
    for season, year in enumerate(cube.years):
        weeks = clearest_weeks(clear_fraction, max(start[season], 0), min(end[season] + 1, len(cube.calendar)))
        days = np.concatenate([np.arange(*week) for week in weeks])
        reflectance = cube.pixels("imagery/reflectance").read((days, [2, 1, 0], along(cube), along(cube, 1)))
        clear = is_clear(cube.pixels("imagery/quality").read((days, along(cube), along(cube, 1))))
        expected = ClearSums.of(reflectance, clear, factor).colours()
        assert expected.any()
        np.testing.assert_array_equal(level["true_colour"][season], expected)
        labels = cube.pixels("labels/crop").read((cube.label_years.index(year), along(cube), along(cube, 1)))
        np.testing.assert_array_equal(level["crop"][season], most_frequent(labels, factor))


def along(cube: Cube, axis: int = 0) -> slice:
    return slice(0, cube.grid.shape[axis])


def test_a_run_with_nothing_to_do_draws_nothing(finished: TinyArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path: path.stat().st_mtime_ns for path in (finished.cube / "overviews").rglob("*")}

    def refuse(*_: object) -> dict[str, bytes]:
        raise AssertionError("nothing changed")

    monkeypatch.setattr(run, "draw_overviews", refuse)
    build_tiny(finished)
    assert {path: path.stat().st_mtime_ns for path in (finished.cube / "overviews").rglob("*")} == before


def test_a_lost_overview_is_named(finished: TinyArchive) -> None:
    (finished.cube / "overviews/8/crop/c/0/0/0").unlink()
    with pytest.raises(InputError, match="overviews/8/crop/c/0/0/0 is missing"):
        open_cube(finished.cube)["overviews/8/crop"].load()


def test_drawing_twice_gives_the_same_bytes(built: TinyArchive) -> None:
    cube = Cube.open(built.cube)
    for name, body in draw_overviews(cube).items():
        assert (built.cube / "overviews" / name).read_bytes() == body


def test_all_of_a_built_cube_goes_to_netcdf(built: TinyArchive, tmp_path: object) -> None:
    tree = open_cube(built.cube)
    path = f"{tmp_path}/cube.nc"
    tree.to_netcdf(path, engine="h5netcdf")
    again = xr.open_datatree(path, engine="h5netcdf", decode_timedelta=False)
    assert json.loads(again.attrs["region"])["name"] == "tiny"
    for node in tree.subtree:
        xr.testing.assert_equal(again[node.path].dataset.load(), node.dataset.load())
