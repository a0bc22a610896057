"""Windows of files on web servers, with retries: ranges are fetched over this process's connections, GDAL decodes them.

A file takes two rounds: its first bytes, then all tiles of the window at once. The first bytes of the files read last
are kept, since a file is read again for the next blocks. Each attempt begins afresh, and what the server said decides
on the next: the signature is renewed, the wait that the server asks for is kept, or the read fails. Nothing that failed
is ever taken for no data.
"""

import itertools
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any, TypeVar
from urllib.parse import urlsplit

import numpy as np
import requests
from numpy.typing import NDArray

from mmvsf.datasets.errors import MmvsfError, one_line
from mmvsf.pipeline.raster.byte_cache import ByteCache
from mmvsf.pipeline.raster.io import (
    OutOfReachError,
    ReadError,
    gdal_environment,
    raster_grid,
    read_masked,
    read_measured,
    read_raster,
)
from mmvsf.pipeline.raster.range_file import RangeFile
from mmvsf.pipeline.raster.scene import Asset, RasterGrid

from .http import BUSY, REST_SECONDS, Bearer, RetryPolicy, guard_logs, reason_of, redact
from .line import at_once, client
from .reach import LOOPBACK
from .remote_file import Answer, Content, RefusedError, RemoteFile, answer_of
from .signing import Access

Result = TypeVar("Result")

HEADER_BYTES = 32_768
"""Fetched first: the header and tile index of an HLS file are below this, so that one request does."""

READS_AT_ONCE = 32
"""Files that one process reads at the same time, whatever the number of its threads: it bounds the memory for what was
fetched and not decoded yet."""

KEPT_BYTES, MOST_KEPT = 2**26, 2**20
"""Of headers that a process keeps, and of one that it keeps."""

MAX_RENEWALS = 2

_slots = threading.BoundedSemaphore(READS_AT_ONCE)
_resting: dict[str, float] = {}
"""file or host -> when it failed all attempts; for REST_SECONDS a read then makes one attempt"""


@dataclass(frozen=True)
class _Header:
    """What was read of a file beside the tiles of a window."""

    content: Content
    pieces: tuple[tuple[int, bytes], ...]
    """(start, bytes)"""

    @property
    def nbytes(self) -> int:
        return sum(len(piece) for _, piece in self.pieces)


_headers = ByteCache[_Header](KEPT_BYTES, lambda header: header.nbytes)
"""href -> header"""


