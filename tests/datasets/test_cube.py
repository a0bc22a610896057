"""A cube on disk: its template, its identity, and what is refused when it is opened."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr

from mmvsf.datasets.cube.cube import Cube, digest, find_cube
from mmvsf.datasets.cube.layout import tile_layout
from mmvsf.datasets.cube.tree import open_cube
from mmvsf.datasets.cube.verify import verify_cube
from mmvsf.datasets.cube.write import write_template
from mmvsf.datasets.errors import IncompleteError, InputError
from mmvsf.datasets.recipe.load import load_region
from mmvsf.datasets.samples.reader import Normalisation, WindowReader
from mmvsf.datasets.samples.windows import index_windows
from mmvsf.datasets.storage.store import open_pixels, read_values, sweep_leftovers
from tests.seal import change, seal
from tests.shards import shards


@pytest.fixture
def copy(grown_cube: Cube, tmp_path: Path) -> Path:
    shutil.copytree(grown_cube.path, tmp_path / "copy.zarr")
    return tmp_path / "copy.zarr"


@pytest.fixture
def template(grown_cube: Cube, tmp_path: Path) -> Path:
    write_template(tmp_path / "new.zarr", grown_cube.spec, {})
    return tmp_path / "new.zarr"


def test_a_template_holds_every_array_and_no_pixel(grown_cube: Cube, template: Path) -> None:
    for tile in grown_cube.grid.tiles:
        for group in tile_layout(grown_cube.spec, tile.grid):
            for spec in group.arrays:
                array = zarr.open_array(template / "tiles" / tile.name / group.name / spec.name, mode="r")
                assert array.shape == spec.shape and tuple(array.metadata.dimension_names or ()) == spec.dims
    assert not shards(template, "imagery/reflectance")
    opened = Cube.open(template, allow_incomplete=True)
    assert (opened.pixels("imagery/reflectance").read((0, 0, slice(None), slice(None))) == -9999).all()


def test_an_unfinished_cube_opens_only_if_asked(template: Path) -> None:
    with pytest.raises(IncompleteError, match="run `mmvsf dataset` again"):
        Cube.open(template)
    opened = Cube.open(template, allow_incomplete=True)
    assert not opened.complete and opened.digest == ""


def test_a_cube_without_its_root_is_damaged_or_half_made(copy: Path) -> None:
    (copy / "zarr.json").unlink()
    with pytest.raises(InputError, match=r"zarr.json is missing; run `mmvsf repair`"):
        Cube.open(copy)
    (copy / "manifest.json").unlink()
    with pytest.raises(IncompleteError, match="is incomplete"):
        Cube.open(copy)


def test_a_cube_of_another_format_version_is_refused_with_the_remedy(copy: Path) -> None:
    root = json.loads((copy / "zarr.json").read_text())
    root["attributes"] |= {"format_version": 1, "software": {"mmvsf": "0.1.0"}}
    (copy / "zarr.json").write_text(json.dumps(root))
    with pytest.raises(InputError, match=r"version 1, this program reads version 2; .*--overwrite.*\(0\.1\.0\)"):
        Cube.open(copy)


def test_a_cube_says_what_it_holds(grown_cube: Cube) -> None:
    opened = Cube.open(grown_cube.path)
    assert opened.grid == grown_cube.grid and opened.region == grown_cube.region
    assert opened.bands == ("blue", "green", "red", "nir", "swir1", "swir2")
    assert opened.legend == grown_cube.legend and opened.calendar == grown_cube.calendar


def test_the_digest_is_of_data_and_not_of_provenance(grown_cube: Cube, copy: Path) -> None:
    assert seal(copy, created="another time").digest == grown_cube.digest == digest(copy)


FOREIGN_FILES = (
    *(".DS_Store", "._zarr.json", "._0", ".nfs0000001", "Thumbs.db", "desktop.ini"),
    *("zarr.json~", ".zarr.json.swp", "#zarr.json#", "zarr.json.bak", "0.orig", "7.__lock", "0.1f.partial"),
)


def test_files_that_other_programs_leave_are_no_damage(copy: Path) -> None:
    """Those of file managers, network file systems and editors are not part of a cube."""
    tile = next(copy.glob("tiles/x*"))
    for folder in (copy, tile, tile / "imagery", shards(copy, "imagery/quality")[0].parent):
        for name in FOREIGN_FILES:
            (folder / name).write_bytes(b"left")
    assert not verify_cube(copy).damage and not verify_cube(copy, list_only=True).damage


def test_the_digest_sees_every_change_of_data(grown_cube: Cube, copy: Path) -> None:
    digests = [grown_cube.digest]
    tile = next(copy.glob("tiles/x*"))
    digests.append(change(copy, {"chunks/split": np.zeros_like(grown_cube.array("chunks/split"))}).digest)
    zarr.open_array(tile / "imagery/quality", mode="r+").attrs["long_name"] = "else"
    digests.append(seal(copy).digest)
    zarr.open_group(tile / "imagery", mode="r+").attrs["more"] = 1
    digests.append(seal(copy).digest)
    shards(copy, "imagery/quality")[0].unlink()
    digests.append(seal(copy).digest)
    assert len(set(digests)) == 5


def test_the_digest_sees_where_an_object_lies(grown_cube: Cube, copy: Path) -> None:
    """The contents are the same, only names differ: two shards in each other's place, and one moved."""
    first, *_, last = shards(copy, "imagery/quality")
    contents = first.read_bytes(), last.read_bytes()
    assert contents[0] != contents[1]
    first.write_bytes(contents[1])
    last.write_bytes(contents[0])
    swapped = seal(copy).digest
    last.rename(last.with_name("9"))
    assert len({grown_cube.digest, swapped, seal(copy).digest}) == 3


