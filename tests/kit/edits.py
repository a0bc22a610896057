"""Ways to write a cube of the kit wrongly and to give it a manifest that fits."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import zarr
from zarr.core.buffer import Buffer, cpu
from zarr.storage import MemoryStore

from .cube import Files, attributes, canonical, drawn, finish, make, seal
from .damaged import TILE, Verdict
from .kind import Kind

PLAIN = Kind()
Wrong = Callable[[], tuple[Files, Verdict]]


def written(change: Callable[[Files], object], *verdict: tuple[str, str], kind: Kind = PLAIN) -> Wrong:
    """A cube of which something was written otherwise."""
    return lambda: (make(kind, change), list(verdict))


def metadata(name: str, key: str, value: Any) -> Callable[[Files], object]:
    """Change a member of the metadata of an array; None removes it."""

    def change(files: Files) -> None:
        node = json.loads(files[f"{name}/zarr.json"])
        node = {**node, key: value} if value is not None else {k: v for k, v in node.items() if k != key}
        files[f"{name}/zarr.json"] = json.dumps(node).encode()

    return change


def attribute(name: str, key: str, value: Any) -> Callable[[Files], object]:
    def change(files: Files) -> None:
        node = json.loads(files[f"{name}/zarr.json"])
        node["attributes"][key] = value
        files[f"{name}/zarr.json"] = json.dumps(node).encode()

    return change


def values(name: str, change: Callable[[Any], Any]) -> Callable[[Files], object]:
    """Change the values of an array: `change` takes them and returns others."""

    def apply(files: Files) -> None:
        buffers: dict[str, Buffer] = {key: cpu.Buffer.from_bytes(content) for key, content in files.items()}
        array = zarr.open_array(MemoryStore(buffers), path=name, mode="r+")
        array[...] = change(array[...])
        for key in [key for key in files if key.startswith(f"{name}/c")]:
            del files[key]
        files.update({key: b.to_bytes() for key, b in buffers.items() if key.startswith(f"{name}/c")})

    return apply


def at(place: Any, value: Any) -> Callable[[Any], Any]:
    def change(array: Any) -> Any:
        array[place] = value
        return array

    return change


def without(*prefixes: str) -> Callable[[Files], object]:
    def change(files: Files) -> None:
        for name in [name for name in files if name.startswith(prefixes)]:
            del files[name]

    return change


def status(old: int, new: int) -> Callable[[Files], object]:
    """Change the status of the first unit that has a status."""

    def change(array: Any) -> Any:
        time, y, x = np.argwhere(array == old)[0]
        return at((time, y, x), new)(array)

    return values(f"{TILE}/blocks/status", change)


def reencoded(name: str, *, shards: bool, **options: Any) -> Callable[[Files], object]:
    """Write an array again with other options of zarr-python."""

    def apply(files: Files) -> None:
        buffers: dict[str, Buffer] = {key: cpu.Buffer.from_bytes(content) for key, content in files.items()}
        group, _, last = name.rpartition("/")
        old = zarr.open_array(MemoryStore(buffers), path=name, mode="r")
        stored, node = old[...], json.loads(files[f"{name}/zarr.json"])
        settings = {
            "dtype": old.dtype,
            "chunks": old.chunks,
            "shards": old.shards if shards else None,
            "compressors": old.compressors,
            "fill_value": old.fill_value,
            "dimension_names": node["dimension_names"],
            "attributes": node["attributes"],
            **options,
        }
        where = zarr.open_group(MemoryStore(buffers), path=group, mode="r+")
        array = where.create_array(last, shape=stored.shape, overwrite=True, **settings)
        array[...] = stored
        without(f"{name}/")(files)
        files.update({key: b.to_bytes() for key, b in buffers.items() if key.startswith(f"{name}/")})

    return apply


def root(change: Callable[[dict[str, Any]], object], *verdict: tuple[str, str]) -> Wrong:
    """A cube whose root attributes are other ones."""

    def build() -> tuple[Files, Verdict]:
        described = attributes(PLAIN)
        change(described)
        return seal(drawn(PLAIN), described), list(verdict)

    return build


def manifest(change: Callable[[dict[str, Any], Files], bytes | None], *verdict: tuple[str, str]) -> Wrong:
    """A cube whose manifest of a tile was changed before its hash was taken. `change` returns its bytes, or None for
    what it made of the objects."""

    def build() -> tuple[Files, Verdict]:
        files = make(PLAIN)
        names = [name for name in files if name.startswith("manifest/")]
        manifests = {name[9:-5]: files.pop(name) for name in names}
        part = json.loads(manifests[TILE])
        manifests[TILE] = change(part["objects"], files) or canonical(part)
        return finish(files, manifests, attributes(PLAIN)), list(verdict)

    return build


def whole_manifest(change: Callable[[dict[str, Any]], bytes | None], *verdict: tuple[str, str]) -> Wrong:
    """A cube whose manifest.json was changed. `change` returns its bytes, or None for what it made of the content."""

    def build() -> tuple[Files, Verdict]:
        files = make(PLAIN)
        content = json.loads(files["manifest.json"])
        files["manifest.json"] = change(content) or canonical(content)
        return files, list(verdict)

    return build
