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
    groups = {Path(name).parts[0] for name in metadata(TREE)}
    assert groups >= {"imagery", "weather", "static", "labels", "splits", "statistics", "scenes"}
    names = set(metadata(TREE))
    assert "labels/confidence/zarr.json" in names and "weather/wind/zarr.json" in names
    assert "weather/snow/zarr.json" not in names
