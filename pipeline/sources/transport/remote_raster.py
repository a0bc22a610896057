"""Windows of files on web servers, by range requests through GDAL, with retries.

GDAL reports too little of a failed request (no Retry-After, often not even the status) and remembers a failure for
the life of the process. So each attempt opens the file again, and after a failure one plain request finds out what is
wrong: then the signature is renewed, the wait that the server asks for is kept, or the read fails. Nothing that failed
is ever taken for no data.
"""

import itertools
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from math import inf
from typing import Any, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies_environment

import numpy as np
import rasterio
import requests
from numpy.typing import NDArray

from mmvsf.datasets.errors import MmvsfError, one_line
from mmvsf.pipeline.raster.io import (
    GDAL_OPTIONS,
    OutOfReachError,
    ReadError,
    raster_grid,
    read_masked,
    read_measured,
    read_raster,
)
from mmvsf.pipeline.raster.scene import Asset, RasterGrid

from .download import seconds_asked
from .http import (
    BUSY,
    REST_SECONDS,
    USER_AGENT,
    Bearer,
    RetryPolicy,
    guard_logs,
    keep_secret,
    reason_of,
    redact,
    session,
)
from .reach import LOOPBACK
from .signing import Access
from .slow import SLOWEST
from .socks import proxy

Result = TypeVar("Result")

HEADER_BYTES = 32768
"""Fetched on opening: the header and tile index of an HLS file are below this, so that one request does."""

READS_AT_ONCE = 8
"""Files that one process reads at the same time, whatever the number of its threads."""

MAX_RENEWALS = 2

MOST_ASKED = 100_000

_asked: set[str] = set()
"""files that were asked for once, see `_refuse_redirects`"""
_slots = threading.BoundedSemaphore(READS_AT_ONCE)
_resting: dict[str, float] = {}
"""file or host -> when it failed all attempts; for REST_SECONDS a read then makes one attempt"""
_serial = itertools.count()


@dataclass(frozen=True)
class Answer:
    """A server's answer about a file."""

    status: int | None
    """None if there was no answer"""
    reason: str
    retry_after: float = 0.0
    """seconds that it asks to wait"""
    state: str = ""
    """what tells this file from one in its place: its ETag, or size and time; empty if the server does not say"""


