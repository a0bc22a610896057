"""The manifest of a store: every object with its length and hash, so that missing and changed objects are detected.

`manifest/<part>.json` lists the objects of a part, `manifest.json` the parts: a Merkle tree, whose root is the digest
of the data. Both are JSON with sorted keys and no white space, so that equal content is equal bytes.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple, Self

from mmvsf.datasets.errors import InputError, one_line
from mmvsf.datasets.json_text import parse_json

from .location import Location, write_whole

ROOT = "manifest.json"
FOLDER = "manifest"

WHOLE_BYTES = 65_536
"""Objects up to this length are hashed as a whole when they are first used; of a larger shard the end is compared: its
index, and the checksum of its last chunk. Each of its chunks has a checksum of its own."""

TAIL_BYTES = 4_096
"""The end of a shard that is compared."""


class Record(NamedTuple):
    """What an object must be."""

    length: int
    """bytes"""
    sha256: str
    tail: str = ""
    """of a shard of more than `WHOLE_BYTES`: see `tail_of`"""

    @classmethod
    def of(cls, content: bytes, *, shard: bool = False) -> Self:
        """The record of an object's content."""
        tail = tail_of(content) if shard and len(content) > WHOLE_BYTES else ""
        return cls(len(content), sha256(content).hexdigest(), tail)

    @classmethod
    def parse(cls, values: Any) -> Self:
        """From a member of a part's manifest. Raises ValueError or TypeError if it is none."""
        record = cls(*values)
        if not (isinstance(record.length, int) and isinstance(record.sha256, str) and isinstance(record.tail, str)):
            raise ValueError(f"{values} is not a record of an object")
        return record

    def members(self) -> list[int | str]:
        """As JSON."""
        return [*self] if self.tail else [*self[:2]]


def tail_of(content: bytes) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of the last `TAIL_BYTES` of a shard."""
    return sha256(content[-TAIL_BYTES:]).hexdigest()[:16]


Objects = Mapping[str, Record]
"""name of an object, relative to its part -> what it must be"""


@dataclass(frozen=True)
class Part:
    """What `manifest.json` holds of a part."""

    sha256: str
    objects: int
    bytes: int


@dataclass(frozen=True)
class Manifest:
    """The content of `manifest.json`."""

    parts: Mapping[str, Part]
    root: Record
    """of the root's zarr.json"""

    @property
    def digest(self) -> str:
        """SHA-256 of the lines `<part> <sha256>`, sorted by part: the identity of the data."""
        return digest_of(self.parts)

    def encoded(self) -> bytes:
        """The bytes of `manifest.json`."""
        parts = {name: {"bytes": p.bytes, "objects": p.objects, "sha256": p.sha256} for name, p in self.parts.items()}
        return canonical({"digest": self.digest, "parts": parts, "root": self.root.members()})

    @classmethod
    def parse(cls, content: bytes, where: str) -> Self:
        """From the bytes of `manifest.json`. Raises InputError where they are damaged."""
        try:
            values = parse_json(content)
            parts = {
                name: Part(part["sha256"], part["objects"], part["bytes"]) for name, part in values["parts"].items()
            }
            manifest = cls(parts, Record.parse(values["root"]))
            if manifest.encoded() != content:
                raise ValueError("its digest is not that of its parts")
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise damaged_manifest(where, error) from error
        return manifest


def digest_of(parts: Mapping[str, Part]) -> str:
    """The digest of parts, see `Manifest.digest`."""
    return sha256("".join(f"{name} {parts[name].sha256}\n" for name in sorted(parts)).encode()).hexdigest()


def damaged_manifest(where: str, error: object) -> InputError:
    """The error for a manifest that is not what was written."""
    text = one_line(error) if isinstance(error, Exception) else error
    return InputError(f"{where} is damaged: {text}; `mmvsf repair` restores it")


def read_manifest(root: Location) -> Manifest:
    """The manifest of a store. Raises FileNotFoundError where there is none, InputError where it is damaged."""
    return Manifest.parse((root / ROOT).read_bytes(), str(root / ROOT))


def trusted_manifest(root: Location) -> Manifest:
    """The manifest of a store whose root is the one that it describes. Raises InputError where it is damaged
    or missing, or where the root is another one."""
    try:
        manifest = read_manifest(root)
    except FileNotFoundError as error:
        raise InputError(f"{root} has no manifest; `mmvsf repair` writes it again") from error
    if Record.of((root / "zarr.json").read_bytes()) != manifest.root:
        raise InputError(f"{root / 'zarr.json'} is not the one that was written; run `mmvsf repair` to restore it")
    return manifest


def part_path(root: Location, part: str) -> Location:
    """Where the manifest of a part is."""
    return root / FOLDER / f"{part}.json"


def encode_part(objects: Objects) -> bytes:
    """The bytes of a part's manifest."""
    return canonical({"objects": {name: record.members() for name, record in objects.items()}})


def describe_part(objects: Objects) -> Part:
    """What `manifest.json` holds of a part of these objects."""
    size = sum(record.length for record in objects.values())
    return Part(sha256(encode_part(objects)).hexdigest(), len(objects), size)


def read_part(root: Location, name: str, part: Part) -> dict[str, Record]:
    """The objects of a part. Raises InputError where its manifest is missing or is not the one that was written."""
    path = part_path(root, name)
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise damaged_manifest(str(path), "it is missing") from error
    if sha256(content).hexdigest() != part.sha256:
        raise damaged_manifest(str(path), f"its hash is not the one in {ROOT}")
    return parse_part(content, str(path))


def parse_part(content: bytes, where: str) -> dict[str, Record]:
    """The objects in the bytes of a part's manifest. Raises InputError where they are damaged."""
    try:
        return {str(name): Record.parse(values) for name, values in parse_json(content)["objects"].items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise damaged_manifest(where, error) from error


def write_parts(root: Location, parts: Mapping[str, Objects]) -> dict[str, Part]:
    """Write the manifests of all parts that changed. Returns what `manifest.json` holds of them. Raises OSError."""
    described = {}
    for name, objects in parts.items():
        described[name] = describe_part(objects)
        content, path = encode_part(objects), part_path(root, name)
        if not path.is_file() or path.read_bytes() != content:
            write_whole(path, content)
    return described


def write_manifest(root: Location, manifest: Manifest) -> None:
    """Write `manifest.json`, after the manifests of the parts and the root. Raises OSError."""
    write_whole(root / ROOT, manifest.encoded())


def canonical(values: Any) -> bytes:
    """JSON with sorted keys and no white space."""
    return json.dumps(values, sort_keys=True, separators=(",", ":")).encode()


def split_name(name: str) -> tuple[str, str] | None:
    """(part, name in the part) of an object of a store; None for one that belongs to no part."""
    first, _, rest = name.partition("/")
    if not rest or first == FOLDER:
        return None
    if first == "tiles" and "/" in rest:
        tile, _, rest = rest.partition("/")
        return f"tiles/{tile}", rest
    return first, rest


def iterate_parts(root: Location, manifest: Manifest) -> Iterator[tuple[str, dict[str, Record]]]:
    """(part, its objects) of all parts, sorted. Raises as `read_part`."""
    for name in sorted(manifest.parts):
        yield name, read_part(root, name, manifest.parts[name])
