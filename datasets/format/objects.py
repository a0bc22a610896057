"""Stores of objects that a validator reads: a folder, a bucket, a web server."""

import urllib.error
import urllib.request
from dataclasses import dataclass

from mmvsf.datasets.storage.location import Location, location, objects

from .validate import Objects


@dataclass(frozen=True)
class Stored:
    """A folder or a bucket."""

    root: Location

    def read(self, name: str) -> bytes:
        return (self.root / name).read_bytes()

    def sizes(self) -> dict[str, int] | None:
        return dict(objects(self.root))


@dataclass(frozen=True)
class Served:
    """An address that any web server answers, which cannot be listed."""

    address: str

    def read(self, name: str) -> bytes:
        try:
            with urllib.request.urlopen(f"{self.address.rstrip('/')}/{name}") as answer:
                content: bytes = answer.read()
        except urllib.error.HTTPError as error:
            if error.code in (403, 404, 410):
                raise FileNotFoundError(name) from error
            raise
        return content

    def sizes(self) -> dict[str, int] | None:
        return None


def objects_at(address: str) -> Objects:
    """The objects of a cube at a path, `s3://...` or `https://...`. Raises InputError for any other address."""
    return Served(address) if address.startswith(("http://", "https://")) else Stored(location(address))
