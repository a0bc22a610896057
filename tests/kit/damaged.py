"""Cubes of the kit to which something happened after they were finished: the manifest says otherwise."""

from __future__ import annotations

import json
from collections.abc import Callable

from .cube import Files

Verdict = list[tuple[str, str]]
"""(code, object)"""
Damage = Callable[[Files, Files], Verdict]
"""Damages a cube, given an older version of it, and returns the verdict that readers should give."""

TILE = "tiles/x0_y0"
LARGE, NEIGHBOUR = f"{TILE}/imagery/reflectance/c/0/0/2/2", f"{TILE}/imagery/reflectance/c/0/0/2/3"
"""Shards of the same length, more than 65,536 bytes"""
SMALL, BESIDE = f"{TILE}/imagery/reflectance/c/1/0/2/2", f"{TILE}/imagery/reflectance/c/1/0/2/3"
STATUS = f"{TILE}/blocks/status/c/0/0/0"


def replaced(files: Files, name: str, content: bytes) -> Verdict:
    """Replace an object."""
    difference = len(content) - len(files[name])
    files[name] = content
    code = "short-object" if difference < 0 else "long-object" if difference > 0 else "hash-mismatch"
    return [(code, name)]


def removed(*prefixes: str) -> Damage:
    """Remove all objects whose names begin so."""

    def damage(files: Files, older: Files) -> Verdict:
        names = [name for name in files if name.startswith(prefixes)]
        for name in names:
            del files[name]
        return [("missing-object", name) for name in names]

    return damage


def flipped(name: str, byte: int, bit: int = 0) -> Damage:
    """Flip one bit of an object."""

    def damage(files: Files, older: Files) -> Verdict:
        content = bytearray(files[name])
        content[byte] ^= 1 << bit
        return replaced(files, name, bytes(content))

    return damage


def older_copy(*names: str) -> Damage:
    return lambda files, older: [found for name in names for found in replaced(files, name, older[name])]


def swapped(one: str, other: str) -> Damage:
    def damage(files: Files, older: Files) -> Verdict:
        first, second = files[one], files[other]
        return replaced(files, one, second) + replaced(files, other, first)

    return damage


def edited(name: str, old: str, new: str, *verdict: tuple[str, str]) -> Damage:
    """Edit a file of metadata."""

    def damage(files: Files, older: Files) -> Verdict:
        text = files[name].decode()
        if old not in text:
            raise ValueError(f"{name} holds no {old}")
        found = replaced(files, name, text.replace(old, new, 1).encode())
        return list(verdict) or found

    return damage


def added(*names: str) -> Damage:
    def damage(files: Files, older: Files) -> Verdict:
        files.update(dict.fromkeys(names, b"{}"))
        return [("extra-object", name) for name in names]

    return damage


def without_manifest(files: Files, older: Files) -> Verdict:
    del files["manifest.json"]
    return [("missing-object", "manifest.json")]


def other_digest_in_the_manifest(files: Files, older: Files) -> Verdict:
    old = json.loads(files["manifest.json"])["digest"]
    files["manifest.json"] = files["manifest.json"].replace(old.encode(), old[::-1].encode())
    return [("digest-mismatch", "manifest.json"), ("digest-mismatch", "zarr.json")]


def other_hash_of_a_part(files: Files, older: Files) -> Verdict:
    old = json.loads(files["manifest.json"])["parts"]["seasons"]["sha256"]
    files["manifest.json"] = files["manifest.json"].replace(old.encode(), old[::-1].encode())
    return [("digest-mismatch", "manifest.json"), ("hash-mismatch", "manifest/seasons.json")]


def older_manifest(files: Files, older: Files) -> Verdict:
    """manifest.json alone, as after a restored backup."""
    files["manifest.json"] = older["manifest.json"]
    parts = json.loads(older["manifest.json"])["parts"]
    changed = [part for part in parts if files[f"manifest/{part}.json"] != older[f"manifest/{part}.json"]]
    length = len(files["zarr.json"]) - len(older["zarr.json"])
    root = "hash-mismatch" if not length else "short-object" if length < 0 else "long-object"
    mismatches = [("hash-mismatch", f"manifest/{part}.json") for part in changed]
    return [("digest-mismatch", "zarr.json"), (root, "zarr.json"), *mismatches]


def older_tile(files: Files, older: Files) -> Verdict:
    """A whole tile with its manifest, as after a sync that stopped half way."""
    for name in [name for name in files if name.startswith((f"{TILE}/", f"manifest/{TILE}.json"))]:
        files[name] = older[name]
    return [("hash-mismatch", f"manifest/{TILE}.json")]


