"""Objects in a bucket of S3, Google or Azure, or files of a web server, named as pathlib names files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import unquote

from mmvsf.datasets.errors import InputError

from .bucket import FORMS, SERVICES, Bucket

if TYPE_CHECKING:
    from obstore import PutMode, UpdateVersion
    from obstore.store import ObjectStore as Client
    from zarr.storage import ObjectStore

DELETED_AT_ONCE = 1000
"""Objects that one request deletes: the limit of S3."""

PAST_THE_END = re.compile(r"416 Range Not Satisfiable|416 Requested Range Not Satisfiable|StartTooLarge")
"""The answer to a read that begins where the object ends, or after that."""


@dataclass(frozen=True)
class ObjectPath:
    """An object, or all objects whose keys begin with `key/`. Writing an object is atomic: old or new, never half.

    Every method raises FileNotFoundError where there is no such object, InputError where the bucket or the credentials
    are wrong or where a web server would have to write or list, IncompleteError where no service answers, and OSError
    for any other failure.
    """

    bucket: Bucket
    key: str
    """without leading or trailing slash; empty for the whole bucket"""

    @classmethod
    def parse(cls, url: str) -> Self:
        """From an address such as `s3://bucket/prefix`. Raises InputError, which does not repeat the address: it may
        hold a password."""
        scheme, _, rest = url.partition("://")
        service = SERVICES.get(scheme)
        match = re.fullmatch(rf"({service.bucket})(?:/(.*?))?/*", rest) if service else None
        if match is None or set((match[2] or "x").split("/")) & {"", ".", ".."}:
            raise InputError(f"this is not an address of objects; write {FORMS}")
        bucket, key = Bucket(scheme, match[1]), match[2] or ""
        if not bucket.service.read_only:
            return cls(bucket, key)
        if "?" in key or "#" in key:
            raise InputError("the address of files on a web server must not have a query; write https://HOST/PATH")
        return cls(bucket, unquote(key))

    def __str__(self) -> str:
        return self.bucket.address(self.key)

    def __truediv__(self, name: str) -> ObjectPath:
        return ObjectPath(self.bucket, f"{self.key}/{name}".lstrip("/"))

    @property
    def name(self) -> str:
        return self.key.rpartition("/")[2]

    @property
    def parent(self) -> ObjectPath:
        return ObjectPath(self.bucket, self.key.rpartition("/")[0])

    def with_name(self, name: str) -> ObjectPath:
        return self.parent / name

    def is_file(self) -> bool:
        """Whether there is an object of this key."""
        try:
            with self.bucket.reaching() as store:
                store.head(self.key)
        except FileNotFoundError:
            return False
        return True

    def is_dir(self) -> bool:
        """Whether there is any object below this key. Unlike `is_file` it raises InputError for a missing bucket.

        On a web server, which lists nothing, whether this is a group or an array of Zarr."""
        if self.bucket.service.read_only:
            return (self / "zarr.json").is_file()
        return next(self.objects(), None) is not None

    def exists(self) -> bool:
        return self.is_file() or self.is_dir()

    def ensure_reachable(self) -> None:
        """Ask for a page of the bucket's list, or for a file of a web server that need not exist, with a single retry,
        so that wrong settings show before work begins."""
        with suppress(FileNotFoundError), self.bucket.reaching(patient=False) as store:
            if self.bucket.service.read_only:
                store.head((self / "zarr.json").key)
            else:
                next(iter(store.list(prefix=self.key or None)), None)

    def read_bytes(self) -> bytes:
        with self.bucket.reaching() as store:
            return bytes(store.get(self.key).bytes())

    def size(self) -> int:
        """Bytes of the object."""
        with self.bucket.reaching() as store:
            return store.head(self.key)["size"]

    def read_range(self, start: int, length: int) -> tuple[bytes, int]:
        """(`length` bytes from byte `start` on, or fewer where the object ends before that; bytes of the whole object),
        in one request. `length` is at least 1."""
        with self.bucket.reaching() as store:
            from obstore.exceptions import BaseError

            try:
                answer = store.get(self.key, options={"range": (start, start + length)})
                return bytes(answer.bytes()), answer.meta["size"]
            except BaseError as error:
                if not PAST_THE_END.search(str(error)):
                    raise
                return b"", self.size()

    def read_text(self, encoding: str = "utf-8") -> str:
        return self.read_bytes().decode(encoding)

    def write_bytes(self, content: bytes) -> None:
        with self._changing() as store:
            store.put(self.key, content)

    def create_bytes(self, content: bytes) -> bool:
        """Write the object on the condition that there is none; whether there was none."""
        return self._write_if("create", content)

    def replace_bytes(self, old: bytes, new: bytes) -> bool:
        """Replace the object on the condition that its content is `old`; whether it was."""
        try:
            with self.bucket.reaching() as store:
                current = store.get(self.key)
                same = bytes(current.bytes()) == old
        except FileNotFoundError:
            return False
        e_tag, number = current.meta["e_tag"], current.meta["version"]
        version: UpdateVersion = {"e_tag": e_tag, "version": number} if number else {"e_tag": e_tag}
        return same and self._write_if(version, new)

    def _write_if(self, condition: PutMode, content: bytes) -> bool:
        with self._changing() as store:
            from obstore.exceptions import AlreadyExistsError, PreconditionError

            try:
                store.put(self.key, content, mode=condition)
            except (AlreadyExistsError, PreconditionError):
                return False
            return True

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove the object; S3 does not report whether there was one."""
        try:
            with self._changing() as store:
                store.delete(self.key)
        except FileNotFoundError:
            if not missing_ok:
                raise

    def objects(self) -> Iterator[tuple[str, int]]:
        """(name below this key, bytes) of every object, in no order. Raises InputError on a web server."""
        if self.bucket.service.read_only:
            from .web_store import without_list

            raise without_list(self)
        start = len(self.key) + 1 if self.key else 0
        with self.bucket.reaching() as store:
            for batch in store.list(prefix=self.key or None):
                for entry in batch:
                    yield entry["path"][start:], entry["size"]

    def remove_tree(self) -> None:
        """Remove every object below this key."""
        keys = [(self / name).key for name, _ in self.objects()]
        with self._changing() as store:
            for first in range(0, len(keys), DELETED_AT_ONCE):
                store.delete(keys[first : first + DELETED_AT_ONCE])

    def zarr_store(self) -> ObjectStore[Client]:
        """The form that zarr-python and xarray take. This prefix is its root: zarr creates groups above a path."""
        from zarr.storage import ObjectStore

        from .web_store import WebStore

        client = self.bucket.client(self.key)
        return WebStore(client, read_only=True) if self.bucket.service.read_only else ObjectStore(client)

    def kvstore(self) -> dict[str, Any] | None:
        """The form that tensorstore takes; None where it cannot read this address: it has no driver for Azure, and one
        for an emulator of Google's only where TENSORSTORE_GCS_HTTP_URL is set."""
        return self.bucket.service.kvstore(self.bucket.name, f"{self.key}/" if self.key else "")

    @contextmanager
    def _changing(self) -> Iterator[Client]:
        """The client of the bucket, to write with it."""
        if self.bucket.service.read_only:
            raise InputError(f"{self} is read-only; write to a folder, or to s3://, gs:// or az://")
        with self.bucket.reaching() as store:
            yield store
