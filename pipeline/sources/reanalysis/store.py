"""Zarr stores on web servers: only the chunks that are read are fetched, and kept in the data folder for a day.

The services append to the last chunks of their arrays in place, so older copies are fetched again.
"""

import asyncio
import json
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import requests
import xarray as xr
from zarr.abc.store import ByteRequest
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import LocalStore, WrapperStore

from mmvsf.datasets.errors import IncompleteError, InputError, one_line
from mmvsf.pipeline.sources.transport.download import DownloadError, download, server_folder
from mmvsf.pipeline.sources.transport.http import Bearer, RetryPolicy
from mmvsf.pipeline.sources.transport.progress import report_progress

METADATA = ".zmetadata"
"""The object of a Zarr 2 store that holds the metadata of all its arrays."""
KEPT_SECONDS = 86_400
RETRY_POLICY = RetryPolicy(request=120.0)
"""A chunk has a few megabytes."""

CODECS = {"blosc", "zlib", "gzip", "zstd", "lz4", "shuffle", "delta", "fixedscaleoffset", "quantize"}
"""What may decode a chunk. Bytes from outside must not choose others: numcodecs' `pickle` runs code."""


@dataclass(frozen=True)
class WebStore:
    """One Zarr store of a service."""

    service: str
    """its name in errors and progress"""
    url: str
    cache: Path
    auth: requests.auth.AuthBase = field(default_factory=lambda: Bearer(None))
    refused: str = "access is refused"
    """why an answer of 401 or 403 is final, and what to do"""
    retry_policy: RetryPolicy = RETRY_POLICY

    @property
    def folder(self) -> Path:
        """Where its objects are kept."""
        return server_folder(self.cache, self.url) / PurePosixPath(self.url).name

    def fetch(self, key: str) -> None:
        """Have an object in the folder, unless the service has none: then it is fill.

        Raises InputError where access is refused, IncompleteError where the service does not answer.
        """
        path = self.folder / key
        if not _is_inside(key) or (path.is_file() and time.time() - path.stat().st_mtime < KEPT_SECONDS):
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        what = f"{self.service}, {self.folder.name}/{key}"
        check = _check_metadata if key == METADATA else _check_json if key.startswith(".z") else _check_chunk
        try:
            download(f"{self.url}/{key}", {}, path, what, check, self.retry_policy, self.auth)
        except DownloadError as error:
            if error.status in (401, 403):
                raise InputError(f"{error.reason}; {self.refused}") from None
            if error.status != 404:
                raise
            path.unlink(missing_ok=True)
            if key == METADATA:
                raise InputError(
                    f"{error.reason}; {self.service} has moved its data: update this project, or take another weather"
                    " source"
                ) from None

    def open(self) -> xr.Dataset:
        """The store with the dimensions `time`, `lat` and `lon`; values are read when they are used.

        Raises as `fetch`, and IncompleteError for a store in another form.
        """
        self.fetch(METADATA)
        with self.reading(METADATA):
            dataset = xr.open_zarr(
                _FetchedStore(self), chunks=None, consolidated=True, zarr_format=2, decode_timedelta=False
            )
        names = {"latitude": "lat", "longitude": "lon"}
        renamed: xr.Dataset = dataset.rename({old: new for old, new in names.items() if old in dataset.dims})
        return renamed

    def reading(self, name: str) -> "_Reading":
        """A context in which an array (or the metadata) is read: what cannot be decoded is removed and reported."""
        return _Reading(self, name)


@dataclass
class _Reading:
    store: WebStore
    name: str

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        # numcodecs raises RuntimeError and ValueError for a damaged chunk, zarr and xarray the others for metadata.
        if not isinstance(error, (RuntimeError, ValueError, KeyError, TypeError)):
            return
        path = self.store.folder / self.name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        raise IncompleteError(
            f"{self.store.service}: {self.store.folder.name}/{self.name} cannot be decoded ({one_line(error, 120)}); it"
            " was removed and is fetched again in the next run"
        ) from error


class _FetchedStore(WrapperStore[LocalStore]):
    """The folder of a `WebStore`, in which an object is fetched before it is read."""

    def __init__(self, objects: WebStore) -> None:
        super().__init__(LocalStore(objects.folder, read_only=True))
        self._objects = objects
        self._keys: set[str] = set()

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        await asyncio.to_thread(self._objects.fetch, key)
        self._keys.add(key)
        report_progress(f"weather, objects of {self._objects.service}", len(self._keys), None)
        return await self._store.get(key, prototype, byte_range)

    async def exists(self, key: str) -> bool:
        await asyncio.to_thread(self._objects.fetch, key)
        return await self._store.exists(key)


def _is_inside(key: str) -> bool:
    """Whether a key stays in its store; names of arrays come from the service."""
    parts = PurePosixPath(key).parts
    return bool(parts) and parts[0] != "/" and ".." not in parts


def _check_chunk(body: bytes) -> None:
    if not body:
        raise ValueError("the response is empty")


def _check_json(body: bytes) -> None:
    json.loads(body)


def _check_metadata(body: bytes) -> None:
    """Raise ValueError unless the body is the metadata of a Zarr 2 store whose chunks only `CODECS` decode."""
    try:
        arrays = [entry for key, entry in json.loads(body)["metadata"].items() if key.endswith(".zarray")]
        used = [codec["id"] for entry in arrays for codec in (entry["compressor"], *(entry["filters"] or ())) if codec]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"the response is not the metadata of a Zarr 2 store ({one_line(error, 80)})") from error
    if foreign := sorted(set(map(str, used)) - CODECS):
        raise ValueError(f"its chunks need {', '.join(foreign)}, which this project does not read")
