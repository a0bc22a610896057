"""Access to files that need a signed address or (see `earthdata`) a token.

Tokens are fetched where and when a file is read, kept in memory only, and renewed when refused; scenes, tasks and
cubes hold plain addresses. A token goes to the hosts it was made for and to no other.
"""

import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Protocol
from urllib.parse import urlsplit

import requests

from mmvsf.datasets.errors import IncompleteError
from mmvsf.pipeline.layers.source import Requirement

from .http import REST_SECONDS, Bearer, RetryPolicy, fetch_json, keep_secret, reason_of

NEAR_EXPIRY = timedelta(minutes=2)
"""A token with less time left is renewed: a read may take a minute."""

BLOB_HOSTS = ".blob.core.windows.net"

_tokens: dict[tuple[str, str, str], tuple[str, datetime]] = {}
"""(endpoint, account, container) -> (token, when it expires), of this process"""
_refusals: dict[tuple[str, str, str], tuple[str, float]] = {}
"""the same -> (why there was no token, when that was)"""
_lock = threading.Lock()


class Access(Protocol):
    """The right to read files. Instances are sent to workers and hold no credential."""

    def requirements(self) -> tuple[Requirement, ...]:
        """What the user must have. Makes no request."""
        ...

    def prepare(self) -> None:
        """Get what can be got before the first file. Raises InputError for missing or refused credentials."""
        ...

    def url(self, href: str) -> str:
        """The address to read, signed if need be. Raises IncompleteError if there is no signature."""
        ...

    def token(self, href: str) -> str | None:
        """The bearer token to send to the file's host, if any. Raises InputError if there should be one."""
        ...

    def renew(self, href: str) -> None:
        """Forget what was refused for this file."""
        ...

    @property
    def remedy(self) -> str:
        """What the user can do where access is refused."""
        ...


@dataclass(frozen=True)
class NoAuth:
    """Files that anyone may read."""

    def requirements(self) -> tuple[Requirement, ...]:
        return ()

    def prepare(self) -> None:
        """There is nothing to prepare."""

    def url(self, href: str) -> str:
        return href

    def token(self, href: str) -> str | None:
        return None

    def renew(self, href: str) -> None:
        """There is nothing to renew."""

    @property
    def remedy(self) -> str:
        return "the archive should be open to anyone; try again later"


@dataclass(frozen=True)
class SasSigned:
    """Azure blobs, signed with a token for their container, as the Planetary Computer gives to anyone.

    Source: `GET {endpoint}/{account}/{container}` answers `{"token": ..., "msft:expiry": ...}`
    (planetarycomputer.microsoft.com/docs/concepts/sas).
    """

    endpoint: str
    retry_policy: RetryPolicy

    def requirements(self) -> tuple[Requirement, ...]:
        return ()

    def prepare(self) -> None:
        """There is nothing to prepare."""

    def url(self, href: str) -> str:
        container = self._container(href)
        if container is None:
            return href
        with _lock:
            kept = _tokens.get((self.endpoint, *container))
            token = kept[0] if kept and kept[1] - datetime.now(UTC) > NEAR_EXPIRY else self._new(container)
        return f"{href}{'&' if '?' in href else '?'}{token}"

    def token(self, href: str) -> str | None:
        return None

    def renew(self, href: str) -> None:
        container = self._container(href)
        if container is not None:
            _tokens.pop((self.endpoint, *container), None)

    @property
    def remedy(self) -> str:
        return "a fresh signature was refused too; the collection may have moved, try again later"

    def _container(self, href: str) -> tuple[str, str] | None:
        """(account, container) of a blob; None for a file elsewhere, which needs no signature.

        Where the endpoint's host serves the files, the account is the path's first part.
        """
        parts = urlsplit(href)
        path = parts.path.strip("/").split("/")
        host = parts.hostname or ""
        if host.endswith(BLOB_HOSTS) and path[0]:
            return host.removesuffix(BLOB_HOSTS), path[0]
        if parts.netloc == urlsplit(self.endpoint).netloc and len(path) > 2:
            return path[0], path[1]
        return None

    def _new(self, container: tuple[str, str]) -> str:
        """A fresh token. After a failure of all attempts there is no further request for REST_SECONDS."""
        key = (self.endpoint, *container)
        reason, when = _refusals.get(key, ("", -inf))
        if time.monotonic() - when < REST_SECONDS:
            raise IncompleteError(reason)
        try:
            return self._fetch(container)
        except IncompleteError as error:
            _refusals[key] = str(error), time.monotonic()
            raise

    def _fetch(self, container: tuple[str, str]) -> str:
        account, name = container
        where = f"{self.endpoint.rstrip('/')}/{account}/{name}"
        try:
            status, content = fetch_json("GET", where, Bearer(None), self.retry_policy)
            if status != 200:
                raise IncompleteError(f"{where} returned no signature (HTTP {status}); try again later")
            token, expiry = str(content["token"]), datetime.fromisoformat(str(content["msft:expiry"]))
        except requests.RequestException as error:
            raise IncompleteError(f"{where} returned no signature: {reason_of(error)}") from None
        except (ValueError, KeyError) as error:
            raise IncompleteError(f"{where} returned no signature: its response lacks {error}") from None
        for part in token.split("&"):
            if part.startswith("sig="):
                keep_secret(part.removeprefix("sig="))
        _tokens[(self.endpoint, *container)] = (
            keep_secret(token),
            expiry if expiry.tzinfo else expiry.replace(tzinfo=UTC),
        )
        return token