@dataclass(frozen=True)
class RemoteReader:
    """Reads files with one kind of access and one retry policy."""

    access: Access
    retry_policy: RetryPolicy
    reach: int = LOOPBACK
    """how near the files may be, also after a redirect"""

    def window(self, asset: Asset, window: tuple[slice, slice]) -> NDArray[Any]:
        """Native numbers of a (rows, columns) window of band 1. Raises ReadError after all attempts."""
        return self._patiently(asset.href, lambda path: read_raster(replace(asset, href=path), window))

    def masked(self, asset: Asset, window: tuple[slice, slice]) -> NDArray[Any]:
        """The same, masked where the file itself says that there is no data. Raises ReadError."""
        return self._patiently(asset.href, lambda path: read_masked(replace(asset, href=path), window))

    def measured(self, asset: Asset, window: tuple[slice, slice]) -> NDArray[np.float64]:
        """The same as float64, NaN where the file declares no data. Raises ReadError."""
        return self._patiently(asset.href, lambda path: read_measured(replace(asset, href=path), window))

    def grid(self, href: str) -> RasterGrid:
        """The grid of a file, from its header. Raises ReadError."""
        return self._patiently(href, raster_grid)

    def _patiently(self, href: str, read: Callable[[str], Result]) -> Result:
        # Whole: the answers of a server, each beside what follows from it.
        guard_logs()
        host, retry_policy = urlsplit(href).netloc, self.retry_policy
        until = time.monotonic() + retry_policy.deadline
        attempts = 1 if _is_resting(host, href) else retry_policy.attempts
        if _is_resting(host):  # reads that fail at once would use up all tasks while a server is down
            time.sleep(retry_policy.wait(3))
        renewals = 0
        self._refuse_redirects(href)
        for failures in itertools.count(1):
            began = time.monotonic()
            try:
                with _slots, rasterio.Env(**self._options(href)):
                    result = read(self._path(href))
                _resting.pop(host, None)
                _resting.pop(href, None)
                return result
            except ReadError as error:
                reason = _plain(error)
            except MmvsfError as error:
                raise ReadError(redact(f"{href}: {one_line(error)}")) from None
            slow = time.monotonic() - began >= self._stall
            answer = self.ask(href)
            out_of_reach = slow or answer.status is None or answer.status in BUSY
            wait = max(answer.retry_after, retry_policy.wait(failures))
            if answer.status is None or answer.status in BUSY:
                reason = answer.reason
            elif answer.status in (400, 401, 403):
                # NASA's gateway now and then answers 400 or 403 to what it accepts the next time.
                renewals += 1
                self.access.renew(href)
                if renewals > MAX_RENEWALS:
                    raise ReadError(redact(f"{href}: {answer.reason}; {self.access.remedy}"))
                wait = retry_policy.wait(1) if renewals > 1 else 0.0
            elif answer.status >= 400:
                raise ReadError(redact(f"{href}: {answer.reason}"))
            elif slow:
                reason = f"it sends less than {SLOWEST} bytes a second"
            else:
                # The server works, so the file or its transfer was damaged: no need to wait longer.
                wait = retry_policy.wait(1)
            if failures >= attempts or time.monotonic() + wait > until:
                _resting[href] = time.monotonic()
                if out_of_reach:
                    _resting[host] = time.monotonic()
                kind = OutOfReachError if out_of_reach else ReadError
                raise kind(redact(f"{href}: {reason} (after {failures} attempts)"))
            time.sleep(wait)
        raise AssertionError("unreachable")

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
        timeout = (self.retry_policy.connect, self.retry_policy.request)
        try:
            with (
                session(self.retry_policy, self.reach, retry=False) as client,
                client.get(
                    url, headers={"Range": "bytes=0-0"}, auth=Bearer(token), timeout=timeout, stream=True
                ) as answer,
            ):
                if answer.status_code < 300 and "html" in answer.headers.get("Content-Type", ""):
                    return Answer(401, "the server shows a page to log in")
                if answer.status_code < 300 and not next(answer.iter_content(1), b""):
                    return Answer(answer.status_code, "the file is empty")
                return Answer(
                    answer.status_code,
                    f"HTTP {answer.status_code} {answer.reason}",
                    seconds_asked(answer.headers.get("Retry-After")),
                    _state(answer.headers) if answer.status_code < 300 else "",
                )
        except requests.exceptions.InvalidURL as error:
            raise ReadError(redact(f"{href}: {one_line(error)}")) from None
        except requests.RequestException as error:
            return Answer(None, reason_of(error))

    @property
    def _stall(self) -> int:
        """Seconds of fewer than SLOWEST bytes after which a read has failed."""
        return max(1, round(self.retry_policy.request / 3))

    def _refuse_redirects(self, href: str) -> None:
        """Raise ReadError for a file that leads to a private address, where the environment's proxies keep GDAL's
        requests from this process's own; once for each file."""
        if self.reach < LOOPBACK and getproxies_environment() and href not in _asked:
            self.ask(href)
            if len(_asked) >= MOST_ASKED:
                _asked.clear()
            _asked.add(href)

    def _path(self, href: str) -> str:
        """The name that GDAL opens. What follows # is never sent; it keeps GDAL from recalling an old failure."""
        return f"/vsicurl/{self.access.url(href)}#{next(_serial)}"

    def _options(self, href: str) -> dict[str, Any]:
        token = self.access.token(href)
        options: dict[str, Any] = GDAL_OPTIONS | {
            "GDAL_HTTP_TIMEOUT": self.retry_policy.request,
            "GDAL_HTTP_CONNECTTIMEOUT": self.retry_policy.connect,
            "GDAL_HTTP_LOW_SPEED_LIMIT": SLOWEST,
            "GDAL_HTTP_LOW_SPEED_TIME": self._stall,
            "GDAL_HTTP_MAX_RETRY": 0,
            "GDAL_HTTP_NETRC": "NO",
            "GDAL_HTTP_USERAGENT": USER_AGENT,
            "GDAL_INGESTED_BYTES_AT_OPEN": HEADER_BYTES,
        }
        if not {"http", "https", "all"} & set(getproxies_environment()):
            options["GDAL_HTTP_PROXY"] = proxy(self.reach)
        if token is not None:
            options |= {"GDAL_HTTP_AUTH": "BEARER", "GDAL_HTTP_BEARER": keep_secret(token)}
        return options


def _state(headers: Mapping[str, str]) -> str:
    size = headers.get("Content-Range", "").rpartition("/")[2] or headers.get("Content-Length", "")
    parts = [headers.get("ETag", ""), size, headers.get("Last-Modified", "")]
    return sha256(repr(parts).encode()).hexdigest()[:16] if parts[0] or parts[2] or size else ""


def _is_resting(*keys: str) -> bool:
    """Whether one of these files and hosts failed all its attempts less than REST_SECONDS ago."""
    return time.monotonic() - max(_resting.get(key, -inf) for key in keys) < REST_SECONDS


def _plain(error: BaseException) -> str:
    """GDAL's reason and its causes, without the address."""
    reasons = []
    cause: BaseException | None = error.__cause__ or error
    while cause is not None:
        text = redact(one_line(cause)).replace("/vsicurl/", "")
        reasons.append(re.sub(r"#\d+\b", "", text).removesuffix(" See previous exception for details."))
        cause = cause.__cause__
    return " ".join(reasons)
