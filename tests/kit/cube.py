"""One small cube in memory, written from the specification: name of an object -> its bytes."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from typing import Any

import numpy as np
import zarr
from zarr.core.buffer import Buffer
from zarr.storage import MemoryStore

from .kind import BANDS, Kind, day, put
from .tile import TileWriter

Files = dict[str, bytes]


@cache
def drawn(kind: Kind) -> Files:
    """The objects of the parts of a sound cube. Not to be changed: copy it first."""
    files: dict[str, Buffer] = {}
    root = zarr.create_group(MemoryStore(files), attributes={})
    root.create_group("tiles")
    rng = np.random.default_rng(kind.seed)
    rows: list[tuple[int, int, int]] = []
    for name, place in kind.tiles.items():
        TileWriter(kind, root.create_group(f"tiles/{name}"), place, rng, rows).write()
    _scenes(root, kind, rows)
    _seasons(root, kind)
    return {name: buffer.to_bytes() for name, buffer in files.items() if name != "zarr.json"}


def make(kind: Kind, change: Callable[[Files], object] | None = None) -> Files:
    """A sound cube; or, after `change` of what was written, one that is wrong and whose manifest fits."""
    files = dict(drawn(kind))
    if change is not None:
        change(files)
    return seal({**files, **dict(kind.beside)}, attributes(kind))


def seal(files: Files, attributes: dict[str, Any]) -> Files:
    """The files with the root's attributes and with the manifests of all parts."""
    parts: dict[str, dict[str, list[Any]]] = {}
    for name in files:
        folders = name.split("/")
        depth = {"scenes": 1, "seasons": 1, "tiles": min(2, len(folders) - 1)}.get(folders[0], 0)
        if depth:
            parts.setdefault("/".join(folders[:depth]), {})["/".join(folders[depth:])] = record(files, name)
    manifests = {part: canonical({"objects": objects}) for part, objects in parts.items()}
    return finish(files, manifests, attributes)


def finish(files: Files, manifests: dict[str, bytes], attributes: dict[str, Any]) -> Files:
    """The files with the manifests of the parts, `manifest.json`, and the root's attributes with the digest."""
    parts = {}
    for part, content in manifests.items():
        objects = json.loads(content)["objects"].values()
        length = sum(members[0] for members in objects)
        parts[part] = {"bytes": length, "objects": len(objects), "sha256": sha256(content).hexdigest()}
    lines = "".join(f"{part} {parts[part]['sha256']}\n" for part in sorted(parts))
    digest = sha256(lines.encode()).hexdigest()
    event = {"time": "2022-02-01T00:00:00+00:00", "event": "built", "digest": digest}
    attributes = {"digest": digest, "history": [event], **attributes}
    node = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
    root = json.dumps(node, indent=2).encode()
    whole = {"digest": digest, "parts": parts, "root": [len(root), sha256(root).hexdigest()]}
    listed = {f"manifest/{part}.json": content for part, content in manifests.items()}
    return {**files, **listed, "zarr.json": root, "manifest.json": canonical(whole)}


def record(files: Files, name: str) -> list[Any]:
    """Length, hash and, of a shard of more than 65,536 bytes, hash of the end of an object."""
    content = files[name]
    large_shard = len(content) > 65536 and b"sharding_indexed" in _metadata(files, name)
    tail = [sha256(content[-4096:]).hexdigest()[:16]] if large_shard else []
    return [len(content), sha256(content).hexdigest(), *tail]


def _metadata(files: Files, name: str) -> bytes:
    """The zarr.json of the array that a chunk belongs to; nothing for other objects."""
    array, mark, _ = name.partition("/c/")
    return files.get(f"{array}/zarr.json", b"") if mark else b""


def canonical(values: Any) -> bytes:
    return json.dumps(values, sort_keys=True, separators=(",", ":")).encode()


def attributes(kind: Kind) -> dict[str, Any]:
    """The root attributes, all but the digest."""
    wests, norths = [x // kind.tile for x, _ in kind.blocks], [y // kind.tile for _, y in kind.blocks]
    west, south, north = min(wests), min(norths), max(norths) + 1
    side = kind.tile * kind.block * kind.resolution
    top = north * kind.tile - 1
    legend = {"flag_values": [1, 5], "flag_meanings": "corn soybeans", "flag_names": ["Corn", "Soybeans"]}
    return {
        "format": "mmvsf-cube",
        "format_version": 2,
        "complete": True,
        "title": "A cube of the conformance kit",
        "region": {"name": "kit"},
        "grid": {
            "crs": kind.crs,
            "resolution": kind.resolution,
            "origin": list(kind.origin),
            "left": kind.origin[0] + west * side,
            "top": kind.origin[1] + north * side,
            "blocks_y": (north - south) * kind.tile,
            "blocks_x": (max(wests) + 1 - west) * kind.tile,
            "block": kind.block,
            "chunk": kind.chunk,
            "tile": kind.tile,
            "weather_cell": kind.weather_cell,
            "blocks": sorted([top - y, x - west * kind.tile] for x, y in kind.blocks),
        },
        "calendar": {"first_day": kind.first_day, "shards": kind.shards},
        "seasons": [name for name, _, _ in kind.seasons],
        **({} if kind.bands == tuple(BANDS) else {"bands": list(kind.bands)}),
        "weather_variables": list(kind.weather),
        "label_seasons": list(kind.label_seasons),
        **({"legend": legend} if kind.label_seasons else {}),
        **({"static_layers": list(kind.static)} if kind.static else {}),
        **({"radar_orbits": list(kind.radar), "radar_polarisations": list(kind.polarisations)} if kind.radar else {}),
        **({"label_confidence": True} if kind.confidence else {}),
        "sources": [{"layer": "imagery", "name": "drawn at random"}],
        "attribution": "",
        "software": {"zarr": zarr.__version__},
        "created": "2022-01-31T00:00:00+00:00",
        "finished": "2022-02-01T00:00:00+00:00",
    }


def _scenes(root: zarr.Group, kind: Kind, rows: list[tuple[int, int, int]]) -> None:
    group = root.create_group("scenes")
    rows = sorted(rows)
    days, ys, xs = (np.array([row[i] for row in rows], np.int32) for i in range(3))
    text = {"id": "S2A_T15TVG", "product": "s2-l2a", "version": "05.00"}
    numbers = {"day": days, "block_y": ys, "block_x": xs, "offset": np.zeros(len(rows), np.int32)}
    numbers |= {"index": np.zeros(len(rows), np.uint8), "acquired": days.astype(np.int64) * 86400 + 61200}
    for name, values in numbers.items():
        put(group, name, values, ("row",), (65536,), 0)
    for name, value in text.items():
        put(group, name, np.array([value] * len(rows), object), ("row",), (65536,), "")


def _seasons(root: zarr.Group, kind: Kind) -> None:
    group = root.create_group("seasons")
    names, starts, ends = zip(*kind.seasons, strict=True)
    everything = (len(names),)
    put(group, "season", np.array(names, np.int32), ("season",), everything, 0)
    put(group, "start", np.array([day(text) for text in starts], np.int32), ("season",), everything, 0)
    put(group, "end", np.array([day(text) for text in ends], np.int32), ("season",), everything, 0)
    put(group, "split", np.array([1] * len(names), np.uint8), ("season",), everything, 0)
