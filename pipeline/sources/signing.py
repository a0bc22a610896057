"""How a file is read that not everybody may read: SAS tokens, Earthdata tokens, or nothing at all.

Tokens are fetched where and when a file is read, kept in memory only, and renewed when refused; scenes, tasks and
cubes hold plain addresses. A token goes to the hosts it was made for and to no other.
"""

import netrc
import os
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol
from urllib.parse import urlsplit

import requests

from mmvsf.datasets.errors import IncompleteError, InputError

from .http import Bearer, Patience, json_of, keep_secret, reason_of, session

NEAR_EXPIRY = timedelta(minutes=2)
"""A token with less time left is renewed: a read may take a minute."""

BLOB_HOSTS = ".blob.core.windows.net"
EARTHDATA_HOSTS = (".earthdatacloud.nasa.gov", ".earthdata.nasa.gov")

_tokens: dict[tuple[str, ...], tuple[str, datetime]] = {}
"""(who asked, where, what for) -> (token, when it expires), of this process"""
_lock = threading.Lock()


class Access(Protocol):
    """The right to read files. Instances are sent to workers and hold no credential."""

    def url(self, href: str) -> str:
        """The address to read, signed if need be. Raises IncompleteError if no signature is to be had."""
        ...

    def token(self, href: str) -> str | None:
        """The bearer token to send to the file's host, if any. Raises InputError if there should be one."""
        ...

    def renew(self, href: str) -> None:
        """Forget what was refused for this file."""
        ...

    @property
    def remedy(self) -> str:
        """What a person can do where access is refused."""
        ...


@dataclass(frozen=True)
class Anyone:
    """Files that anybody may read."""

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
    """Azure blobs, signed with a token for their container, as the Planetary Computer hands out to anybody.

    Source: `GET {endpoint}/{account}/{container}` answers `{"token": ..., "msft:expiry": ...}`
    (planetarycomputer.microsoft.com/docs/concepts/sas).
    """

    endpoint: str
    patience: Patience

    def url(self, href: str) -> str:
        container = self._container(href)
        if container is None:
            return href
        kept = _tokens.get(self._key(container))
        token = kept[0] if kept and kept[1] - datetime.now(UTC) > NEAR_EXPIRY else self._fetch(container)
        return f"{href}{'&' if '?' in href else '?'}{token}"

    def token(self, href: str) -> str | None:
        return None

    def renew(self, href: str) -> None:
        container = self._container(href)
        if container is not None:
            _tokens.pop(self._key(container), None)

    @property
    def remedy(self) -> str:
        return "a fresh signature was refused too; the collection may have moved, try again later"

    def _key(self, container: tuple[str, str]) -> tuple[str, ...]:
        return "sas", self.endpoint, *container

    def _container(self, href: str) -> tuple[str, str] | None:
        """(account, container) of a blob; None for a file elsewhere, which needs no signature.

        Where the endpoint's own host serves the files, the account is the path's first part.
        """
        parts = urlsplit(href)
        path = parts.path.strip("/").split("/")
        host = parts.hostname or ""
        if host.endswith(BLOB_HOSTS) and path[0]:
            return host.removesuffix(BLOB_HOSTS), path[0]
        if parts.netloc == urlsplit(self.endpoint).netloc and len(path) > 2:
            return path[0], path[1]
        return None

    def _fetch(self, container: tuple[str, str]) -> str:
        account, name = container
        where = f"{self.endpoint.rstrip('/')}/{account}/{name}"
        try:
            with session(self.patience) as ask:
                answer = ask.get(where, timeout=(self.patience.connect, self.patience.request), auth=Bearer(None))
            if answer.status_code != 200:
                raise IncompleteError(f"{where} gives no signature (HTTP {answer.status_code}); try again later")
            content = json_of(answer)
            token, expiry = str(content["token"]), datetime.fromisoformat(str(content["msft:expiry"]))
        except requests.RequestException as error:
            raise IncompleteError(f"{where} gives no signature: {reason_of(error)}") from None
        except (ValueError, KeyError) as error:
            raise IncompleteError(f"{where} gives no signature: its answer lacks {error}") from None
        for part in token.split("&"):
            if part.startswith("sig="):
                keep_secret(part.removeprefix("sig="))
        _tokens[self._key(container)] = keep_secret(token), expiry if expiry.tzinfo else expiry.replace(tzinfo=UTC)
        return token


@dataclass(frozen=True)
class Earthdata:
    """NASA's archives: a bearer token from EARTHDATA_TOKEN, or one that is made for the login in ~/.netrc.

    Source: `POST {login}/api/users/find_or_create_token` with the name and password of the user
    (urs.earthdata.nasa.gov/documentation/for_users/user_token).
    """

    login: str
    patience: Patience

    def url(self, href: str) -> str:
        return href

    def token(self, href: str) -> str | None:
        if not self._ours(href):
            return None
        if given := os.environ.get("EARTHDATA_TOKEN", "").strip():
            return keep_secret(given)
        with _lock:
            kept = _tokens.get(("earthdata", self.login))
            if kept is None or kept[1] - datetime.now(UTC) < NEAR_EXPIRY:
                kept = _tokens["earthdata", self.login] = self._make(), datetime.now(UTC) + timedelta(hours=12)
        return kept[0]

    def renew(self, href: str) -> None:
        _tokens.pop(("earthdata", self.login), None)

    @property
    def remedy(self) -> str:
        return (
            f"renew EARTHDATA_TOKEN, or the entry of {urlsplit(self.login).hostname} in ~/.netrc, and accept the"
            " licence of LP DAAC in your profile at https://urs.earthdata.nasa.gov"
        )

    def _ours(self, href: str) -> bool:
        parts = urlsplit(href)
        return (parts.hostname or "").endswith(EARTHDATA_HOSTS) or parts.netloc == urlsplit(self.login).netloc

    def _make(self) -> str:
        host = urlsplit(self.login).hostname or ""
        try:
            entry = netrc.netrc(os.environ.get("NETRC")).authenticators(host)
        except (OSError, netrc.NetrcParseError):
            entry = None
        if entry is None:
            raise InputError(
                f"reading needs an Earthdata account (free, https://urs.earthdata.nasa.gov): set EARTHDATA_TOKEN,"
                f" or give ~/.netrc an entry for {host}"
            )
        user, _, password = entry
        keep_secret(password)
        try:
            with session(self.patience) as ask:
                answer = ask.post(
                    f"{self.login.rstrip('/')}/api/users/find_or_create_token",
                    auth=(user, password),
                    timeout=(self.patience.connect, self.patience.request),
                )
            if answer.status_code != 200:
                raise InputError(
                    f"{host} refuses the name and password in ~/.netrc (HTTP {answer.status_code}); mend the entry"
                    " or set EARTHDATA_TOKEN"
                )
            return keep_secret(str(json_of(answer)["access_token"]))
        except requests.RequestException as error:
            raise IncompleteError(f"{host} gives no token: {reason_of(error)}") from None
        except (ValueError, KeyError) as error:
            raise IncompleteError(f"{host} gives no token: its answer lacks {error}") from None
