"""Verify that a cube contains exactly the objects that were written, by its manifest, without decoding a pixel."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from mmvsf.datasets.errors import InputError
from mmvsf.datasets.storage.location import Location, can_list, objects, read_each
from mmvsf.datasets.storage.manifest import FOLDER, ROOT, Manifest, Record, read_manifest, read_part, split_name

from .write import OBJECT


@dataclass(frozen=True)
class Damage:
    """One object that is not as the manifest says."""

    object: str
    problem: str

    def __str__(self) -> str:
        return f"{self.object} {self.problem}"


@dataclass(frozen=True)
class Verified:
    """What `verify_cube` found."""

    digest: str
    """as the manifest says"""
    objects: int
    bytes: int
    damage: tuple[Damage, ...]
    read: bool
    """whether contents were compared, not only names and lengths"""

    @property
    def sentence(self) -> str:
        """The result of a cube without damage, in words."""
        what = "content" if self.read else "length"
        return (
            f"{self.digest}: {self.objects} objects, {self.bytes / 1e9:.3g} GB, each with the {what} that was written"
        )

    def facts(self) -> dict[str, Any]:
        """For programs."""
        damage = [{"object": each.object, "problem": each.problem} for each in self.damage]
        return {"digest": self.digest, "objects": self.objects, "bytes": self.bytes, "damage": damage}


def verify_cube(cube: Location, *, list_only: bool = False) -> Verified:
    """Compare a cube with its manifest. Over plain HTTP, which has no listing, objects that should not be there are not
    found, and `list_only` is not possible.

    Raises InputError where there is no manifest or where `manifest.json` itself is damaged.
    """
    try:
        manifest = read_manifest(cube)
    except FileNotFoundError as error:
        raise InputError(
            f"{cube} has no {ROOT}: it is not a cube of this format, or its build was not finished"
        ) from error
    damage = list_damage(cube, manifest) if list_only else find_damage(cube, manifest)
    objects = sum(part.objects for part in manifest.parts.values())
    size = sum(part.bytes for part in manifest.parts.values())
    return Verified(manifest.digest, objects, size, tuple(damage), not list_only)


def list_damage(cube: Location, manifest: Manifest) -> Iterator[Damage]:
    """What a listing shows: objects that are missing, that have another length, or that should not be there."""
    records, damage = _records(cube, manifest)
    yield from damage
    unread = {each.object for each in damage}
    for name, size in objects(cube):
        record = records.pop(name, None)
        if record is not None:
            if size != record.length:
                yield Damage(name, f"has {size} bytes instead of {record.length}")
        elif _is_extra(name, manifest, unread):
            yield Damage(name, "should not be there")
    for name in records:
        yield Damage(name, "is missing")


def find_damage(cube: Location, manifest: Manifest) -> Iterator[Damage]:
    """What reading every object shows: those that are missing or have another content than was written, and, where the
    store can be listed, those that should not be there."""
    records, damage = _records(cube, manifest)
    yield from damage
    unread = {each.object for each in damage}
    for name, content in read_each(cube, sorted(records)):
        record = records[name]
        if content is None:
            yield Damage(name, "is missing")
        elif len(content) != record.length:
            yield Damage(name, f"has {len(content)} bytes instead of {record.length}")
        elif sha256(content).hexdigest() != record.sha256:
            yield Damage(name, "has another content than was written")
    if can_list(cube):
        for name, _ in objects(cube):
            if name not in records and _is_extra(name, manifest, unread):
                yield Damage(name, "should not be there")


def _records(cube: Location, manifest: Manifest) -> tuple[dict[str, Record], list[Damage]]:
    """(name of an object in the cube -> what it must be, the manifests that are damaged)."""
    records, damage = {"zarr.json": manifest.root} if manifest.root.length else {}, []
    for part in sorted(manifest.parts):
        try:
            members = read_part(cube, part, manifest.parts[part])
        except InputError:
            damage.append(Damage(f"{FOLDER}/{part}.json", "is missing or has another content than was written"))
        else:
            records |= {f"{part}/{name}": record for name, record in members.items()}
    return records, damage


def _is_extra(name: str, manifest: Manifest, unread: set[str]) -> bool:
    """Whether an object that no manifest lists claims to be of the cube. What is in a part whose manifest could not be
    read is not judged."""
    if name == ROOT:
        return False
    if name.startswith(f"{FOLDER}/"):
        return name.removeprefix(f"{FOLDER}/").removesuffix(".json") not in manifest.parts
    place = split_name(name)
    return place is not None and OBJECT.fullmatch(place[1]) is not None and f"{FOLDER}/{place[0]}.json" not in unread
