"""Write a cube: shards one by one, then everything else and the manifest, which make it complete."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from numpy.typing import NDArray

from mmvsf.datasets.errors import IncompleteError
from mmvsf.datasets.storage.encode import encode_groups
from mmvsf.datasets.storage.location import Location, objects, sync_all, write_many, write_whole
from mmvsf.datasets.storage.manifest import (
    Manifest,
    Objects,
    Record,
    digest_of,
    read_part,
    split_name,
    trusted_manifest,
    write_manifest,
    write_parts,
)
from mmvsf.datasets.storage.shard import encode_shard
from mmvsf.datasets.storage.spec import GroupSpec

from .conventions import CF, group_attributes
from .cube import root_attributes
from .draw import are_current, overview_metadata, write_overviews
from .grid import BlockIndex, Tile
from .layout import FORMAT, FORMAT_VERSION, seasons_group, tile_layout
from .layout_overviews import OVERVIEWS
from .pixels import shard_key
from .place import cut
from .spec import CubeSpec

TILES = "tiles"
"""The part that is the group above all tiles"""

OBJECT = re.compile(r"(.+/)?(zarr\.json|c(/\d+)*)")
"""Names of the metadata of a group or array and of its chunks (Zarr 3 with default chunk keys)."""

MOST_CONSOLIDATED = 64
"""Tiles of a cube whose root holds the metadata of all, some 40 kB a tile; in a larger one each tile holds its own."""

Parts = Mapping[str, Objects]

MOST_NAMED = 3
"""Damaged objects that an error names."""


@dataclass(frozen=True)
class Content:
    """What a cube holds beside its shards."""

    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """arrays over the whole grid that are not sharded, such as `blocks/status`, and `seasons/split`"""
    scenes: GroupSpec | None = None
    weather: Mapping[str, Any] = field(default_factory=dict)
    """more attributes of the groups `weather`: its source and licence"""


def write_template(path: Location, spec: CubeSpec, provenance: dict[str, Any], content: Content = Content()) -> None:
    """Write every array of a cube, with the values in `content` or else empty. The root's zarr.json is written last and
    marks the template whole.

    `provenance` goes to the root attributes beside the specification. Raises OSError if the disk refuses.
    """
    for part, encoded in encode_parts(spec, content):
        write_many(path / part, encoded, sync=False)
    write_root(path, root_attributes_of(spec, provenance))


def root_attributes_of(spec: CubeSpec, provenance: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of a cube's root, but for those that `finish_cube` adds."""
    known = {"format": FORMAT, "format_version": FORMAT_VERSION, "Conventions": CF}
    return {**known, **spec.attributes(), **provenance}


def encode_parts(spec: CubeSpec, content: Content) -> Iterator[tuple[str, dict[str, bytes]]]:
    """(part, its objects) of everything in a cube but the shards and the root."""
    yield TILES, _renamed(encode_groups([GroupSpec(TILES, (), group_attributes("tiles of blocks"))]), TILES)
    for tile in spec.grid.tiles:
        layout = [_with_origin(group, content.weather) for group in tile_layout(spec, tile.grid)]
        values = {
            f"{group.name}/{array.name}": cut(
                spec.grid, content.arrays[f"{group.name}/{array.name}"], array.dims, group.name, tile
            )
            for group in layout
            for array in group.arrays
            if f"{group.name}/{array.name}" in content.arrays
        }
        yield f"{TILES}/{tile.name}", encode_groups(layout, values, above=group_attributes("a tile of blocks"))
    yield "seasons", _renamed(encode_groups([seasons_group(spec)], content.arrays), "seasons")
    if content.scenes is not None:
        yield "scenes", _renamed(encode_groups([content.scenes]), "scenes")


def _renamed(encoded: dict[str, bytes], group: str) -> dict[str, bytes]:
    """Objects of a group by their names in it."""
    return {name.removeprefix(f"{group}/"): body for name, body in encoded.items() if name.startswith(f"{group}/")}


def _with_origin(group: GroupSpec, weather: Mapping[str, Any]) -> GroupSpec:
    return replace(group, attributes={**group.attributes, **weather}) if group.name == "weather" else group


