"""A cube takes a larger shape in place: shards keep their bytes, small arrays their values; all that is new is empty.

Shards that get other positions (earlier days, blocks to the north or west, labels of years in between) are renamed,
never rewritten. What is to be done is written to the ledger before the first file is touched, so that a kill at any
moment leaves a change of shape that `finish_reshape` completes.
"""

import io
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.layout import cube_layout
from mmvsf.datasets.cube.spec import CubeSpec
from mmvsf.datasets.storage.location import Location, write_whole
from mmvsf.datasets.storage.spec import ArraySpec, GroupSpec
from mmvsf.datasets.storage.store import resize_array, set_root_attributes, sweep_leftovers, update_group, write_array
from mmvsf.datasets.variables import WeatherFlag
from mmvsf.pipeline.ledger import Ledger

from .compatibility import Positions, block_shift, positions

ENTRY = "extension"
"""Name of the ledger's entry for a change of shape that is under way."""

MOVED = ".moved"
"""What the folder that renamed files wait in is called beside their own."""


def renames_shards(old: CubeSpec, new: CubeSpec) -> bool:
    """Whether shards or entries of the ledger get other names, which cannot be done in a bucket."""
    places = positions(old, new)
    shards = (
        _renaming(array, places[group.name]) for group in cube_layout(old) for array in group.arrays if array.shards
    )
    return any(shards) or block_shift(old, new) != (0, 0)


def reshape_cube(cube: Cube, new: CubeSpec) -> None:
    """Bring a cube into the shape of `new`, an extension of what it is.

    In a bucket only a cube whose shards keep their names can be reshaped, see `renames_shards`. Raises OSError if the
    disk refuses.
    """
    old, ledger = cube.spec, Ledger.of_cube(cube.path)
    if old.attributes() == new.attributes():
        return
    _save(ledger, kept_arrays(cube, new))
    ledger.write(ENTRY, {"old": old.attributes(), "new": new.attributes(), "moving": True})
    finish_reshape(cube.path)


def is_reshaping(cube: Location) -> bool:
    """Whether a change of shape was begun and not finished."""
    return Ledger.of_cube(cube).read(ENTRY) is not None


def finish_reshape(cube: Location) -> None:
    """Complete a change of shape that was begun, if there is one. Raises OSError if the disk refuses."""
    ledger = Ledger.of_cube(cube)
    entry = ledger.read(ENTRY)
    if entry is None:
        return
    old, new = (CubeSpec.from_attributes(entry[key], f"{ledger.root}, {ENTRY}") for key in ("old", "new"))
    sweep_leftovers(cube)
    set_root_attributes(cube, {"complete": False})
    moves = list(_moves(cube, old, new)) if isinstance(cube, Path) else []
    if entry["moving"]:
        for move in moves:
            move.out()
        # From here on all files have their new names, whatever their folders are called.
        ledger.write(ENTRY, {**entry, "moving": False})
    for move in moves:
        move.back()
    existing = {group.name: {array.name for array in group.arrays} for group in cube_layout(old)}
    kept = _load(ledger)
    for group in cube_layout(new):
        _reshape(cube, group, existing.get(group.name, set()), kept)
    set_root_attributes(cube, new.attributes())
    ledger.remove(ENTRY)  # first: an entry without its values could not be finished
    _kept_path(ledger).unlink(missing_ok=True)


def kept_arrays(cube: Cube, new: CubeSpec, *groups: str) -> dict[str, NDArray[Any]]:
    """The values of every small array (of some groups) at their new positions, fill elsewhere:
    `group/array` -> values."""
    old = cube.spec
    places = positions(old, new)
    grown = {f"{group.name}/{array.name}": array for group in cube_layout(new) for array in group.arrays}
    kept = {}
    for group in cube_layout(old):
        for array in group.arrays:
            name = f"{group.name}/{array.name}"
            if (group.name in groups or not groups) and array.shards is None and array.data is None:
                kept[name] = _placed(cube.array(name), array, grown[name], places[group.name])
    if (flag := kept.get("weather/flag")) is not None:
        flag[np.setdiff1d(np.arange(flag.size), places["weather"]["time"])] = WeatherFlag.NONE
    return kept