def older_root(files: Files, older: Files) -> Verdict:
    verdict = replaced(files, "zarr.json", older["zarr.json"])
    return [*verdict, ("digest-mismatch", "zarr.json")]


DAMAGED: dict[str, Damage] = {
    "missing-shard": removed(LARGE),
    "missing-chunk-of-status": removed(STATUS),
    "missing-labels": removed(f"{TILE}/labels/crop/c/"),
    "missing-scenes": removed("scenes/"),
    "missing-array": removed(f"{TILE}/imagery/quality/"),
    "missing-array-metadata": removed(f"{TILE}/weather/tmin/zarr.json"),
    "missing-group-metadata": removed(f"{TILE}/imagery/zarr.json"),
    "missing-tile": removed(f"{TILE}/"),
    "missing-root": lambda files, older: removed("zarr.json")(files, older),
    "missing-group-of-the-tiles": removed("tiles/zarr.json"),
    "missing-manifest": without_manifest,
    "missing-manifest-of-a-part": removed(f"manifest/{TILE}.json"),
    "short-shard": lambda files, older: replaced(files, LARGE, files[LARGE][:-1000]),
    "short-chunk": lambda files, older: replaced(files, STATUS, files[STATUS][:-1]),
    "empty-object": lambda files, older: replaced(files, SMALL, b""),
    "long-object": lambda files, older: replaced(files, SMALL, files[SMALL] + b"\0"),
    "extra-shard": added(f"{TILE}/imagery/reflectance/c/1/0/0/0"),
    "extra-array": added(f"{TILE}/imagery/ndvi/zarr.json"),
    "extra-tile": added("tiles/x9_y9/zarr.json", "tiles/x9_y9/imagery/zarr.json"),
    "extra-manifest": added("manifest/tiles/x9_y9.json"),
    "leftover-of-a-writer": added(f"{TILE}/imagery/reflectance/c/0/0/2/2.__lock"),
    "swapped-shards": swapped(LARGE, NEIGHBOUR),
    "swapped-small-shards": swapped(SMALL, BESIDE),
    "swapped-arrays": swapped(f"{TILE}/weather/tmin/c/0/0/0", f"{TILE}/weather/tmax/c/0/0/0"),
    "bit-in-small-shard": flipped(SMALL, 700),
    "bit-in-chunk-of-large-shard": flipped(LARGE, 4000, 3),
    "bit-in-index-of-large-shard": flipped(LARGE, -10),
    "last-bit-of-large-shard": flipped(LARGE, -1, 7),
    "bit-in-coordinate": flipped(f"{TILE}/imagery/x/c/0", 40),
    "bit-in-static": flipped(f"{TILE}/chunks/split/c/0/0", 20),
    "bit-in-array-metadata": flipped(f"{TILE}/imagery/reflectance/zarr.json", 30),
    "bit-in-manifest-of-a-part": flipped(f"manifest/{TILE}.json", 500),
    "zeroed-shard": lambda files, older: replaced(files, LARGE, bytes(len(files[LARGE]))),
    "zeroed-chunk": lambda files, older: replaced(files, STATUS, bytes(len(files[STATUS]))),
    "zeroed-metadata": lambda files, older: replaced(
        files, f"{TILE}/zarr.json", bytes(len(files[f"{TILE}/zarr.json"]))
    ),
    "older-shard": older_copy(LARGE),
    "older-small-shard": older_copy(SMALL),
    "older-chunks": older_copy(f"{TILE}/weather/tmin/c/0/0/0", f"{TILE}/chunks/imagery_sum/c/0/0/0/0"),
    "older-manifest": older_manifest,
    "older-tile": older_tile,
    "older-root": older_root,
    "edited-group": edited(f"{TILE}/imagery/zarr.json", "EPSG:32615", "EPSG:32614"),
    "edited-fill": edited(f"{TILE}/imagery/reflectance/zarr.json", '"fill_value": -9999', '"fill_value": 0'),
    "edited-title": edited("zarr.json", "A cube of", "No cube of"),
    "broken-root": edited("zarr.json", '"format_version"', '"format_version', ("bad-root", "zarr.json")),
    "broken-manifest": edited("manifest.json", '"parts":', '"parts"', ("bad-manifest", "manifest.json")),
    "digest-of-the-manifest": other_digest_in_the_manifest,
    "hash-of-a-part": other_hash_of_a_part,
    "two-damages": lambda files, older: flipped(SMALL, 9)(files, older) + removed(STATUS)(files, older),
}
