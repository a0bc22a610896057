"""The content of a raster, identified independently of its location and time of writing."""

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

WHOLE_BYTES = 64 * 2**20
"""Files up to this size are read whole."""

SAMPLES, SAMPLE_BYTES = 256, 2**16
"""Of larger files this many pieces, evenly spread from the first byte to the last, are read."""


SCENE_PIECES, SCENE_PIECE_BYTES = 4, 2**15
"""The same of the files of scenes, of which a region may have a million. The first piece of a compressed GeoTIFF holds
the length of each of its tiles, which other pixels hardly ever leave as they are."""


def files_state(hrefs: Iterable[str]) -> str:
    """A text that changes when a file is replaced: from the sizes and times of files, which are not read. Empty if one
    of them does not exist."""
    try:
        found = [Path(href).stat() for href in hrefs]
    except (OSError, ValueError):
        return ""
    return sha256(repr([(entry.st_size, entry.st_mtime_ns) for entry in found]).encode()).hexdigest()[:16]


def scene_fingerprint(hrefs: Iterable[str]) -> str:
    """A text that changes with what the files of a scene hold: of each, 128 KiB at most are read. Empty if one of them
    cannot be read."""
    found = sha256()
    try:
        for href in hrefs:
            _add(found, Path(href), SCENE_PIECES * SCENE_PIECE_BYTES, SCENE_PIECES, SCENE_PIECE_BYTES)
    except (OSError, ValueError):
        return ""
    return found.hexdigest()[:16]


def content_fingerprint(href: str) -> str:
    """A text that changes with what a file holds and with nothing else; that of anything but a file is its href.

    Of a file above 64 MiB 16 MiB are read: that notices any other raster, though not a single pixel changed by hand.
    """
    path = Path(href)
    if not path.is_file():
        return href
    found = sha256()
    _add(found, path, WHOLE_BYTES, SAMPLES, SAMPLE_BYTES)
    return found.hexdigest()


def _add(found: Any, path: Path, whole: int, pieces: int, piece_bytes: int) -> None:
    """Add the size of a file to a hash, and all of it up to `whole` bytes, else so many pieces."""
    size = path.stat().st_size
    found.update(str(size).encode())
    with path.open("rb") as file:
        if size <= whole:
            found.update(file.read())
        else:
            for piece in range(pieces):
                file.seek((size - piece_bytes) * piece // (pieces - 1))
                found.update(file.read(piece_bytes))
