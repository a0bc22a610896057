"""Validate a cube against `docs/cube-format.md`: a list of findings, each with one of the codes of that page.

    findings = validate(Folder("data/iowa.zarr"))

Needs zarr-python and numpy only, and of the store only reads.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import Any, NamedTuple, Protocol

from .expected import contradiction, tiles
from .schema import load, parse, problem
from .structure import TAIL_BYTES, Part, check_part

OPTIONAL = {"overviews"}
"""Parts that a cube may lack, and whose arrays are not looked at."""

READS_AT_ONCE = 16


class Finding(NamedTuple):
    code: str
    object: str
    """name below the cube of an object, array, group or part"""
    message: str


class Objects(Protocol):
    """A store of objects: a folder, a bucket, a web server."""

    def read(self, name: str) -> bytes:
        """Raises FileNotFoundError where there is no such object."""

    def sizes(self) -> dict[str, int] | None:
        """Name -> bytes of every object; None where a listing is impossible."""


def validate(objects: Objects, *, hashes: bool = True, pixels: bool = True) -> list[Finding]:
    """The findings on a cube, sorted; none for a sound one. `hashes` reads every object, `pixels` decodes the imagery.

    Whatever is read is compared with its hash in any case. Raises OSError where the store refuses.
    """
    cube = _Cube(objects)
    if cube.read_root() and cube.read_manifest():
        cube.compare_listing()
        if hashes:
            with ThreadPoolExecutor(READS_AT_ONCE) as pool:
                list(pool.map(cube.read, list(cube.records)))
        for part in cube.parts:
            for code, name, message in check_part(cube.part(part), pixels=pixels):
                cube.report(code, f"{part}/{name}".rstrip("/"), message)
    return sorted(set(cube.findings))


class _Cube:
    """A cube and what was found in it.

    `content` and `root` are the root's zarr.json and its attributes. `records` holds what the manifests say of each
    object: length, hash, and index of a larger shard. `parts` are those whose arrays are known, `unread` those whose
    manifest could not be read, `bad` the objects with a finding.
    """

    def __init__(self, objects: Objects) -> None:
        self.objects = objects
        self.sizes = objects.sizes()
        self.findings: list[Finding] = []
        self.content = b""
        self.root: dict[str, Any] = {}
        self.parts: dict[str, dict[str, list[Any]]] = {}
        self.all_parts: set[str] = set()
        self.records: dict[str, list[Any]] = {}
        self.bad: set[str] = set()
        self.unread: set[str] = set()

    def report(self, code: str, name: str, message: str) -> None:
        self.findings.append(Finding(code, name, message))

    def fetch(self, name: str) -> bytes | None:
        """An object as it is; None, and a finding, where it is missing."""
        try:
            return self.objects.read(name)
        except FileNotFoundError:
            self.report("missing-object", name, "it is not there")
            return None

    def read(self, name: str) -> bytes | None:
        """An object that a manifest lists; None, and one finding, where it is not what was written."""
        if name in self.bad:
            return None
        content = self.fetch(name)
        if content is None or not self.is_as_written(name, content, self.records[name]):
            self.bad.add(name)
            return None
        return content

    def is_as_written(self, name: str, content: bytes, record: list[Any]) -> bool:
        same = self.has_length(name, len(content), record[0])
        hashes = sha256(content).hexdigest(), sha256(content[-TAIL_BYTES:]).hexdigest()[:16]
        if same and [*hashes[: len(record) - 1]] != record[1:]:
            self.report("hash-mismatch", name, "its content is not what was written")
            return False
        return same

    def has_length(self, name: str, length: int, expected: int) -> bool:
        if length != expected:
            self.report("short-object" if length < expected else "long-object", name, f"{length} bytes, not {expected}")
        return length == expected

    def read_root(self) -> bool:
        """Read the root attributes. False where the cube is none that the rest could be compared with."""
        content = self.fetch("zarr.json")
        if content is None:
            return False
        self.content = content
        node = parse(content)
        self.root = node.get("attributes", {}) if isinstance(node, dict) and node.get("node_type") == "group" else {}
        if not isinstance(self.root, dict) or self.root.get("format") != "mmvsf-cube":
            self.report("bad-root", "zarr.json", "it is not a group with the attribute format mmvsf-cube")
        elif self.root.get("format_version") != 2:
            self.report("wrong-version", "zarr.json", f"format_version is {self.root.get('format_version')}")
        elif self.root.get("complete") is not True:
            self.report("incomplete", "zarr.json", "its build was not finished")
        elif text := problem(load("root.schema.json"), self.root) or contradiction(self.root):
            self.report("bad-root", "zarr.json", text)
        return not self.findings

    def read_manifest(self) -> bool:
        """Read the manifests of all parts. False where there is no manifest."""
        content = self.fetch("manifest.json")
        manifest = self.canonical("manifest.json", content, "manifest.schema.json")
        if manifest is None or content is None:
            return False
        self.is_as_written("zarr.json", self.content, manifest["root"])
        lines = "".join(f"{part} {manifest['parts'][part]['sha256']}\n" for part in sorted(manifest["parts"]))
        if sha256(lines.encode()).hexdigest() != manifest["digest"]:
            self.report("digest-mismatch", "manifest.json", "its digest is not that of its parts")
        if self.root["digest"] != manifest["digest"]:
            self.report("digest-mismatch", "zarr.json", "its digest is not that of the manifest")
        due = {"scenes", "seasons", "tiles", *(f"tiles/{name}" for name in tiles(self.root))}
        for part in due ^ (manifest["parts"].keys() - OPTIONAL):
            self.report("wrong-parts", part, "in the manifest or by the recipe, not both")
        self.all_parts = set(manifest["parts"])
        for part, entry in manifest["parts"].items():
            self.read_part(part, entry)
        return True

    def read_part(self, part: str, entry: dict[str, Any]) -> None:
        name = f"manifest/{part}.json"
        self.unread.add(part)
        content = self.fetch(name)
        if content is None:
            return
        if sha256(content).hexdigest() != entry["sha256"]:
            self.report("hash-mismatch", name, "its content is not what was written")
            return
        values = self.canonical(name, content, "part.schema.json")
        if values is None:
            return
        records = values["objects"]
        if [len(records), sum(record[0] for record in records.values())] != [entry["objects"], entry["bytes"]]:
            self.report("bad-manifest", name, "manifest.json has other numbers of objects or bytes")
        self.unread.remove(part)
        self.records |= {f"{part}/{key}": record for key, record in records.items()}
        if part not in OPTIONAL and (part[:6] != "tiles/" or part.removeprefix("tiles/") in tiles(self.root)):
            self.parts[part] = records

    def part(self, name: str) -> Part:
        """A part whose objects are read through this cube."""
        return Part(self.root, name, self.parts[name], lambda key: self.read(f"{name}/{key}"))

    def canonical(self, name: str, content: bytes | None, schema: str) -> dict[str, Any] | None:
        """JSON in its canonical form that fits a schema; None, and a finding, for anything else."""
        values = parse(content) if content is not None else None
        text = problem(load(schema), values)
        if text is None and json.dumps(values, sort_keys=True, separators=(",", ":")).encode() != content:
            text = "it is not JSON with sorted keys and no white space"
        if text is not None and content is not None:
            self.report("bad-manifest", name, text)
        return values if text is None and isinstance(values, dict) else None

    def compare_listing(self) -> None:
        """Compare names and lengths of what is there with the manifests."""
        if self.sizes is None:
            return
        for name, record in self.records.items():
            if name not in self.sizes:
                self.report("missing-object", name, "it is not there")
            elif self.has_length(name, self.sizes[name], record[0]):
                continue
            self.bad.add(name)
        listed = self.records.keys() | {f"manifest/{part}.json" for part in self.all_parts}
        unread = tuple(f"{part}/zarr.json" if part == "tiles" else f"{part}/" for part in self.unread)
        for name in self.sizes.keys() - listed:
            if name.startswith(("scenes/", "seasons/", "tiles/", "manifest/")) and not name.startswith(unread):
                self.report("extra-object", name, "the manifest does not list it")