def _placed(values: NDArray[Any], old: ArraySpec, new: ArraySpec, place: Positions) -> NDArray[Any]:
    result = np.full(new.shape, new.fill, values.dtype)
    at = [place.get(dim, np.arange(size)) for dim, size in zip(old.dims, old.shape, strict=True)]
    result[np.ix_(*at)] = values
    return result


def _reshape(cube: Location, group: GroupSpec, existing: set[str], kept: dict[str, NDArray[Any]]) -> None:
    """Give the arrays of a group their new shapes; sharded ones keep their shards, others are written again."""
    update_group(cube, group)
    for array in group.arrays:
        name = f"{group.name}/{array.name}"
        if array.shards is not None and array.name in existing:
            resize_array(cube, name, array.shape)
        else:
            write_array(cube, group.name, array, kept.get(name))


@dataclass(frozen=True)
class _Move:
    """New names for the files of a folder: out of it into a folder beside it, then back."""

    folder: Path
    rename: Callable[[Path], Path]
    """old relative path -> new one"""

    @property
    def moved(self) -> Path:
        return self.folder.with_name(self.folder.name + MOVED)

    def out(self) -> None:
        for path in sorted(self.folder.rglob("*")):
            if path.is_file():
                target = self.moved / self.rename(path.relative_to(self.folder))
                target.parent.mkdir(parents=True, exist_ok=True)
                path.rename(target)

    def back(self) -> None:
        if self.moved.is_dir():
            shutil.rmtree(self.folder, ignore_errors=True)  # folders without files
            self.moved.rename(self.folder)


def _moves(cube: Path, old: CubeSpec, new: CubeSpec) -> Iterator[_Move]:
    """The folders whose files get other names."""
    places = positions(old, new)
    for group in cube_layout(old):
        for array in group.arrays:
            if array.shards is not None:
                rename = _renaming(array, places[group.name])
                if rename is not None:
                    yield _Move(cube / group.name / array.name / "c", rename)
    down, right = block_shift(old, new)
    if down or right:

        def entry(path: Path) -> Path:
            found = re.fullmatch(r"(\d+)-(\d+)\.json", path.name)
            return path.with_name(f"{int(found[1]) + down}-{int(found[2]) + right}.json") if found else path

        root = cube.with_name(Ledger.of_cube(cube).root.name)
        for name in sorted({path.name.removesuffix(MOVED) for path in root.iterdir() if path.is_dir()}):
            yield _Move(root / name, entry)


def _renaming(array: ArraySpec, place: Positions) -> Callable[[Path], Path] | None:
    """How the shards of an array are called at their new positions; None where they keep their names."""
    shards = array.shards or ()
    numbers = [
        place.get(dim, np.arange(size))[::side] // side
        for dim, size, side in zip(array.dims, array.shape, shards, strict=True)
    ]
    if all(np.array_equal(new, np.arange(new.size)) for new in numbers):
        return None

    def shard(path: Path) -> Path:
        if len(path.parts) != len(numbers) or not all(part.isdigit() for part in path.parts):
            return path  # of some other program
        return Path(*(str(new[int(part)]) for new, part in zip(numbers, path.parts, strict=True)))

    return shard


def _kept_path(ledger: Ledger) -> Location:
    return ledger.root / f"{ENTRY}.npz"


def _save(ledger: Ledger, arrays: dict[str, NDArray[Any]]) -> None:
    body = io.BytesIO()
    np.savez(body, **arrays)  # type: ignore[arg-type]  # no array is called allow_pickle
    write_whole(_kept_path(ledger), body.getvalue())


def _load(ledger: Ledger) -> dict[str, NDArray[Any]]:
    with np.load(io.BytesIO(_kept_path(ledger).read_bytes()), allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}
