"""The chunks and shards of a finished cube, for tests that damage them."""

from __future__ import annotations

from pathlib import Path

from mmvsf.datasets.cube.cube import Cube


def flip(path: Path, at: int) -> None:
    """Flip one bit of the byte at a position, counted from the end if it is negative."""
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(bytes(content))


def shards(cube: Path, array: str) -> list[Path]:
    """The chunks or shards of an array such as `imagery/quality` in all tiles, sorted."""
    return sorted(path for path in cube.glob(f"tiles/*/{array}/c/**/*") if path.is_file())


def name_of(cube: Cube, path: Path) -> str:
    """The name of an object of a cube."""
    return path.relative_to(Path(str(cube.path))).as_posix()
