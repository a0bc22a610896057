"""The record of finished work: one small JSON file per unit of work, beside the cube, written after the unit's data.

A unit is done when its entry carries the digest of what it would be made from today. Summaries travel in the
entry, so that one process can write them into the cube at the end.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mmvsf.datasets.json_text import parse_json
from mmvsf.datasets.storage.location import Location, objects, read_each, write_whole

Entry = dict[str, Any]


@dataclass(frozen=True)
class Ledger:
    """Entries under `<cube>.ledger/`, each with a name such as `imagery/612/3-14`."""

    root: Location

    @classmethod
    def of_cube(cls, cube: Location) -> "Ledger":
        return cls(cube.with_name(cube.name + ".ledger"))

    def entries(self, names: Iterable[str]) -> Iterator[tuple[str, Entry | None]]:
        """(name, entry) in order; None if there is none or it was cut off while being written."""
        files = (f"{name}.json" for name in names)
        for file, content in read_each(self.root, files):
            yield file.removesuffix(".json"), None if content is None else _parsed(content)

    def read(self, name: str) -> Entry | None:
        """An entry, or None as in `entries`."""
        return next(self.entries([name]))[1]

    def write(self, name: str, content: Entry) -> None:
        """Write an entry whole or not at all. Raises OSError."""
        write_whole(self._path(name), json.dumps(content, separators=(",", ":")).encode())

    def undone(self, digests: Mapping[str, str], *, accept_failed: bool = False) -> set[str]:
        """The units that are not done with these digests. One with failures is not done unless accepted."""
        begun = {name for kind in {name.partition("/")[0] for name in digests} for name in self.names(kind)}
        done = {
            name
            for name, entry in self.entries(name for name in digests if name in begun)
            if entry is not None
            and entry.get("digest") == digests[name]
            and (accept_failed or not entry.get("failures"))
        }
        return digests.keys() - done

    def names(self, kind: str) -> list[str]:
        """Names of all entries of a kind, sorted."""
        return [
            f"{kind}/{name.removesuffix('.json')}" for name, _ in objects(self.root / kind) if name.endswith(".json")
        ]

    def remove(self, name: str) -> None:
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Location:
        return self.root / f"{name}.json"


def _parsed(content: bytes) -> Entry | None:
    try:
        entry = parse_json(content)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None
