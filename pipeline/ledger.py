"""What is done: one small JSON file a unit of work, beside the cube, written after the unit's data.

A unit is done when its entry carries the digest of what it would be made from today. Summaries travel in the
entry, so that one process can write them into the cube at the end.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Ledger:
    """Entries under `<cube>.ledger/`, each with a name such as `imagery/612/3-14`."""

    root: Path

    @classmethod
    def of_cube(cls, cube: Path) -> "Ledger":
        return cls(cube.with_name(cube.name + ".ledger"))

    def read(self, name: str) -> dict[str, Any] | None:
        """An entry, or None if there is none or it was cut off while being written."""
        try:
            content = json.loads(self._path(name).read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError, UnicodeDecodeError):
            return None
        return content if isinstance(content, dict) else None

    def write(self, name: str, content: dict[str, Any]) -> None:
        """Write an entry whole or not at all. Raises OSError."""
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        temporary.write_text(json.dumps(content, separators=(",", ":")), encoding="utf-8")
        temporary.replace(path)

    def is_done(self, name: str, digest: str, *, accept_failed: bool = False) -> bool:
        """Whether a unit stands as it would be made today. One with failures is not done unless accepted."""
        entry = self.read(name)
        if entry is None or entry.get("digest") != digest:
            return False
        return accept_failed or not entry.get("failures")

    def names(self, kind: str) -> Iterator[str]:
        """Names of all entries of a kind, sorted."""
        folder = self.root / kind
        for path in sorted(folder.rglob("*.json")):
            yield path.relative_to(self.root).with_suffix("").as_posix()

    def remove(self, name: str) -> None:
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self.root / f"{name}.json"
