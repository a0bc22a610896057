"""Objects in an S3 bucket, or in any store that speaks S3 (MinIO, Ceph, R2), named as pathlib names files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from mmvsf.datasets.errors import InputError

from .s3_client import DEFAULT_REGION, Settings, client, reaching

if TYPE_CHECKING:
    from obstore import PutMode, UpdateVersion
    from obstore.store import S3Store
    from zarr.storage import ObjectStore

DELETED_AT_ONCE = 1000
"""Objects that one request deletes: the limit of S3."""

PAST_THE_END = "416 Range Not Satisfiable"
"""The answer to a read that begins where the object ends, or after that."""

BUCKET = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
"""The rule of S3 for names of buckets."""


@dataclass(frozen=True)
class S3Path:
    """An object, or all objects whose keys begin with `key/`. Writing an object is atomic: old or new, never half.

    Every method raises FileNotFoundError where there is no such object, InputError where the bucket or the credentials
    are wrong, IncompleteError where no service answers, and OSError for any other failure.
    """

    bucket: str
    key: str
    """without leading or trailing slash; empty for the whole bucket"""

    @classmethod
    def parse(cls, url: str) -> Self:
        """From `s3://bucket/prefix`. Raises InputError."""
        match = re.fullmatch(rf"s3://({BUCKET})(?:/(.*?))?/*", url)
        if match is None or set((match[2] or "x").split("/")) & {"", ".", ".."}:
            raise InputError("this is not an address of objects; write s3://BUCKET or s3://BUCKET/PREFIX")
        return cls(match[1], match[2] or "")

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}".rstrip("/")

    def __truediv__(self, name: str) -> S3Path:
        return S3Path(self.bucket, f"{self.key}/{name}".lstrip("/"))

    @property
    def name(self) -> str:
        return self.key.rpartition("/")[2]

    @property
    def parent(self) -> S3Path:
        return S3Path(self.bucket, self.key.rpartition("/")[0])

    def with_name(self, name: str) -> S3Path:
        return self.parent / name

    def is_file(self) -> bool:
        """Whether there is an object of this key."""
        try:
            with reaching(self.bucket) as store:
                store.head(self.key)
        except FileNotFoundError:
            return False
        return True

    def is_dir(self) -> bool:
        """Whether there is any object below this key. Unlike `is_file` it raises InputError for a missing bucket."""
        return next(self.objects(), None) is not None

    def exists(self) -> bool:
        return self.is_file() or self.is_dir()

    def ensure_reachable(self) -> None:
        """List one page of the bucket with a single retry, so that wrong settings show before work begins."""
        with reaching(self.bucket, patient=False) as store:
            next(iter(store.list(prefix=self.key or None)), None)

    def read_bytes(self) -> bytes:
        with reaching(self.bucket) as store:
            return bytes(store.get(self.key).bytes())

    def size(self) -> int:
        """Bytes of the object."""
        with reaching(self.bucket) as store:
            return store.head(self.key)["size"]

    def read_range(self, start: int, length: int) -> bytes:
        """`length` bytes from byte `start` on; fewer where the object ends before that."""
        if length == 0:
            return b""
        with reaching(self.bucket) as store:
            from obstore.exceptions import BaseError

            try:
                return bytes(store.get_range(self.key, start=start, length=length))
            except BaseError as error:
                if PAST_THE_END not in str(error):
                    raise
                return b""

    def read_text(self, encoding: str = "utf-8") -> str:
        return self.read_bytes().decode(encoding)

    def write_bytes(self, content: bytes) -> None:
        with reaching(self.bucket) as store:
            store.put(self.key, content)

    def create_bytes(self, content: bytes) -> bool:
        """Write the object on the condition that there is none; whether there was none."""
        return self._write_if("create", content)

    def replace_bytes(self, old: bytes, new: bytes) -> bool:
        """Replace the object on the condition that its content is `old`; whether it was."""
        try:
            with reaching(self.bucket) as store:
                current = store.get(self.key)
                same = bytes(current.bytes()) == old
        except FileNotFoundError:
            return False
        e_tag, number = current.meta["e_tag"], current.meta["version"]
        version: UpdateVersion = {"e_tag": e_tag, "version": number} if number else {"e_tag": e_tag}
        return same and self._write_if(version, new)

    def _write_if(self, condition: PutMode, content: bytes) -> bool:
        with reaching(self.bucket) as store:
            from obstore.exceptions import AlreadyExistsError, PreconditionError

            try:
                store.put(self.key, content, mode=condition)
            except (AlreadyExistsError, PreconditionError):
                return False
            return True

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove the object; S3 does not report whether there was one."""
        with reaching(self.bucket) as store:
            store.delete(self.key)

    def objects(self) -> Iterator[tuple[str, int]]:
        """(name below this key, bytes) of every object, in no order."""
        start = len(self.key) + 1 if self.key else 0
        with reaching(self.bucket) as store:
            for batch in store.list(prefix=self.key or None):
                for entry in batch:
                    yield entry["path"][start:], entry["size"]

    def remove_tree(self) -> None:
        """Remove every object below this key."""
        keys = [(self / name).key for name, _ in self.objects()]
        with reaching(self.bucket) as store:
            for first in range(0, len(keys), DELETED_AT_ONCE):
                store.delete(keys[first : first + DELETED_AT_ONCE])

    def zarr_store(self) -> ObjectStore[S3Store]:
        """The form that zarr-python and xarray take. This prefix is its root: zarr creates groups above a path."""
        from zarr.storage import ObjectStore

        return ObjectStore(client(self.bucket, self.key))

    def kvstore(self) -> dict[str, Any]:
        """The form that tensorstore takes."""
        settings = Settings.from_environment()
        spec: dict[str, Any] = {
            "driver": "s3",
            "bucket": self.bucket,
            "path": f"{self.key}/",
            "aws_credentials": {"type": settings.credentials},
        }
        if settings.endpoint:
            spec |= {"endpoint": settings.endpoint, "aws_region": settings.region or DEFAULT_REGION}
        elif settings.region:
            spec |= {"aws_region": settings.region}
        return spec