def write_shards(
    path: Location,
    spec: CubeSpec,
    block: BlockIndex,
    first: int,
    values: Mapping[str, NDArray[Any]],
    positions: Sequence[int] | None = None,
) -> dict[str, list[int | str]]:
    """Write one shard of each of some arrays: that of a block, with the number `first` along time or season (0 for an
    array without). `positions` are as those of `encode_shard`. A shard that is nothing but fill is removed.

    Returns array -> record, as JSON, of the shards that exist, see `shard_objects`. Raises OSError.
    """
    tile, place = tile_of(spec, block)
    records, bodies = {}, {}
    for name, array in values.items():
        member = spec.array(name)
        key = f"{TILES}/{tile.name}/{name}/{shard_key(len(member.dims), first, place)}"
        body = encode_shard(member, array, positions)
        if body is None:
            (path / key).unlink(missing_ok=True)
        else:
            bodies[key], records[name] = body, Record.of(body, shard=True).members()
    write_many(path, bodies)
    return records


def remove_shards(path: Location, spec: CubeSpec, block: BlockIndex, first: int, names: Iterable[str]) -> None:
    """Remove the shards of a block in some arrays, see `write_shards`."""
    tile, place = tile_of(spec, block)
    for name in names:
        key = shard_key(len(spec.array(name).dims), first, place)
        (path / TILES / tile.name / name / key).unlink(missing_ok=True)


def shard_objects(
    spec: CubeSpec, block: BlockIndex, first: int, records: Mapping[str, Any]
) -> Iterator[tuple[str, str, Record]]:
    """(part, object, record) of the shards that `write_shards` wrote."""
    tile, place = tile_of(spec, block)
    for name, members in records.items():
        key = shard_key(len(spec.array(name).dims), first, place)
        yield f"{TILES}/{tile.name}", f"{name}/{key}", Record.parse(members)


def tile_of(spec: CubeSpec, block: BlockIndex) -> tuple[Tile, BlockIndex]:
    """The tile that a block lies in, and the block's place in it."""
    tile = spec.grid.tile_of(block)
    return tile, (block[0] - tile.row, block[1] - tile.column)


def finish_cube(
    path: Location,
    spec: CubeSpec,
    content: Content,
    shards: Parts,
    attributes: Mapping[str, Any],
    *,
    time: str,
    check: Callable[[Manifest], None] = lambda manifest: None,
    draw: Callable[[Manifest], Mapping[str, bytes]] | None = None,
) -> bool:
    """Write what a cube holds beside its shards, its manifest and its root, and mark it complete. What is as it should
    be is not written again.

    `shards` are the records of all shards by part; `attributes` those of the root, to which completeness, digest, the
    `time` (ISO 8601) and an entry in the history are added where anything changed. Only then `check` looks at the cube,
    before it is marked complete, and raises if it is not sound. `draw` makes the chunks of the overviews
    (`draw_overviews`) where tiles have changed; without it there are no overviews.
    Returns whether anything changed. Raises IncompleteError where a shard is missing or has another length than was
    written, OSError if the disk refuses.
    """
    root = root_attributes(path)
    before = _previous_parts(path, root)
    parts, documents, changed = _write_members(path, spec, content, shards, before)
    known = (before or {}).get(OVERVIEWS, {}) if draw is not None else {}
    _refuse_damage(path, {**parts, OVERVIEWS: known}, remove_unlisted=changed)
    if draw is not None:
        metadata = overview_metadata(spec, parts)
        if are_current(metadata, known):
            parts[OVERVIEWS] = dict(known)
        else:
            set_incomplete(path)
            chunks = draw(Manifest(write_parts(path, parts), Record(0, "")))
            parts[OVERVIEWS] = write_overviews(path, {**metadata, **chunks}, known)
        documents |= _documents(spec, OVERVIEWS, metadata)
    if not changed and before != parts:
        set_incomplete(path)
        changed = True
    described = write_parts(path, parts)
    if not changed and _described(root) == _described(attributes):
        return False
    check(Manifest(described, Record(0, "")))
    digest = digest_of(described)
    history = list(root.get("history", []))
    if not history or history[-1]["digest"] != digest:
        history.append({"time": time, "digest": digest})
    closing = {"complete": True, "digest": digest, "finished": time, "history": history}
    body = _root({**attributes, **closing}, documents)
    set_incomplete(path)
    write_manifest(path, Manifest(described, Record.of(body)))
    sync_all(path)
    write_whole(path / "zarr.json", body)
    return True


