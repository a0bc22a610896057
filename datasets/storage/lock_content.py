"""Locks that exist while they are held: an object in a bucket, or a file on a file system without flock(2)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from .object_path import ObjectPath


class LockContent(Protocol):
    """What a lock needs of its store. `str` gives its path or address. All raise OSError and as `ObjectPath` does."""

    def create(self, content: bytes) -> bool:
        """Create the lock; whether there was none."""

    def read(self) -> bytes | None:
        """The content, or None where there is no lock."""

    def replace(self, old: bytes, new: bytes) -> bool:
        """Replace the lock if its content is still `old`; whether it was."""

    def remove(self) -> None:
        """Remove the lock."""


@dataclass(frozen=True)
class LockObject:
    """A lock in a bucket, by conditional writes."""

    path: ObjectPath

    def __str__(self) -> str:
        return str(self.path)

    def create(self, content: bytes) -> bool:
        return self.path.create_bytes(content)

    def read(self) -> bytes | None:
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return None

    def replace(self, old: bytes, new: bytes) -> bool:
        return self.path.replace_bytes(old, new)

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)


@dataclass(frozen=True)
class LockFile:
    """A lock on a disk, by exclusive creation (O_EXCL)."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def create(self, content: bytes) -> bool:
        try:
            with self.path.open("xb") as stream:
                stream.write(content)
        except FileExistsError:
            return False
        return True

    def read(self) -> bytes | None:
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return None

    def replace(self, old: bytes, new: bytes) -> bool:
        """The old file is taken away under another name, since only one process can rename it. A newer lock that was
        taken by mistake is put back."""
        taken = self.path.with_name(f"{self.path.name}.{os.getpid()}.tmp")
        try:
            self.path.replace(taken)
        except FileNotFoundError:
            return False
        if taken.read_bytes() == old:
            taken.unlink()
            return self.create(new)
        taken.replace(self.path)
        return False

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
