"""The manifest, and that whatever reads a cube raises where an object is not the one that it lists."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.pixels import PixelArray
from mmvsf.datasets.cube.tree import open_cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.storage.manifest import (
    WHOLE_BYTES,
    Manifest,
    Part,
    Record,
    digest_of,
    encode_part,
    parse_part,
    read_manifest,
    split_name,
)
from tests.cubes import CubeBuilder
from tests.shards import flip, name_of, shards

A, B = Record.of(b"one"), Record.of(b"another")


def test_equal_content_is_equal_bytes() -> None:
    first, second = {"y/c/0": B, "x/zarr.json": A}, {"x/zarr.json": A, "y/c/0": B}
    expected = f'{{"objects":{{"x/zarr.json":[3,"{A.sha256}"],"y/c/0":[7,"{B.sha256}"]}}}}'
    assert encode_part(first) == encode_part(second) == expected.encode()
    assert parse_part(encode_part(first), "here") == first


def test_the_digest_is_the_root_of_the_parts_in_any_order() -> None:
    parts = {"tiles/x1_y2": Part("bb", 1, 2), "seasons": Part("aa", 3, 4)}
    by_hand = sha256(b"seasons aa\ntiles/x1_y2 bb\n").hexdigest()
    assert digest_of(parts) == digest_of(dict(reversed(parts.items()))) == by_hand
    manifest = Manifest(parts, A)
    assert Manifest.parse(manifest.encoded(), "here") == manifest
    assert manifest.encoded() == Manifest(dict(reversed(parts.items())), A).encoded()
    assert b" " not in manifest.encoded()


def test_a_large_shard_has_a_hash_of_its_end() -> None:
    large = bytes(WHOLE_BYTES) + b"\x01\x02\x03\x04"
    tail = sha256(large[-4096:]).hexdigest()[:16]
    assert Record.of(large, shard=True).members() == [len(large), sha256(large).hexdigest(), tail]
    assert Record.of(large).tail == Record.of(large[4:], shard=True).tail == ""


def test_names_of_parts() -> None:
    assert split_name("tiles/x1_y-2/imagery/zarr.json") == ("tiles/x1_y-2", "imagery/zarr.json")
    assert split_name("tiles/zarr.json") == ("tiles", "zarr.json")
    assert split_name("seasons/split/c/0") == ("seasons", "split/c/0")
    assert split_name("zarr.json") is None and split_name("manifest/seasons.json") is None


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"parts":{"a":1},"root":[1,"b"]}', b"\xff"])
def test_a_damaged_manifest_is_refused(content: bytes) -> None:
    with pytest.raises(InputError, match=r"^here is damaged: .*`mmvsf repair`"):
        Manifest.parse(content, "here")


def test_a_manifest_whose_digest_is_another_is_refused() -> None:
    content = Manifest({"seasons": Part("aa", 1, 1)}, A).encoded().replace(b'"aa"', b'"ab"')
    with pytest.raises(InputError, match="its digest is not that of its parts"):
        Manifest.parse(content, "here")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Cube:
    """A cube with shards on both sides of `WHOLE_BYTES`, two blocks in two tiles. Not to be changed."""
    builder = CubeBuilder(sites=2, years=(2020,), test_years=(), test_sites=0, block=64, chunk=16)
    return builder.write(tmp_path_factory.mktemp("cubes") / "sound.zarr")


@pytest.fixture
def path(sound: Cube, tmp_path: Path) -> Path:
    shutil.copytree(sound.path, tmp_path / "copy.zarr")
    return tmp_path / "copy.zarr"


def by_pixels(cube: Path, name: str) -> Any:
    opened = Cube.open(cube)
    rows, columns = (slice(0, size) for size in opened.grid.shape)
    return opened.pixels(name).read((*(slice(None),) * (len(opened.spec.array(name).dims) - 2), rows, columns))


def by_part(cube: Path, name: str) -> Any:
    """Two chunks of each block that is stored."""
    opened = Cube.open(cube)
    pixels, side = opened.pixels(name), opened.grid.block
    leading = (slice(None),) * (len(opened.spec.array(name).dims) - 2)
    for by, bx in opened.grid.blocks:
        for start in range(0, side, 32):
            rows = slice(by * side + start, by * side + start + 32)
            pixels.read((*leading, rows, slice(bx * side, bx * side + 16)))
            pixels.read((*leading, rows, slice(bx * side + 16, bx * side + side)))


def by_xarray(cube: Path, name: str) -> Any:
    tree, (group, array) = open_cube(cube), name.split("/")
    for tile in tree["tiles"].children.values():
        tile[group][array].load()


def by_part_in_xarray(cube: Path, name: str) -> Any:
    """A chunk at a time, without Dask."""
    import zarr

    opened = Cube.open(cube)
    for tile in opened.grid.tiles:
        array = zarr.open_array(opened.store(), path=f"tiles/{tile.name}/{name}", mode="r")
        chunk = array.chunks
        for by, bx in tile.grid.blocks:
            for y in range(by * 64, by * 64 + 64, chunk[-2]):
                for x in range(bx * 64, bx * 64 + 64, chunk[-1]):
                    for t in range(0, array.shape[0], chunk[0]):
                        array[(slice(t, t + chunk[0]), ..., slice(y, y + chunk[-2]), slice(x, x + chunk[-1]))]


READERS = {"pixels": by_pixels, "a part": by_part, "xarray": by_xarray, "a part in xarray": by_part_in_xarray}


def large(cube: Path) -> Path:
    """A shard that is not hashed as a whole when it is read."""
    return next(path for path in shards(cube, "imagery/reflectance") if path.stat().st_size > WHOLE_BYTES)


def small(cube: Path) -> Path:
    return next(path for path in shards(cube, "imagery/quality") if path.stat().st_size <= WHOLE_BYTES)


def missing(cube: Path) -> Path:
    large(cube).unlink()
    return next(path for path in shards_before(cube) if not path.exists())


def shards_before(cube: Path) -> list[Path]:
    """All shards that the manifests list."""
    manifest = read_manifest(cube)
    return [
        cube / part / name
        for part in manifest.parts
        for name in json.loads((cube / "manifest" / f"{part}.json").read_text())["objects"]
    ]


def cut_short(cube: Path) -> Path:
    path = large(cube)
    path.write_bytes(path.read_bytes()[:-10])
    return path


def flip_chunk(cube: Path) -> Path:
    path = large(cube)
    flip(path, 1000)
    return path


def flip_index(cube: Path) -> Path:
    """In the index, but not in its checksum."""
    path = large(cube)
    flip(path, -12)
    return path


def flip_checksum(cube: Path) -> Path:
    path = large(cube)
    flip(path, -2)
    return path


def flip_small(cube: Path) -> Path:
    path = small(cube)
    flip(path, 20)
    return path


def neighbour(cube: Path) -> Path:
    """Another shard, of the same length."""
    path = large(cube)
    other = next(each for each in shards(cube, "imagery/reflectance") if each.read_bytes() != path.read_bytes())
    content = other.read_bytes()[-path.stat().st_size :]
    path.write_bytes(content.rjust(path.stat().st_size, b"\0"))
    return path


def unlisted(cube: Path) -> Path:
    """A shard where nothing was acquired."""
    path = large(cube)
    array, place = cube.joinpath(*path.relative_to(cube).parts[:5]), f"0/{path.parent.name}/{path.name}"
    extra = next(array / f"{shard}/{place}" for shard in range(1000) if not (array / f"{shard}/{place}").exists())
    extra.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(path, extra)
    return extra


DAMAGES: tuple[Callable[[Path], Path], ...] = (
    *(missing, cut_short, flip_chunk, flip_index, flip_checksum, flip_small, neighbour, unlisted),
)


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_raises_when_it_is_first_read(path: Path, damage: Callable[[Path], Path], reader: Any) -> None:
    damaged = damage(path)
    name = damaged.relative_to(path).as_posix()
    array = "/".join(name.split("/")[2:4])
    with pytest.raises(InputError, match=r"; `mmvsf verify` lists all damage, `mmvsf repair` fixes it") as caught:
        reader(path, array)
    message = str(caught.value)
    assert f"{damaged} (" in message
    first = int(name.split("/")[5]) * 32
    cube = Cube.open(path)
    tile = next(tile for tile in cube.grid.tiles if f"/{tile.name}/" in f"/{name}")
    by, bx = map(int, name.split("/")[-2:])
    day = np.datetime64(cube.calendar.first_day + first, "D")
    assert f"({day} to {day + 31}, block {tile.row + by},{tile.column + bx})" in message


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_a_sound_cube_raises_nothing(sound: Cube, reader: Any) -> None:
    for array in ("imagery/reflectance", "imagery/quality"):
        reader(Path(str(sound.path)), array)


@pytest.mark.parametrize("array", ["blocks/status", "chunks/clear_fraction", "chunks/split", "weather/tmin"])
def test_small_arrays_are_checked(path: Path, array: str) -> None:
    first = shards(path, array)[0]
    content = first.read_bytes()
    for changed in (None, content[:-1], bytes([content[0] ^ 1]) + content[1:]):
        first.unlink() if changed is None else first.write_bytes(changed)
        with pytest.raises(InputError, match=f"{array}/c.* (is missing|has|is not the object)"):
            Cube.open(path).array(array)
        with pytest.raises(InputError, match=f"{array}/c.* (is missing|has|is not the object)"):
            by_xarray(path, array)
        first.write_bytes(content)
    by_xarray(path, array)


def test_metadata_of_an_array_are_checked(path: Path) -> None:
    """A scale factor that somebody changed would change every pixel."""
    tile = Cube.open(path).grid.tiles[0].name
    metadata = path / "tiles" / tile / "imagery/reflectance/zarr.json"
    metadata.write_text(metadata.read_text().replace("0.0001", "0.0002"))
    for reader in READERS.values():
        with pytest.raises(InputError, match=r"imagery/reflectance/zarr\.json is not the object"):
            reader(path, "imagery/reflectance")


def test_the_manifest_of_a_part_is_checked(path: Path) -> None:
    cube = Cube.open(path)
    manifest = path / "manifest/tiles" / f"{cube.grid.tiles[0].name}.json"
    manifest.write_text(manifest.read_text().replace("imagery/quality/c/", "imagery/quality/d/"))
    with pytest.raises(InputError, match=r"json is damaged: its hash is not the one in manifest\.json"):
        by_pixels(path, "imagery/quality")
    manifest.unlink()
    with pytest.raises(InputError, match="json is damaged: it is missing"):
        by_pixels(path, "imagery/quality")


def test_a_cube_without_its_manifest_does_not_open(path: Path) -> None:
    (path / "manifest.json").unlink()
    with pytest.raises(InputError, match="has no manifest; `mmvsf repair`"):
        Cube.open(path)


def test_an_object_is_checked_once_in_a_process(path: Path) -> None:
    """Damage after the first read is not looked for: reading stays as fast as the disk."""
    cube = Cube.open(path)
    shard = name_of(cube, small(path))
    assert cube.check_object(shard)
    flip(path / shard, 20)
    assert cube.check_object(shard)
    with pytest.raises(InputError, match="is not the object"):
        Cube.open(path).check_object(shard)


def read_first(pixels: PixelArray) -> int:
    return int(pixels.read((slice(None), slice(0, pixels.cube.grid.shape[0]), slice(0, 512))).sum())


def test_an_array_of_pixels_is_pickled(path: Path) -> None:
    pixels = Cube.open(path).pixels("imagery/quality", 2**20)
    total = read_first(pixels)
    again = pickle.loads(pickle.dumps(pixels))  # noqa: S301
    assert again.cube == pixels.cube and again is not pixels and read_first(again) == total


def test_a_worker_checks_by_itself(path: Path) -> None:
    """What this process has checked, another one checks again."""
    pixels = Cube.open(path).pixels("imagery/quality")
    total = read_first(pixels)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert pool.submit(read_first, pixels).result() == total
    flip(small(path), 20)
    with (
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool,
        pytest.raises(InputError, match="is not the object"),
    ):
        pool.submit(read_first, pixels).result()