def _write_members(
    path: Location, spec: CubeSpec, content: Content, shards: Parts, before: Parts | None
) -> tuple[dict[str, dict[str, Record]], dict[str, bytes], bool]:
    """Write what differs from `before` of all but the shards, the overviews and the root. Returns the objects of each
    part, the metadata that the root consolidates, and whether anything changed."""
    parts: dict[str, dict[str, Record]] = {}
    documents: dict[str, bytes] = {}
    changed = before is None
    for part, encoded in encode_parts(spec, content):
        known = (before or {}).get(part, {})
        parts[part] = {name: Record.of(body) for name, body in encoded.items()}
        documents |= _documents(spec, part, encoded)
        different = {name: body for name, body in encoded.items() if known.get(name) != parts[part][name]}
        if different and not changed:
            set_incomplete(path)
            changed = True
        write_many(path / part, different, sync=False)
        parts[part] |= shards.get(part, {})
    return parts, documents, changed


def _documents(spec: CubeSpec, part: str, encoded: Mapping[str, bytes]) -> dict[str, bytes]:
    """The metadata of a part, where there are few enough tiles for the root to hold all of it."""
    few = len(spec.grid.tiles) <= MOST_CONSOLIDATED
    return {f"{part}/{name}": body for name, body in encoded.items() if few and name.endswith("zarr.json")}


def _described(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Root attributes without those that `finish_cube` adds."""
    added = ("complete", "digest", "finished", "history")
    return {name: value for name, value in attributes.items() if name not in added}


def _previous_parts(path: Location, root: Mapping[str, Any]) -> dict[str, dict[str, Record]] | None:
    """The objects of all parts of a cube that was complete; None for another one. Raises InputError where its manifest
    or its root is damaged."""
    if not root.get("complete"):
        return None
    manifest = trusted_manifest(path)
    return {name: read_part(path, name, part) for name, part in manifest.parts.items()}


def write_root(path: Location, attributes: Mapping[str, Any]) -> None:
    """Write the root of a cube that is not complete. Raises OSError."""
    write_whole(path / "zarr.json", _root({**attributes, "complete": False}, {}))


def set_incomplete(path: Location) -> None:
    """Mark a cube as being changed. Its manifest does not describe it from here on."""
    attributes = root_attributes(path)
    if attributes.get("complete"):
        write_root(path, attributes)


def _refuse_damage(path: Location, parts: Parts, *, remove_unlisted: bool) -> None:
    """Compare a listing with what should be there; remove objects of earlier shapes. Raises IncompleteError."""
    missing = {f"{part}/{name}": record.length for part, members in parts.items() for name, record in members.items()}
    problems = []
    for name, size in objects(path):
        place = split_name(name)
        if place is None or OBJECT.fullmatch(place[1]) is None:
            continue
        expected = missing.pop(name, None)
        if expected is None and remove_unlisted:
            (path / name).unlink(missing_ok=True)
        elif expected is None:
            problems.append(f"{name} should not be there")
        elif expected != size:
            problems.append(f"{name} has {size} bytes instead of {expected}")
    problems += [f"{name} is missing" for name in missing]
    if problems:
        more = f", and {len(problems) - MOST_NAMED} more" if len(problems) > MOST_NAMED else ""
        raise IncompleteError(
            f"{path} is damaged: {'; '.join(problems[:MOST_NAMED])}{more}; run `mmvsf repair` to rebuild these parts"
        )


def _root(attributes: Mapping[str, Any], documents: Mapping[str, bytes]) -> bytes:
    """The root's zarr.json, with the metadata in `documents` (name -> content of a zarr.json) if there are any."""
    document: dict[str, Any] = {"attributes": dict(attributes), "node_type": "group", "zarr_format": 3}
    if documents:
        metadata = {name.removesuffix("/zarr.json"): json.loads(body) for name, body in sorted(documents.items())}
        for member in metadata.values():
            member.pop("consolidated_metadata", None)
        document["consolidated_metadata"] = {"kind": "inline", "must_understand": False, "metadata": metadata}
    return json.dumps(document, separators=(",", ":")).encode()
