"""A cube on disk: its template, its identity, and the one writer it allows for its pixels."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr

from mmvsf.datasets.cube.cube import Cube, create_template, digest, find_cube
from mmvsf.datasets.cube.layout import cube_layout
from mmvsf.datasets.errors import IncompleteError, InputError
from mmvsf.datasets.recipe.region import load_region
from mmvsf.datasets.storage.store import finish_writes, open_pixels, read_pixels, sweep_leftovers


@pytest.fixture
def copy(grown_cube: Cube, tmp_path: Path) -> Path:
    shutil.copytree(grown_cube.path, tmp_path / "copy.zarr")
    return tmp_path / "copy.zarr"


def template(cube: Cube, path: Path) -> Path:
    path.mkdir()
    create_template(path, cube.spec, {})
    return path


def test_a_template_holds_every_array_and_no_pixel(grown_cube: Cube, tmp_path: Path) -> None:
    path = template(grown_cube, tmp_path / "new.zarr")
    for group in cube_layout(grown_cube.spec):
        for spec in group.arrays:
            array = zarr.open_array(str(path / group.name / spec.name), mode="r")
            assert array.shape == spec.shape and tuple(array.metadata.dimension_names or ()) == spec.dims
    assert not list((path / "imagery/reflectance").rglob("c/*"))
    assert (zarr.open_array(str(path / "imagery/reflectance"), mode="r")[0] == -9999).all()


def test_an_unfinished_cube_opens_only_if_asked(grown_cube: Cube, tmp_path: Path) -> None:
    path = template(grown_cube, tmp_path / "new.zarr")
    with pytest.raises(IncompleteError, match="run `mmvsf dataset` again"):
        Cube.open(path)
    assert not Cube.open(path, allow_incomplete=True).complete


def test_a_cube_without_its_root_is_half_made(copy: Path) -> None:
    (copy / "zarr.json").unlink()
    with pytest.raises(IncompleteError, match="half made"):
        Cube.open(copy)


def test_a_cube_says_what_it_holds(grown_cube: Cube) -> None:
    opened = Cube.open(grown_cube.path)
    assert opened.grid == grown_cube.grid and opened.region == grown_cube.region
    assert opened.bands == ("blue", "green", "red", "nir", "swir1", "swir2")
    assert opened.legend == grown_cube.legend and opened.calendar == grown_cube.calendar


def test_the_identity_is_of_data_and_not_of_provenance(grown_cube: Cube, copy: Path) -> None:
    root = json.loads((copy / "zarr.json").read_text())
    root["attributes"]["created"] = "another time"
    (copy / "zarr.json").write_text(json.dumps(root))
    assert digest(copy) == digest(grown_cube.path)


@pytest.mark.parametrize("change", ["pixel", "attribute", "missing chunk"])
def test_the_identity_sees_every_change_of_data(grown_cube: Cube, copy: Path, change: str) -> None:
    if change == "pixel":
        array = open_pixels(copy, "imagery/quality", write=True)
        finish_writes([array[:32, :32, :32].write(np.uint8(7))], copy)
    elif change == "attribute":
        zarr.open_array(str(copy / "imagery/quality"), mode="r+").attrs["long_name"] = "else"
    else:
        next(path for path in (copy / "imagery/quality/c").rglob("*") if path.is_file()).unlink()
    assert digest(copy) != digest(grown_cube.path)


def test_no_array_to_open(copy: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is no Zarr array"):
        open_pixels(copy, "imagery/thermal")


def test_a_damaged_shard_is_named(copy: Path) -> None:
    shard = next(path for path in (copy / "imagery/quality/c").rglob("*") if path.is_file())
    shard.write_bytes(b"short")
    with pytest.raises(InputError, match=r"imagery/quality/ is damaged.*--overwrite"):
        read_pixels(open_pixels(copy, "imagery/quality"), slice(None))


def test_pixels_read_by_zarr_and_by_tensorstore_agree(grown_cube: Cube) -> None:
    for name in ("imagery/reflectance", "imagery/quality", "labels/crop"):
        np.testing.assert_array_equal(read_pixels(open_pixels(grown_cube.path, name), slice(0, 1)),
                                      zarr.open_array(str(grown_cube.path / name), mode="r")[:1])  # fmt: skip


def test_leftovers_are_swept(copy: Path, grown_cube: Cube) -> None:
    for name in ("imagery/quality/c/9.__lock", "weather/tmin/c/0.00ff.partial", "zarr.json.12.tmp"):
        (copy / name).write_bytes(b"")
    assert sweep_leftovers(copy) == 3
    assert digest(copy) == digest(grown_cube.path)


def test_a_cube_is_found_by_path_region_or_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "data"
    monkeypatch.chdir(tmp_path)
    (data / "mine.zarr").mkdir(parents=True)
    # A folder that happens to have a region's name is no cube; one that is a cube is.
    (tmp_path / "sandbox").mkdir()
    assert find_cube("mine", data) == data / "mine.zarr"
    assert find_cube("sandbox", data) == data / "sandbox.zarr"
    (tmp_path / "sandbox/zarr.json").touch()
    assert find_cube("sandbox", data) == Path("sandbox")
    assert find_cube("data/mine.zarr", data) == Path("data/mine.zarr")
    recipe = tmp_path / "of-mine.yaml"
    recipe.write_text(load_region("sandbox")[1].read_text().replace("name: sandbox", "name: mine"))
    assert find_cube(str(recipe), data) == data / "mine.zarr"
    with pytest.raises(InputError, match="no recipe named 'sandbix'"):
        find_cube("sandbix", data)
    with pytest.raises(InputError, match="no recipe file"):
        find_cube("nowhere.yaml", data)
