"""Give a cube a larger shape in place: shards keep their bytes, small arrays their values; everything new is empty.

Shards that get other positions (earlier days, labels of years in between) are renamed, never rewritten. What is to be
done is written to the ledger before the first file is touched, so that a kill at any moment leaves a change of shape
that `finish_reshape` completes.
"""

import io
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.cube import Cube, root_attributes
from mmvsf.datasets.cube.layout import tile_layout
from mmvsf.datasets.cube.spec import CubeSpec
from mmvsf.datasets.cube.write import Content, set_incomplete, write_template
from mmvsf.datasets.storage.location import Location, objects, write_whole
from mmvsf.datasets.storage.spec import ArraySpec
from mmvsf.datasets.storage.store import sweep_leftovers
from mmvsf.datasets.variables import WeatherFlag
from mmvsf.pipeline.ledger import Ledger

from .compatibility import Positions, positions

ENTRY = "extension"
"""Name of the ledger's entry for a change of shape that is under way."""

MOVED = ".moved"
"""What the folder that renamed files wait in is called beside their own."""


def renames_shards(old: CubeSpec, new: CubeSpec) -> bool:
    """Whether shards get other names, which cannot be done in a bucket: where days, seasons or label years come before
    those that there are. Blocks never do, since tiles are named by their place in the lattice."""
    return any(rename is not None for _, rename in _renamings(old, new))


def reshape_cube(cube: Cube, new: CubeSpec) -> None:
    """Bring a cube into the shape of `new`, an extension of what it is.

    In a bucket only a cube whose shards keep their names can be reshaped, see `renames_shards`. Raises OSError if the
    disk refuses.
    """
    old, ledger = cube.spec, Ledger.of_cube(cube.path)
    if old.attributes() == new.attributes():
        return
    _save(ledger, kept_arrays(cube, new))
    origin = cube.group_attributes("weather") if cube.weather else {}
    weather = {name: origin[name] for name in ("source", "licence") if name in origin}
    ledger.write(ENTRY, {"old": old.attributes(), "new": new.attributes(), "weather": weather, "moving": True})
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
    set_incomplete(cube)
    moves = list(_moves(cube, old, new)) if isinstance(cube, Path) else []
    if entry["moving"]:
        for move in moves:
            move.out()
        # From here on all files have their new names, whatever their folders are called.
        ledger.write(ENTRY, {**entry, "moving": False})
    for move in moves:
        move.back()
    _remove_chunks(cube, old)
    described = {name: value for name, value in root_attributes(cube).items() if name != "complete"}
    write_template(cube, new, {**described, **new.attributes()}, Content(_load(ledger), weather=entry["weather"]))
    ledger.remove(ENTRY)  # first: an entry without its values could not be finished
    _kept_path(ledger).unlink(missing_ok=True)


def _remove_chunks(cube: Location, old: CubeSpec) -> None:
    """Remove the chunks of the small arrays. Where the new shape has nothing but fill no chunk is written, and one of
    the old shape would lie at another place."""
    small = {
        f"{group.name}/{array.name}/c"
        for group in tile_layout(old, old.grid.tiles[0].grid)
        for array in group.arrays
        if array.shards is None
    }
    for part, depth in (("tiles", 1), ("seasons", 0)):
        for name, _ in objects(cube / part):
            folders = name.split("/")[depth:]
            if (part == "seasons" and "c" in folders) or "/".join(folders[:3]) in small:
                (cube / part / name).unlink(missing_ok=True)


def kept_arrays(cube: Cube, new: CubeSpec, *groups: str) -> dict[str, NDArray[Any]]:
    """The values of every small array (of some groups) at their new positions, fill elsewhere: `group/array` -> values
    over the whole grid."""
    old = cube.spec
    places = positions(old, new)
    grown = {f"{group.name}/{array.name}": array for group in tile_layout(new, new.grid) for array in group.arrays}
    kept = {}
    for group in tile_layout(old, old.grid):
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
    for name, rename in _renamings(old, new):
        if rename is not None:
            for tile in old.grid.tiles:
                yield _Move(cube / "tiles" / tile.name / name / "c", rename)


def _renamings(old: CubeSpec, new: CubeSpec) -> Iterator[tuple[str, Callable[[Path], Path] | None]]:
    """(array, how the shards of a tile are called at their new positions; None where they keep their names)."""
    places = positions(old, new)
    for group in tile_layout(old, old.grid.tiles[0].grid):
        for array in group.arrays:
            if array.shards is not None:
                yield f"{group.name}/{array.name}", _renaming(array, places[group.name])


def _renaming(array: ArraySpec, place: Positions) -> Callable[[Path], Path] | None:
    shards = array.shards or (1,)
    first = place.get(array.dims[0], np.arange(array.shape[0]))[:: shards[0]] // shards[0]
    if array.dims[0] == "y" or np.array_equal(first, np.arange(first.size)):
        return None

    def shard(path: Path) -> Path:
        if not all(part.isdigit() for part in path.parts) or int(path.parts[0]) >= first.size:
            return path  # of some other program
        return Path(str(first[int(path.parts[0])]), *path.parts[1:])

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
