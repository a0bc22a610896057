"""Connections that end when a server sends too slowly.

The timeout of a socket counts from one byte to the next, so a server that sends one a second is never late. Here an
answer has a deadline that moves with what has come: `SLOWEST` bytes buy a second more.
"""

import io
import time
from math import inf
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

SLOWEST = 1000
"""Bytes a second. A slower server is one that does not answer."""


class PacedConnection(HTTPConnection):
    """A connection on which the timeout of a read is the deadline of the answer too, but for SLOWEST."""

    def connect(self) -> None:
        """See `HTTPConnection`."""
        super().connect()
        self.sock = _Paced(self.sock)


class PacedSecureConnection(HTTPSConnection):
    """The same over TLS."""

    def connect(self) -> None:
        """See `HTTPSConnection`."""
        super().connect()
        self.sock = _Paced(self.sock)


class _Pool(HTTPConnectionPool):
    ConnectionCls = PacedConnection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = PacedSecureConnection


class PacedAdapter(HTTPAdapter):
    """Gives up an answer that takes longer than its read timeout, and a second more for each SLOWEST bytes."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """See `HTTPAdapter`."""
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}

    def proxy_manager_for(self, *arguments: Any, **options: Any) -> Any:
        """See `HTTPAdapter`."""
        manager = super().proxy_manager_for(*arguments, **options)
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
        return manager


class _Paced:
    """A socket whose answers are read by `_PacedReader`; all else is the socket's own."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock

    def makefile(self, mode: str, *_: Any, **__: Any) -> io.BufferedReader:
        """The file that http.client reads one answer from."""
        return io.BufferedReader(_PacedReader(self._sock.makefile(mode, buffering=0), self._sock))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class _PacedReader(io.RawIOBase):
    def __init__(self, raw: io.RawIOBase, sock: Any) -> None:
        self._raw = raw
        self._sock = sock
        timeout = sock.gettimeout()
        self._until = inf if timeout is None else time.monotonic() + timeout

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Raises TimeoutError if the answer is too slow."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out: the server sends too slowly")
        timeout = self._sock.gettimeout()
        self._sock.settimeout(timeout if timeout is None else min(left, timeout))
        try:
            count: int | None = self._raw.readinto(buffer)
        finally:
            self._sock.settimeout(timeout)
        self._until += (count or 0) / SLOWEST
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()
