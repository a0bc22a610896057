"""Requests that never end nearer than the service that caused them, whatever a redirect or a name server says.

The address is checked after the connection is made and before anything is sent, so a name that resolves to a public
address at one time and to a private one at another gains nothing.
"""

from functools import cache
from typing import Any
from urllib.parse import urlsplit

import requests
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool

from .reach import LINK_LOCAL, PrivateAddressError, reach_of_name, refuse_nearer
from .slow import PacedAdapter, PacedConnection, PacedSecureConnection


def guard(client: requests.Session, reach: int) -> None:
    """Refuse from now on what leads a session nearer than `reach` (see `reach`): requests.InvalidURL is raised."""
    for prefix, adapter in list(client.adapters.items()):
        client.mount(prefix, GuardedAdapter(reach, adapter.max_retries))  # type: ignore[attr-defined]


class GuardedAdapter(PacedAdapter):
    """An adapter for hosts of one reach. Behind a proxy, which looks up names itself, hosts are judged by name."""

    def __init__(self, reach: int, max_retries: Any, connections: int = 10) -> None:
        self._reach = reach
        super().__init__(max_retries=max_retries, pool_maxsize=connections)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """See `HTTPAdapter`."""
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = _pools(self._reach)

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        """See `HTTPAdapter`. Raises requests.InvalidURL for a host that is too near."""
        host = urlsplit(request.url or "").hostname or ""
        near = reach_of_name(host)
        if near > self._reach or near == LINK_LOCAL:
            raise requests.exceptions.InvalidURL(f"{host} has a private address, but a public source named it")
        try:
            return super().send(request, *args, **options)
        except PrivateAddressError as error:
            raise requests.exceptions.InvalidURL(str(error)) from None


@cache  # four sets of classes
def _pools(reach: int) -> dict[str, Any]:
    """scheme -> pool whose connections check whom they reach. There are four of `reach`."""

    class Http(PacedConnection):
        def _new_conn(self) -> Any:
            return _checked(super()._new_conn(), self.host, reach)

    class Https(PacedSecureConnection):
        def _new_conn(self) -> Any:
            return _checked(super()._new_conn(), self.host, reach)

    class HttpPool(HTTPConnectionPool):
        ConnectionCls = Http

    class HttpsPool(HTTPSConnectionPool):
        ConnectionCls = Https

    return {"http": HttpPool, "https": HttpsPool}


def _checked(connection: Any, host: str, reach: int) -> Any:
    try:
        refuse_nearer(host, connection.getpeername()[0], reach)
    except PrivateAddressError:
        connection.close()
        raise
    return connection
