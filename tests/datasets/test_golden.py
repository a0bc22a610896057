"""The format of a cube is what is checked in below tests/golden."""

from __future__ import annotations

from pathlib import Path

from tests.golden import TREE, metadata, write_cube


def test_the_format_is_as_checked_in(tmp_path: Path) -> None:
    """After an intended change: `python -m tests.golden.update`, and read the diff."""
    write_cube(tmp_path / "golden.zarr")
    actual, expected = metadata(tmp_path / "golden.zarr"), metadata(TREE)
    assert actual.keys() == expected.keys()
    for name, text in expected.items():
        assert actual[name] == text, name


def test_every_layer_is_in_it() -> None:
    names = set(metadata(TREE))
    assert {Path(name).parts[0] for name in names} == {"zarr.json", "tiles", "seasons", "scenes"}
    tiles = {Path(name).parts[1] for name in names if name.startswith("tiles/x")}
    assert len(tiles) == 2
    for tile in tiles:
        members = {name.removeprefix(f"tiles/{tile}/") for name in names if name.startswith(f"tiles/{tile}/")}
        groups = {Path(name).parts[0] for name in members}
        assert groups == {"zarr.json", "imagery", "radar", "blocks", "chunks", "weather", "static", "labels"}
        assert members >= {"labels/confidence/zarr.json", "weather/wind/zarr.json", "blocks/status/zarr.json"}
        assert "weather/snow/zarr.json" not in members