def test_no_array_to_open(copy: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is not a Zarr array"):
        open_pixels(copy, "imagery/thermal")
    with pytest.raises(KeyError, match="imagery/thermal"):
        Cube.open(copy).pixels("imagery/thermal")


def test_a_damaged_shard_is_named(copy: Path) -> None:
    cube = Cube.open(copy)
    normalisation, window = Normalisation.of([cube]), index_windows(cube)["train"][0]
    for path in shards(copy, "imagery/quality"):
        path.write_bytes(b"short")
    with pytest.raises(
        InputError, match=r"imagery/quality/c/\d+/\d/\d \(2\d.* to 2.*, block \d+,\d+\) has 5 bytes.*repair"
    ):
        WindowReader(cube, normalisation).images(window, window.days)


def test_damaged_metadata_is_reported_in_one_line(copy: Path) -> None:
    """At the root, of a group, of an array that opening reads, and of one that is read later."""
    deep = b'{"attributes": ' * 100_000 + b"{}" + b"}" * 100_000
    tile = next(copy.glob("tiles/x*"))
    for name in ("", "imagery", "labels/crop", "weather/tmin"):
        path = (tile / name if name else copy) / "zarr.json"
        whole = path.read_bytes()
        for content in (b"", b"\xff", b"null", b"[]", deep, whole[:100], whole.replace(b"node_type", b"kind")):
            path.write_bytes(content)
            with pytest.raises(InputError, match=r"zarr.json (is damaged|has \d+ bytes|is not the object).*`mmvsf "):
                open_cube(copy)
        if "/" in name:
            path.write_bytes(b"null")
            for read in (read_values, open_pixels):
                with pytest.raises(InputError, match=f"{name} is damaged"):
                    read(tile, name)
        path.write_bytes(whole)


@pytest.mark.parametrize("attribute", ["grid", "region", "calendar"])
def test_a_root_without_an_attribute(copy: Path, attribute: str) -> None:
    root = json.loads((copy / "zarr.json").read_text())
    del root["attributes"][attribute]
    (copy / "zarr.json").write_text(json.dumps(root))
    with pytest.raises(InputError, match="missing or damaged; build the cube again"):
        Cube.open(copy)


def test_a_root_that_somebody_edited_is_refused(copy: Path) -> None:
    """A grid or a legend that is not the one that was written would give wrong places or wrong names."""
    root = json.loads((copy / "zarr.json").read_text())
    root["attributes"]["legend"]["names"] = "else"
    (copy / "zarr.json").write_text(json.dumps(root))
    with pytest.raises(InputError, match=r"zarr\.json .*`mmvsf repair`"):
        Cube.open(copy)


def test_pixels_read_by_zarr_and_by_tensorstore_agree(grown_cube: Cube) -> None:
    for tile in grown_cube.grid.tiles:
        rows, columns = tile.row * grown_cube.grid.block, tile.column * grown_cube.grid.block
        for name in ("imagery/quality", "labels/crop"):
            expected = zarr.open_array(grown_cube.path / "tiles" / tile.name / name, mode="r")[:1]
            place = slice(rows, rows + expected.shape[-2]), slice(columns, columns + expected.shape[-1])
            found = grown_cube.pixels(name).read((slice(0, 1), *place))
            np.testing.assert_array_equal(found, expected)


def test_leftovers_are_swept(copy: Path, grown_cube: Cube) -> None:
    leftovers = ("imagery/quality/c/9.__lock", "weather/tmin/c/0.00ff.partial", "zarr.json.12.tmp", "labels/0.12.tmp")
    tile = next(copy.glob("tiles/x*"))
    for name in leftovers:
        (tile / name).write_bytes(b"")
    assert sweep_leftovers(copy) == 4
    assert not verify_cube(copy).damage


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


def test_folders_list_what_the_manifest_names(grown_cube: Cube) -> None:
    """Nothing is listed on the disk, so that a cube on a web server opens the same."""
    objects = Cube.open(grown_cube.path).objects
    assert objects is not None
    tiles = [tile.name for tile in grown_cube.grid.tiles]
    assert objects.members("") == ["seasons", "tiles"]
    assert objects.members("tiles") == sorted([*tiles, "zarr.json"])
    groups = ["blocks", "chunks", "imagery", "labels", "weather", "zarr.json"]
    assert objects.members(f"tiles/{tiles[0]}") == groups
    assert "c" in objects.members(f"tiles/{tiles[0]}/imagery/reflectance")
    assert len(list(zarr.open_group(grown_cube.store(f"tiles/{tiles[0]}/"), mode="r", use_consolidated=False))) == 5


def test_a_path_that_leads_upwards(grown_cube: Cube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path(os.path.relpath(grown_cube.path, tmp_path))
    assert path.parts[0] == ".."
    index = (slice(100, 101), slice(None), slice(None))
    pixels = Cube.open(path).pixels("imagery/quality").read(index)
    np.testing.assert_array_equal(pixels, grown_cube.pixels("imagery/quality").read(index))
