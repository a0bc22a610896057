"""`verify_cube`: what is missing, changed or extra in a cube, by reading everything or from a listing alone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mmvsf.datasets.command import build_app
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.verify import verify_cube
from mmvsf.datasets.errors import InputError
from tests.shards import flip, shards


@pytest.fixture
def path(grown_cube: Cube, tmp_path: Path) -> Path:
    shutil.copytree(grown_cube.path, tmp_path / "copy.zarr")
    return tmp_path / "copy.zarr"


def found(path: Path, *, list_only: bool) -> list[str]:
    return [str(damage) for damage in verify_cube(path, list_only=list_only).damage]


@pytest.mark.parametrize("list_only", [True, False])
def test_a_sound_cube(grown_cube: Cube, list_only: bool) -> None:
    result = verify_cube(grown_cube.path, list_only=list_only)
    files = [file for file in Path(str(grown_cube.path)).rglob("*") if file.is_file()]
    listed = [file for file in files if "manifest" not in file.relative_to(str(grown_cube.path)).parts[0]]
    assert result.damage == () and result.digest == grown_cube.digest and result.read is not list_only
    assert result.objects == len(listed) - 1  # the root is no object of a part
    assert result.bytes == sum(file.stat().st_size for file in listed if file.parent != Path(str(grown_cube.path)))
    assert ("length" if list_only else "content") in result.sentence and result.facts()["damage"] == []


def remove(file: Path) -> str:
    file.unlink()
    return "is missing"


def shorten(file: Path) -> str:
    size = file.stat().st_size
    file.write_bytes(file.read_bytes()[:-3])
    return f"has {size - 3} bytes instead of {size}"


def lengthen(file: Path) -> str:
    size = file.stat().st_size
    file.write_bytes(file.read_bytes() + b"\0")
    return f"has {size + 1} bytes instead of {size}"


def change_a_bit(file: Path) -> str:
    flip(file, 10)
    return "has another content than was written"


def zeros(file: Path) -> str:
    file.write_bytes(bytes(file.stat().st_size))
    return "has another content than was written"


OBJECTS = (
    *("imagery/reflectance", "imagery/quality", "labels/crop", "blocks/status", "chunks/split", "weather/tmin"),
    *("weather/time", "imagery/x"),
)


@pytest.mark.parametrize("array", OBJECTS)
@pytest.mark.parametrize("damage", [remove, shorten, lengthen, change_a_bit, zeros])
def test_damage_of_any_object_is_found(path: Path, array: str, damage: Callable[[Path], str]) -> None:
    for file in (shards(path, array)[-1], next(path.glob(f"tiles/*/{array}/zarr.json"))):
        content = file.read_bytes()
        expected = [f"{file.relative_to(path).as_posix()} {damage(file)}"]
        assert found(path, list_only=False) == expected
        assert found(path, list_only=True) == ([] if damage in (change_a_bit, zeros) else expected)
        file.write_bytes(content)


def test_what_should_not_be_there_is_found(path: Path) -> None:
    tile = next(path.glob("tiles/x*"))
    extra = (
        *(f"tiles/{tile.name}/imagery/quality/c/99/0/0", f"tiles/{tile.name}/imagery/ndvi/zarr.json"),
        *("tiles/x0_y0/zarr.json", "statistics/zarr.json", "manifest/tiles/x0_y0.json"),
    )
    for name in extra:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(b"{}")
    expected = sorted(f"{name} should not be there" for name in extra)
    assert sorted(found(path, list_only=True)) == sorted(found(path, list_only=False)) == expected


def test_two_shards_in_each_other_s_place_are_found(path: Path) -> None:
    first, *_, last = shards(path, "imagery/quality")
    contents = first.read_bytes(), last.read_bytes()
    first.write_bytes(contents[1])
    last.write_bytes(contents[0])
    names = [file.relative_to(path).as_posix() for file in (first, last)]
    assert [text.split(" ")[0] for text in found(path, list_only=False)] == names


@pytest.mark.parametrize("list_only", [True, False])
def test_a_manifest_that_is_damaged_is_named_and_its_part_not_judged(path: Path, list_only: bool) -> None:
    manifest = next((path / "manifest/tiles").glob("*.json"))
    flip(manifest, 40)
    name = manifest.relative_to(path).as_posix()
    assert found(path, list_only=list_only) == [f"{name} is missing or has another content than was written"]
    manifest.unlink()
    assert found(path, list_only=list_only) == [f"{name} is missing or has another content than was written"]


def test_a_root_that_was_edited_is_found(path: Path) -> None:
    root = json.loads((path / "zarr.json").read_text())
    root["attributes"]["attribution"] = "nobody"
    (path / "zarr.json").write_text(json.dumps(root))
    (damage,) = found(path, list_only=False)
    assert damage.startswith("zarr.json has ")


def test_a_store_without_a_manifest_is_no_cube(path: Path) -> None:
    (path / "manifest.json").unlink()
    with pytest.raises(InputError, match=r"has no manifest\.json: .*its build was not finished"):
        verify_cube(path)


def test_the_command(path: Path) -> None:
    run = CliRunner().invoke
    sound = run(build_app(), ["verify", str(path), "--json"])
    assert sound.exit_code == 0 and json.loads(sound.output)["damage"] == []
    shard = shards(path, "imagery/reflectance")[0]
    shard.unlink()
    name = shard.relative_to(path).as_posix()
    damaged = run(build_app(), ["verify", str(path), "--list", "--json"])
    assert damaged.exit_code == 1 and json.loads(damaged.stdout)["damage"] == [
        {"object": name, "problem": "is missing"}
    ]
    text = run(build_app(), ["verify", str(path)])
    assert text.exit_code == 1 and name in text.output.replace("\n", "")
