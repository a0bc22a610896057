"""What an item says of the content of its files, so that a replaced one is noticed without a request."""

from collections.abc import Iterable
from hashlib import sha256
from typing import Any

CHECKSUM = "file:checksum"
"""Field of an asset (STAC file extension)."""


def declared_state(entry: dict[str, Any], keys: Iterable[tuple[str, ...]]) -> str:
    """The checksums of the files that the `keys` name (of each the first that the item has), or else the time at which
    the item was last updated; empty if the item says neither."""
    assets = entry.get("assets")
    present = assets if isinstance(assets, dict) else {}
    files: list[dict[str, Any]] = [
        next((present[key] for key in names if isinstance(present.get(key), dict)), {}) for names in keys
    ]
    checksums = [file.get(CHECKSUM) for file in files]
    if all(isinstance(checksum, str) and checksum for checksum in checksums):
        return sha256(repr(checksums).encode()).hexdigest()[:16]
    properties = entry.get("properties")
    updated = properties.get("updated") if isinstance(properties, dict) else None
    return updated[:40] if isinstance(updated, str) else ""
