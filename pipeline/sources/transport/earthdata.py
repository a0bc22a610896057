"""Access to NASA's archives: a token from the environment, or one made for the login in ~/.netrc. See `signing`."""

import netrc
import os
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import requests

from mmvsf.datasets.errors import IncompleteError, InputError
from mmvsf.pipeline.layers.source import Requirement

from .endpoints import is_confidential
from .http import BUSY, RetryPolicy, fetch_json, keep_secret, reason_of

KEPT = timedelta(hours=12)
"""How long a process keeps a token that was made for it; tokens are valid for 60 days."""

HOSTS = (".earthdatacloud.nasa.gov", ".earthdata.nasa.gov")
"""Hosts that a token is sent to, over https."""

_tokens: dict[str, tuple[str, datetime]] = {}
"""login service -> (token, when to request another), of this process"""
_lock = threading.Lock()


@dataclass(frozen=True)
class Earthdata:
    """NASA's archives: a bearer token from EARTHDATA_TOKEN, or one that is made for the login in ~/.netrc.

    Source: `POST {login}/api/users/find_or_create_token` with the name and password of the user
    (urs.earthdata.nasa.gov/documentation/for_users/user_token).
    """

    login: str
    retry_policy: RetryPolicy

    def requirements(self) -> tuple[Requirement, ...]:
        if os.environ.get("EARTHDATA_TOKEN"):
            return (Requirement("Earthdata token", True, "from EARTHDATA_TOKEN"),)
        in_netrc = self._login_entry() is not None
        return (Requirement("Earthdata token", in_netrc, "from ~/.netrc" if in_netrc else self._how()),)

    def prepare(self) -> None:
        self._token()

    def url(self, href: str) -> str:
        return href

    def token(self, href: str) -> str | None:
        return self._token() if self._ours(href) else None

    def renew(self, href: str) -> None:
        _tokens.pop(self.login, None)

    @property
    def remedy(self) -> str:
        return (
            f"renew EARTHDATA_TOKEN, or the entry of {urlsplit(self.login).hostname} in ~/.netrc, and accept the"
            " licence of LP DAAC in your profile at https://urs.earthdata.nasa.gov"
        )

    def _ours(self, href: str) -> bool:
        parts = urlsplit(href)
        ours = (parts.hostname or "").endswith(HOSTS) or parts.netloc == urlsplit(self.login).netloc
        return ours and is_confidential(href)

    def _token(self) -> str:
        if given := os.environ.get("EARTHDATA_TOKEN", "").strip():
            return keep_secret(given)
        with _lock:
            kept = _tokens.get(self.login)
            if kept is None or kept[1] < datetime.now(UTC):
                kept = _tokens[self.login] = self._make(), datetime.now(UTC) + KEPT
        return kept[0]

    def _how(self) -> str:
        return (
            "make a free account at https://urs.earthdata.nasa.gov and set EARTHDATA_TOKEN, or give ~/.netrc an"
            f" entry for {self._host}"
        )

    @property
    def _host(self) -> str:
        return urlsplit(self.login).hostname or ""

    def _login_entry(self) -> tuple[str, str] | None:
        """(name, password) of the login's host in ~/.netrc, or the file that NETRC names."""
        try:
            entry = netrc.netrc(os.environ.get("NETRC")).authenticators(self._host)
        except (OSError, netrc.NetrcParseError):
            return None
        return (entry[0], entry[2]) if entry is not None else None

    def _make(self) -> str:
        host, entry = self._host, self._login_entry()
        if entry is None:
            raise InputError(f"LP DAAC's files need an Earthdata token: {self._how()}")
        keep_secret(entry[1])
        try:
            status, content = fetch_json(
                "POST", f"{self.login}/api/users/find_or_create_token", entry, self.retry_policy
            )
            if status in BUSY:
                raise IncompleteError(
                    f"{host} returned no token (HTTP {status}); run again later, or set EARTHDATA_TOKEN"
                )
            if status != 200:
                raise InputError(
                    f"{host} refuses the name and password in ~/.netrc (HTTP {status}); correct the entry"
                    " or set EARTHDATA_TOKEN"
                )
            return keep_secret(str(content["access_token"]))
        except requests.RequestException as error:
            raise IncompleteError(f"{host} returned no token: {reason_of(error)}") from None
        except (ValueError, KeyError) as error:
            raise IncompleteError(f"{host} returned no token: its response lacks {error}") from None