@dataclass(frozen=True)
class RemoteReader:
    """Reads files with one kind of access and one retry policy."""

    access: Access
    retry_policy: RetryPolicy
    reach: int = LOOPBACK
    """how near the files may be, also after a redirect"""

    def window(self, asset: Asset, window: tuple[slice, slice]) -> NDArray[Any]:
        """Native numbers of a (rows, columns) window of band 1. Raises ReadError after all attempts."""
        return self._patiently(asset.href, lambda file: read_raster(asset, window, file))

    def masked(self, asset: Asset, window: tuple[slice, slice]) -> NDArray[Any]:
        """The same, masked where the file itself says that there is no data. Raises ReadError."""
        return self._patiently(asset.href, lambda file: read_masked(asset, window, file))

    def measured(self, asset: Asset, window: tuple[slice, slice]) -> NDArray[np.float64]:
        """The same as float64, NaN where the file declares no data. Raises ReadError."""
        return self._patiently(asset.href, lambda file: read_measured(asset, window, file))

    def grid(self, href: str) -> RasterGrid:
        """The grid of a file, from its header. Raises ReadError."""
        return self._patiently(href, lambda file: raster_grid(href, file))

    def _patiently(self, href: str, read: Callable[[RangeFile], Result]) -> Result:
        # Whole: the answers of a server, each beside what follows from it.
        guard_logs()
        host, retry_policy = urlsplit(href).netloc, self.retry_policy
        until = time.monotonic() + retry_policy.deadline
        attempts = 1 if _is_resting(host, href) else retry_policy.attempts
        if _is_resting(host):  # reads that fail at once would use up all tasks while a server is down
            time.sleep(retry_policy.wait(3))
        renewals = 0
        for failures in itertools.count(1):
            try:
                with _slots:
                    result = self._read(href, read)
                _resting.pop(host, None)
                _resting.pop(href, None)
                return result
            except RefusedError as error:
                answer = error.answer
            except (ReadError, OSError) as error:
                answer = Answer(200, _plain(error))
            except MmvsfError as error:
                raise ReadError(redact(f"{href}: {one_line(error)}")) from None
            out_of_reach = answer.status is None or answer.status in BUSY
            if out_of_reach:
                wait = max(answer.retry_after, retry_policy.wait(failures))
            elif answer.status in (400, 401, 403):
                # NASA's gateway now and then answers 400 or 403 to what it accepts the next time.
                renewals += 1
                self.access.renew(href)
                if renewals > MAX_RENEWALS:
                    raise ReadError(redact(f"{href}: {answer.reason}; {self.access.remedy}"))
                wait = retry_policy.wait(1) if renewals > 1 else 0.0
            elif answer.status is not None and answer.status >= 300:
                raise ReadError(redact(f"{href}: {answer.reason}"))
            else:
                # The server works, so the file or its transfer was damaged: no need to wait longer.
                wait = retry_policy.wait(1)
            if failures >= attempts or time.monotonic() + wait > until:
                _resting[href] = time.monotonic()
                if out_of_reach:
                    _resting[host] = time.monotonic()
                kind = OutOfReachError if out_of_reach else ReadError
                raise kind(redact(f"{href}: {answer.reason} (after {failures} attempts)"))
            time.sleep(wait)
        raise AssertionError("unreachable")

    def _read(self, href: str, read: Callable[[RangeFile], Result]) -> Result:
        """One attempt. Raises ReadError and OSError; the file's header is forgotten then, it may be what is wrong."""
        kept = _headers.get(href)
        try:
            file, content = self._open(href, kept)
            try:
                with gdal_environment():
                    result = read(file)
            finally:
                # GDAL does not say why a fetch failed, and goes on after some failures.
                if file.failure is not None:
                    raise file.failure
        except (ReadError, OSError):
            _headers.drop(href)
            raise
        header = _Header(content, tuple(file.header))
        if kept is None and content.certain and header.nbytes <= MOST_KEPT:
            _headers.put(href, header)
        return result

    def _open(self, href: str, kept: _Header | None) -> tuple[RangeFile, Content]:
        """The file with its first bytes, and what its content is known by. Raises ReadError."""
        right = self.access.url(href), self.access.token(href)
        remote = RemoteFile(client(self.reach), *right, self._timeout, kept.content if kept else None)
        if kept is None:
            (first,) = at_once(remote.part, [(0, HEADER_BYTES)])
        content = remote.known_content
        return RangeFile(
            href, content.size, lambda ranges: at_once(remote.part, ranges), kept.pieces if kept else [(0, first)]
        ), content

    def state(self, href: str) -> str:
        """A text that changes when a file is replaced, from the server's answer to one request; empty without one."""
        try:
            return self.ask(href).state
        except ReadError:
            return ""

    def ask(self, href: str) -> Answer:
        """The server's answer to a request for the file's first byte. Raises ReadError without a right of access."""
        try:
            url, token = self.access.url(href), self.access.token(href)
        except MmvsfError as error:
            raise ReadError(redact(f"{href}: {one_line(error)}")) from None
        try:
            with client(self.reach).get(
                url, headers={"Range": "bytes=0-0"}, auth=Bearer(token), timeout=self._timeout, stream=True
            ) as answer:
                if answer.status_code < 300 and not next(answer.iter_content(1), b""):
                    return Answer(answer.status_code, "the file is empty")
                return answer_of(answer)
        except requests.exceptions.InvalidURL as error:
            raise ReadError(redact(f"{href}: {one_line(error)}")) from None
        except requests.RequestException as error:
            return Answer(None, reason_of(error))

    @property
    def _timeout(self) -> tuple[float, float]:
        """Seconds for a connection, and for an answer."""
        return self.retry_policy.connect, self.retry_policy.request


def _is_resting(*keys: str) -> bool:
    """Whether one of these files and hosts failed all its attempts less than REST_SECONDS ago."""
    return time.monotonic() - max(_resting.get(key, -inf) for key in keys) < REST_SECONDS


def _plain(error: BaseException) -> str:
    """GDAL's reason and its causes, without the address."""
    reasons = []
    cause: BaseException | None = error.__cause__ or error
    while cause is not None:
        text = re.sub(r"'?/vsipythonfilelike/[\w/-]+'?[:,]?", "the file", redact(one_line(cause)))
        reasons.append(text.removesuffix(" See previous exception for details."))
        cause = cause.__cause__
    return " ".join(reasons)
