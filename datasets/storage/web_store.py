"""Files of a web server for zarr-python, for which a store that cannot be listed must not seem empty."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from zarr.storage import ObjectStore

from mmvsf.datasets.errors import InputError


def without_list(where: object) -> InputError:
    """The error for a web server that would have to list its files."""
    return InputError(
        f"the files of {where} cannot be listed over HTTP; copy the cube to a folder or a bucket for this"
    )


class WebStore(ObjectStore[Any]):
    """A store that refuses to list: obstore asks by WebDAV, and a server that has none may answer as if there were
    nothing. Raises InputError."""

    def list(self) -> AsyncGenerator[str, None]:
        """See `zarr.abc.store.Store`."""
        raise without_list(self.store.url)

    def list_prefix(self, prefix: str) -> AsyncGenerator[str, None]:
        """See `zarr.abc.store.Store`."""
        raise without_list(self.store.url)

    def list_dir(self, prefix: str) -> AsyncGenerator[str, None]:
        """See `zarr.abc.store.Store`."""
        raise without_list(self.store.url)
