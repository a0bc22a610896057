"""A cube on disk: its template, its identity, and the one writer it allows for its pixels."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr

from mmvsf.datasets.cube.cube import Cube, create_template, digest, find_cube, open_cube
from mmvsf.datasets.cube.layout import cube_layout
from mmvsf.datasets.errors import IncompleteError, InputError
from mmvsf.datasets.recipe.load import load_region
from mmvsf.datasets.samples.reader import Normalisation, WindowReader
from mmvsf.datasets.samples.windows import index_windows
from mmvsf.datasets.storage.store import (
    array_attributes,
    finish_writes,
    open_pixels,
    read_pixels,
    read_values,
    sweep_leftovers,
)


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


def test_the_digest_is_of_data_and_not_of_provenance(grown_cube: Cube, copy: Path) -> None:
    root = json.loads((copy / "zarr.json").read_text())
    root["attributes"]["created"] = "another time"
    (copy / "zarr.json").write_text(json.dumps(root))
    assert digest(copy) == digest(grown_cube.path)


def chunk_objects(cube: Path, array: str) -> list[Path]:
    return sorted(path for path in (cube / array / "c").rglob("*") if path.is_file())


FOREIGN_FILES = (
    *(".DS_Store", "._zarr.json", "._0", ".nfs0000001", "Thumbs.db", "desktop.ini"),
    *("zarr.json~", ".zarr.json.swp", "#zarr.json#", "zarr.json.bak", "0.orig", "7.__lock", "0.1f.partial"),
)


def test_the_digest_covers_objects_of_the_format_alone(grown_cube: Cube, copy: Path) -> None:
    """What file managers, network file systems and editors leave behind is no part of a cube."""
    for folder in (copy, copy / "imagery", copy / "imagery/quality", chunk_objects(copy, "imagery/quality")[0].parent):
        for name in FOREIGN_FILES:
            (folder / name).write_bytes(b"left")
    assert digest(copy) == digest(grown_cube.path)


def test_the_digest_sees_every_change_of_data(grown_cube: Cube, copy: Path) -> None:
    digests = [digest(grown_cube.path)]
    array = open_pixels(copy, "imagery/quality", write=True)
    finish_writes([array[:32, :32, :32].write(np.uint8(7))], copy)
    digests.append(digest(copy))
    zarr.open_array(str(copy / "imagery/quality"), mode="r+").attrs["long_name"] = "else"
    digests.append(digest(copy))
    zarr.open_group(str(copy / "imagery"), mode="r+").attrs["more"] = 1
    digests.append(digest(copy))
    chunk_objects(copy, "imagery/quality")[0].unlink()
    digests.append(digest(copy))
    assert len(set(digests)) == 5


def test_the_digest_sees_where_an_object_lies(grown_cube: Cube, copy: Path) -> None:
    """The contents are the same, only names differ: two chunks in each other's place, one chunk moved, two arrays
    renamed."""
    digests = [digest(grown_cube.path)]
    first, *_, last = chunk_objects(copy, "imagery/quality")
    contents = first.read_bytes(), last.read_bytes()
    assert contents[0] != contents[1]
    first.write_bytes(contents[1])
    last.write_bytes(contents[0])
    digests.append(digest(copy))
    last.rename(last.with_name("999999"))
    digests.append(digest(copy))
    (copy / "weather/tmin").rename(copy / "weather/tmin2")
    digests.append(digest(copy))
    assert len(set(digests)) == 4


def test_no_array_to_open(copy: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is not a Zarr array"):
        open_pixels(copy, "imagery/thermal")


@pytest.mark.slow
def test_a_damaged_shard_is_named(copy: Path) -> None:
    shard = next(path for path in (copy / "imagery/quality/c").rglob("*") if path.is_file())
    shard.write_bytes(b"short")
    with pytest.raises(InputError, match=r"imagery/quality/ is damaged.*--overwrite"):
        read_pixels(open_pixels(copy, "imagery/quality"), slice(None))
    cube = Cube.open(copy)
    window = index_windows(cube)["train"][0]
    for path in chunk_objects(copy, "imagery/quality"):
        path.write_bytes(b"short")
    with pytest.raises(InputError, match=r"imagery/quality/ is damaged.*--overwrite"):
        WindowReader(cube, Normalisation.of([cube])).images(window, window.days)


def test_damaged_metadata_is_reported_in_one_line(copy: Path) -> None:
    """At the root, of a group, of an array that opening reads, and of one that is read later."""
    deep = b'{"attributes": ' * 100_000 + b"{}" + b"}" * 100_000
    for name in ("", "imagery", "labels/crop", "weather/tmin"):
        path = copy / name / "zarr.json"
        whole = path.read_bytes()
        for content in (b"", b"\xff", b"null", b"[]", deep, whole[:100], whole.replace(b"node_type", b"kind")):
            path.write_bytes(content)
            with pytest.raises(InputError, match=r"damaged.*build the cube again"):
                open_cube(copy)
        if "/" in name:
            path.write_bytes(b"null")
            for read in (read_values, array_attributes, open_pixels):
                with pytest.raises(InputError, match=f"{name} is damaged.*build the cube again"):
                    read(copy, name)
        path.write_bytes(whole)
    for attribute in ("grid", "region", "calendar"):
        root = json.loads((copy / "zarr.json").read_text())
        del root["attributes"][attribute]
        (copy / "zarr.json").write_text(json.dumps(root))
        with pytest.raises(InputError, match="missing or damaged; build the cube again"):
            Cube.open(copy)


def test_pixels_read_by_zarr_and_by_tensorstore_agree(grown_cube: Cube) -> None:
    for name in ("imagery/reflectance", "imagery/quality", "labels/crop"):
        np.testing.assert_array_equal(read_pixels(open_pixels(grown_cube.path, name), slice(0, 1)),
                                      zarr.open_array(str(grown_cube.path / name), mode="r")[:1])  # fmt: skip


def test_leftovers_are_swept(copy: Path, grown_cube: Cube) -> None:
    leftovers = ("imagery/quality/c/9.__lock", "weather/tmin/c/0.00ff.partial", "zarr.json.12.tmp", "labels/0.12.tmp")
    for name in leftovers:
        (copy / name).write_bytes(b"")
    assert sweep_leftovers(copy) == 4
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
