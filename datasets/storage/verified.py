"""Verified reading: an object of a store is used only if it is the one that the manifest lists."""

import os
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import google_crc32c
from zarr.abc.store import ByteRequest
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import WrapperStore

from mmvsf.datasets.errors import InputError

from .location import Location, read_range, size
from .manifest import TAIL_BYTES, Manifest, Record, read_part, split_name, tail_of

CHECKS_AT_ONCE = 32
"""Objects of buckets that a process checks at a time: a request takes longer to be answered than to be sent."""


class VerifiedObjects:
    """The objects of a store, each checked against the manifest when this process first uses it.

    A worker process that it is sent to checks for itself. `describe` gives what an object holds, for errors.
    """

    def __init__(self, root: Location, manifest: Manifest, describe: Callable[[str], str] | None = None) -> None:
        self.root, self.manifest, self._describe = root, manifest, describe
        self._parts: dict[str, dict[str, Record]] = {}
        self._checked: set[str] = set()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_parts": {}, "_checked": set()}

    def part(self, name: str) -> dict[str, Record]:
        """The objects of a part; none where the store has no such part. Raises InputError for a damaged manifest."""
        if name not in self._parts:
            part = self.manifest.parts.get(name)
            self._parts[name] = read_part(self.root, name, part) if part is not None else {}
        return self._parts[name]

    def record(self, name: str) -> Record | None:
        """What an object must be; None where there must be none."""
        place = split_name(name)
        return self.part(place[0]).get(place[1]) if place else None

    def members(self, folder: str) -> list[str]:
        """The names of what lies directly in a folder of the store, by the manifest; nothing is listed."""
        start = f"{folder}/" if folder else ""
        names = set()
        for part in self.manifest.parts:
            if start.startswith(f"{part}/"):  # the folder is the part or lies in it
                names |= {f"{part}/{name}" for name in self.part(part)}
            else:
                names.add(f"{part}/zarr.json")
        return sorted({name.removeprefix(start).partition("/")[0] for name in names if name.startswith(start)})

    def check(self, name: str) -> bool:
        """Check an object once: that it is there and has its length and, up to `WHOLE_BYTES`, its hash, beyond that the
        hash of its end. Returns whether there is one; where there must be none, there is none.

        Raises InputError, which names the object and what it holds, where it is not the one that was written.
        """
        record = self.record(name)
        if name in self._checked:
            return record is not None
        try:
            if record is None:
                size(self.root / name)
                raise self.damaged(name, "exists although the manifest does not list it")
            start = record.length - TAIL_BYTES if record.tail else 0
            content, length = read_range(self.root / name, start, record.length - start)
            if length != record.length:
                raise self.damaged(name, f"has {length} bytes, the manifest says {record.length}")
            if record.tail:
                if tail_of(content) != record.tail:
                    raise self.damaged(name, "is not the object that was written")
            else:
                self._check_content(name, content, record)
        except FileNotFoundError as error:
            if record is not None:
                raise self.damaged(name, "is missing although the manifest lists it") from error
        self._checked.add(name)
        return record is not None

    def begin_check(self, name: str) -> Callable[[], bool]:
        """Begin `check`, for an object of a bucket in another thread; the result is called for what `check` returns, or
        raises as it does."""
        if isinstance(self.root, Path):
            return partial(self.check, name)
        return _checks(os.getpid()).submit(self.check, name).result

    def check_whole(self, name: str) -> None:
        """Compare the whole content of an object that the manifest lists. Raises InputError as `check` does."""
        record = self.record(name)
        if record is not None:
            self._check_content(name, (self.root / name).read_bytes(), record)

    def _check_content(self, name: str, content: bytes, record: Record) -> None:
        if len(content) != record.length or sha256(content).hexdigest() != record.sha256:
            raise self.damaged(name, "is not the object that was written")

    def checked_content(self, name: str, content: bytes | None) -> bytes | None:
        """The content of a whole object, None for one that is not there, if it is as the manifest says."""
        record = self.record(name)
        if content is None and record is not None:
            raise self.damaged(name, "is missing although the manifest lists it")
        if content is not None:
            if record is None:
                raise self.damaged(name, "exists although the manifest does not list it")
            if name not in self._checked:
                self._check_content(name, content, record)
                self._checked.add(name)
        return content

    def damaged(self, name: str, problem: str) -> InputError:
        """The error for an object that is not as the manifest says."""
        words = self._describe(name) if self._describe is not None else ""
        place = f" ({words})" if words else ""
        return InputError(
            f"{self.root / name}{place} {problem}; `mmvsf verify` lists all damage, `mmvsf repair` fixes it"
        )


def ends_with_checksum(content: bytes) -> bool:
    """Whether the last four bytes are the CRC-32C of the others, as of an inner chunk or of the index of a shard."""
    return bool(int.from_bytes(content[-4:], "little") == google_crc32c.value(content[:-4]))


@lru_cache(maxsize=1)  # a pool of threads
def _checks(process: int) -> ThreadPoolExecutor:
    """The threads that check objects of buckets: of this process, since none survives a fork."""
    return ThreadPoolExecutor(CHECKS_AT_ONCE)


class VerifiedStore(WrapperStore[Any]):
    """A zarr-python store that reads through `VerifiedObjects`: xarray and zarr then raise where they would show the
    fill value for a lost object."""

    def __init__(self, store: Any, objects: VerifiedObjects, prefix: str = "") -> None:
        """`prefix` is the path of the store's root in the cube, with a slash at its end unless it is empty."""
        super().__init__(store)
        self._objects, self._prefix = objects, prefix

    def _with_store(self, store: Any) -> Self:
        return type(self)(store, self._objects, self._prefix)

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """See `zarr.abc.store.Store`. The members of a folder are those that the manifest lists."""
        for name in self._objects.members((self._prefix + prefix).strip("/")):
            yield name

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """See `zarr.abc.store.Store`."""
        return [await self.get(key, prototype, byte_range) for key, byte_range in key_ranges]

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        """See `zarr.abc.store.Store`. Raises InputError for damage."""
        name = self._prefix + key
        if split_name(name) is None:
            return await super().get(key, prototype, byte_range)
        if byte_range is not None:
            self._objects.check(name)
            part = await super().get(key, prototype, byte_range)
            if part is not None and not ends_with_checksum(part.to_bytes()):
                self._objects.check_whole(name)
            return part
        buffer = await super().get(key, prototype)
        self._objects.checked_content(name, None if buffer is None else buffer.to_bytes())
        return buffer
